//! The conversation itself, seen from neither side.
//!
//! [`Dialogue`] is a record of one FTP conversation. The server feeds it the commands that it carries out and the
//! replies that it gives, the client the commands that it sends and the replies that it gets, and a bystander both.
//! All of them get the same truth out of it.
//!
//! ```text
//! login                                            security
//!
//!             USER/331          PASS/230             AUTH/234              tls_established
//!  ┌────────┐ ────────> ┌───────────┐ ───────┐     ┌───────┐ ───> ┌───────────┐ ───> ┌───────────┐
//!  │ Nobody │           │ UserNamed │        v     │ Clear │      │ Handshake │      │ Protected │
//!  └────────┘ <──────── └───────────┘   LoggedIn   └───────┘      └───────────┘      └───────────┘
//!   ^  │ 530, REIN/220,   │ 332           ^           ^ REIN/220                       │ CCC/200
//!   │  │ AUTH/234         v               │ 230       │                                v
//!   │  │ USER/230   AccountWanted ────────┘           └──────────────────────── ControlCleared
//!   │  └─────────────────────────────────> LoggedIn
//!
//! data connection                                   transfer
//!
//!  ┌───────┐ PORT/200 EPRT/200  ┌────────┐          ┌──────┐ RETR, STOR, LIST, … ┌───────────┐
//!  │ none  │ PASV/227 EPSV/229  │ agreed │          │ none │ ──────────────────> │ Requested │
//!  └───────┘ ────────────────>  └────────┘          └──────┘                     └───────────┘
//!      ^      any reply to a         │                ^  ^   4yz 5yz: TransferRefused │ │ 1yz: TransferStarted
//!      └──────  transfer  <──────────┘                │  └────────────────────────────┘ v
//!                                                     │ 2yz 4yz 5yz: TransferEnded  ┌─────────┐
//!                                                     └──────────────────────────── │ Started │
//!                                                                                   └─────────┘
//! ```
//!
//! A plan belongs to the transfer whose *reply* comes next, not to the command that is sent next: a client may
//! pipeline `PASV`, `RETR` before it has read the 227.

mod agreement;
mod bystander;
mod deviation;
mod event;
mod negotiation;
mod permission;
mod session;
mod transfer;

use core::time::Duration;
use std::collections::VecDeque;
use std::net::SocketAddr;

pub use deviation::Deviation;
pub use event::{Event, Timer};
pub use negotiation::{
    DataConnectionPlan, DataMode, NegotiationCommand, Side, canonical, canonical_endpoint, is_of_container,
    is_private,
};
pub use permission::Refusal;
pub use session::{LoginState, SecurityState, SessionState};
pub use transfer::{DataEvent, DataStage, Transfer, TransferEnd, TransferStage};

use crate::command::{Command, ProtectionLevel};
use crate::limits;
use crate::reply::{Reply, ReplyClass, ReplyCode};
use crate::short_queue::ShortQueue;
use crate::time::Timestamp;
use crate::verb::{Role, Verb};

/// The two ends of the control connection, canonical (no ::ffff:).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The client's end.
    pub client: SocketAddr,
    /// The server's end.
    pub server: SocketAddr,
}

impl Endpoints {
    /// Makes both canonical.
    #[must_use]
    pub fn new(client: SocketAddr, server: SocketAddr) -> Self {
        Self { client: canonical_endpoint(client), server: canonical_endpoint(server) }
    }
}

/// The times that a role watches; none is watched unless it is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deadlines {
    /// From the start, or the end of another login, until the login is complete, whatever is sent meanwhile.
    pub login: Option<Duration>,
    /// Silence while nothing is under way.
    pub idle: Option<Duration>,
    /// From a command to its first reply, and from the end of the data to the final one.
    pub reply: Option<Duration>,
}

/// That a login took place. Only a [`Dialogue`] makes one, and no transfer can be opened without it.
#[derive(Clone, Copy, Debug)]
pub struct Authenticated(());

/// Which command a reply belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribution {
    /// The command, without secrets; none for the greeting and for replies that nobody asked for.
    pub command: Option<Command>,
    /// Whether more replies to the same command will come (1yz).
    pub is_preliminary: bool,
}

