//! What is uploaded: bytes that nothing can compress, in memory.

use std::fs::File;
use std::io::{self, Seek, Write};

/// Bytes of it. Larger files are sent from the beginning again.
const LENGTH: usize = 64 * 1024 * 1024;
/// Bytes that are encrypted at once under TLS.
const PIECE: usize = 256 * 1024;

/// What all uploads are made of.
#[derive(Debug)]
pub(crate) struct Content {
    /// For the kernel.
    pub(crate) file: File,
    /// Its length in bytes.
    pub(crate) length: u64,
    /// The beginning of it, for what has to be encrypted.
    pub(crate) piece: Box<[u8]>,
}

impl Content {
    /// For uploads of `size` bytes each.
    pub(crate) fn new(size: u64) -> io::Result<Self> {
        let length = usize::try_from(size).map_or(LENGTH, |size| size.clamp(1, LENGTH));
        let mut bytes = vec![0; length.next_multiple_of(8)];
        // xorshift (Marsaglia, 2003): as good as random for whoever compresses or looks for blocks that are alike.
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for word in bytes.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(length);
        let mut file = memory_file()?;
        file.write_all(&bytes)?;
        file.rewind()?;
        bytes.truncate(PIECE);
        Ok(Self { file, length: length as u64, piece: bytes.into() })
    }
}

#[cfg(target_os = "linux")]
fn memory_file() -> io::Result<File> {
    Ok(rustix::fs::memfd_create("wharf-bench", rustix::fs::MemfdFlags::CLOEXEC)?.into())
}

/// A file that has no name any more.
#[cfg(not(target_os = "linux"))]
fn memory_file() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("wharf-bench-{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}
