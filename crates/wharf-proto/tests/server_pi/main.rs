//! The server's interpreter against whatever a client may send.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod arbitrary;
mod bench;
mod sequences;
