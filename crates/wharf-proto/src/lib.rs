//! FTP without I/O: bytes and timestamps in, actions and events out.
//!
//! Nothing here knows a runtime, a socket, a clock or a file. The server, the client, the gateway, the doctor and
//! the capture explainer all run this same code.

mod argument;
pub mod ascii;
pub mod command;
pub mod decoder;
pub mod dialogue;
pub mod facts_time;
pub mod glob;
pub mod host_port;
pub mod limits;
pub mod listing;
pub mod observer;
pub mod pathname;
pub mod reply;
pub mod server_pi;
mod short_queue;
pub mod time;
pub mod tls_records;
pub mod user_pi;
pub mod verb;

pub use command::Command;
pub use dialogue::Dialogue;
pub use observer::Observer;
pub use pathname::Pathname;
pub use reply::{Reply, ReplyCode};
pub use server_pi::ServerPi;
pub use time::Timestamp;
pub use user_pi::UserPi;
pub use verb::Verb;
