//! Writing facts, and which of them a client asked for.

use jiff::Timestamp;

use super::super::entry::EntryKind;
use super::super::name::{UnlistableName, check_listable, fits_line};
use super::super::text::write_decimal;
use crate::facts_time;

/// What is known of an entry; a fact that is `None` is left out, as RFC 3659 §7.5 wants.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// `type`: `file`, `dir`, `cdir`, `pdir`, or `OS.unix=` with `slink`, `chr`, `blk`, `fifo`, `socket`, `other`.
    pub kind: EntryKind,
    /// `size`, in bytes.
    pub size: Option<u64>,
    /// `modify`, written to the second.
    pub modify: Option<Timestamp>,
    /// `perm`.
    pub rights: Option<Rights>,
    /// `unique`, written in hexadecimal: one number for all names of one file, such as device and inode together.
    pub unique: Option<u128>,
    /// `UNIX.mode`: the twelve bits of a Unix mode, written in octal.
    pub unix_mode: Option<u32>,
    /// `UNIX.owner`; left out where it holds what a fact cannot (space, `;`, a control character).
    pub unix_owner: Option<&'a [u8]>,
    /// `UNIX.group`; left out as the owner is.
    pub unix_group: Option<&'a [u8]>,
}

impl Facts<'_> {
    /// Nothing but what it is.
    #[must_use]
    pub const fn new(kind: EntryKind) -> Self {
        Self {
            kind,
            size: None,
            modify: None,
            rights: None,
            unique: None,
            unix_mode: None,
            unix_owner: None,
            unix_group: None,
        }
    }
}

/// A fact that this writer knows, in the order in which it writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// `type` (RFC 3659 §7.5.1)
    Type,
    /// `size` (RFC 3659 §7.5.7)
    Size,
    /// `modify` (RFC 3659 §7.5.3)
    Modify,
    /// `perm` (RFC 3659 §7.5.5)
    Perm,
    /// `unique` (RFC 3659 §7.5.2)
    Unique,
    /// `UNIX.mode`, as many servers have it
    UnixMode,
    /// `UNIX.owner`
    UnixOwner,
    /// `UNIX.group`
    UnixGroup,
}

