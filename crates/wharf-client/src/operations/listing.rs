//! MLSD and LIST: what is in a directory (RFC 3659 §7, RFC 959 §4.1.3).

use std::time::SystemTime;

use jiff::Timestamp;
use wharf_net::dtp::{PumpError, Transfer};
use wharf_proto::command::{ListArgument, Representation};
use wharf_proto::listing::{EntryKind, ListingEntry, ListingError, ListingKind, ListingParser};
use wharf_proto::pathname::Pathname;
use wharf_proto::{Command, ReplyCode};

use super::status::facts;
use crate::attempt::Attempt;
use crate::charset::Charset;
use crate::data_connection::Request;
use crate::data_protection::EndOfData;
use crate::diagnosis;
use crate::error::{ClientError, Incomplete, IncompleteReason, WayOn};
use crate::session::Session;
use crate::transfer::{completion, is_about_the_file};

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;
/// Most bytes without a line that could be read, after which it is no listing (threat 28).
const MOST_NONSENSE: u64 = 16 * 1024 * 1024;

/// What is done with each entry. Without its type, so that a listing is not compiled for each of its uses anew.
type Taker<'a> = &'a mut (dyn FnMut(ListingEntry) + Send);

/// Which command listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingForm {
    /// MLSD, or MLST for a single file.
    Facts,
    /// LIST.
    Lines,
}

/// A listing that is complete.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Which command listed.
    pub form: ListingForm,
    /// Entries that were handed on.
    pub entries: u64,
    /// Lines that could not be understood, or whose name must not be used.
    pub left_out: u64,
    /// Whether names that begin with a dot are among them: MLSD tells all, and LIST where it tells `.` as well.
    pub tells_hidden: bool,
    /// How the data connection was made; none where none was needed.
    pub attempt: Option<Attempt>,
}

impl Session {
    /// Lists the directory `path`, or the login directory, by MLSD where the server has it, else by LIST. Each entry is
    /// handed to `take` as it comes; `.` and `..`, and names that could lead out of a directory (threat 25), are not
    /// among them. A path that is a file is an entry.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when there is no such path, [`ClientError::Listing`] for what is no listing, and those
    /// of any transfer.
    pub async fn list(
        &mut self,
        path: Option<&Pathname>,
        mut take: impl FnMut(ListingEntry) + Send,
    ) -> Result<Listed, ClientError> {
        self.list_into(path, &mut take).await
    }

    async fn list_into(&mut self, path: Option<&Pathname>, take: Taker<'_>) -> Result<Listed, ClientError> {
        if self.features().machine_listings() {
            match self.list_with(Command::Mlsd(path.cloned()), path, ListingForm::Facts, take).await {
                Err(ClientError::Refused { command, reply }) => {
                    if let Some(path) = path
                        && let Some(entry) = self.single_file(path).await?
                    {
                        take(entry);
                        return Ok(Listed {
                            form: ListingForm::Facts,
                            entries: 1,
                            left_out: 0,
                            tells_hidden: true,
                            attempt: None,
                        });
                    }
                    if !matches!(reply.code().get(), 500..=504) {
                        return Err(ClientError::Refused { command, reply });
                    }
                }
                other => return other,
            }
        }
        self.system().await?;
        let argument = ListArgument { options: Box::default(), path: path.map(not_an_option) };
        let listed = self.list_with(Command::List(argument), path, ListingForm::Lines, take).await?;
        if listed.entries == 0
            && let Some(path) = path
            && !self.is_directory(path).await?
        {
            // Many servers send an empty listing for what is not there. The refusal in the server's words:
            self.require(&Command::Cwd(path.clone())).await?;
        }
        Ok(listed)
    }

    /// As [`list`](Self::list), with names that begin with a dot wherever the server can be had to tell them: by `LIST -a`, which
    /// no RFC has, where there is no MLSD.
    pub(crate) async fn list_with_hidden(
        &mut self,
        path: Option<&Pathname>,
        mut take: impl FnMut(ListingEntry) + Send,
    ) -> Result<Listed, ClientError> {
        if !self.features().machine_listings() && self.lists_hidden != Some(false) {
            self.system().await?;
            let argument = ListArgument { options: (*b"a").into(), path: path.map(not_an_option) };
            match self.list_with(Command::List(argument), path, ListingForm::Lines, &mut take).await {
                Ok(listed) if listed.entries > 0 || listed.tells_hidden => {
                    self.lists_hidden = Some(listed.tells_hidden);
                    return Ok(listed);
                }
                // It was taken for a name.
                Ok(_) | Err(ClientError::Refused { .. }) => self.lists_hidden = Some(false),
                Err(error) => return Err(error),
            }
        }
        self.list_into(path, &mut take).await
    }

    /// MLSD lists directories only: the entry of a path that is none.
    async fn single_file(&mut self, path: &Pathname) -> Result<Option<ListingEntry>, ClientError> {
        let reply = self.execute(&Command::Mlst(Some(path.clone()))).await?;
        Ok(facts(&reply).filter(|entry| !entry.kind.is_directory()).map(|mut entry| {
            entry.name = path.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
            entry
        }))
    }

