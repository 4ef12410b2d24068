//! A session: the control connection, who is logged in, and what is known of the server.

mod entering;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::time::{Instant, timeout, timeout_at};
use wharf_net::Clock;
use wharf_net::control::{ControlConnection, Received};
use wharf_net::tls::{Secured, is_of_tls};
use wharf_proto::command::Representation;
use wharf_proto::dialogue::{Deadlines, Deviation, Event, Side};
use wharf_proto::pathname::{Pathname, escaped};
use wharf_proto::reply::ReplyClass;
use wharf_proto::user_pi::Answer;
use wharf_proto::{Command, Reply, ReplyCode, UserPi};

use crate::ahead::Ahead;
use crate::error::{ClientError, ControlFailure};
use crate::features::Features;
use crate::known_server::{KnownServer, LoginSteps};
use crate::login::{Login, ServerAddress};
use crate::memory::{network_of, recall};
use crate::observer::Observer;
use crate::open_control::open_control;
use crate::options::Options;
use crate::security::Security;
use crate::strategy::WorkingMode;

/// How long a polite end waits for its answer.
const QUIT_TIME: Duration = Duration::from_secs(2);
/// How long a server that said 421 is given to really close.
const GOODBYE_TIME: Duration = Duration::from_millis(300);

/// With this a session of vsftpd is over, whatever else still comes over its control connection.
const VSFTPD_DIES: &[u8] = b"OOPS: ";

/// A session with a server, from the login to the end.
///
/// A session that was lost, or in which the server went deaf, is set up anew by itself for the next operation; the
/// mode that worked is kept. Dropping any of its futures is allowed: the next operation begins with a new control
/// connection then.
pub struct Session {
    pub(crate) server: ServerAddress,
    pub(crate) login: Login,
    pub(crate) options: Options,
    pub(crate) observer: Box<dyn Observer>,
    pub(crate) clock: Clock,
    pub(crate) control: ControlConnection,
    pub(crate) pi: UserPi,
    pub(crate) security: Security,
    /// Whether the control connection can take another command.
    usable: bool,
    /// That the server said 421 and stayed.
    stayed_after_goodbye: bool,
    representation_sent: bool,
    /// What TYPE I was answered with, where that tells of TYPE A.
    pub(crate) taken_for_text: Option<Reply>,
    /// On the present control connection.
    utf8_announced: bool,
    features: Features,
    pub(crate) system: Option<String>,
    /// What another session of this run has seen of the server.
    pub(crate) known: Option<Arc<KnownServer>>,
    /// What USER and PASS were answered with.
    pub(crate) login_steps: LoginSteps,
    /// That the present control connection was given up for an answer to what was sent at once.
    pub(crate) has_misfitted: bool,
    /// Whether `LIST -a` tells names that begin with a dot, as far as that was tried.
    pub(crate) lists_hidden: Option<bool>,
    pub(crate) working: Option<WorkingMode>,
    /// What was sent before its turn.
    pub(crate) ahead: Ahead,
    /// Why the last 227 or 229 could not be read.
    pub(crate) unreadable: Option<String>,
    failure: Option<ControlFailure>,
    /// The longest that this server took for a reply.
    pub(crate) slowest_reply: Duration,
    /// The longest that it took from the end of the data of a transfer to the final reply.
    pub(crate) slowest_completion: Duration,
    /// The longest segments that data connections may carry, in bytes; none: as the system has it.
    pub(crate) largest_segment: Option<u32>,
    /// The shortest that a command and its reply took, none before the first: on a busy machine this is what comes nearest to
    /// a round trip.
    pub(crate) quickest_reply: Option<Duration>,
    /// Where the user went; none is the login directory.
    pub(crate) directory: Option<Pathname>,
    /// That OPTS HASH has chosen another algorithm than the server's usual one.
    pub(crate) has_chosen_hash: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("server", &self.server)
            .field("user", &self.login.user)
            .field("control", &self.control)
            .field("usable", &self.usable)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Connects and logs in.
    ///
    /// # Errors
    /// When there is no control connection, no TLS although it is required, or the login is refused.
    pub async fn connect(
        server: ServerAddress,
        login: Login,
        options: Options,
        observer: Box<dyn Observer>,
    ) -> Result<Self, ClientError> {
        Box::pin(Self::connect_to_known(server, login, options, observer, None)).await
    }

