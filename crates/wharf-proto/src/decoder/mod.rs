//! Bounded, incremental decoders of the control connection: bytes in, in whatever pieces they come; lines and
//! replies out.
//!
//! [`LineDecoder`] splits either direction into lines and takes Telnet out of it; [`ReplyDecoder`] stands on it.

mod line;
mod reply;

pub use line::{Line, LineDecoder, LineError, LineRef};
pub use reply::{DecodedReply, ReplyDecoder, ReplyError, ReplyQuirk, ReplyQuirks};