/// A record of one FTP conversation. See the [module](self) for its states.
///
/// Its methods are of four kinds:
/// * getters: [`state`](Self::state), [`transfer`](Self::transfer), [`plan`](Self::plan), [`permits`](Self::permits),
///   [`authenticated`](Self::authenticated), …
/// * input, by which it moves: [`command`](Self::command), [`reply`](Self::reply), [`data`](Self::data),
///   [`tls_established`](Self::tls_established), [`deviation`](Self::deviation), [`handle_timeout`](Self::handle_timeout)
/// * output, drained after each input, in this order: [`poll_event`](Self::poll_event) until `None`, then
///   [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub struct Dialogue {
    endpoints: Endpoints,
    deadlines: Deadlines,
    /// Since when a login is waited for.
    login_begun: Timestamp,
    last_activity: Timestamp,
    greeted: bool,
    closing: bool,
    state: SessionState,
    outstanding: ShortQueue<Command>,
    plan: Option<DataConnectionPlan>,
    /// What was seen of the data connection before its transfer was asked for.
    early_data: DataStage,
    transfer: Option<Transfer>,
    events: VecDeque<Event>,
}

impl Dialogue {
    /// A conversation whose control connection came up at `at`. The greeting has not been seen.
    #[must_use]
    pub fn new(at: Timestamp, endpoints: Endpoints, deadlines: Deadlines) -> Self {
        Self {
            endpoints,
            deadlines,
            login_begun: at,
            last_activity: at,
            greeted: false,
            closing: false,
            state: SessionState::default(),
            outstanding: ShortQueue::new(),
            plan: None,
            early_data: DataStage::NotSeen,
            transfer: None,
            events: VecDeque::new(),
        }
    }

    // Getters.

    /// The two ends of the control connection.
    #[must_use]
    pub fn endpoints(&self) -> Endpoints {
        self.endpoints
    }

    /// Login, security and transfer parameters.
    #[must_use]
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// The transfer that is under way.
    #[must_use]
    pub fn transfer(&self) -> Option<&Transfer> {
        self.transfer.as_ref()
    }

    /// The plan that no transfer has used.
    #[must_use]
    pub fn plan(&self) -> Option<&DataConnectionPlan> {
        self.plan.as_ref()
    }

