//! What can go wrong, and the exit code of each.

use core::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use wharf_findings::Finding;
use wharf_net::tls::CertificateError;
use wharf_proto::Reply;
use wharf_proto::decoder::ReplyError;

use crate::attempt::Attempt;
use crate::diagnosis;
use crate::digest::{Algorithm, Sum};
use crate::proxy::ProxyError;
use crate::tls_failure::TlsFailure;
use crate::url::UrlError;

/// What standard output is called in a [`ClientError::Local`].
pub const STANDARD_OUTPUT: &str = "standard output";

/// Why an operation of the client did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL cannot be used.
    #[error("the URL cannot be used: {0}")]
    Url(#[from] UrlError),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The host's name has no address.
    #[error("{host} was not found: {problem}; check the name, and the network")]
    NameNotFound {
        /// The name.
        host: String,
        /// The resolver's words.
        problem: String,
    },
    /// None of the host's addresses took the connection.
    #[error("no control connection to {host}: {}; check that an FTP server runs there and that a firewall lets you through", joined(.tries))]
    NotConnected {
        /// The name or address.
        host: String,
        /// Each address with what it did.
        tries: Vec<(SocketAddr, String)>,
    },
    /// The proxy did not connect to the server.
    #[error("the proxy {proxy} did not connect to {target}: {error}; check --proxy, ftp_proxy and all_proxy")]
    Proxy {
        /// Which, without its password.
        proxy: String,
        /// Where to.
        target: String,
        /// What it said or did.
        error: ProxyError,
    },
    /// A name that the server's charset has no characters for.
    #[error("{name} cannot be written in {charset}, which --charset says that the server wants")]
    NotInCharset {
        /// The name, or the command with it.
        name: String,
        /// The charset.
        charset: &'static str,
    },
    /// Connected, but no greeting came that begins a session.
    #[error(
        "{endpoint} took the connection, but is no FTP server that serves us: {failure}; {}", match .failure {
            ControlFailure::Dismissed(_) => "try again later",
            _ => "it may want TLS from the first byte on (ftps://), or be another service",
        }
    )]
    NotGreeted {
        /// The server.
        endpoint: SocketAddr,
        /// What came in its place.
        failure: ControlFailure,
    },
    /// The control connection was lost later, while nothing was being transferred.
    #[error("the control connection was lost: {0}; try again")]
    ControlLost(#[from] ControlFailure),
    /// A certificate or key of ours, or one that is to be trusted, cannot be used.
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    /// TLS is required on the control connection, or has begun to be spoken, and failed.
    #[error("{0}")]
    Tls(Box<TlsFailure>),
    /// TLS is required, and the server takes it for the control connection only.
    #[error("the server does not protect data connections: it refused {command} with \"{reply}\"; use an ftp:// URL with --tls auto to let files go in clear\n{}", .finding)]
    DataUnprotected {
        /// PBSZ 0 or PROT P.
        command: String,
        /// The server's words.
        reply: Reply,
        /// The root cause.
        finding: Box<Finding>,
    },
    /// The server does not let this user in.
    #[error("the login as {user} was refused: \"{reply}\"; {}", match .password_given {
        _ if diagnosis::wants_tls(.reply) => "the server wants TLS: leave --tls off out",
        true => "check the user and the password",
        false => "no password was given: neither the URL nor ~/.netrc has one",
    })]
    LoginRefused {
        /// The user.
        user: String,
        /// Whether there was a password to send.
        password_given: bool,
        /// The server's words.
        reply: Reply,
    },
    /// The server said no to what was asked for.
    #[error("the server refused {command}: \"{reply}\"")]
    Refused {
        /// The command, without secrets.
        command: String,
        /// The server's words.
        reply: Reply,
    },
    /// No data connection in any mode that was allowed.
    #[error(transparent)]
    NoDataConnection(#[from] Box<NoDataConnection>),
    /// Two servers that are to exchange files directly do not.
    #[error(
        "the two servers do not exchange files directly: {reason}; with --fxp auto they go through this machine"
    )]
    NotDirect {
        /// Why, in either direction.
        reason: String,
    },
    /// A transfer was begun and is not complete.
    #[error("{0}")]
    Incomplete(Box<Incomplete>),
    /// All bytes went over, and the server did not confirm it.
    #[error("all {bytes} bytes of {path} went over, but the server's confirmation never came ({failure}){}; look at what is there before you use it{}", kept_note(.kept), cause_note(.failure))]
    Unconfirmed {
        /// The remote path.
        path: String,
        /// The length of the whole file in bytes.
        bytes: u64,
        /// Where a download is.
        kept: Option<PathBuf>,
        /// What came in its place.
        failure: ControlFailure,
    },
    /// All of it went over, and is not the same on both sides.
    #[error("{0}")]
    SumsDiffer(Box<SumsDiffer>),
    /// An upload is complete under its temporary name, and could not get its own.
    #[error("{0}")]
    NotRenamed(Box<NotRenamed>),
    /// The server has no checksum of the file to tell.
    #[error("the server tells no {} of {path}; it has to have HASH, or XSHA256 or the like, in its FEAT", .algorithm.map_or_else(|| "checksum".to_owned(), |algorithm| algorithm.to_string()))]
    NoChecksum {
        /// The remote path.
        path: String,
        /// The algorithm that was asked for; none for whichever.
        algorithm: Option<Algorithm>,
    },
    /// TYPE I was taken for TYPE A, and no length tells whether that changed the file.
    #[error(
        "the server took TYPE I for text (\"{reply}\") and tells no length by which a damaged file could be known\n{finding}"
    )]
    TakenForText {
        /// What TYPE I was answered with.
        reply: Reply,
        /// The root cause.
        finding: Box<Finding>,
    },
    /// Trouble with a file of this machine.
    #[error("{what}: {source}")]
    Local {
        /// The file, or what was done.
        what: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// A resume that would join what does not belong together.
    #[error("{0}")]
    CannotResume(String),
    /// A listing that no client should take.
    #[error("the listing of {path} was given up: {problem}")]
    Listing {
        /// The remote path.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl ClientError {
    /// The exit code of the `wharf` program.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotGreeted { failure: ControlFailure::Tls(_), .. }
            | Self::ControlLost(ControlFailure::Tls(_)) => 4,
            Self::Listing { .. } => 1,
            Self::Url(_) | Self::Usage(_) | Self::NotInCharset { .. } => 2,
            Self::NameNotFound { .. }
            | Self::NotConnected { .. }
            | Self::Proxy { .. }
            | Self::NotGreeted { .. }
            | Self::ControlLost(_) => 3,
            Self::Tls(_) => 4,
            Self::LoginRefused { .. } => 5,
            Self::Refused { .. } | Self::NotRenamed(_) | Self::NoChecksum { .. } => 6,
            Self::NoDataConnection(_) | Self::DataUnprotected { .. } | Self::NotDirect { .. } => 7,
            Self::Incomplete(_) | Self::SumsDiffer(_) | Self::TakenForText { .. } => 8,
            Self::Local { .. } | Self::CannotResume(_) | Self::Certificate(_) => 9,
            Self::Unconfirmed { .. } => 10,
        }
    }

    /// Whether the same may well work a little later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NotGreeted { failure: ControlFailure::Tls(_), .. }
            | Self::ControlLost(ControlFailure::Tls(_)) => false,
            Self::Proxy { error, .. } => !matches!(error, ProxyError::Refused(_)),
            Self::NotConnected { .. }
            | Self::NotGreeted { .. }
            | Self::ControlLost(_)
            | Self::Incomplete(_) => true,
            Self::NameNotFound { .. }
            | Self::Url(_)
            | Self::Usage(_)
            | Self::NotInCharset { .. }
            | Self::Certificate(_)
            // One that fails in TLS may be asked in clear next time by whoever made it fail.
            | Self::Tls(_)
            | Self::DataUnprotected { .. }
            | Self::LoginRefused { .. }
            | Self::Refused { .. }
            | Self::NotRenamed(_)
            | Self::NoChecksum { .. }
            // Going on with it would find nothing missing.
            | Self::SumsDiffer(_)
            | Self::TakenForText { .. }
            | Self::NoDataConnection(_)
            | Self::NotDirect { .. }
            | Self::Unconfirmed { .. }
            | Self::Local { .. }
            | Self::CannotResume(_)
            | Self::Listing { .. } => false,
        }
    }

    /// Whether whoever reads our standard output is gone: no error for a program in a pipe.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Local { what, source }
            if what == STANDARD_OUTPUT && source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The root causes that were found.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::NoDataConnection(failure) => &failure.findings,
            Self::Tls(failure) => &failure.findings,
            Self::DataUnprotected { finding, .. }
            | Self::TakenForText { finding, .. }
            | Self::Unconfirmed { failure: ControlFailure::SilentBehindData { finding, .. }, .. } => {
                std::slice::from_ref(finding)
            }
            Self::Incomplete(incomplete) => match &incomplete.reason {
                IncompleteReason::CloseNotifyMissing(finding)
                | IncompleteReason::WentAsText(finding)
                | IncompleteReason::NothingCame { finding, .. } => std::slice::from_ref(finding),
                _ => &[],
            },
            _ => &[],
        }
    }

    /// Trouble with a local file.
    pub(crate) fn local(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Local { what, source }
    }
}

