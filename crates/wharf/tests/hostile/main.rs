//! Servers that mean no good, or that nobody meant well with, against the real program: the exit code, the words, what is left
//! in the target and that nothing is outside it, and bounded memory.
//!
//! A script is a row of a table in one of the modules; `wharf_testkit::hostile` says what its lines mean.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails loudly, and says how much it took"
)]

mod greeting;
mod listing;
mod login;
mod negotiation;
mod script;
mod tls;
mod transfer;
mod tree;
mod upload;
