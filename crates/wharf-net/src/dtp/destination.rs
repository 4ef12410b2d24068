//! Where an upload goes, when that is a file: what is done to it besides writing, on the same thread.

use std::fs::File;
use std::io;

/// A file that takes what comes over a data connection. Every call may wait for a disk.
///
/// It is asked in this order: `prepare`, `admit` before each piece that is written to `file`, and `complete` behind the last
/// one. Dropped before that, the transfer was cut.
pub trait Destination: Send + 'static {
    /// Makes the file ready, since the data connection is up; `is_cut` tells, in between, whether the transfer is over. Called
    /// more than once.
    ///
    /// # Errors
    /// When the file cannot be made ready.
    fn prepare(&mut self, is_cut: &dyn Fn() -> bool) -> io::Result<()>;

    /// Whether making it ready may take long: then it is not done on a lent thread, which has its session to look after.
    fn takes_long(&self) -> bool {
        false
    }

    /// Whether so many bytes more may be written.
    ///
    /// # Errors
    /// When they may not.
    fn admit(&mut self, bytes: u64) -> io::Result<()>;

    /// The file, positioned where the data belong.
    fn file(&mut self) -> &mut File;

    /// The peer has ended the data in order; so many bytes came over the wire. Where it waits before it hands the file over, it
    /// asks `is_cut` once more.
    ///
    /// # Errors
    /// When the file is not what was wanted, or cannot be handed over.
    fn complete(&mut self, received: u64, is_cut: &dyn Fn() -> bool) -> io::Result<()>;

    /// Writing failed.
    fn failed(&mut self, error: &io::Error);
}

/// A file that is ready, and done when everything is written.
impl Destination for File {
    fn prepare(&mut self, _: &dyn Fn() -> bool) -> io::Result<()> {
        Ok(())
    }

    fn admit(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn file(&mut self) -> &mut File {
        self
    }

    fn complete(&mut self, _: u64, _: &dyn Fn() -> bool) -> io::Result<()> {
        Ok(())
    }

    fn failed(&mut self, _: &io::Error) {}
}