    /// Whether a command waits for its final reply.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        !self.outstanding.is_empty()
    }

    /// Whether the oldest command that waits for its final reply is one that takes its time without a transfer.
    #[must_use]
    pub fn is_computing(&self) -> bool {
        let oldest = self.outstanding.front().and_then(Command::verb);
        oldest.is_some_and(|verb| verb.role() == Role::Lengthy)
    }

    /// How many commands wait for their final reply.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Whether the greeting was seen.
    #[must_use]
    pub fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// Whether the server said that it is going to close (221, 421).
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// The proof of a login, if there was one.
    #[must_use]
    pub fn authenticated(&self) -> Option<Authenticated> {
        (self.state.login == LoginState::LoggedIn).then_some(Authenticated(()))
    }

    /// Whether `command` is in sequence now.
    ///
    /// # Errors
    /// The reason, which knows the reply that a server gives.
    pub fn permits(&self, command: &Command) -> Result<(), Refusal> {
        permission::judge(&self.state, self.plan.is_some(), command)
    }

    // Input.

    /// The client sent `command` (a client's view), or the server begins to carry it out (a server's view).
    pub fn command(&mut self, at: Timestamp, command: &Command) {
        self.last_activity = at;
        let verb = command.verb();
        if !self.greeted && self.outstanding.is_empty() {
            self.deviation(Deviation::CommandBeforeGreeting { verb });
        }
        self.state.on_command(command);
        if let Some(verb) = verb {
            self.note_negotiation(verb, command);
            if verb.role().is_transfer() {
                if self.transfer.is_some() {
                    self.deviation(Deviation::TransferDuringTransfer { verb });
                } else {
                    self.transfer = Some(Transfer::new(verb));
                }
            }
        }
        if self.outstanding.len() >= limits::OUTSTANDING_COMMANDS {
            self.deviation(Deviation::TooManyOutstanding);
            self.outstanding.pop_front();
        }
        self.outstanding.push_back(command.without_secret());
    }

    /// The server refused a line of the client that is no command.
    pub fn line_refused(&mut self, at: Timestamp) {
        self.last_activity = at;
        self.state.rename_pending = false; // RFC 959 §4.1.3: RNTO comes right behind RNFR
    }

    /// The server sent `reply`. Tells which command it belongs to.
    pub fn reply(&mut self, at: Timestamp, reply: &Reply) -> Attribution {
        self.last_activity = at;
        let code = reply.code();
        if code == ReplyCode::SERVICE_NOT_AVAILABLE {
            self.close(code);
        }
        if !self.greeted {
            return self.greeting(code);
        }
        let Some(position) = self.owner_of(code) else {
            self.deviation(Deviation::ReplyWithoutCommand { code });
            return Attribution { command: None, is_preliminary: code.is_preliminary() };
        };
        let verb = self.outstanding.get(position).and_then(Command::verb);
        if let Some(verb) = verb
            && !verb.may_be_answered_with(code.get())
        {
            self.deviation(Deviation::ReplyNotForVerb { verb, code });
        }
        if code.is_preliminary() {
            self.preliminary(verb);
            return Attribution { command: self.outstanding.get(position).cloned(), is_preliminary: true };
        }
        let command = self.outstanding.remove(position);
        if let Some(command) = &command {
            self.answered(command, reply);
        }
        Attribution { command, is_preliminary: false }
    }

    /// Something happened to the data connection.
    pub fn data(&mut self, at: Timestamp, event: DataEvent) {
        self.last_activity = at;
        let stage = match event {
            DataEvent::Opened { by, client, server } => {
                self.judge_data_connection(by, client, server);
                Some(DataStage::Open)
            }
            DataEvent::Refused | DataEvent::Unanswered => Some(DataStage::Failed),
            DataEvent::Closed => Some(DataStage::Closed),
            DataEvent::Cut => Some(DataStage::Cut),
            DataEvent::StrangerDropped { .. } => None,
            DataEvent::Progress { bytes } => {
                if let Some(transfer) = &mut self.transfer {
                    transfer.bytes = transfer.bytes.saturating_add(bytes);
                }
                None
            }
        };
        match (stage, &mut self.transfer) {
            (Some(stage), Some(transfer)) => transfer.data = stage,
            (Some(stage), None) => self.early_data = stage,
            (None, _) => {}
        }
    }

    /// The I/O layer finished the TLS handshake of the control connection.
    pub fn tls_established(&mut self, at: Timestamp) {
        self.last_activity = at;
        self.state.security = SecurityState::Protected;
    }

    /// TLS began with the connection, before the greeting (implicit FTPS). There is no RFC for it; servers and clients
    /// take it that PBSZ 0 and PROT P are agreed.
    pub fn tls_from_the_start(&mut self, at: Timestamp) {
        self.tls_established(at);
        self.state.buffer_size_agreed = true;
        self.state.protection = ProtectionLevel::Private;
    }

    /// A decoder, or whoever watches, saw a peer do what no RFC says.
    pub fn deviation(&mut self, deviation: Deviation) {
        self.push(Event::Deviation(deviation));
    }

    /// Time has passed; to be called when the moment of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, at: Timestamp) {
        if let Some((moment, timer)) = self.next_timer()
            && moment <= at
        {
            self.push(Event::TimedOut(timer));
            self.last_activity = at;
            match timer {
                Timer::Login => self.deadlines.login = None,
                Timer::Idle | Timer::Reply => {}
            }
        }
    }

    // Output.

    /// What became known, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            self.events = VecDeque::new(); // idle sessions own next to nothing
        }
        event
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.next_timer().map(|(moment, _)| moment)
    }

    // Helpers.

    fn next_timer(&self) -> Option<(Timestamp, Timer)> {
        let login = self
            .deadlines
            .login
            .filter(|_| self.state.login != LoginState::LoggedIn)
            .map(|time| (self.login_begun + time, Timer::Login));
        // While data flows, silence of the control connection is normal.
        let data_flows = self.transfer.is_some_and(|transfer| {
            transfer.stage == TransferStage::Started
                && !matches!(transfer.data, DataStage::Closed | DataStage::Cut)
        });
        let waiting = self.is_unanswered() || !self.greeted;
        let other = if data_flows {
            None
        } else if waiting {
            self.deadlines.reply.map(|time| (self.last_activity + time, Timer::Reply))
        } else {
            self.deadlines.idle.map(|time| (self.last_activity + time, Timer::Idle))
        };
        [login, other].into_iter().flatten().min_by_key(|(moment, _)| *moment)
    }

    fn push(&mut self, event: Event) {
        if self.events.len() >= limits::PENDING_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn close(&mut self, code: ReplyCode) {
        if !self.closing {
            self.closing = true;
            self.push(Event::Closing { code });
        }
    }

    fn greeting(&mut self, code: ReplyCode) -> Attribution {
        // 120 announces a later 220 (RFC 959 §5.4, connection establishment).
        if !code.is_preliminary() {
            self.greeted = true;
            self.push(Event::Greeted { code });
        }
        Attribution { command: None, is_preliminary: code.is_preliminary() }
    }

    /// The position in the queue of the command that a reply with `code` answers: the oldest, unless it cannot be
    /// answered so and ABOR, STAT or QUIT overtook it.
    fn owner_of(&self, code: ReplyCode) -> Option<usize> {
        let oldest = self.outstanding.front()?;
        let fits =
            |command: &Command| command.verb().is_none_or(|verb| verb.may_be_answered_with(code.get()));
        if fits(oldest) || !oldest.verb().is_some_and(|verb| verb.role().can_be_overtaken()) {
            return Some(0);
        }
        let overtakes = |command: &Command| {
            command.verb().is_some_and(|verb| verb.role() == Role::Overtaking) && fits(command)
        };
        Some(self.outstanding.iter().position(overtakes).unwrap_or(0))
    }

    fn preliminary(&mut self, verb: Option<Verb>) {
        let Some(verb) = verb.filter(|verb| verb.role().is_transfer()) else { return };
        self.bind_plan(verb);
        match &mut self.transfer {
            Some(transfer) if transfer.stage == TransferStage::Requested => {
                transfer.stage = TransferStage::Started;
                self.push(Event::TransferStarted { verb });
            }
            _ => self.deviation(Deviation::RepeatedPreliminary { verb }),
        }
    }

    /// The first reply to a transfer uses up what was negotiated and the offset of REST.
    fn bind_plan(&mut self, verb: Verb) {
        let Some(transfer) = &mut self.transfer else { return };
        if transfer.stage != TransferStage::Requested {
            return;
        }
        transfer.plan = self.plan.take();
        transfer.offset = core::mem::take(&mut self.state.restart_offset);
        let early = core::mem::take(&mut self.early_data);
        if transfer.data == DataStage::NotSeen {
            transfer.data = early;
        }
        if transfer.plan.is_none() {
            self.deviation(Deviation::TransferWithoutNegotiation { verb });
        }
    }

    fn answered(&mut self, command: &Command, reply: &Reply) {
        let code = reply.code();
        let was = self.state.login;
        let was_protected = self.state.security == SecurityState::Protected;
        self.state.on_final(command, code);
        match command.verb() {
            Some(verb) if verb.role().is_transfer() => self.transfer_answered(verb, code),
            Some(Verb::Quit) => self.close(code),
            Some(Verb::Auth) if self.state.security == SecurityState::Handshake => {
                // What was agreed in clear is not good for a data connection under TLS.
                self.plan = None;
                self.early_data = DataStage::NotSeen;
                self.push(Event::HandshakeDue);
            }
            Some(Verb::Ccc) if code.is_positive() => self.push(Event::ClearDue),
            Some(verb) if verb.role() == Role::Negotiation => self.negotiated(command, reply),
            Some(Verb::Rein) if code.is_positive() => {
                self.plan = None;
                if was_protected {
                    self.push(Event::ClearDue); // RFC 4217 §11
                }
            }
            _ => {}
        }
        if was == LoginState::LoggedIn {
            self.login_begun = self.last_activity; // whoever logs out and in again has the whole time for it
        }
        match (was, self.state.login) {
            (LoginState::LoggedIn, LoginState::LoggedIn) => {}
            (_, LoginState::LoggedIn) => self.push(Event::LoggedIn),
            (
                LoginState::LoggedIn | LoginState::UserNamed | LoginState::AccountWanted,
                LoginState::Nobody,
            ) => {
                self.push(Event::LoggedOut);
            }
            _ => {}
        }
    }

    fn transfer_answered(&mut self, verb: Verb, code: ReplyCode) {
        self.bind_plan(verb);
        let Some(transfer) = self.transfer.take() else { return };
        // A second transfer was pipelined behind this one: it becomes the one under way.
        self.transfer = self
            .outstanding
            .iter()
            .filter_map(Command::verb)
            .find(|verb| verb.role().is_transfer())
            .map(Transfer::new);
        match (transfer.stage, code.class()) {
            (TransferStage::Requested, ReplyClass::Completion) => {
                self.deviation(Deviation::CompletionWithoutPreliminary { verb, code });
                self.push(Event::TransferRefused { verb, code });
            }
            (TransferStage::Requested, _) => self.push(Event::TransferRefused { verb, code }),
            (TransferStage::Started, _) => {
                if code.is_positive() && transfer.data == DataStage::NotSeen {
                    self.deviation(Deviation::CompletionBeforeData { verb, code });
                }
                self.push(Event::TransferEnded(TransferEnd {
                    verb,
                    code,
                    bytes: transfer.bytes,
                    data: transfer.data,
                }));
            }
        }
    }
}
