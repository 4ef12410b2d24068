//! Captures: packets in, conversations and their data connections out.
//!
//! | file | job |
//! |---|---|
//! | `file.rs` | pcap, pcapng, gzip: packets with their times |
//! | `packet.rs`, `fragments.rs` | link layers, IP and fragments, down to TCP and ICMP |
//! | `stream.rs` | one direction of a control connection, in order, with its gaps |
//! | `facts.rs` | one TCP connection: handshake, end, counts; never its bytes |
//! | `sniff.rs` | whether a connection on any port is a control connection |
//! | `explainer.rs`, `explainer/claims.rs` | the connections of a capture, and whose they are |
//! | `watched.rs`, `watched/understanding.rs` | a control connection: `wharf_proto::Observer` and what follows from it |
//! | `conversation.rs` | what was understood |
//! | `compare.rs` | two captures of the same conversations |
//! | `outcome.rs`, `diagnosis/` | what came of each transfer, and why |
//!
//! Nothing of a data connection is kept but counts, so that a capture of any size is read in the same memory.

mod compare;
mod conversation;
mod diagnosis;
mod explainer;
mod facts;
mod file;
mod fragments;
mod outcome;
mod packet;
mod sniff;
mod stream;
mod watched;

pub use compare::{Comparison, Difference, What, compare};
pub use conversation::{
    Conversation, DataConnection, FoundBy, Line, LineKind, Negotiation, Outcome, Said, TlsUse, Transfer,
};
pub use explainer::{Ended, Explainer, Options, Reading};
pub use facts::{End, Facts, IcmpSeen, Resent, Reset, Sent, TlsSeen};
pub use file::{CaptureError, Packet, read};
pub use packet::{Dissector, Flags, Icmp, IcmpMessage, Layer, Segment};
pub use stream::{Delivered, Sight, Stream};
