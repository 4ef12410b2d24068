//! Where the user is: at which server, in which of its directories, and in which directory here.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use wharf_client::url::TransferType;
use wharf_client::{ClientError, FtpUrl};
use wharf_proto::pathname::Pathname;

use super::Shell;
use super::words::Word;

/// A server, and a directory of it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The server and who logs in, without a path.
    pub(crate) server: FtpUrl,
    /// Where the login led.
    pub(crate) home: Option<Pathname>,
    /// Where the user is; none where the server does not say.
    pub(crate) directory: Option<Pathname>,
}

impl Place {
    /// `path` as it is sent: from the root on, so that it means the same in every session.
    pub(crate) fn resolve(&self, path: &[u8]) -> Result<Pathname, ClientError> {
        let unusable = |error| ClientError::Usage(format!("this name cannot be sent to a server: {error}"));
        let directory = self.directory.as_ref().map(Pathname::as_bytes).filter(|path| path.starts_with(b"/"));
        let whole = match directory {
            Some(directory) if !path.starts_with(b"/") => {
                let between: &[u8] = if directory.ends_with(b"/") { b"" } else { b"/" };
                [directory, between, path].concat()
            }
            _ => path.to_vec(),
        };
        Pathname::new(whole).map_err(unusable)
    }

    /// The URL of `path`.
    pub(crate) fn url(&self, path: &[u8]) -> Result<FtpUrl, ClientError> {
        Ok(self.server.with_path(Some(self.resolve(path)?)))
    }

    /// The URL of the directory that the user is in.
    pub(crate) fn here(&self) -> FtpUrl {
        self.server.with_path(self.directory.clone())
    }
}

impl Shell {
    /// Where the user is.
    ///
    /// # Errors
    /// When no server was opened.
    pub(crate) fn place(&self) -> Result<&Place, ClientError> {
        let closed = || ClientError::Usage("no server is open; `open HOST` first".to_owned());
        self.place.as_ref().ok_or_else(closed)
    }

    /// The URL of a path of the server, to be transferred as the user has chosen.
    ///
    /// # Errors
    /// When no server is open, or the path cannot be sent.
    pub(crate) fn remote(&self, word: &Word) -> Result<FtpUrl, ClientError> {
        let kind = self.ascii.then_some(TransferType::Ascii);
        Ok(self.place()?.url(&word.text)?.with_transfer_type(kind))
    }

    /// The path of a file of this machine.
    pub(crate) fn local(&self, word: &Word) -> PathBuf {
        let path = Path::new(OsStr::from_bytes(&word.text));
        match (path.strip_prefix("~"), std::env::var_os("HOME")) {
            (Ok(rest), Some(home)) => Path::new(&home).join(rest),
            // Before any lcd the names are shown as they were typed.
            _ => self.local.join(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_sent_from_the_root_on() {
        let server = FtpUrl::parse("ftp://h/").unwrap();
        let place = |directory: Option<&str>| Place {
            server: server.clone(),
            home: None,
            directory: directory.map(|path| Pathname::new(path).unwrap()),
        };
        let resolved = |directory, path: &str| {
            String::from_utf8(place(directory).resolve(path.as_bytes()).unwrap().as_bytes().to_vec()).unwrap()
        };
        assert_eq!(resolved(Some("/pub"), "a"), "/pub/a");
        assert_eq!(resolved(Some("/"), "a"), "/a");
        assert_eq!(resolved(Some("/pub"), "/a"), "/a");
        assert_eq!(resolved(Some("DISK:[X]"), "A.TXT"), "A.TXT");
        assert_eq!(resolved(None, "a"), "a");
        assert!(place(None).resolve(b"a\r\nDELE b").is_err());
    }
}
