//! Whether a command is legal now, and with which reply it is refused if not.

use super::session::{LoginState, SecurityState, SessionState};
use crate::command::{Command, EpsvArgument};
use crate::reply::{Reply, ReplyCode};
use crate::verb::{Login, Role, Verb};

/// Why a command is out of sequence. Whether a server *wants* to carry it out is its policy's matter, not this one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It needs a login.
    NotLoggedIn,
    /// PASS without USER.
    UserFirst,
    /// ACCT that nobody asked for.
    AccountNotWanted,
    /// HOST after USER (RFC 7151 §3.2).
    HostAfterUser,
    /// RNTO without RNFR right before it.
    RenameFromFirst,
    /// PBSZ, PROT or CCC without AUTH.
    AuthenticateFirst,
    /// AUTH under TLS.
    AlreadyProtected,
    /// PROT without PBSZ (RFC 2228 §3).
    BufferSizeFirst,
    /// A negotiation after EPSV ALL (RFC 2428 §4).
    EpsvAllInEffect,
    /// A transfer that nothing was negotiated for.
    NegotiateFirst,
}

impl Refusal {
    /// The reply that says so.
    #[must_use]
    pub fn reply(self) -> Reply {
        let (code, text) = match self {
            Self::NotLoggedIn => (ReplyCode::NOT_LOGGED_IN, "Please log in with USER and PASS first."),
            Self::UserFirst => (ReplyCode::BAD_SEQUENCE, "Send USER first."),
            Self::AccountNotWanted => (ReplyCode::BAD_SEQUENCE, "No account is wanted now."),
            Self::HostAfterUser => (ReplyCode::BAD_SEQUENCE, "HOST must come before USER."),
            Self::RenameFromFirst => (ReplyCode::BAD_SEQUENCE, "Send RNFR right before RNTO."),
            Self::AuthenticateFirst => (ReplyCode::BAD_SEQUENCE, "Send AUTH TLS first."),
            Self::AlreadyProtected => (ReplyCode::BAD_SEQUENCE, "TLS is in use already."),
            Self::BufferSizeFirst => (ReplyCode::BAD_SEQUENCE, "Send PBSZ 0 first."),
            Self::EpsvAllInEffect => {
                (ReplyCode::BAD_SEQUENCE, "EPSV ALL is in effect: only EPSV is allowed.")
            }
            Self::NegotiateFirst => {
                (ReplyCode::CANNOT_OPEN_DATA_CONNECTION, "Use EPSV, PASV, EPRT or PORT before each transfer.")
            }
        };
        Reply::new(code, text)
    }
}

/// Judges `command` against the state; `negotiated` tells whether a plan waits to be used.
pub(super) fn judge(state: &SessionState, negotiated: bool, command: &Command) -> Result<(), Refusal> {
    let Some(verb) = command.verb() else { return Ok(()) };
    let specification = verb.specification();
    // STAT without a path tells about the session; with one it lists files.
    let needs_login = specification.login == Login::Needed
        || matches!(command, Command::Stat(Some(argument)) if argument.path.is_some());
    if needs_login && state.login != LoginState::LoggedIn {
        return Err(Refusal::NotLoggedIn);
    }
    match command {
        Command::Pass(_) if state.login != LoginState::UserNamed => Err(Refusal::UserFirst),
        Command::Acct(_) if state.login != LoginState::AccountWanted => Err(Refusal::AccountNotWanted),
        Command::Host(_) if state.user.is_some() => Err(Refusal::HostAfterUser),
        Command::Rnto(_) if !state.rename_pending => Err(Refusal::RenameFromFirst),
        Command::Auth(_) if matches!(state.security, SecurityState::Handshake | SecurityState::Protected) => {
            Err(Refusal::AlreadyProtected)
        }
        Command::Pbsz(_) | Command::Prot(_) | Command::Ccc if state.security == SecurityState::Clear => {
            Err(Refusal::AuthenticateFirst)
        }
        Command::Prot(_) if !state.buffer_size_agreed => Err(Refusal::BufferSizeFirst),
        Command::Epsv(EpsvArgument::All) => Ok(()),
        _ if verb.role() == Role::Negotiation && state.epsv_all && verb != Verb::Epsv => {
            Err(Refusal::EpsvAllInEffect)
        }
        _ if verb.role().is_transfer() && !negotiated => Err(Refusal::NegotiateFirst),
        _ => Ok(()),
    }
}
