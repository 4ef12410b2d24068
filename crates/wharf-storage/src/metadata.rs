//! What is known of a file or directory.

use std::time::SystemTime;

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link that cannot be followed: it leads out of the root, nowhere or in a circle. A link that can be
    /// followed shows as what it leads to.
    Symlink,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// Something for which the storage has no word.
    Other,
}

/// What is known of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: Kind,
    /// Size in bytes; of a directory whatever the storage says.
    pub size: u64,
    /// Time of the last change of its content.
    pub modified: SystemTime,
    /// Unix permission bits, `0o7777` at most.
    pub mode: u32,
    /// Number of hard links.
    pub links: u64,
    /// Numeric id of the owner, where the storage has one.
    pub owner: Option<u32>,
    /// Numeric id of the group, where the storage has one.
    pub group: Option<u32>,
    /// Number of the file system, where the storage has one; with `inode` the `unique` fact of RFC 3659 §7.5.2.
    pub device: Option<u64>,
    /// Number of the file in its file system, where the storage has one.
    pub inode: Option<u64>,
}

impl Metadata {
    /// Whether this is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// Whether this is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.kind == Kind::File
    }
}
