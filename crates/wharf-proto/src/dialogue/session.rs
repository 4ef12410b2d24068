//! Who is logged in, what protects the connections, and the transfer parameters.

use crate::command::{Command, ProtectionLevel, Representation, Structure, Text, TransmissionMode};
use crate::reply::{ReplyClass, ReplyCode};

/// How far the login has come (RFC 959 §6, figure "Login").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoginState {
    /// No user, or a refused one.
    #[default]
    Nobody,
    /// USER was answered with 331.
    UserNamed,
    /// USER or PASS was answered with 332.
    AccountWanted,
    /// 230 (or 232) came.
    LoggedIn,
}

/// What protects the control connection (RFC 2228 §3, RFC 4217).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecurityState {
    /// Nothing.
    #[default]
    Clear,
    /// 234 was said: the next bytes are the TLS handshake.
    Handshake,
    /// TLS is up.
    Protected,
    /// TLS is up for data only: CCC was accepted.
    ControlCleared,
}

/// Everything that commands set and later commands depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionState {
    /// How far the login has come.
    pub login: LoginState,
    /// What protects the control connection.
    pub security: SecurityState,
    /// Whether PBSZ was accepted since the last AUTH.
    pub buffer_size_agreed: bool,
    /// What PROT asks for.
    pub protection: ProtectionLevel,
    /// The user that was named last.
    pub user: Option<Text>,
    /// The virtual host that was asked for (RFC 7151).
    pub host: Option<Text>,
    /// TYPE.
    pub representation: Representation,
    /// STRU.
    pub structure: Structure,
    /// MODE.
    pub transmission_mode: TransmissionMode,
    /// REST: where the next transfer begins, in bytes.
    pub restart_offset: u64,
    /// Whether RNFR was accepted and nothing else came since.
    pub rename_pending: bool,
    /// Whether EPSV ALL is in effect.
    pub epsv_all: bool,
}

impl SessionState {
    /// What `command` does to the state by being sent, whatever is answered.
    pub(super) fn on_command(&mut self, command: &Command) {
        // RFC 959 §4.1.3: RNFR must be followed at once by RNTO.
        if !matches!(command, Command::Rnto(_)) {
            self.rename_pending = false;
        }
        if let Command::User(name) = command {
            self.user = Some(name.clone());
        }
    }

    /// What the final reply `code` to `command` does to the state.
    pub(super) fn on_final(&mut self, command: &Command, code: ReplyCode) {
        let positive = code.class() == ReplyClass::Completion;
        match command {
            Command::User(_) | Command::Pass(_) | Command::Acct(_) => self.on_login_reply(command, code),
            Command::Rein if positive => *self = Self::default(),
            Command::Auth(_) if code == ReplyCode::SECURITY_EXCHANGE_COMPLETE => {
                // RFC 4217 §4.2, RFC 2228 §3: a login from before is void, and so are PBSZ and PROT.
                let host = self.host.take();
                *self = Self { security: SecurityState::Handshake, host, ..Self::default() };
            }
            Command::Pbsz(_) if positive => self.buffer_size_agreed = true,
            Command::Prot(level) if positive => self.protection = *level,
            Command::Ccc if positive => self.security = SecurityState::ControlCleared,
            Command::Host(name) if positive => self.host = Some(name.clone()),
            Command::Type(representation) if positive => self.representation = *representation,
            Command::Stru(structure) if positive => self.structure = *structure,
            Command::Mode(mode) if positive => self.transmission_mode = *mode,
            Command::Rest(offset) if code.class() == ReplyClass::Intermediate => {
                self.restart_offset = offset.bytes();
            }
            Command::Rnfr(_) => self.rename_pending = code.class() == ReplyClass::Intermediate,
            Command::Rnto(_) => self.rename_pending = false,
            Command::Epsv(crate::command::EpsvArgument::All) if positive => self.epsv_all = true,
            _ => {}
        }
    }

    fn on_login_reply(&mut self, command: &Command, code: ReplyCode) {
        self.login = match code.get() {
            230 | 232 => LoginState::LoggedIn,
            202 if !matches!(command, Command::User(_)) => LoginState::LoggedIn, // RFC 959 §5.4: superfluous
            331 | 336 => LoginState::UserNamed,
            332 => LoginState::AccountWanted,
            // The server is closing, or did not understand: nothing changed. A refusal starts all over.
            421 | 500..=504 => self.login,
            _ => LoginState::Nobody,
        };
    }
}
