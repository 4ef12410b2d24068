//! What a session does once.

use std::collections::VecDeque;
use std::io;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use wharf_net::blocking::BlockingStream;
use wharf_proto::{Command, Pathname};

use crate::content::Content;
use crate::failure::{Failure, FailureKind};
use crate::plan::{Download, Work};
use crate::session::Session;
use crate::target::Target;

/// Most that is thrown away, or sent, by one system call, in bytes.
const AT_ONCE: usize = 8 * 1024 * 1024;

/// Most bytes that all sessions together leave on the server until the end; from there on the oldest files go first.
const MOST_KEPT: u64 = 4 * 1024 * 1024 * 1024;

/// How an operation went that did not fail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is complete; the first byte of data came after so long.
    Done { first_byte: Option<Duration> },
    /// The time was over before it was.
    Cut,
}

/// What sees how much was moved, and says when to stop.
pub(crate) trait Meter {
    /// So many bytes more.
    fn moved(&self, bytes: u64);
    /// Whether an operation that takes long is to be cut.
    fn is_over(&self) -> bool;
}

/// One session's hands. The session itself is set up when it is needed.
pub(crate) struct Worker<'a> {
    target: &'a Target,
    work: &'a Work,
    number: usize,
    /// Most files of its own that it keeps on the server.
    most_kept: usize,
    content: Option<&'a Content>,
    /// Operations so far.
    turns: usize,
    session: Option<Session<'a>>,
    room: Vec<u8>,
    /// Uploaded, and not removed.
    uploaded: VecDeque<Pathname>,
}

impl<'a> Worker<'a> {
    /// The worker `number` of `parallel`.
    pub(crate) fn new(
        target: &'a Target,
        work: &'a Work,
        content: Option<&'a Content>,
        (number, parallel): (usize, usize),
    ) -> Self {
        let turns = match work {
            Work::Download { files, .. } => files.len() * number / parallel.max(1),
            _ => 0,
        };
        let most_kept = match work {
            Work::Upload { size, .. } => MOST_KEPT / (size * parallel as u64).max(1),
            _ => 0,
        };
        let most_kept = usize::try_from(most_kept).unwrap_or(usize::MAX).max(1);
        // Memory that nobody touches where the kernel throws away by itself.
        let room = vec![0; AT_ONCE];
        let uploaded = VecDeque::new();
        Self { target, work, number, most_kept, content, turns, session: None, room, uploaded }
    }

    /// What the kernel paces the session's control connection with.
    pub(crate) fn congestion_control(&self) -> Option<String> {
        self.session.as_ref().and_then(Session::congestion_control)
    }

    /// Removes the oldest upload where there are many. One that cannot be removed now is tried again at the end.
    pub(crate) fn make_room(&mut self) {
        if self.uploaded.len() < self.most_kept {
            return;
        }
        if let (Some(session), Some(path)) = (&mut self.session, self.uploaded.pop_front())
            && session.require(&Command::Dele(path.clone())).is_err()
        {
            self.uploaded.push_front(path);
        }
    }

    /// Sets up the session, where the work needs one from the start.
    pub(crate) fn make_ready(&mut self) -> Result<(), Failure> {
        if self.session.is_none() && !matches!(self.work, Work::Login) {
            self.session = Some(Session::open(self.target)?);
        }
        Ok(())
    }

    /// One operation.
    pub(crate) fn turn(&mut self, meter: &impl Meter) -> Result<Turn, Failure> {
        self.turns += 1;
        if matches!(self.work, Work::Login) {
            Session::log_in(self.target)?.quit()?;
            return Ok(Turn::Done { first_byte: None });
        }
        self.make_ready()?;
        let Some(session) = &mut self.session else { return Ok(Turn::Cut) };
        let outcome = match self.work {
            Work::Download { files, is_large } => {
                let file = &files[(self.turns - 1) % files.len()];
                retrieve(session, file, *is_large, &mut self.room, meter)
            }
            Work::List(command) => {
                let file = Download { command: command.clone(), size: None };
                retrieve(session, &file, false, &mut self.room, meter)
            }
            Work::Upload { prefix, size } => {
                let name = upload_name(prefix, self.number, self.turns);
                match (name, self.content) {
                    (Some(name), Some(content)) => {
                        self.uploaded.push_back(name.clone());
                        store(session, &Command::Stor(name), content, *size, meter)
                    }
                    _ => Ok(Turn::Cut),
                }
            }
            Work::Login | Work::Idle => Ok(Turn::Cut),
        };
        if outcome.as_ref().is_err_and(|failure| !failure.spares_session) {
            self.session = None;
        }
        outcome
    }

