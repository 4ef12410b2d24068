//! The FTP server: sessions, commands, policy. The protocol itself is `wharf-proto`'s.

mod advertised;
pub mod auth;
mod charset;
mod checksum;
mod commands;
pub mod config;
mod data;
mod followed_name;
mod listing;
mod machine;
mod replies;
mod server;
mod session;
mod tls;
mod transfer;
pub mod transfer_log;
mod uploads;
mod warnings;

pub use charset::Charset;
pub use commands::UNSUPPORTED_VERBS;
pub use config::ServerConfig;
pub use server::{BindError, Server, ShutdownHandle, ShutdownStage, StartError};
pub use tls::{CertificateReload, TlsSetupError};
