//! A directory for a test.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::janitor::{self, Remains, Watched};

/// A temporary directory that is removed at the end of the test, and when the test is killed. Its permissions let other users pass through it,
/// because real servers change their user.
#[derive(Debug)]
pub struct TestDirectory {
    directory: tempfile::TempDir,
    _watched: Watched,
}

impl TestDirectory {
    /// An empty one.
    #[must_use]
    #[allow(
        clippy::new_without_default,
        reason = "it makes something on the disk: nothing a default should do"
    )]
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("wharf-test-").tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let watched = janitor::watch_over(Remains::Path(&directory.path().to_string_lossy()));
        Self { directory, _watched: watched }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The path of `name` in it.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Writes the file `name`, and the directories that lead to it.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        file
    }

    /// The content of the file `name`.
    #[must_use]
    pub fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let file = self.join(name);
        fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// Makes the directory `name`, and those that lead to it.
    pub fn make_directory(&self, name: impl AsRef<Path>) -> PathBuf {
        let directory = self.join(name);
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    /// Makes `name` a symbolic link to `target`, which is taken as it is.
    pub fn make_link(&self, name: impl AsRef<Path>, target: impl AsRef<Path>) -> PathBuf {
        let link = self.join(name);
        std::os::unix::fs::symlink(target, &link).unwrap();
        link
    }

    /// Whether `name` is there; a dangling link is.
    #[must_use]
    pub fn holds(&self, name: impl AsRef<Path>) -> bool {
        self.join(name).symlink_metadata().is_ok()
    }

    /// All files beneath it by their path in it, with their content.
    #[must_use]
    pub fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut directories = vec![self.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    let name = path.strip_prefix(self.path()).unwrap().to_owned();
                    files.insert(name, fs::read(path).unwrap());
                }
            }
        }
        files
    }

    /// The names in it, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// `length` bytes that hold every value and repeat nowhere near, so that a lost, doubled or moved block shows. The
/// same each time.
#[must_use]
pub fn sample(length: usize) -> Vec<u8> {
    // Marsaglia's xorshift; any generator without a short period will do.
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}
