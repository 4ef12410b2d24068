//! DELE, MKD, RMD, RNFR and RNTO (RFC 959 §4.1.3).

use wharf_proto::Command;
use wharf_proto::pathname::Pathname;

use crate::error::ClientError;
use crate::session::Session;

impl Session {
    /// Deletes a file.
    ///
    /// # Errors
    /// [`ClientError::Refused`], or what happened to the control connection.
    pub async fn delete(&mut self, path: &Pathname) -> Result<(), ClientError> {
        self.require(&Command::Dele(path.clone())).await.map(|_| ())
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub async fn make_directory(&mut self, path: &Pathname) -> Result<(), ClientError> {
        self.require(&Command::Mkd(path.clone())).await.map(|_| ())
    }

    /// Makes the directories that lead to `path`, as far as they are missing. Whether they are there in the end shows in
    /// what is done in them: a server has many ways to say that one exists already.
    ///
    /// # Errors
    /// When the control connection is lost.
    pub async fn make_parents(&mut self, path: &Pathname) -> Result<(), ClientError> {
        let bytes = path.as_bytes();
        for (at, byte) in bytes.iter().enumerate().skip(1) {
            if *byte == b'/'
                && bytes[at - 1] != b'/'
                && let Ok(parent) = Pathname::new(&bytes[..at])
            {
                self.execute(&Command::Mkd(parent)).await?;
            }
        }
        Ok(())
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub async fn remove_directory(&mut self, path: &Pathname) -> Result<(), ClientError> {
        self.require(&Command::Rmd(path.clone())).await.map(|_| ())
    }

    /// Renames or moves a file or directory.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub async fn rename(&mut self, from: &Pathname, to: &Pathname) -> Result<(), ClientError> {
        self.require(&Command::Rnfr(from.clone())).await?;
        self.require(&Command::Rnto(to.clone())).await.map(|_| ())
    }
}