    /// As [`connect`](Self::connect), to a server of which another session of this run has seen something.
    pub(crate) async fn connect_to_known(
        server: ServerAddress,
        login: Login,
        options: Options,
        mut observer: Box<dyn Observer>,
        known: Option<Arc<KnownServer>>,
    ) -> Result<Self, ClientError> {
        if let Some(proxy) = &options.proxy {
            proxy.check(options.mode)?;
        }
        let security = Security::new(&server, &options.tls)?;
        let clock = Clock::start();
        let control = open_control(&server, &options, &mut *observer).await?;
        let pi = UserPi::new(clock.now(), control.endpoints(), Deadlines::default());
        let working = recall(&options.remembered, control.endpoints().client.ip());
        let mut session = Self {
            server,
            login,
            options,
            observer,
            clock,
            control,
            pi,
            security,
            usable: true,
            stayed_after_goodbye: false,
            representation_sent: false,
            taken_for_text: None,
            utf8_announced: false,
            features: Features::default(),
            system: None,
            known: None,
            login_steps: LoginSteps::default(),
            has_misfitted: false,
            lists_hidden: None,
            working,
            ahead: Ahead::default(),
            unreadable: None,
            failure: None,
            slowest_reply: Duration::ZERO,
            slowest_completion: Duration::ZERO,
            largest_segment: None,
            quickest_reply: None,
            directory: None,
            has_chosen_hash: false,
        };
        if let Some(known) = known {
            session.acquaint(known);
        }
        session.come_in(true).await?;
        if session.known.is_none() {
            session.learn_features().await?;
        } else {
            session.announce_utf8().await?;
        }
        session.clear_control().await?;
        Ok(session)
    }

