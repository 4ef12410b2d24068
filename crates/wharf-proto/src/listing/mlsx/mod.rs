//! The facts of MLST and MLSD (RFC 3659 §7): `type=file;size=1024;modify=20261120100000; name`.

mod parse;
mod write;

pub use parse::{parse_line, parse_reply_line};
pub use write::{Fact, FactSelection, Facts, Rights, write_entry, write_line};

#[cfg(test)]
mod tests;
