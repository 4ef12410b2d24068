//! Lines of `ls -l`, which LIST sends nearly everywhere (RFC 959 §4.1.3 leaves the form open).

mod parse;
mod write;

pub(super) use parse::parse_date;
pub use parse::parse_line;
pub use write::{Attributes, write_line};

#[cfg(test)]
mod tests;
