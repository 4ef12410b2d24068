//! One control connection, from its greeting to its end.

mod control;
mod user;

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::watch;
use tokio::time::Sleep;
use wharf_net::control::{ControlConnection, Ready, Received};
use wharf_net::driver;
use wharf_net::tls::TlsSession;
use wharf_proto::command::Text;
use wharf_proto::dialogue::{Deadlines, Deviation, Event, Refusal, SecurityState, Side, Timer};
use wharf_proto::listing::mlsx::FactSelection;
use wharf_proto::server_pi::{Action, ServerPi};
use wharf_proto::verb::Role;
use wharf_proto::{Reply, Timestamp, Verb, limits};
use wharf_storage::StoragePath;
use wharf_storage::digest::Algorithm;

use crate::auth::Login;
use crate::canary::Canary;
use crate::checksum::Range;
use crate::commands::{self, Carrying, Outcome};
use crate::config::Publish;
use crate::data::{Negotiated, Opening};
use crate::generation::Shared;
use crate::listing::FACTS;
use crate::occupancy::Seat;
use crate::out_of_order;
use crate::replies;
use crate::server::ShutdownStage;
use crate::tls::{Protection, ServerTls};
use crate::transfer::{Ended, Running, Task};
use crate::uploads;

use control::SecurityDue;

/// A session's state. What the protocol knows lies in the interpreter; here is what the server knows.
pub(crate) struct Session {
    pub(crate) number: u64,
    pub(crate) shared: Arc<Shared>,
    pub(crate) pi: ServerPi,
    /// Who is logged in, and what that brings.
    pub(crate) login: Option<Box<Login>>,
    pub(crate) directory: StoragePath,
    pub(crate) negotiated: Negotiated,
    /// What was told of data connections last, by either side.
    pub(crate) canary: Option<Box<Canary>>,
    pub(crate) facts: FactSelection,
    pub(crate) rename_from: Option<StoragePath>,
    pub(crate) umask: Option<u16>,
    /// Whether the client has asked for UTF-8 instead (OPTS UTF8).
    pub(crate) wants_utf8: bool,
    /// What HASH computes.
    pub(crate) hash: Algorithm,
    /// The bytes that RANG told for the next HASH.
    pub(crate) range: Option<Box<Range>>,
    pub(crate) login_failures: u8,
    /// The size that ALLO told for the next upload, in bytes; 0 where it told none.
    pub(crate) announced: u64,
    /// The TLS that the control connection has or, after CCC, had.
    pub(crate) secured: Option<Arc<TlsSession>>,
    security_due: Option<SecurityDue>,
    control: ControlConnection,
    stage: watch::Receiver<ShutdownStage>,
    running: Option<Box<Running>>,
    timer: Option<Pin<Box<Sleep>>>,
    input_ended: bool,
    /// When the last transfer ended.
    last_transfer: Timestamp,
    /// Its place among all sessions.
    _seat: Box<Seat>,
}

/// What ended a wait.
enum Woken {
    TransferEnded(Ended),
    Ready(std::io::Result<Ready>),
    Timer,
    Shutdown,
}

impl Session {
    pub(crate) fn new(
        number: u64,
        control: ControlConnection,
        shared: Arc<Shared>,
        stage: watch::Receiver<ShutdownStage>,
        implicit_tls: bool,
        seat: Seat,
    ) -> Box<Self> {
        let times = &shared.config.times;
        let deadlines = Deadlines { login: Some(times.login), idle: Some(times.idle), reply: None };
        Box::new(Self {
            number,
            pi: ServerPi::new(shared.common.clock.now(), control.endpoints(), deadlines),
            shared,
            login: None,
            directory: StoragePath::root(),
            negotiated: Negotiated::Nothing,
            canary: None,
            facts: FACTS,
            rename_from: None,
            umask: None,
            wants_utf8: false,
            hash: Algorithm::default(),
            range: None,
            login_failures: 0,
            announced: 0,
            secured: None,
            security_due: implicit_tls.then_some(SecurityDue::HandshakeFirst),
            control,
            stage,
            running: None,
            timer: None,
            input_ended: false,
            last_transfer: Timestamp::START,
            _seat: Box::new(seat),
        })
    }

