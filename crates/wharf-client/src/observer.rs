//! What goes on in a session, for whoever shows it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use wharf_net::dtp::Progress;
use wharf_net::tls::Secured;
use wharf_proto::dialogue::Deviation;
use wharf_proto::{Command, Reply};

use crate::attempt::Attempt;
use crate::error::WayOn;

/// Is told what goes on. Each method does nothing unless it is written.
pub trait Observer: Send {
    /// The control connection is being opened.
    fn connecting(&mut self, _endpoint: SocketAddr) {}
    /// The control connection is up.
    fn connected(&mut self, _endpoint: SocketAddr) {}
    /// It is known whether the control connection is under TLS.
    fn control_secured(&mut self, _secured: Option<&Secured>) {}
    /// A command goes out. Its `Display` hides passwords.
    fn command(&mut self, _command: &Command) {}
    /// A reply came in.
    fn reply(&mut self, _reply: &Reply) {}
    /// The server did what no RFC says.
    fn deviation(&mut self, _deviation: &Deviation) {}
    /// A data connection was made, or could not be made.
    fn data_connection(&mut self, _attempt: &Attempt) {}
    /// The data of a transfer under TLS ended without close_notify behind so many bytes, which was let pass.
    fn ended_plainly(&mut self, _bytes: u64) {}
    /// Data begins to flow.
    fn transfer_started(&mut self, _transfer: &TransferStarted) {}
    /// Data flows no more, whatever the end will be.
    fn transfer_ended(&mut self) {}
    /// Something that a person wants to know.
    fn note(&mut self, _note: &str) {}
    /// Something that a person has to know: what is protected less than it could be.
    fn warning(&mut self, _warning: &str) {}
}

/// A transfer that begins.
#[derive(Clone, Debug)]
pub struct TransferStarted {
    /// Bytes that are there already: where a resumed transfer begins.
    pub offset: u64,
    /// Length of the whole file in bytes, as far as it is known.
    pub total: Option<u64>,
    /// The file's name, in any bytes.
    pub name: Vec<u8>,
    /// Whether the bytes go to standard output.
    pub to_standard_output: bool,
    /// Where what has arrived of a download stays when it is interrupted.
    pub kept: Option<PathBuf>,
    /// What can be done when it is interrupted.
    pub way_on: WayOn,
    /// Counts the bytes of this transfer, without `offset`.
    pub progress: Arc<Progress>,
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