/// Why the control connection says nothing (more).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlFailure {
    /// The server closed it.
    #[error("the server closed it")]
    Closed,
    /// It broke.
    #[error("{0}")]
    Broken(String),
    /// TLS broke.
    #[error("TLS failed on it: {0}")]
    Tls(String),
    /// No whole reply came in time.
    #[error("no reply in {} s", .0.as_secs_f32())]
    Silent(Duration),
    /// No reply came behind data that are all over. Where the transfer left the control connection silent for long, somebody
    /// on the way may have forgotten it; else the server may be busy with the file.
    #[error("no reply in {} s", .waited.as_secs_f32())]
    SilentBehindData {
        /// How long it was waited for.
        waited: Duration,
        /// What it may be.
        finding: Box<Finding>,
    },
    /// What came is no FTP.
    #[error("{0}")]
    NotFtp(#[from] ReplyError),
    /// The server said that it is going to close, or does not serve us.
    #[error("the server says \"{0}\"")]
    Dismissed(Reply),
}

/// A file whose copy has another checksum.
#[derive(Debug, thiserror::Error)]
#[error("{path} is not the same on both sides: {theirs} at the server, {} here{}; transfer it again, without --continue", .ours.digits, kept_note(.kept))]
pub struct SumsDiffer {
    /// The remote path.
    pub path: String,
    /// That of this machine's file.
    pub ours: Sum,
    /// The server's.
    pub theirs: Sum,
    /// Where a download is.
    pub kept: Option<PathBuf>,
}

