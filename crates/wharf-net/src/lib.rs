//! Runs a protocol interpreter and its data connections on tokio.
//!
//! * [`control`]: the control connection's socket
//! * [`passive_ports`]: ports to listen on, from a range or the kernel's
//! * [`proxy_protocol`]: what a balancer says about whom it connects for
//! * [`dtp`]: the data connection: opened in either direction, its peer verified, pumped, cut
//! * [`tls`]: certificates, and what is encrypted
//! * [`blocking`]: a client's connections on threads that block, for load generators
//! * [`clock`]: wall time for the core, which has none
//! * [`driver`]: what runs the sessions' futures

pub mod blocking;
pub mod clock;
pub mod control;
pub mod driver;
pub mod dtp;
mod lending;
pub mod passive_ports;
pub mod proxy_protocol;
mod registration;
pub mod tls;
mod watched;

pub use clock::Clock;
