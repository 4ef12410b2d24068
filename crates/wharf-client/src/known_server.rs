//! What a run's first session has seen of its server, for the sessions that follow: nothing is asked twice, and where the
//! server was seen to keep the order of its answers, what does not depend on an answer goes out together.
//!
//! | step by step | at once |
//! |---|---|
//! | PBSZ 0, PROT P, USER, PASS, FEAT, OPTS UTF8 ON, TYPE I, EPSV | PBSZ 0 + PROT P + USER + PASS + OPTS UTF8 ON + TYPE I + EPSV |
//! | a round trip each | one |
//!
//! Nothing of it is assumed: that 331 follows USER and 230 follows PASS, and that PBSZ and PROT are taken before the login, was
//! seen in the first session. An answer that does not fit ends the session; it, and whoever comes later, goes step by step.
//! Before TLS stands nothing is sent of all this, and nothing at all where the first session had TLS and this one has not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wharf_proto::command::{ByteCount, EpsvArgument, ProtectionLevel, Representation, Text};
use wharf_proto::dialogue::{DataMode, NegotiationCommand};
use wharf_proto::{Command, Reply, ReplyCode};

use crate::ahead::fits;
use crate::charset::Charset;
use crate::error::{ClientError, ControlFailure};
use crate::features::Features;
use crate::session::Session;
use crate::strategy::WorkingMode;

/// Longest wait for each answer to what was sent at once; what the server has needed for its other replies comes on top.
const PATIENCE: Duration = Duration::from_secs(5);

/// What USER and PASS were answered with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LoginSteps {
    /// 230 to USER.
    User,
    /// 331, and 230 to PASS.
    Password,
    /// Anything else, or nothing yet.
    #[default]
    Other,
}

/// What is known of a server.
#[derive(Debug)]
pub(crate) struct KnownServer {
    features: Features,
    system: Option<String>,
    lists_hidden: Option<bool>,
    working: Option<WorkingMode>,
    is_secured: bool,
    protects_first: bool,
    steps: LoginSteps,
    slowest_reply: Duration,
    /// Whether commands may go out together: until an answer does not fit.
    at_once: AtomicBool,
}

impl Session {
    /// What this session has seen of its server; `keeps_order` tells whether that has answered in order what was sent
    /// together.
    pub(crate) fn known_server(&self, keeps_order: bool) -> KnownServer {
        KnownServer {
            features: self.features().clone(),
            system: self.system.clone(),
            lists_hidden: self.lists_hidden,
            working: self.working,
            is_secured: self.security.is_secured_now(),
            protects_first: self.security.protects_first,
            steps: self.login_steps,
            slowest_reply: self.slowest_reply,
            at_once: AtomicBool::new(keeps_order),
        }
    }

    /// Takes over what another session has seen.
    pub(crate) fn acquaint(&mut self, known: Arc<KnownServer>) {
        self.set_features(known.features.clone());
        self.system.clone_from(&known.system);
        self.lists_hidden = known.lists_hidden;
        self.working = self.working.or(known.working);
        self.known = Some(known);
    }

    /// Logs in with all that is known to be taken, sent together, where that may be done; else does nothing and returns false.
    /// For a session that `is_new` the first data connection is negotiated as well: whatever it does first reads the answer.
    ///
    /// # Errors
    /// When an answer does not fit, or does not come: then the session [has to be begun anew](Self::has_misfitted).
    pub(crate) async fn log_in_at_once(&mut self, is_new: bool) -> Result<bool, ClientError> {
        let Some(known) = self.known.clone().filter(|known| self.goes_at_once(known)) else {
            return Ok(false);
        };
        let Some(commands) = self.way_in(&known) else { return Ok(false) };
        for command in &commands {
            self.send(command);
        }
        let negotiation = self.working.map(|working| working.command);
        let negotiation = negotiation.filter(|command| is_new && command.mode() == DataMode::Passive);
        match negotiation {
            Some(NegotiationCommand::Pasv) => self.send(&Command::Pasv),
            Some(_) => self.send(&Command::Epsv(EpsvArgument::Same)),
            None => {}
        }
        let patience = PATIENCE + 2 * known.slowest_reply;
        for command in &commands {
            let problem = match self.final_reply(patience).await {
                Ok(reply) if reply.code() == ReplyCode::SERVICE_NOT_AVAILABLE => {
                    return Err(ControlFailure::Dismissed(reply).into());
                }
                Ok(reply) if known.takes(command, &reply) => continue,
                Ok(reply) => format!("\"{reply}\" came for {command}"),
                Err(failure @ ControlFailure::Dismissed(_)) => return Err(failure.into()),
                Err(failure) => format!("at {command}, {failure}"),
            };
            return Err(self.misfit(&known, &problem));
        }
        if self.pi.authenticated().is_none() {
            return Err(self.misfit(&known, "nobody was logged in by it"));
        }
        self.security.is_protected();
        self.has_entered_at_once();
        self.ahead.negotiation = negotiation;
        Ok(true)
    }

    fn goes_at_once(&self, known: &KnownServer) -> bool {
        known.at_once.load(Ordering::Relaxed)
            && known.steps != LoginSteps::Other
            && known.is_secured == self.security.is_secured_now()
            && (known.protects_first || !known.is_secured)
            // CCC has its own place.
            && !self.security.clears_control()
    }

    /// What is sent; none where it cannot be written.
    fn way_in(&self, known: &KnownServer) -> Option<Vec<Command>> {
        let mut commands = Vec::new();
        if known.is_secured {
            commands.push(Command::Pbsz(ByteCount::new(0)?));
            commands.push(Command::Prot(ProtectionLevel::Private));
        }
        commands.push(Command::User(self.login.user.clone()));
        if known.steps == LoginSteps::Password {
            commands.push(Command::Pass(self.login.password.clone()?));
        }
        if known.features.utf8() {
            commands.push(utf8_option(self.options.charset)?);
        }
        commands.push(Command::Type(Representation::Image));
        Some(commands)
    }

    fn misfit(&mut self, known: &KnownServer, problem: &str) -> ClientError {
        known.at_once.store(false, Ordering::Relaxed);
        self.has_misfitted = true;
        self.abandon();
        ControlFailure::Broken(format!("the answers to a login that was sent at once do not fit: {problem}"))
            .into()
    }
}

impl KnownServer {
    /// Whether `reply` is what the first session got for `command`.
    fn takes(&self, command: &Command, reply: &Reply) -> bool {
        match command {
            Command::User(_) if self.steps == LoginSteps::Password => {
                reply.code() == ReplyCode::NEED_PASSWORD
            }
            // A server may do without.
            Command::Opts(_) => fits(command, reply),
            _ => reply.code().is_positive() && fits(command, reply),
        }
    }
}

/// OPTS UTF8, which announces in which charset names are sent.
pub(crate) fn utf8_option(charset: Option<Charset>) -> Option<Command> {
    let is_utf8 = charset.is_none_or(Charset::is_utf8);
    Text::new(if is_utf8 { "UTF8 ON" } else { "UTF8 OFF" }).ok().map(Command::Opts)
}
