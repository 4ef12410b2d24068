//! What the server says about one path: SIZE, MDTM, MLST (RFC 3659), CWD.

use jiff::Timestamp;
use wharf_proto::command::Representation;
use wharf_proto::listing::{EntryKind, ListedTime, ListingEntry, mlsx};
use wharf_proto::pathname::Pathname;
use wharf_proto::{Command, Reply, ReplyCode, facts_time};

use crate::error::{ClientError, ControlFailure};
use crate::session::Session;

/// One path of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What is known of it; its name is the path as it was asked for.
    pub entry: ListingEntry,
}

impl Session {
    /// The size in bytes of the file `path`; none where the server does not say.
    ///
    /// # Errors
    /// When the control connection is lost.
    pub async fn size(&mut self, path: &Pathname) -> Result<Option<u64>, ClientError> {
        self.revive().await?;
        // In TYPE A it would be another number, or refused (RFC 3659 §4).
        self.set_representation(Representation::Image).await?;
        let command = Command::Size(path.clone());
        self.expressible(&command)?;
        let reply = self.exchange(&command).await?;
        size_of(reply)
    }

    /// When `path` changed last; none where the server does not say.
    ///
    /// # Errors
    /// When the control connection is lost.
    pub async fn modified(&mut self, path: &Pathname) -> Result<Option<Timestamp>, ClientError> {
        let reply = self.execute(&Command::Mdtm(path.clone())).await?;
        time_of(reply)
    }

    /// Whether `path` is a directory, as far as the server lets us see.
    ///
    /// # Errors
    /// When the control connection is lost.
    pub async fn is_directory(&mut self, path: &Pathname) -> Result<bool, ClientError> {
        if self.features().machine_listings() {
            let reply = self.execute(&Command::Mlst(Some(path.clone()))).await?;
            if let Some(entry) = facts(&reply) {
                return Ok(entry.kind.is_directory());
            }
        }
        let home = self.execute(&Command::Pwd).await?;
        let reply = self.execute(&Command::Cwd(path.clone())).await?;
        if reply.code().is_negative() {
            return Ok(false);
        }
        // Paths are relative to the login directory, so back there; a new session begins there too.
        let home = quoted_path(&home).and_then(|home| match self.options.charset {
            Some(charset) => Pathname::new(charset.from_wire(home.as_bytes())?).ok(),
            None => Some(home),
        });
        let back = match home {
            Some(home) => self.execute(&Command::Cwd(home)).await?.code().is_positive(),
            None => false,
        };
        if !back {
            self.abandon();
        }
        Ok(true)
    }

    /// What the server says about `path`: MLST where it has that, else CWD, SIZE and MDTM.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when there is no such path, or what happened to the control connection.
    pub async fn status(&mut self, path: &Pathname) -> Result<Status, ClientError> {
        if self.features().machine_listings() {
            let command = Command::Mlst(Some(path.clone()));
            let reply = self.execute(&command).await?;
            if let Some(mut entry) = facts(&reply) {
                entry.name = path.as_bytes().to_vec();
                return Ok(Status { entry });
            }
            if reply.code() == ReplyCode::FILE_UNAVAILABLE {
                return Err(ClientError::Refused { command: command.to_string(), reply });
            }
        }
        if self.is_directory(path).await? {
            return Ok(Status { entry: ListingEntry::new(path.as_bytes(), EntryKind::Directory) });
        }
        let size = self.size(path).await?;
        let modified = self.modified(path).await?;
        if size.is_none() && modified.is_none() {
            // The refusal in the server's words.
            self.require(&Command::Size(path.clone())).await?;
        }
        let mut entry = ListingEntry::new(path.as_bytes(), EntryKind::File);
        entry.size = size;
        entry.modified = modified.map(ListedTime::exact);
        Ok(Status { entry })
    }
}

/// The number in the answer to SIZE.
pub(super) fn size_of(reply: Reply) -> Result<Option<u64>, ClientError> {
    Ok(status_text(reply)?.and_then(|text| text.trim().parse().ok()))
}

/// The time in the answer to MDTM.
pub(crate) fn time_of(reply: Reply) -> Result<Option<Timestamp>, ClientError> {
    Ok(status_text(reply)?.and_then(|text| facts_time::parse(text.trim().as_bytes()).ok()))
}

/// The text of a 213; none for a refusal.
fn status_text(reply: Reply) -> Result<Option<String>, ClientError> {
    match reply.code() {
        ReplyCode::SERVICE_NOT_AVAILABLE => Err(ControlFailure::Dismissed(reply).into()),
        ReplyCode::FILE_STATUS => Ok(Some(String::from_utf8_lossy(reply.text()).into_owned())),
        _ => Ok(None),
    }
}

/// The facts in the answer to MLST: the one inner line (RFC 3659 §7.2).
pub(crate) fn facts(reply: &Reply) -> Option<ListingEntry> {
    if reply.code() != ReplyCode::FILE_ACTION_OKAY {
        return None;
    }
    let line = reply.lines().nth(1)?;
    mlsx::parse_line(line.strip_prefix(b" ").unwrap_or(line)).ok()
}

/// The path in the answer to PWD, a quote in it doubled (RFC 959 appendix II).
pub(crate) fn quoted_path(reply: &Reply) -> Option<Pathname> {
    if reply.code() != ReplyCode::PATHNAME_CREATED {
        return None;
    }
    let mut rest = reply.text().strip_prefix(b"\"")?.iter();
    let mut path = Vec::new();
    while let Some(&byte) = rest.next() {
        if byte == b'"' {
            match rest.as_slice().first() {
                Some(b'"') => {
                    rest.next();
                }
                _ => return Pathname::new(path).ok(),
            }
        }
        path.push(byte);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_257() {
        let path = |text: &'static str| {
            quoted_path(&Reply::new(ReplyCode::PATHNAME_CREATED, text)).map(|path| path.as_bytes().to_vec())
        };
        assert_eq!(path("\"/\" is the current directory"), Some(b"/".to_vec()));
        assert_eq!(path("\"/a \"\"b\"\"\" here"), Some(b"/a \"b\"".to_vec()));
        assert_eq!(path("\"/a"), None);
        assert_eq!(path("/a"), None);
    }
}
