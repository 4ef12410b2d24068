//! FTP without I/O: bytes and timestamps in, actions and events out.
//!
//! Nothing here knows a runtime, a socket, a clock or a file. The server, the client, the gateway, the doctor and
//! the capture explainer all run this same code.

pub mod limits;
pub mod pathname;
pub mod time;

pub use pathname::Pathname;
pub use time::Timestamp;