/// An upload that is complete under its temporary name.
#[derive(Debug, thiserror::Error)]
#[error(
    "all of {path} is at the server, as {temporary}, but the server refused to rename it: \"{reply}\"; if it does not replace \
     files by renaming, remove the old {path} (`wharf rm`) and run the same again with --continue, or leave --atomic out"
)]
pub struct NotRenamed {
    /// The name that it has.
    pub temporary: String,
    /// The name that it should have.
    pub path: String,
    /// The server's words.
    pub reply: Reply,
}

/// A transfer that was begun and is not complete.
#[derive(Debug)]
pub struct Incomplete {
    /// The remote path.
    pub path: String,
    /// Bytes of the file that are over, those of an earlier part included.
    pub bytes: u64,
    /// The length of the whole file in bytes, if it is known.
    pub expected: Option<u64>,
    /// Why.
    pub reason: IncompleteReason,
    /// Where a download's part is.
    pub kept: Option<PathBuf>,
    /// What can be done about it.
    pub way_on: WayOn,
}

/// What can be done about a transfer that is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayOn {
    /// It can be gone on with: there is a part of it here.
    Download,
    /// It can be gone on with: there may be a part of it at the server.
    Upload,
    /// Only from its beginning: a listing, or what went to a pipe.
    Again,
}

