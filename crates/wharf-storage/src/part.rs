//! The hidden names of uploads that are not complete.
//!
//! A part lies in the directory of the file that it will become, as `.wharf-` + 32 hexadecimal digits + `.part`. The digits
//! are a digest of who may go on with it and of the file's name, so that it is found again after a restart without any
//! search, and nobody can make a name that leads to somebody else's part.

use wharf_digest::{Algorithm, Digest, hexadecimal};

const PREFIX: &[u8] = b".wharf-";
const SUFFIX: &[u8] = b".part";
const DIGITS: usize = 32;

/// Whether this is the name of a part: such names are shown to nobody, and lead nowhere.
#[must_use]
pub fn is_part(name: &[u8]) -> bool {
    let Some(digits) = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX)) else {
        return false;
    };
    digits.len() == DIGITS && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// The name of the part that `owner` writes for the file `name`.
#[cfg(target_os = "linux")]
pub(crate) fn part_name(owner: &[u8], name: &[u8]) -> Box<[u8]> {
    let mut digest = Digest::new(Algorithm::Sha256);
    // A name holds no NUL, so that no other pair gives the same bytes.
    digest.update(name);
    digest.update(&[0]);
    digest.update(owner);
    let digits = hexadecimal(&digest.finish()[..DIGITS / 2]);
    [PREFIX, digits.as_bytes(), SUFFIX].concat().into()
}

/// What of a part is told to its owner, in bytes: see [`Storage::part_size`](crate::Storage::part_size).
pub(crate) fn told_size(size: u64) -> Option<u64> {
    (size > 1).then(|| size - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_known_by_their_names() {
        let name = part_name(b"user", b"file");
        assert!(is_part(&name));
        assert_eq!(name.len(), 44);
        for (owner, file) in [("use", "rfile"), ("user", "file2"), ("", "fileuser")] {
            assert_ne!(part_name(owner.as_bytes(), file.as_bytes()), name);
        }
        for other in [".wharf-.part", ".wharf-0123456789abcdef0123456789abcdeF.part", "wharf", ".part"] {
            assert!(!is_part(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_part_of_a_byte_is_nothing_to_go_on_with() {
        assert_eq!([0, 1, 2, 9].map(told_size), [None, None, Some(1), Some(8)]);
    }
}
