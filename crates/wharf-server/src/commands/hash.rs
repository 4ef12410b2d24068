//! HASH (draft-ietf-ftpext2-hash), RANG for it (draft-bryan-ftp-range), and the older XCRC, XMD5, XSHA1, XSHA256 and XSHA512.

use wharf_proto::command::Text;
use wharf_proto::{Pathname, Reply, ReplyCode, Verb};
use wharf_storage::digest::{Algorithm, hexadecimal};
use wharf_storage::{StorageError, StoragePath};

use super::{Carried, Outcome, resolve, resolve_bytes};
use crate::checksum::{self, Range};
use crate::policy::{Right, may};
use crate::replies;
use crate::session::Session;

/// The checksum that OPTS HASH chose, of the whole file or of what RANG said.
pub(crate) async fn run(session: &mut Session, path: &Pathname) -> Carried<Outcome> {
    let file = resolve(session, path)?;
    let size = size_of(session, &file).await?;
    let algorithm = session.hash;
    let range = match session.range.take() {
        Some(range) if range.end <= size => *range,
        Some(_) => return Err(replies::bad_range()),
        None => Range { start: 0, end: size },
    };
    let (path, last) = (path.clone(), range.end.saturating_sub(1));
    let reply = move |digest: &[u8]| {
        let told = format!("{} {}-{last} {} ", algorithm.name(), range.start, hexadecimal(digest));
        Reply::new(ReplyCode::FILE_STATUS, [told.as_bytes(), path.as_bytes()].concat())
    };
    checksum::begin(session, Verb::Hash, &file, algorithm, range, reply).await
}

/// `RANG first last` for the next HASH, both included; `RANG 1 0` takes it back.
pub(crate) fn range(session: &mut Session, argument: &Text) -> Carried<Reply> {
    let words: Vec<&[u8]> =
        argument.as_bytes().split(|&byte| byte == b' ').filter(|word| !word.is_empty()).collect();
    let [first, last] = words.as_slice() else { return Err(replies::bad_range()) };
    session.range = match (number(first), number(last)) {
        (Some(1), Some(0)) => None,
        (Some(first), Some(last)) if first <= last => Some(Box::new(Range { start: first, end: last + 1 })),
        _ => return Err(replies::bad_range()),
    };
    Ok(replies::range_noted())
}

/// `XCRC path`, `XCRC path end` and `XCRC path start end`; the path may stand in double quotes, and the byte at `end` does not
/// count, as with ProFTPD.
pub(crate) async fn older(session: &mut Session, verb: Verb, argument: &Text) -> Carried<Outcome> {
    let algorithm = match verb {
        Verb::Xcrc => Algorithm::Crc32,
        Verb::Xmd5 => Algorithm::Md5,
        Verb::Xsha1 => Algorithm::Sha1,
        Verb::Xsha512 => Algorithm::Sha512,
        _ => Algorithm::Sha256,
    };
    let argument = argument.as_bytes();
    let (file, numbers) = match quoted(argument) {
        Some((path, rest)) => (resolve_bytes(session, path)?, rest),
        None => {
            // A name may end with numbers itself.
            let whole = resolve_bytes(session, argument)?;
            match session.storage().stat(&whole).await {
                Err(StorageError::NotFound) => {
                    let (path, rest) = split_numbers(argument);
                    (resolve_bytes(session, path)?, rest)
                }
                _ => (whole, &[][..]),
            }
        }
    };
    let size = size_of(session, &file).await?;
    let separates = |&byte: &u8| byte == b' ' || byte == b',';
    let numbers: Option<Vec<u64>> =
        numbers.split(separates).filter(|word| !word.is_empty()).map(number).collect();
    let range = match numbers.as_deref() {
        Some([]) => Range { start: 0, end: size },
        Some(&[end]) => Range { start: 0, end },
        Some(&[start, end]) => Range { start, end },
        _ => return Err(replies::bad_range()),
    };
    if range.start > range.end || range.end > size {
        return Err(replies::bad_range());
    }
    let reply =
        |digest: &[u8]| Reply::new(ReplyCode::FILE_ACTION_OKAY, hexadecimal(digest).to_ascii_uppercase());
    checksum::begin(session, verb, &file, algorithm, range, reply).await
}

async fn size_of(session: &mut Session, file: &StoragePath) -> Carried<u64> {
    // A checksum tells of the content: whoever may not read it may not guess at it either.
    may(session, Right::Read, file)?;
    let metadata = session.storage().stat(file).await.map_err(|error| replies::storage(&error))?;
    match metadata.kind {
        wharf_storage::Kind::File => Ok(metadata.size),
        wharf_storage::Kind::Directory => Err(replies::storage(&StorageError::IsDirectory)),
        _ => Err(replies::storage(&StorageError::NotRegular)),
    }
}

/// What stands between double quotes at the beginning, and what stands behind.
fn quoted(argument: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = argument.strip_prefix(b"\"")?;
    let end = inside.iter().position(|&byte| byte == b'"')?;
    Some((&inside[..end], &inside[end + 1..]))
}

/// A path, and one or two numbers behind it.
fn split_numbers(argument: &[u8]) -> (&[u8], &[u8]) {
    let mut path = argument;
    for _ in 0..2 {
        let Some(space) = path.iter().rposition(|&byte| byte == b' ') else { break };
        if number(&path[space + 1..]).is_none() {
            break;
        }
        path = path[..space].strip_suffix(b",").unwrap_or(&path[..space]);
    }
    (path, &argument[path.len()..])
}

fn number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    text.parse().ok().filter(|&number| number < i64::MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_behind_a_path_are_told_from_its_name() {
        let split = |argument: &'static str| {
            let (path, rest) = split_numbers(argument.as_bytes());
            (std::str::from_utf8(path).unwrap(), std::str::from_utf8(rest).unwrap())
        };
        assert_eq!(split("file"), ("file", ""));
        assert_eq!(split("a file 10"), ("a file", " 10"));
        assert_eq!(split("a file 1 10"), ("a file", " 1 10"));
        assert_eq!(split("a file, 1, 10"), ("a file", ", 1, 10"));
        assert_eq!(split("file 3 1 10"), ("file 3", " 1 10"));
        assert_eq!(split("10"), ("10", ""));
        assert_eq!(quoted(b"\"a b\" 1 2"), Some((&b"a b"[..], &b" 1 2"[..])));
        assert_eq!(quoted(b"a \"b\""), None);
    }
}