/// Why a transfer is not complete.
#[derive(Debug, thiserror::Error)]
pub enum IncompleteReason {
    /// The data connection broke or stalled.
    #[error("{0}")]
    DataBroke(String),
    /// The data connection came up, and not a byte of what was announced came over it.
    #[error("{problem}")]
    NothingCame {
        /// How that ended.
        problem: String,
        /// What it may be.
        finding: Box<Finding>,
    },
    /// The data connection ended without close_notify, and nothing else proves that all of it came.
    #[error("its end may have been cut off: no close_notify came")]
    CloseNotifyMissing(Box<Finding>),
    /// TYPE I was taken for TYPE A, and the length is not what it should be.
    #[error("it went over as text, although TYPE I was asked for")]
    WentAsText(Box<Finding>),
    /// The server gave it up.
    #[error("the server says \"{0}\"")]
    ServerGaveUp(Reply),
    /// The server confirmed it, but the length is not what it should be.
    #[error("the server confirmed it, but the length is wrong")]
    WrongSize,
    /// The data ended, and the control connection said nothing about it.
    #[error("the data ended without a confirmation: {0}")]
    NotConfirmed(ControlFailure),
    /// The user stopped it.
    #[error("it was interrupted")]
    Interrupted,
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the transfer of {} is incomplete: {} ({} ", self.path, self.reason, self.bytes)?;
        match self.expected {
            Some(expected) => write!(f, "of {expected} bytes)")?,
            None => f.write_str("bytes went over)")?,
        }
        f.write_str(&kept_note(&self.kept))?;
        f.write_str(match self.way_on {
            WayOn::Download => "; go on with --continue",
            WayOn::Upload => "; a part of it may be at the server: go on with --continue",
            WayOn::Again => "; try again",
        })?;
        match &self.reason {
            IncompleteReason::CloseNotifyMissing(finding)
            | IncompleteReason::WentAsText(finding)
            | IncompleteReason::NothingCame { finding, .. } => {
                write!(f, "\n{finding}")
            }
            _ => Ok(()),
        }
    }
}

/// No data connection: all that was tried, and what it means.
#[derive(Debug)]
pub struct NoDataConnection {
    /// Each try, in order.
    pub attempts: Vec<Attempt>,
    /// The root causes that the tries prove or point to, the surest first.
    pub findings: Vec<Finding>,
}

impl std::error::Error for NoDataConnection {}

/// One sentence, what was tried, the root causes with who must change what. Several lines.
impl fmt::Display for NoDataConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attempts.len() {
            0 => f.write_str("no data connection: none of the modes that are allowed can work here")?,
            _ if self.attempts.last().is_some_and(Attempt::is_hopeless) => {
                f.write_str("no data connection: TLS fails on it, and would in any other mode; tried:")?;
            }
            _ => f.write_str("no data connection in any mode that is allowed; tried:")?,
        }
        for attempt in &self.attempts {
            write!(f, "\n  {attempt}")?;
        }
        for finding in &self.findings {
            write!(f, "\n{finding}")?;
        }
        Ok(())
    }
}

fn joined(tries: &[(SocketAddr, String)]) -> String {
    let tries: Vec<String> = tries.iter().map(|(address, problem)| format!("{address}: {problem}")).collect();
    tries.join("; ")
}

/// The root cause of a failure, on lines of its own, where it has one.
fn cause_note(failure: &ControlFailure) -> String {
    match failure {
        ControlFailure::SilentBehindData { finding, .. } => format!("\n{finding}"),
        _ => String::new(),
    }
}

fn kept_note(kept: &Option<PathBuf>) -> String {
    kept.as_ref().map_or_else(String::new, |file| format!("; what arrived is kept as {}", file.display()))
}
