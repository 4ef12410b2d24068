//! What is made on the server for a run, in a directory of its own, and removed behind it.

use std::sync::Arc;

use wharf_proto::{Command, Pathname};

use crate::content::Content;
use crate::failure::{Failure, FailureKind};
use crate::plan::Download;
use crate::session::Session;
use crate::stop::Stop;
use crate::target::Target;
use crate::turn::{Meter, Turn, own_name, upload};

/// A directory on the server with files in it. Whoever has it removes it with [`remove`](Self::remove).
#[derive(Debug)]
pub struct Prepared {
    directory: Pathname,
    files: Vec<Pathname>,
    size: u64,
}

impl Prepared {
    /// Makes a directory below `parent` (the login directory where that is none) with `count` files of `size` bytes.
    ///
    /// # Errors
    /// When the server does not let us; what was made by then is removed, as far as it lets us.
    pub fn make(
        target: &Target,
        parent: Option<&Pathname>,
        count: usize,
        size: u64,
        stop: &Stop,
    ) -> Result<Self, Failure> {
        let content = Content::new(size)
            .map_err(|error| Failure::of_io(FailureKind::Local, "the content of uploads", &error))?;
        let mut session = Session::open(target)?;
        let directory = path_in(parent, own_name())?;
        session.require(&Command::Mkd(directory.clone()))?;
        let mut prepared = Self { directory, files: Vec::with_capacity(count), size };
        match prepared.fill(&mut session, count, &content, stop) {
            Ok(()) => {
                let _ = session.quit();
                Ok(prepared)
            }
            Err(failure) => {
                drop(session);
                let left = prepared.remove(target);
                let text = match left.first() {
                    Some((path, _)) => format!("{failure}; {path} is left on the server"),
                    None => failure.text.clone(),
                };
                Err(Failure { text, ..failure })
            }
        }
    }

    fn fill(
        &mut self,
        session: &mut Session<'_>,
        count: usize,
        content: &Content,
        stop: &Stop,
    ) -> Result<(), Failure> {
        for index in 0..count {
            let path = path_in(Some(&self.directory), &format!("{index:06}.dat"))?;
            self.files.push(path.clone());
            let turn = upload(session, path, content, self.size, &Stopping(stop))?;
            if turn == Turn::Cut || stop.is_requested() {
                return Err(Failure::new(FailureKind::Local, "stopped while files were made on the server"));
            }
        }
        Ok(())
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Pathname {
        &self.directory
    }

    /// The files, to be downloaded.
    #[must_use]
    pub fn downloads(&self) -> Arc<[Download]> {
        self.files.iter().map(|path| Download::of(path.clone(), Some(self.size))).collect()
    }

    /// Removes everything. Tells what could not be removed, and why.
    #[must_use]
    pub fn remove(self, target: &Target) -> Vec<(Pathname, String)> {
        let mut session = match Session::open(target) {
            Ok(session) => session,
            Err(failure) => return vec![(self.directory, failure.text)],
        };
        let mut left = Vec::new();
        let files = self.files.into_iter().map(Command::Dele);
        for command in files.chain([Command::Rmd(self.directory)]) {
            if let Err(failure) = session.require(&command)
                && let Command::Dele(path) | Command::Rmd(path) = command
            {
                left.push((path, failure.text));
            }
        }
        let _ = session.quit();
        left
    }
}

fn path_in(parent: Option<&Pathname>, name: &str) -> Result<Pathname, Failure> {
    let path = match parent.map(Pathname::as_bytes) {
        None => name.as_bytes().to_vec(),
        Some(parent) if parent.ends_with(b"/") => [parent, name.as_bytes()].concat(),
        Some(parent) => [parent, b"/", name.as_bytes()].concat(),
    };
    Pathname::new(path).map_err(|error| Failure::new(FailureKind::Local, error.to_string()))
}

/// Nobody counts what is prepared.
struct Stopping<'a>(&'a Stop);

impl Meter for Stopping<'_> {
    fn moved(&self, _: u64) {}

    fn is_over(&self) -> bool {
        self.0.is_requested()
    }
}
