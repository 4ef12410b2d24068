//! Lines of IBM i (OS/400).

use super::entry::{EntryKind, ListingEntry};
use super::parser::ListingError;
use super::text::{parse_decimal, words};

/// Reads a line such as `QPGMR   135168 04/03/18 13:18:19 *DIR       name/`: owner, size, date, time, the kind of object,
/// and the name. Of a member (`*MEM`) no size and date are told.
///
/// The order of day, month and year is a setting of the server's that nobody sees, so the time is not told.
///
/// # Errors
/// [`ListingError::Unrecognised`].
pub fn parse_line(line: &[u8]) -> Result<ListingEntry, ListingError> {
    parse(line).ok_or_else(|| ListingError::Unrecognised { line: line.to_vec() })
}

fn parse(line: &[u8]) -> Option<ListingEntry> {
    let found: Vec<_> = words(line, 0).take(6).collect();
    let kind_at = found.iter().position(|word| word.of(line).starts_with(b"*"))?;
    let (kind, has_size) = (found[kind_at].of(line), kind_at == 4);
    let is_member = kind == b"*MEM" && kind_at == 1;
    if !(has_size || is_member) || !kind[1..].iter().all(u8::is_ascii_uppercase) {
        return None;
    }
    let name = line.get(found[kind_at].end..)?.trim_ascii_start();
    let (name, kind) = match (kind, name.strip_suffix(b"/")) {
        (_, Some(name)) => (name, EntryKind::of_directory_named(name)),
        (b"*DIR" | b"*LIB" | b"*FILE" | b"*FLR", None) => (name, EntryKind::of_directory_named(name)),
        (b"*SYMLNK", None) => (name, EntryKind::Symlink),
        (b"*STMF" | b"*MEM" | b"*DSTMF" | b"*DOC", None) => (name, EntryKind::File),
        (_, None) => (name, EntryKind::Other),
    };
    if name.is_empty() {
        return None;
    }
    let mut entry = ListingEntry::new(name, kind);
    entry.owner = Some(found[0].of(line).to_vec());
    if has_size {
        let is_date = |word: &[u8], separators: &[u8]| {
            word.len() >= 6 && word.iter().all(|byte| byte.is_ascii_digit() || separators.contains(byte))
        };
        let size = parse_decimal(found[1].of(line))?;
        if !is_date(found[2].of(line), b"/.-") || !is_date(found[3].of(line), b":.") {
            return None;
        }
        // Of what is no stream file it is the room that it takes.
        entry.size = (kind == EntryKind::File).then_some(size);
    }
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_ibm_i() {
        for (line, name, kind, size) in [
            (
                "QPGMR           135168 04/03/18 13:18:19 *DIR       a dir/",
                "a dir",
                EntryKind::Directory,
                None,
            ),
            (
                "QSYS             28672 12/01/99 12:08:04 *STMF      x.txt",
                "x.txt",
                EntryKind::File,
                Some(28672),
            ),
            (
                "DPOHLE                                  *MEM       TEST.MBR",
                "TEST.MBR",
                EntryKind::File,
                None,
            ),
            ("OWNER 7 04/03/18 13:18:19 *FILE QCLSRC.FILE", "QCLSRC.FILE", EntryKind::Directory, None),
            ("OWNER 7 04/03/18 13:18:19 *SYMLNK x", "x", EntryKind::Symlink, None),
        ] {
            let entry = parse_line(line.as_bytes()).unwrap();
            assert_eq!((&entry.name[..], entry.kind, entry.size), (name.as_bytes(), kind, size), "{line}");
            assert!(entry.modified.is_none());
        }
    }

    #[test]
    fn what_is_no_line_of_ibm_i() {
        for line in [
            "",
            "*DIR x",
            "A 1 04/03/18 13:18:19 *DIR",
            "A 1 04/03/18 13:18:19 *dir x",
            "A x 04/03/18 13:18:19 *DIR x",
            "A 1 2 3 *DIR x",
            "A B *DIR x",
            "A 1 04/03/18 13:18:19 *DIR /",
        ] {
            assert!(parse_line(line.as_bytes()).is_err(), "{line}");
        }
    }
}