impl Fact {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 8] = [
        Self::Type,
        Self::Size,
        Self::Modify,
        Self::Perm,
        Self::Unique,
        Self::UnixMode,
        Self::UnixOwner,
        Self::UnixGroup,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Size => "size",
            Self::Modify => "modify",
            Self::Perm => "perm",
            Self::Unique => "unique",
            Self::UnixMode => "UNIX.mode",
            Self::UnixOwner => "UNIX.owner",
            Self::UnixGroup => "UNIX.group",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of facts: those that a server has, and those that a client asked for with OPTS MLST (RFC 3659 §7.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FactSelection(u8);

impl FactSelection {
    /// None: entries are a space and a name.
    pub const NONE: Self = Self(0);
    /// Every fact of [`Fact::ALL`].
    pub const ALL: Self = Self(u8::MAX);

    /// Whether `fact` is in it.
    #[must_use]
    pub const fn contains(self, fact: Fact) -> bool {
        self.0 & fact.bit() != 0
    }

    /// With `fact` in it.
    #[must_use]
    pub const fn with(self, fact: Fact) -> Self {
        Self(self.0 | fact.bit())
    }

    /// Without `fact`.
    #[must_use]
    pub const fn without(self, fact: Fact) -> Self {
        Self(self.0 & !fact.bit())
    }

    /// The facts in it, in the order of [`Fact::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Fact> {
        Fact::ALL.into_iter().filter(move |fact| self.contains(*fact))
    }

    /// Reads what stands behind `OPTS MLST`, as `type;size;modify;`: the facts of `available` that it names, in any
    /// case and order. What is not there is passed over (RFC 3659 §7.9), so nothing is an error.
    #[must_use]
    pub fn parse_options(text: &[u8], available: Self) -> Self {
        text.trim_ascii().split(|byte| *byte == b';').fold(Self::NONE, |selected, word| {
            let fact = available.iter().find(|fact| fact.name().as_bytes().eq_ignore_ascii_case(word));
            fact.map_or(selected, |fact| selected.with(fact))
        })
    }

    /// The text of the 200 to OPTS MLST (RFC 3659 §7.9): `MLST OPTS type;size;`.
    #[must_use]
    pub fn options_text(self) -> String {
        let mut text = String::from("MLST OPTS");
        for (index, fact) in self.iter().enumerate() {
            text.push_str(if index == 0 { " " } else { "" });
            text.push_str(fact.name());
            text.push(';');
        }
        text
    }

    /// The line of FEAT (RFC 3659 §7.8), of a server that has these facts: `MLST type*;size*;perm;`, a star behind
    /// each that is in `selected`.
    #[must_use]
    pub fn feature_text(self, selected: Self) -> String {
        let mut text = String::from("MLST ");
        for fact in self.iter() {
            text.push_str(fact.name());
            text.push_str(if selected.contains(fact) { "*;" } else { ";" });
        }
        text
    }
}

/// What a user may do with an entry: the letters of the `perm` fact (RFC 3659 §7.5.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rights(u16);

impl Rights {
    const LETTERS: [u8; 10] = *b"acdeflmprw";

    /// Nothing is allowed.
    pub const NONE: Self = Self(0);
    /// `a`: a file may be appended to.
    pub const APPEND: Self = Self(1);
    /// `c`: files may be created in a directory.
    pub const CREATE: Self = Self(1 << 1);
    /// `d`: it may be deleted.
    pub const DELETE: Self = Self(1 << 2);
    /// `e`: a directory may be entered.
    pub const ENTER: Self = Self(1 << 3);
    /// `f`: it may be renamed.
    pub const RENAME: Self = Self(1 << 4);
    /// `l`: a directory may be listed.
    pub const LIST: Self = Self(1 << 5);
    /// `m`: directories may be made in a directory.
    pub const MAKE_DIRECTORY: Self = Self(1 << 6);
    /// `p`: what is in a directory may be deleted.
    pub const PURGE: Self = Self(1 << 7);
    /// `r`: a file may be retrieved.
    pub const READ: Self = Self(1 << 8);
    /// `w`: a file may be stored over.
    pub const WRITE: Self = Self(1 << 9);

    /// These and those.
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether all of `others` are in it.
    #[must_use]
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// The letters that are known, in any case; others are passed over.
    #[must_use]
    pub fn from_letters(letters: &[u8]) -> Self {
        letters.iter().fold(Self::NONE, |rights, letter| {
            let known = Self::LETTERS.iter().position(|known| known.eq_ignore_ascii_case(letter));
            known.map_or(rights, |bit| Self(rights.0 | 1 << bit))
        })
    }

    /// Appends the letters, in alphabetical order.
    pub fn write(self, out: &mut Vec<u8>) {
        let letters = Self::LETTERS.iter().enumerate().filter(|(bit, _)| self.0 & (1 << bit) != 0);
        out.extend(letters.map(|(_, letter)| *letter));
    }
}

/// Appends one entry without a line end, as MLST's inner line has it behind its leading space: the facts, a space, the
/// name (RFC 3659 §7.2).
///
/// # Errors
/// When no line can hold the name; nothing is appended then.
pub fn write_entry(
    out: &mut Vec<u8>,
    facts: &Facts<'_>,
    selection: FactSelection,
    name: &[u8],
) -> Result<(), UnlistableName> {
    check_listable(name)?;
    for fact in selection.iter() {
        write_fact(out, facts, fact);
    }
    out.push(b' ');
    out.extend_from_slice(name);
    Ok(())
}

/// Appends one entry and CRLF, as MLSD sends it over the data connection (RFC 3659 §7.2).
///
/// # Errors
/// When no line can hold the name; nothing is appended then.
pub fn write_line(
    out: &mut Vec<u8>,
    facts: &Facts<'_>,
    selection: FactSelection,
    name: &[u8],
) -> Result<(), UnlistableName> {
    write_entry(out, facts, selection, name)?;
    out.extend_from_slice(b"\r\n");
    Ok(())
}

fn write_fact(out: &mut Vec<u8>, facts: &Facts<'_>, fact: Fact) {
    match fact {
        Fact::Type => begin(out, fact).extend_from_slice(type_name(facts.kind)),
        Fact::Size => match facts.size {
            Some(size) => write_decimal(begin(out, fact), size, 0),
            None => return,
        },
        Fact::Modify => match facts.modify {
            Some(time) => facts_time::write_seconds(time, begin(out, fact)),
            None => return,
        },
        Fact::Perm => match facts.rights {
            Some(rights) => rights.write(begin(out, fact)),
            None => return,
        },
        Fact::Unique => match facts.unique {
            Some(number) => write_hexadecimal(begin(out, fact), number),
            None => return,
        },
        Fact::UnixMode => match facts.unix_mode {
            Some(mode) => write_octal(begin(out, fact), mode),
            None => return,
        },
        Fact::UnixOwner => match facts.unix_owner {
            Some(owner) if fits_fact(owner) => begin(out, fact).extend_from_slice(owner),
            _ => return,
        },
        Fact::UnixGroup => match facts.unix_group {
            Some(group) if fits_fact(group) => begin(out, fact).extend_from_slice(group),
            _ => return,
        },
    }
    out.push(b';');
}

fn begin(out: &mut Vec<u8>, fact: Fact) -> &mut Vec<u8> {
    out.extend_from_slice(fact.name().as_bytes());
    out.push(b'=');
    out
}

fn type_name(kind: EntryKind) -> &'static [u8] {
    match kind {
        EntryKind::File => b"file",
        EntryKind::Directory => b"dir",
        EntryKind::CurrentDirectory => b"cdir",
        EntryKind::ParentDirectory => b"pdir",
        EntryKind::Symlink => b"OS.unix=slink",
        EntryKind::CharacterDevice => b"OS.unix=chr",
        EntryKind::BlockDevice => b"OS.unix=blk",
        EntryKind::Fifo => b"OS.unix=fifo",
        EntryKind::Socket => b"OS.unix=socket",
        EntryKind::Other => b"OS.unix=other",
    }
}

fn fits_fact(value: &[u8]) -> bool {
    fits_line(value) && !value.is_empty() && !value.iter().any(|byte| matches!(byte, 0..=b' ' | b';' | 0x7F))
}

fn write_octal(out: &mut Vec<u8>, mode: u32) {
    let digit = |shift: u32| b'0' + (mode >> shift & 7) as u8;
    out.extend_from_slice(&[digit(9), digit(6), digit(3), digit(0)]);
}

fn write_hexadecimal(out: &mut Vec<u8>, number: u128) {
    let digits = (128 - number.leading_zeros()).div_ceil(4).max(1);
    for index in (0..digits).rev() {
        let digit = (number >> (index * 4) & 0xF) as u8;
        out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    }
}