    /// Removes what was uploaded and quits. Tells what could not be removed.
    pub(crate) fn clean_up(mut self) -> Vec<(Pathname, Failure)> {
        let mut left = Vec::new();
        for path in std::mem::take(&mut self.uploaded) {
            let removed = self.make_ready().and_then(|()| match &mut self.session {
                Some(session) => session.require(&Command::Dele(path.clone())).map(|_| ()),
                None => Ok(()),
            });
            if let Err(failure) = removed {
                if !failure.spares_session {
                    self.session = None;
                }
                left.push((path, failure));
            }
        }
        if let Some(session) = self.session {
            // A server that does not answer has lost nothing.
            let _ = session.quit();
        }
        left
    }
}

/// A name that no file of the user's has, nor one of another generator, on this machine or another.
fn upload_name(prefix: &[u8], worker: usize, turn: usize) -> Option<Pathname> {
    Pathname::new([prefix, format!("{}-{worker}-{turn}", own_name()).as_bytes()].concat()).ok()
}

/// What all that this program makes on a server begins with: `wharf-bench-`, its process and when it started. Processes
/// alone are alike in containers.
pub(crate) fn own_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        format!("wharf-bench-{}-{:x}", std::process::id(), since.as_micros())
    })
}

fn retrieve(
    session: &mut Session<'_>,
    file: &Download,
    is_large: bool,
    room: &mut [u8],
    meter: &impl Meter,
) -> Result<Turn, Failure> {
    let begun = Instant::now();
    let mut stream = session.begin(&file.command)?;
    let blindly = is_large && stream.is_secured();
    let (mut total, mut first_byte) = (0, None);
    loop {
        let count = stream.discard(room, blindly).map_err(|error| broken(&error))?;
        first_byte.get_or_insert_with(|| begun.elapsed());
        if count == 0 {
            break;
        }
        meter.moved(count as u64);
        total += count as u64;
        if is_large && meter.is_over() {
            drop(stream);
            session.complete_cut()?;
            return Ok(Turn::Cut);
        }
    }
    drop(stream);
    session.complete(&file.command)?;
    match file.size {
        Some(size) if size != total && !blindly => {
            let text = format!("{} gave {total} bytes of {size}", file.command);
            Err(Failure { spares_session: true, ..Failure::new(FailureKind::Cut, text) })
        }
        _ => Ok(Turn::Done { first_byte }),
    }
}

fn store(
    session: &mut Session<'_>,
    command: &Command,
    content: &Content,
    size: u64,
    meter: &impl Meter,
) -> Result<Turn, Failure> {
    let mut stream = session.begin(command)?;
    let mut sent = 0;
    while sent < size && !meter.is_over() {
        let count = send(&mut stream, content, sent, size - sent).map_err(|error| broken(&error))?;
        meter.moved(count);
        sent += count;
    }
    stream.finish().map_err(|error| broken(&error))?;
    session.complete(command)?;
    Ok(if sent < size { Turn::Cut } else { Turn::Done { first_byte: None } })
}

/// Sends a piece of what is `left` and tells its length.
fn send(stream: &mut BlockingStream, content: &Content, sent: u64, left: u64) -> io::Result<u64> {
    if stream.is_secured() {
        let length = content.piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        stream.write_all(&content.piece[..length])?;
        return Ok(length as u64);
    }
    let mut offset = sent % content.length;
    let count = left.min(content.length - offset).min(AT_ONCE as u64);
    let count = stream.send_file(&content.file, &mut offset, usize::try_from(count).unwrap_or(AT_ONCE))?;
    Ok(count as u64)
}

fn broken(error: &io::Error) -> Failure {
    Failure::of_io(FailureKind::Cut, "the data connection", error)
}

/// Uploads a file of `size` bytes to `path`, for whoever prepares a run.
pub(crate) fn upload(
    session: &mut Session<'_>,
    path: Pathname,
    content: &Content,
    size: u64,
    meter: &impl Meter,
) -> Result<Turn, Failure> {
    store(session, &Command::Stor(path), content, size, meter)
}