    /// Serves the client until either side ends it.
    pub(crate) async fn run(mut self: Box<Self>) {
        tracing::debug!(session = self.number, client = %self.control.endpoints().client, "connected");
        if let Err(error) = self.serve().await {
            tracing::debug!(session = self.number, %error, "the control connection broke");
        }
        tracing::debug!(session = self.number, "ended");
    }

    async fn serve(&mut self) -> std::io::Result<()> {
        if let Some(due) = self.security_due.take() {
            Box::pin(self.change_security(due)).await?;
        }
        self.pi.greet(self.now(), &replies::greeting());
        if *self.stage.borrow_and_update() >= ShutdownStage::Draining {
            self.pi.close_with(self.now(), &replies::shutting_down());
        }
        loop {
            // Events before each action: a login that ended is forgotten before the next command is carried out, and a
            // time that is over brings about the last action.
            self.note_events();
            if let Some(due) = self.security_due.take() {
                Box::pin(self.change_security(due)).await?;
                continue;
            }
            // A client that does not take its replies gets no more of them; only the end does not wait for it.
            let has_room = self.pi.output().len() < limits::UNSENT_REPLIES || self.pi.dialogue().is_closing();
            if let Some(action) = has_room.then(|| self.pi.poll_action(self.now())).flatten() {
                if self.act(action).await {
                    return Box::pin(self.farewell()).await;
                }
                continue;
            }
            if self.input_ended && self.running.is_none() && has_room {
                return Box::pin(self.farewell()).await;
            }
            self.send_what_fits()?;
            if !has_room && self.pi.output().len() < limits::UNSENT_REPLIES {
                continue; // commands may wait for nothing else
            }
            match self.wait().await {
                Woken::TransferEnded(ended) => self.transfer_done(&ended),
                Woken::Ready(ready) => {
                    if ready? == Ready::ToRead {
                        self.take_input().await?;
                    }
                }
                Woken::Timer => {
                    self.timer = None;
                    self.pi.handle_timeout(self.now());
                }
                Woken::Shutdown => self.shutdown_stage_changed().await,
            }
        }
    }

