//! A load generator for any FTP server.
//!
//! It is to cost so little that the server is what is measured: one thread for each session, which blocks; one system call
//! for each step; downloads that are thrown away in the kernel, uploads that never leave it. The protocol is
//! `wharf-proto`'s [`UserPi`](wharf_proto::UserPi), as in the client.
//!
//! | module | job |
//! |---|---|
//! | [`target`] | which server, and how it is spoken to |
//! | [`plan`] | what is done, by how many, for how long |
//! | [`prepare`] | what is made on the server for it, and removed behind it |
//! | [`run`] | the sessions, and the window in which they are measured |
//! | [`idle`] | sessions that are only held |
//! | [`measured`] | what came of it |
//! | [`histogram`], [`failure`], [`machine`] | times, errors, and what this machine has to do with them |
//!
//! Data connections go to the server's own address, whatever its replies say: nobody else is ever loaded.

mod content;
pub mod failure;
pub mod histogram;
pub mod idle;
pub mod machine;
pub mod measured;
pub mod plan;
pub mod prepare;
pub mod run;
mod session;
pub mod stop;
pub mod target;
mod turn;

pub use failure::{Failure, FailureKind};
pub use measured::Measured;
pub use plan::{Plan, Work};
pub use stop::Stop;
pub use target::Target;
