//! The files of the repository, as git has them (new ones included, ignored ones not).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::lexer::{self, Source};
use crate::run;

/// A file that is text.
pub(super) struct TextFile {
    /// From the repository's root.
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// All of them.
pub(super) struct Repository {
    pub(super) root: PathBuf,
    pub(super) files: Vec<TextFile>,
}

impl Repository {
    /// Reads what git tracks or would track.
    pub(super) fn read(root: PathBuf) -> Result<Self> {
        let mut command = Command::new("git");
        command.current_dir(&root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let Some(list) = run::output(&mut command) else {
            bail!("`git ls-files` failed in {}", root.display())
        };
        let paths = list.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from);
        // A file that was deleted but not yet committed, or one that is not text, is nobody's concern here.
        let texts = paths
            .filter_map(|path| Some(TextFile { text: fs::read_to_string(root.join(&path)).ok()?, path }));
        let files = texts.collect();
        Ok(Self { root, files })
    }

    /// The Rust sources below `folder`, with comments and strings told apart from code.
    pub(super) fn sources(&self, folder: &str) -> Vec<(&Path, Source)> {
        let files = self.files.iter().filter(|file| file.path.starts_with(folder));
        let rust = files.filter(|file| file.path.extension().is_some_and(|extension| extension == "rs"));
        rust.map(|file| (file.path.as_path(), lexer::read(&file.text))).collect()
    }

    /// The file at `path`.
    pub(super) fn text(&self, path: impl AsRef<Path>) -> Option<&str> {
        let path = path.as_ref();
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }
}
