//! The FTP server: sessions, commands, policy. The protocol itself is `wharf-proto`'s.

mod accept;
mod admin;
mod advertised;
pub mod auth;
mod bans;
mod charset;
mod checksum;
mod commands;
pub mod config;
mod data;
mod followed_name;
mod generation;
mod lent;
mod listing;
mod machine;
mod metrics;
mod occupancy;
pub mod policy;
mod quota;
mod replies;
mod roots;
mod server;
mod session;
mod tls;
mod transfer;
pub mod transfer_log;
mod uploads;
mod warnings;

pub use admin::{AdminError, AdminSettings, AdminToken};
pub use charset::Charset;
pub use commands::UNSUPPORTED_VERBS;
pub use config::ServerConfig;
pub use generation::{ReloadHandle, Reloaded};
pub use roots::Roots;
pub use server::{BindError, Server, ShutdownHandle, ShutdownStage, StartError};
pub use tls::TlsSetupError;
