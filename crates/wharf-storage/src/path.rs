//! A client's path made safe: absolute, normalised, bytes.

use core::fmt;

/// Longest path in bytes, its slashes included: `PATH_MAX` of Linux without the NUL.
pub const MAX_PATH: usize = 4095;
/// Longest component in bytes: `NAME_MAX` of Linux.
pub const MAX_NAME: usize = 255;
/// Most components of a path.
pub const MAX_COMPONENTS: usize = 256;

/// A place in a storage: the components from its root, none of which is empty, `.` or `..` or holds a slash or NUL.
///
/// Bytes of any character set, newlines too, stay as they are. Two paths that lead to one place lexically are equal.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoragePath {
    /// `/` for the root, else each component with a slash before it.
    text: Box<[u8]>,
}

/// Why bytes do not lead to a place in a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing was given.
    #[error("the path is empty")]
    Empty,
    /// More `..` than there are directories.
    #[error("the path leads out of the root")]
    AboveRoot,
    /// A NUL, which ends a name for every kernel.
    #[error("the path holds a NUL")]
    Nul,
    /// A single name was wanted, and this is empty, `.` or `..`, or holds a slash.
    #[error("this is not a single name")]
    NotAName,
    /// A component is longer than [`MAX_NAME`].
    #[error("a name in the path is longer than {MAX_NAME} bytes")]
    NameTooLong,
    /// The whole is longer than [`MAX_PATH`].
    #[error("the path is longer than {MAX_PATH} bytes")]
    TooLong,
    /// There are more than [`MAX_COMPONENTS`] components.
    #[error("the path has more than {MAX_COMPONENTS} components")]
    TooDeep,
}

impl StoragePath {
    /// The root, `/`.
    #[must_use]
    pub fn root() -> Self {
        Self { text: Box::from(*b"/") }
    }

    /// The place that a client means by `path` while it is in this directory.
    ///
    /// `path` is absolute or relative; `.` and repeated or trailing slashes mean nothing; `..` is handled lexically,
    /// so `link/..` is where the link stands. At the root `..` is an error and does not stay there: a client that
    /// climbs out shall be told.
    ///
    /// # Errors
    /// When the path is empty, climbs above the root, holds a NUL or is longer than the limits of this file.
    pub fn resolve(&self, path: &[u8]) -> Result<Self, PathError> {
        if path.is_empty() {
            return Err(PathError::Empty);
        }
        let mut builder = Builder::from(if path[0] == b'/' { &[] } else { self.relative_or_empty() });
        for component in path.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => builder.pop()?,
                name => builder.push(name)?,
            }
        }
        Ok(builder.finish())
    }

    /// The place of `name` in this directory.
    ///
    /// # Errors
    /// When `name` is not a single component: empty, `.`, `..`, with a slash or NUL, or too long.
    pub fn join(&self, name: &[u8]) -> Result<Self, PathError> {
        if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') {
            return Err(PathError::NotAName);
        }
        let mut builder = Builder::from(self.relative_or_empty());
        builder.push(name)?;
        Ok(builder.finish())
    }

    /// The directory in which this stands; the root's is the root itself, as CDUP wants it (RFC 959 §4.1.1).
    #[must_use]
    pub fn parent(&self) -> Self {
        match self.text.iter().rposition(|&byte| byte == b'/') {
            None | Some(0) => Self::root(),
            Some(slash) => Self { text: self.text[..slash].into() },
        }
    }

    /// The last component; `None` for the root.
    #[must_use]
    pub fn file_name(&self) -> Option<&[u8]> {
        self.components().next_back()
    }

    /// The components from the root on.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.text.split(|&byte| byte == b'/').filter(|component| !component.is_empty())
    }

    /// The whole path, as a client is told it: `/` or `/a/b`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.text.len() == 1
    }

    /// Whether this is `directory` or lies in it, at any depth.
    #[must_use]
    pub fn is_within(&self, directory: &Self) -> bool {
        let rest = self.text.strip_prefix(directory.relative_or_empty_with_slash());
        rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }

    /// As an argument of `openat2`, relative to a descriptor of the root: `.` or `a/b`.
    #[cfg(target_os = "linux")]
    pub(crate) fn relative(&self) -> &[u8] {
        if self.is_root() { b"." } else { &self.text[1..] }
    }

    /// Without the first slash; empty for the root.
    fn relative_or_empty(&self) -> &[u8] {
        &self.text[1..]
    }

    /// Each component with a slash before it; empty for the root.
    fn relative_or_empty_with_slash(&self) -> &[u8] {
        if self.is_root() { &[] } else { &self.text }
    }
}

/// One line in double quotes, whatever bytes the path holds.
impl fmt::Debug for StoragePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.text.escape_ascii())
    }
}

/// A path while components are added and taken away.
struct Builder {
    /// Each component with a slash before it.
    text: Vec<u8>,
    components: usize,
}

impl Builder {
    /// Begins with a part of a path that was checked before: components with slashes between them.
    fn from(checked: &[u8]) -> Self {
        let mut text = Vec::with_capacity(checked.len() + 64);
        if checked.is_empty() {
            return Self { text, components: 0 };
        }
        text.push(b'/');
        text.extend_from_slice(checked);
        let components = text.iter().filter(|&&byte| byte == b'/').count();
        Self { text, components }
    }

    fn push(&mut self, name: &[u8]) -> Result<(), PathError> {
        if name.contains(&0) {
            return Err(PathError::Nul);
        }
        if name.len() > MAX_NAME {
            return Err(PathError::NameTooLong);
        }
        if self.text.len() + 1 + name.len() > MAX_PATH {
            return Err(PathError::TooLong);
        }
        if self.components == MAX_COMPONENTS {
            return Err(PathError::TooDeep);
        }
        self.text.push(b'/');
        self.text.extend_from_slice(name);
        self.components += 1;
        Ok(())
    }

    fn pop(&mut self) -> Result<(), PathError> {
        let slash = self.text.iter().rposition(|&byte| byte == b'/').ok_or(PathError::AboveRoot)?;
        self.text.truncate(slash);
        self.components -= 1;
        Ok(())
    }

    fn finish(self) -> StoragePath {
        if self.text.is_empty() { StoragePath::root() } else { StoragePath { text: self.text.into() } }
    }
}