    async fn list_with(
        &mut self,
        command: Command,
        path: Option<&Pathname>,
        form: ListingForm,
        take: Taker<'_>,
    ) -> Result<Listed, ClientError> {
        let (kind, representation) = match form {
            ListingForm::Facts => (ListingKind::Facts, Representation::Image),
            // RFC 959 §4.1.3: a listing is text.
            ListingForm::Lines => (ListingKind::Lines, Representation::Ascii),
        };
        let shown = path.map_or_else(|| "the login directory".to_owned(), ToString::to_string);
        let request = Request { command: command.clone(), representation, offset: 0, expected: None };
        let mut running = self.begin(&request).await?;
        let mut reading = Reading {
            parser: ListingParser::new(kind, now()),
            entries: 0,
            left_out: 0,
            nonsense: 0,
            problem: None,
            tls_end: self.end_of_data(None, true),
            charset: self.options.charset,
            tells_hidden: form == ListingForm::Facts,
        };
        let work = reading.read(running.transfer, take);
        let (end, said) = self.attend(work, running.said.take()).await;
        self.note_end(&reading.tls_end);
        let bytes = running.progress.bytes();
        if let Some(error) = self.rejected(&running.attempt, &said, bytes) {
            return Err(error);
        }
        if let Some(problem) = reading.problem {
            return Err(ClientError::Listing { path: shown, problem });
        }
        match completion(&end, &said, bytes, None) {
            Ok(()) => {}
            Err(Some(IncompleteReason::ServerGaveUp(reply)))
                if is_about_the_file(&reply) && reply.code() != ReplyCode::FILE_BUSY =>
            {
                return Err(ClientError::Refused { command: command.to_string(), reply });
            }
            Err(Some(reason @ IncompleteReason::DataBroke(_))) => {
                let cut = reading.tls_end.finding(bytes).map(IncompleteReason::CloseNotifyMissing);
                return Err(incomplete(shown, bytes, cut.unwrap_or(reason)));
            }
            Err(Some(reason)) => return Err(incomplete(shown, bytes, reason)),
            Err(None) => {
                let failure = match said {
                    Err(failure) => failure,
                    Ok(reply) => return Err(incomplete(shown, bytes, IncompleteReason::ServerGaveUp(reply))),
                };
                let verb = command.verb().map(|verb| verb.to_string()).unwrap_or_default();
                let failure = diagnosis::unfinished(failure, &verb, bytes);
                return Err(ClientError::Unconfirmed { path: shown, bytes, kept: None, failure });
            }
        }
        let (entries, left_out, tells_hidden) = (reading.entries, reading.left_out, reading.tells_hidden);
        Ok(Listed { form, entries, left_out, tells_hidden, attempt: Some(running.attempt) })
    }
}

fn incomplete(path: String, bytes: u64, reason: IncompleteReason) -> ClientError {
    let way_on = WayOn::Again;
    ClientError::Incomplete(Box::new(Incomplete { path, bytes, expected: None, reason, kept: None, way_on }))
}

/// The wall's time, by which dates without a year are understood.
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_second(since_epoch.as_secs().cast_signed()).unwrap_or(Timestamp::MAX)
}

/// A path that begins with `-` would be taken for an option of `ls`.
fn not_an_option(path: &Pathname) -> Pathname {
    if path.as_bytes().starts_with(b"-") {
        let mut dotted = b"./".to_vec();
        dotted.extend_from_slice(path.as_bytes());
        if let Ok(dotted) = Pathname::new(dotted) {
            return dotted;
        }
    }
    path.clone()
}

/// A listing that is being read.
struct Reading {
    parser: ListingParser,
    entries: u64,
    left_out: u64,
    /// Bytes since the last line that was understood.
    nonsense: u64,
    problem: Option<String>,
    tls_end: EndOfData,
    charset: Option<Charset>,
    tells_hidden: bool,
}

impl Reading {
    /// Reads to the end of the data and closes its connection: some servers confirm nothing before that.
    async fn read(&mut self, mut transfer: Transfer, take: Taker<'_>) -> Result<(), PumpError> {
        let mut buffer = vec![0; PIECE];
        loop {
            let count = transfer.receive(&mut buffer).await?;
            self.nonsense += count as u64;
            if count == 0 {
                self.parser.end();
            } else {
                self.parser.push(&buffer[..count]);
            }
            while let Some(entry) = self.parser.next_entry() {
                match entry {
                    Ok(entry) => {
                        self.nonsense = 0;
                        self.take(entry, take);
                    }
                    Err(error @ ListingError::TooManyEntries { .. }) => {
                        return self.give_up(error.to_string());
                    }
                    Err(error) => {
                        tracing::debug!(%error, "a line of the listing is left out");
                        self.left_out += 1;
                    }
                }
            }
            if self.nonsense > MOST_NONSENSE {
                return self.give_up(format!("{MOST_NONSENSE} bytes of it are no listing"));
            }
            if count == 0 {
                self.tls_end.judge(&transfer, 0)?;
                // The sender has ended in order already; whether our end of it still reaches him changes nothing.
                let _ = transfer.finish().await;
                return Ok(());
            }
        }
    }

    fn take(&mut self, entry: ListingEntry, take: Taker<'_>) {
        self.tells_hidden |= entry.kind == EntryKind::CurrentDirectory;
        if !matches!(entry.kind, EntryKind::CurrentDirectory | EntryKind::ParentDirectory) {
            let named = match self.charset {
                Some(charset) => charset.entry(entry),
                None => Some(entry),
            };
            match named {
                Some(entry) => {
                    self.entries += 1;
                    take(entry);
                }
                None => self.left_out += 1,
            }
        }
    }

    /// Ends the transfer from our side.
    fn give_up(&mut self, problem: String) -> Result<(), PumpError> {
        self.problem = Some(problem.clone());
        Err(PumpError::Local(std::io::Error::other(problem)))
    }
}