    async fn take_input(&mut self) -> std::io::Result<()> {
        let pi = &mut self.pi;
        match self.control.try_receive(|bytes| pi.handle_input(bytes)) {
            Ok(Received::Bytes) => {
                let control = self.running.as_ref().and_then(|running| running.control.as_ref());
                if let (true, Some(control)) = (self.pi.has_quit(), control) {
                    control.let_go();
                }
                Ok(())
            }
            Ok(Received::End) => {
                // RFC 959 §4.1.1, QUIT: an unexpected close acts as ABOR and QUIT.
                self.input_ended = true;
                if !uploads::outlives_control(self) {
                    self.cut_transfer().await;
                }
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(_) if uploads::outlives_control(self) => {
                self.input_ended = true;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Does what the interpreter wants. Tells whether the end has come.
    async fn act(&mut self, action: Action) -> bool {
        match action {
            Action::CarryOut(command) => {
                let outcome = match commands::carry_out(self, command) {
                    Carrying::Done(outcome) => outcome,
                    Carrying::Waits(work) => work.await,
                };
                match outcome {
                    Outcome::Reply(reply) => {
                        self.pi.reply(self.now(), &reply);
                        self.release_refused_listener();
                    }
                    Outcome::Begin { announcement, running } => {
                        self.pi.reply(self.now(), &announcement);
                        self.running = Some(Box::new(running));
                        // A small file over a connection that is up already is done at once: 150 and 226 leave together.
                        if let Some(ended) = self.transfer_if_done().await {
                            self.transfer_done(&ended);
                        }
                    }
                    Outcome::Work(running) => self.running = Some(Box::new(running)),
                }
            }
            Action::AbortTransfer => self.cut_transfer().await,
            Action::ReportTransfer => {
                let lines = commands::stat::session_lines(self);
                self.pi.reply(self.now(), &replies::status(lines));
            }
            Action::Close => return true,
        }
        false
    }

    /// A transfer that was refused has used up what was negotiated for it: its port is free for others (S11).
    fn release_refused_listener(&mut self) {
        if self.pi.dialogue().plan().is_none() {
            self.negotiated = Negotiated::Nothing;
        }
    }

    /// Lets the transfer go as far as it can without waiting.
    async fn transfer_if_done(&mut self) -> Option<Ended> {
        poll_fn(|context| {
            let polled = self.running.as_mut().map(|running| running.work.as_mut().poll(context));
            Poll::Ready(match polled {
                Some(Poll::Ready(ended)) => Some(ended),
                _ => None,
            })
        })
        .await
    }

    fn transfer_done(&mut self, ended: &Ended) {
        let now = self.now();
        // Transfers that follow each other like this are worth a thread.
        if now.since(self.last_transfer) < driver::MOMENT {
            driver::ask_for_thread();
        }
        self.last_transfer = now;
        for &event in &ended.seen {
            self.pi.handle_data(now, event);
        }
        self.transfer_ended(&ended.reply);
    }

    /// Cuts the transfer that runs. What its threads were at is over before anybody is told, so that a command behind
    /// the 426 meets a file that nobody writes any more.
    async fn cut_transfer(&mut self) {
        if let Some(running) = self.running.take() {
            let Running { progress, work, .. } = *running;
            drop(work);
            progress.at_rest().await;
            self.transfer_ended(&replies::transfer_aborted());
        }
    }

    fn transfer_ended(&mut self, reply: &Reply) {
        self.running = None;
        self.pi.reply(self.now(), reply);
        if *self.stage.borrow() >= ShutdownStage::Draining {
            self.pi.close_with(self.now(), &replies::shutting_down());
        }
    }

    async fn shutdown_stage_changed(&mut self) {
        let stage = *self.stage.borrow_and_update();
        if stage == ShutdownStage::Stopping {
            self.cut_transfer().await;
        }
        if self.running.is_none() {
            self.pi.close_with(self.now(), &replies::shutting_down());
        }
    }

    fn note_events(&mut self) {
        while let Some(event) = self.pi.poll_event() {
            match event {
                Event::TimedOut(Timer::Login) => self.pi.close_with(self.now(), &replies::login_too_slow()),
                Event::TimedOut(Timer::Idle) => self.pi.close_with(self.now(), &replies::idle_too_long()),
                Event::LoggedOut => self.forget_login(),
                Event::HandshakeDue => self.security_due = Some(SecurityDue::Handshake),
                Event::ClearDue => {
                    let keeps_data = self.pi.dialogue().state().security == SecurityState::ControlCleared;
                    self.security_due = Some(SecurityDue::Clear { keeps_data });
                }
                Event::Deviation(deviation) => self.note_deviation(&deviation),
                _ => {}
            }
        }
    }

    fn note_deviation(&self, deviation: &Deviation) {
        out_of_order::note(self.number, &self.shared.common.metrics, deviation);
    }

    /// Who is logged in from now on.
    pub(crate) fn set_login(&mut self, login: Option<Box<Login>>) {
        self.login = login;
        if let Some(secured) = &self.secured {
            let user = self.login.as_ref().and(self.user());
            secured.set_owner(user.map(|user| (user.as_bytes(), self.client())));
        }
    }

    fn forget_login(&mut self) {
        self.set_login(None);
        self.directory = StoragePath::root();
        self.negotiated = Negotiated::Nothing;
        self.rename_from = None;
        self.umask = None;
        self.wants_utf8 = false;
        self.range = None;
    }

    /// Sends what the socket takes now.
    fn send_what_fits(&mut self) -> std::io::Result<()> {
        while !self.pi.output().is_empty() || self.control.has_unsent() {
            match self.control.try_send(self.pi.output()) {
                Ok(count) => self.pi.output_written(count),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn wait(&mut self) -> Woken {
        // Looked at here too: a client that sends without a pause must not keep us from them.
        if self.stage.has_changed().unwrap_or(false) {
            return Woken::Shutdown;
        }
        if let Some(at) = self.pi.poll_timeout() {
            if at <= self.now() {
                return Woken::Timer;
            }
            let deadline = self.shared.common.clock.instant(at);
            match &mut self.timer {
                // A timer that fires too early costs one wake-up; setting it anew for each command costs more.
                Some(timer) if timer.deadline() <= deadline && !timer.is_elapsed() => {}
                Some(timer) => timer.as_mut().reset(deadline),
                None => self.timer = Some(Box::pin(tokio::time::sleep_until(deadline))),
            }
        }
        let Self { control, pi, running, timer, stage, input_ended, .. } = self;
        let unsent = pi.output().len();
        let has_unsent = unsent > 0 || control.has_unsent();
        let wants_input = pi.wants_input() && !*input_ended && unsent < limits::UNSENT_REPLIES;
        if wants_input && !has_unsent && running.is_none() && control.waits_itself() {
            return Woken::Ready(Ok(Ready::ToRead));
        }
        tokio::select! {
            biased;
            ended = poll_fn(|context| match running {
                Some(running) => running.work.as_mut().poll(context),
                None => Poll::Pending,
            }) => Woken::TransferEnded(ended),
            ready = control.ready(wants_input, has_unsent), if wants_input || has_unsent => Woken::Ready(ready),
            () = poll_fn(|context| match timer {
                Some(timer) => timer.as_mut().poll(context),
                None => Poll::Pending,
            }) => Woken::Timer,
            _ = stage.changed() => Woken::Shutdown,
        }
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Timestamp {
        self.shared.common.clock.now()
    }

    /// The client's address.
    pub(crate) fn client(&self) -> IpAddr {
        self.control.endpoints().client.ip()
    }

    /// What SITE CANARY tells; none where that is switched off.
    pub(crate) fn canary(&mut self) -> Option<&mut Canary> {
        self.shared.config.canary.then(|| &mut **self.canary.get_or_insert_default())
    }

    /// The client's end of the control connection.
    pub(crate) fn client_endpoint(&self) -> std::net::SocketAddr {
        self.control.endpoints().client
    }

    /// The server's end of the control connection.
    pub(crate) fn server_endpoint(&self) -> std::net::SocketAddr {
        self.control.endpoints().server
    }

    /// The transfer that runs.
    pub(crate) fn running(&self) -> Option<&Running> {
        self.running.as_deref()
    }

    /// The control connection's own address for data sockets, port 0.
    pub(crate) fn data_address(&self) -> std::net::SocketAddr {
        self.control.data_address(Side::Server)
    }

    /// The address that the client reached, as a balancer tells it.
    pub(crate) fn proxied_address(&self) -> Option<IpAddr> {
        self.control.relayed().map(|relayed| relayed.destination.ip())
    }

    /// The port that the client reached.
    pub(crate) fn control_port(&self) -> u16 {
        self.control.endpoints().server.port()
    }

    /// Whether files are converted in the present type.
    pub(crate) fn converts_ascii(&self) -> bool {
        self.pi.dialogue().state().representation == wharf_proto::command::Representation::Ascii
            && self.shared.config.ascii == crate::config::AsciiPolicy::Convert
    }

    /// What a transfer needs; uses up what was negotiated. Fails only without a login, which the core rules
    /// out.
    pub(crate) fn task(&mut self, verb: Verb, path: StoragePath) -> Result<Task, Reply> {
        let authenticated = self.pi.authenticated().ok_or_else(|| Refusal::NotLoggedIn.reply())?;
        let login = self.login.as_ref().ok_or_else(|| Refusal::NotLoggedIn.reply())?;
        let (identity, throttle) = (login.identity.clone(), login.throttle(verb));
        let announced = std::mem::take(&mut self.announced);
        let is_checked = verb.role() == Role::Upload
            && self.shared.config.uploads.publish != Publish::OnEof
            && !self.pi.has_quit();
        let control = is_checked.then(|| Arc::new(self.control.watch_peer()));
        Ok(Task {
            verb,
            path,
            shared: self.shared.clone(),
            opening: Opening {
                session: self.number,
                local: self.data_address(),
                control_port: self.control_port(),
                client: self.client(),
            },
            authenticated,
            ascii: self.converts_ascii(),
            identity,
            throttle,
            protection: Protection::of(self)?,
            announced,
            control,
            place: None,
            negotiated: std::mem::take(&mut self.negotiated),
        })
    }

    /// TLS, where this server has it.
    pub(crate) fn tls(&self) -> Option<&ServerTls> {
        self.shared.tls.as_deref()
    }

    /// Whether the control connection is under TLS.
    pub(crate) fn is_secured(&self) -> bool {
        self.pi.dialogue().state().security == SecurityState::Protected
    }

    /// The user's name that was given with USER.
    pub(crate) fn user(&self) -> Option<&Text> {
        self.pi.dialogue().state().user.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Idle sessions own next to nothing: this is what each of ten thousand holds beside its socket, in bytes.
    #[test]
    fn a_session_is_small() {
        fn size_of_future<F: Future>(_: impl FnOnce(Box<Session>) -> F) -> usize {
            size_of::<F>()
        }
        let size = size_of::<Session>() + size_of_future(Session::run);
        assert!(size <= 1536, "{size} bytes");
    }
}