    /// The server's end of the control connection.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.control.endpoints().server
    }

    /// What the TLS handshake of the control connection agreed on; none in clear.
    #[must_use]
    pub fn secured(&self) -> Option<Secured> {
        self.security.secured()
    }

    /// What the server said that it can do.
    #[must_use]
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// The network of this machine's address on the control connection.
    #[must_use]
    pub fn network(&self) -> IpNet {
        network_of(self.control.endpoints().client.ip())
    }

    /// Whether it goes through a proxy.
    #[must_use]
    pub fn is_proxied(&self) -> bool {
        self.options.proxy.is_some()
    }

    /// The way to a data connection that worked last, in this session or, as was remembered, before.
    #[must_use]
    pub fn working_mode(&self) -> Option<WorkingMode> {
        self.working
    }

    /// Sends a command that needs no data connection and waits for its final reply, whatever that is.
    ///
    /// # Errors
    /// When the control connection is lost, or could not be set up anew.
    pub async fn execute(&mut self, command: &Command) -> Result<Reply, ClientError> {
        self.expressible(command)?;
        self.revive().await?;
        Ok(self.exchange(command).await?)
    }

    /// As [`execute`](Self::execute), but a negative reply is an error.
    ///
    /// # Errors
    /// [`ClientError::Refused`] besides.
    pub async fn require(&mut self, command: &Command) -> Result<Reply, ClientError> {
        let reply = self.execute(command).await?;
        accepted(command, reply)
    }

    /// What SYST says, asked for once: `UNIX Type: L8`, `Windows_NT`; empty where it is not known.
    ///
    /// # Errors
    /// When the control connection is lost.
    pub async fn system(&mut self) -> Result<&str, ClientError> {
        if self.system.is_none() {
            let reply = self.execute(&Command::Syst).await?;
            let text =
                if reply.code().is_negative() { String::new() } else { escaped(reply.text()).to_string() };
            self.system = Some(text);
        }
        Ok(self.system.as_deref().unwrap_or_default())
    }

    /// Ends the session politely (RFC 959 §4.1.1, QUIT).
    pub async fn quit(mut self) {
        self.settle().await;
        if self.usable {
            self.send(&Command::Quit);
            // A server that does not answer has lost nothing.
            let _ = self.final_reply(QUIT_TIME).await;
        }
    }

    /// Sets TYPE, unless it is set already.
    pub(crate) async fn set_representation(&mut self, wanted: Representation) -> Result<(), ClientError> {
        if self.representation_sent && self.pi.dialogue().state().representation == wanted {
            return Ok(());
        }
        let command = Command::Type(wanted);
        let reply = accepted(&command, self.exchange(&command).await?)?;
        self.note_representation(wanted, &reply);
        self.representation_sent = true;
        Ok(())
    }

    /// Whether the control connection can take another command, as far as is known.
    pub(crate) fn is_usable(&self) -> bool {
        self.usable && !self.pi.dialogue().is_closing()
    }

    /// That nothing more can be asked on this control connection.
    pub(crate) fn abandon(&mut self) {
        self.usable = false;
    }

    /// Makes sure that a command can be sent: a control connection that was lost or given up is set up anew.
    pub(crate) async fn revive(&mut self) -> Result<(), ClientError> {
        self.settle().await;
        self.take_unasked();
        if self.usable && self.pi.dialogue().is_closing() && !self.stayed_after_goodbye {
            // Some servers say 421 where 425 is meant, and stay.
            self.stayed_after_goodbye = timeout(GOODBYE_TIME, self.next_answer()).await.is_err();
            self.usable = self.stayed_after_goodbye;
        }
        if self.usable && !self.pi.dialogue().is_unanswered() {
            return Ok(());
        }
        self.observer.note("opening a new control connection");
        self.reopen().await?;
        self.come_in(false).await?;
        self.announce_utf8().await?;
        self.clear_control().await?;
        self.return_to_directory().await
    }

    /// Opens a new control connection in the place of the present one.
    async fn reopen(&mut self) -> Result<(), ClientError> {
        self.control = open_control(&self.server, &self.options, &mut *self.observer).await?;
        self.pi = UserPi::new(self.clock.now(), self.control.endpoints(), Deadlines::default());
        self.usable = true;
        self.stayed_after_goodbye = false;
        self.representation_sent = false;
        self.utf8_announced = false;
        self.has_chosen_hash = false;
        self.failure = None;
        Ok(())
    }

    /// Takes what the server said without being asked, an idle time that is over for one: it must not be taken for the
    /// answer to the next command.
    fn take_unasked(&mut self) {
        while self.usable && !self.pi.dialogue().is_unanswered() {
            let (pi, clock) = (&mut self.pi, self.clock);
            let mut understood = Ok(());
            match self.control.try_receive(|bytes| understood = pi.handle_input(clock.now(), bytes)) {
                Ok(Received::Bytes) if understood.is_ok() => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                _ => self.usable = false,
            }
        }
        while let Some(answer) = self.pi.poll_answer() {
            let shown = self.shown(&answer.reply);
            self.observer.reply(&shown);
        }
    }

    /// Sends a command and waits for its final reply.
    pub(crate) async fn exchange(&mut self, command: &Command) -> Result<Reply, ControlFailure> {
        self.exchange_within(command, self.options.times.reply).await
    }

    /// As [`exchange`](Self::exchange), with a time of its own.
    pub(crate) async fn exchange_within(
        &mut self,
        command: &Command,
        limit: Duration,
    ) -> Result<Reply, ControlFailure> {
        let started = Instant::now();
        self.send(command);
        let reply = self.final_reply(limit).await?;
        let took = started.elapsed();
        self.quickest_reply = Some(self.quickest_reply.map_or(took, |quickest| quickest.min(took)));
        Ok(reply)
    }

    /// Puts a command into the output; whoever waits for an answer sends it.
    pub(crate) fn send(&mut self, command: &Command) {
        self.observer.command(command);
        let written = self.options.charset.and_then(|charset| charset.command(command));
        self.pi.send(self.clock.now(), written.as_ref().unwrap_or(command));
    }

    /// Makes sure that the server's charset has the characters of the command's name.
    pub(crate) fn expressible(&self, command: &Command) -> Result<(), ClientError> {
        match self.options.charset {
            Some(charset) if charset.command(command).is_none() => {
                Err(ClientError::NotInCharset { name: command.to_string(), charset: charset.name() })
            }
            _ => Ok(()),
        }
    }

    /// A reply as people may read it.
    fn shown(&self, reply: &Reply) -> Reply {
        let reply = self.login.hidden_in(reply);
        self.options.charset.map_or_else(|| reply.clone().into_owned(), |charset| charset.reply(&reply))
    }

    /// The next final reply to a command. The time does not begin anew with what comes meanwhile (threat 28).
    pub(crate) async fn final_reply(&mut self, limit: Duration) -> Result<Reply, ControlFailure> {
        let started = Instant::now();
        loop {
            let answer = self.answer_before(started + limit, limit).await?;
            if let Some(reply) = self.final_of(answer)? {
                self.slowest_reply = self.slowest_reply.max(started.elapsed());
                return Ok(reply);
            }
        }
    }

    /// The reply, if it is the final one to a command. A 421 that nobody asked for ends the session.
    pub(crate) fn final_of(&mut self, answer: Answer) -> Result<Option<Reply>, ControlFailure> {
        let Answer { reply, attribution } = answer;
        if reply.text().starts_with(VSFTPD_DIES) {
            self.usable = false;
        }
        if attribution.command.is_some() {
            return Ok((!attribution.is_preliminary).then_some(reply));
        }
        if reply.code() == ReplyCode::SERVICE_NOT_AVAILABLE {
            self.usable = false;
            return Err(ControlFailure::Dismissed(reply));
        }
        Ok(None)
    }

    /// The next answer, if it comes before `deadline`; `limit` is what the error says.
    pub(crate) async fn answer_before(
        &mut self,
        deadline: Instant,
        limit: Duration,
    ) -> Result<Answer, ControlFailure> {
        match timeout_at(deadline, self.next_answer()).await {
            // Of a flood of 1yz there is always one more, and nobody would ever ask the clock.
            Ok(Ok(answer)) if !is_final(&answer) && Instant::now() >= deadline => {}
            Ok(answer) => return answer,
            Err(_) => {}
        }
        // Whatever comes later would be taken for the answer to something else.
        self.usable = false;
        Err(ControlFailure::Silent(limit))
    }

    /// Sends what is to be sent and waits for the next reply.
    ///
    /// Cancel safe.
    pub(crate) async fn next_answer(&mut self) -> Result<Answer, ControlFailure> {
        let outcome = self.read_answer().await;
        match &outcome {
            Ok(answer) => {
                let shown = self.shown(&answer.reply);
                self.observer.reply(&shown);
            }
            Err(_) => self.usable = false,
        }
        outcome
    }

    async fn read_answer(&mut self) -> Result<Answer, ControlFailure> {
        // In a flood of replies no clock would ever run.
        tokio::task::coop::consume_budget().await;
        let broken = |error: std::io::Error| match is_of_tls(&error) {
            true => ControlFailure::Tls(error.to_string()),
            false => ControlFailure::Broken(error.to_string()),
        };
        loop {
            self.drain_events();
            if let Some(mut answer) = self.pi.poll_answer() {
                if answer.reply.code().is_negative() || self.pi.authenticated().is_none() {
                    // These are told to people; of all others only what they mean is of use.
                    answer.reply = self.shown(&answer.reply);
                }
                return Ok(answer);
            }
            // Only now: what was understood before the failure has been handed out.
            if let Some(failure) = &self.failure {
                return Err(failure.clone());
            }
            while !self.pi.output().is_empty() {
                let count = self.control.send(self.pi.output()).await.map_err(broken)?;
                self.pi.output_written(count);
            }
            let (pi, clock) = (&mut self.pi, self.clock);
            let mut understood = Ok(());
            let received =
                self.control.receive(|bytes| understood = pi.handle_input(clock.now(), bytes)).await;
            self.failure = match (received, understood) {
                (Ok(Received::Bytes), Ok(())) => None,
                (Ok(Received::Bytes), Err(error)) => Some(ControlFailure::NotFtp(error)),
                (Ok(Received::End), _) => Some(ControlFailure::Closed),
                (Err(error), _) => Some(broken(error)),
            };
        }
    }

    /// Hands on what the dialogue noticed.
    pub(crate) fn drain_events(&mut self) {
        while let Some(event) = self.pi.poll_event() {
            let Event::Deviation(deviation) = event else { continue };
            match &deviation {
                Deviation::MalformedPassiveReply { error } => self.unreadable = Some(error.to_string()),
                Deviation::MalformedExtendedReply { error } => self.unreadable = Some(error.to_string()),
                Deviation::BytesBehindAuth { by: Side::Server, count } => {
                    self.security.behind_auth = Some(*count);
                }
                _ => {}
            }
            self.observer.deviation(&deviation);
        }
    }
}

/// Whether it ends the waiting: the final reply to a command, or a greeting.
fn is_final(answer: &Answer) -> bool {
    !answer.attribution.is_preliminary && answer.reply.code().class() != ReplyClass::Preliminary
}

/// The reply, unless it is negative.
pub(crate) fn accepted(command: &Command, reply: Reply) -> Result<Reply, ClientError> {
    match reply.code() {
        ReplyCode::SERVICE_NOT_AVAILABLE => Err(ControlFailure::Dismissed(reply).into()),
        code if code.is_negative() => Err(ClientError::Refused { command: command.to_string(), reply }),
        _ => Ok(reply),
    }
}
