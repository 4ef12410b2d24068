//! What LIST, NLST, MLSD and MLST send: written for our own server, read from any other.
//!
//! | module | written | read |
//! |---|---|---|
//! | [`mlsx`] | facts of RFC 3659 §7 | the same |
//! | [`unix`] | lines of `ls -l` | those, as the common servers vary them |
//! | [`dos`] | | lines of IIS and other `DIR`-like servers |
//! | [`eplf`], [`netware`], [`vms`], [`os400`], [`mvs`] | | those of publicfile, NetWare, OpenVMS, IBM i and z/OS |
//!
//! [`ListingParser`] stands on the readers: bytes of a data connection in, entries out. Names are bytes; none is ever
//! changed, and one that could lead a client out of its folder comes as an error ([`check_name`]).

pub mod dos;
mod entry;
pub mod eplf;
pub mod mlsx;
pub mod mvs;
mod name;
pub mod netware;
pub mod os400;
mod parser;
mod text;
pub mod unix;
pub mod vms;

pub use entry::{EntryKind, ListedTime, ListingEntry, TimePrecision};
pub use name::{UnlistableName, UnsafeName, check_name, is_safe_name};
pub use parser::{Dialect, ListingError, ListingKind, ListingParser};
