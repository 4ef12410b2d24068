//! Test parts: scripted peers, real peers, network namespaces and real clients. Only ever a dev-dependency.
//!
//! | to test … | take |
//! |---|---|
//! | a client against a server with one thing wrong, by the hundred | [`hostile::HostileServer`] |
//! | what goes over the wire, byte for byte | [`scripted::ScriptedServer`], [`scripted::ScriptedClient`] |
//! | FTPS, and certificates | [`tls::FtpsClient`], [`tls::TestCertificate`] |
//! | our client against real servers | [`peers::Peer`] |
//! | our server with real clients | [`clients`], [`process::run`] |
//! | ports 20 and 21, 127.0.0.2, IPv6 for sure | [`namespace::NetworkNamespace`] |
//! | a real server behind a gateway with ideas of its own | [`meddling::MeddlingBox`] |
//! | proxies | [`proxy::TestProxy`] |
//! | a disk that is slow, or hangs | [`slow_disk::SlowDisk`] |
//! | a server that is far away | [`relay::DelayedLink`] |
//! | a program that stays, ours too | [`process::Background`] |
//!
//! Everything here fails loudly, by a panic that says what was going on. A test that cannot run on this machine
//! says so with [`skip!`] and is counted as skipped, not as passed, by `cargo xtask test`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "parts of tests: failing loudly is their job, and standard error is where a failed test is read"
)]

pub mod clients;
pub mod directory;
pub mod faulty;
pub mod hostile;
pub mod http;
mod janitor;
pub mod lab;
pub mod meddling;
pub mod namespace;
pub mod pair;
pub mod peers;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod relay;
pub mod scripted;
pub mod served;
pub mod skipping;
pub mod slow_disk;
pub mod tls;
pub mod tls_server;

pub use directory::TestDirectory;
pub use ports::{free_port, has_ipv6};
pub use skipping::{is_root, skip, soak_rounds};
