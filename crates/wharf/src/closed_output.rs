//! Whether standard output was closed when the program started (`>&-`).
//!
//! The standard library puts `/dev/null` in the place of a closed standard stream before `main`, and everything that is
//! written there would count as written. So this looks before it does.
#![allow(unsafe_code, reason = "only a constructor of the program runs before the standard library's start")]

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

// SAFETY: the section holds pointers to functions that the C library calls at the start of the program; this one only
// makes a system call and stores a flag, and needs nothing of the standard library's start.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

#[cfg(target_os = "linux")]
extern "C" fn look() {
    let is_closed = rustix::io::fcntl_getfd(rustix::stdio::stdout()) == Err(rustix::io::Errno::BADF);
    WAS_CLOSED.store(is_closed, Ordering::Relaxed);
}

/// Nothing, if standard output can be written to as far as one knows.
///
/// # Errors
/// `EBADF` when it was closed at the start.
pub(crate) fn check() -> io::Result<()> {
    if WAS_CLOSED.load(Ordering::Relaxed) { Err(rustix::io::Errno::BADF.into()) } else { Ok(()) }
}
