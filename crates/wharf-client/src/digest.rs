//! Checksums of this machine's files.

use core::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

pub use wharf_digest::Algorithm;
use wharf_digest::{Digest, hexadecimal};

/// Bytes that are read in one go.
const BUFFER: usize = 1024 * 1024;

/// A checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// How it was computed.
    pub algorithm: Algorithm,
    /// In hexadecimal, lower case, all digits.
    pub digits: String,
}

impl Sum {
    /// Of the first `length` bytes of `file`, wherever it is positioned; of fewer where it is shorter.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_file(algorithm: Algorithm, file: &File, length: u64) -> io::Result<Self> {
        let mut state = Digest::new(algorithm);
        let mut buffer = vec![0; BUFFER];
        let mut offset = 0;
        while offset < length {
            let most = usize::try_from(length - offset).unwrap_or(BUFFER).min(BUFFER);
            match file.read_at(&mut buffer[..most], offset) {
                Ok(0) => break,
                Ok(count) => {
                    state.update(&buffer[..count]);
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { algorithm, digits: hexadecimal(&state.finish()) })
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm, self.digits)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn sums_of_known_bytes() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"123456789 and more").unwrap();
        for (algorithm, digits) in [
            (Algorithm::Crc32, "cbf43926"),
            (Algorithm::Md5, "25f9e794323b453885f5181f1b624d0b"),
            (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (Algorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ] {
            let sum = Sum::of_file(algorithm, &file, 9).unwrap();
            assert_eq!((sum.digits.as_str(), sum.digits.len()), (digits, algorithm.digits()));
        }
        let sum = Sum::of_file(Algorithm::Sha512, &file, 0).unwrap();
        assert!(sum.digits.starts_with("cf83e1357eefb8bd"), "{sum}");
        assert_eq!(sum.digits.len(), Algorithm::Sha512.digits());
    }
}
