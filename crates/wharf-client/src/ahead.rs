//! Commands sent before their turn, which saves a far server's round trips: behind a transfer that is under way, what is to
//! be asked after it, and the negotiation of the next data connection.
//!
//! Most servers carry them out when the transfer is over, in order (RFC 959 §5.4). Some obey at once, and a negotiation then
//! ends the transfer that is under way: [`keeps_order`](Session::keeps_order) tells them apart. Some refuse what comes during a
//! transfer; that shows in an answer that does not fit, and whoever allows all this serves them without from then on.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use wharf_net::dtp::DataStream;
use wharf_proto::command::{EpsvArgument, ListArgument, Representation};
use wharf_proto::dialogue::{DataEvent, DataMode, NegotiationCommand, Side, canonical_endpoint};
use wharf_proto::pathname::Pathname;
use wharf_proto::reply::ReplyClass;
use wharf_proto::{Command, Reply, ReplyCode};

use crate::data_connection::{Listening, Request};
use crate::data_protection::Protected;
use crate::error::{ClientError, ControlFailure};
use crate::session::Session;
use crate::strategy::passive_endpoints;
use crate::transfer::Final;

/// Most bytes of the listing by which a server is tried.
const TRIAL: u64 = 4 * 1024 * 1024;
/// Longest wait for the server to come to us while that is tried.
const ACTIVE_TRIAL: Duration = Duration::from_secs(2);

/// What was, or may be, sent before its turn.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    /// Whether anything may.
    pub(crate) is_allowed: bool,
    /// Whether another transfer will follow the one that is to begin.
    pub(crate) more_to_come: bool,
    /// What is to be asked after the transfer that is to begin.
    followers: VecDeque<Command>,
    /// What was sent so, and whose answer is still to be read.
    sent: VecDeque<Command>,
    /// The negotiation whose answer is still to be read, behind those.
    pub(crate) negotiation: Option<NegotiationCommand>,
    /// The transfer that will follow, which in active mode can be sent as well: the server finds us listening for it.
    pub(crate) upcoming: Option<Upcoming>,
    /// What was sent so.
    dialled: Option<Dialled>,
}

/// A transfer that will follow, from the beginning of its file.
#[derive(Debug)]
pub(crate) struct Upcoming {
    pub(crate) transfer: Command,
    /// What is to be asked after it.
    pub(crate) followers: Vec<Command>,
}

/// An active data connection that was negotiated, and the transfer over it that was asked for, before their turn.
#[derive(Debug)]
struct Dialled {
    command: NegotiationCommand,
    listening: Listening,
    upcoming: Upcoming,
}

impl Session {
    /// Says what is to be asked after the next transfer; [`follow_up`](Self::follow_up) has the answers.
    pub(crate) fn ask_afterwards(&mut self, commands: impl IntoIterator<Item = Command>) {
        self.ahead.followers = commands.into_iter().collect();
    }

    /// A transfer command was sent, for a data connection that was negotiated by `command`: sends what may be sent behind
    /// it. Only a mode that has worked is negotiated ahead.
    pub(crate) fn send_behind(&mut self, command: NegotiationCommand, verb: &Command) {
        if !self.ahead.is_allowed || self.working.is_none_or(|working| working.command != command) {
            return;
        }
        while let Some(follower) = self.ahead.followers.pop_front() {
            self.send(&follower);
            self.ahead.sent.push_back(follower);
        }
        match command.mode() {
            DataMode::Active => self.dial_upcoming(command),
            DataMode::Passive if self.ahead.more_to_come => {
                self.send(verb);
                self.ahead.negotiation = Some(command);
            }
            DataMode::Passive => {}
        }
    }

    /// Sends the transfer that will follow, with its negotiation, if one is known.
    pub(crate) fn dial_upcoming(&mut self, command: NegotiationCommand) {
        let Some(upcoming) = self.ahead.upcoming.take() else { return };
        if self.expressible(&upcoming.transfer).is_err() {
            return;
        }
        // Where no port is free, it comes in its turn.
        let Ok(listening) = self.listen(command) else { return };
        self.send(&listening.verb);
        self.send(&upcoming.transfer);
        for follower in &upcoming.followers {
            self.send(follower);
        }
        self.ahead.dialled = Some(Dialled { command, listening, upcoming });
    }

    /// What was dialled ahead for the transfer that begins now: its answers are all that has to be waited for.
    /// [`make_ready`](Self::make_ready) has seen to it that it is the same.
    pub(crate) fn take_dialled(&mut self, command: NegotiationCommand) -> Option<Listening> {
        let dialled = self.ahead.dialled.take()?;
        self.ahead.negotiation = Some(dialled.command);
        self.ahead.sent = dialled.upcoming.followers.into();
        self.ahead.followers.clear();
        (dialled.command == command).then_some(dialled.listening)
    }

    /// The answers to what was to be asked after the transfer that has just ended.
    pub(crate) async fn follow_up(&mut self) -> Result<Vec<Reply>, ClientError> {
        let mut replies = Vec::new();
        while let Some(follower) = self.ahead.sent.pop_front() {
            let reply = self.final_reply(self.options.times.reply).await?;
            if !fits(&follower, &reply) {
                return Err(self.out_of_order(&reply).into());
            }
            replies.push(reply);
        }
        for follower in std::mem::take(&mut self.ahead.followers) {
            replies.push(self.execute(&follower).await?);
        }
        Ok(replies)
    }

    /// What a positive end of a transfer is worth: where anything was sent behind it, only one that no other command has.
    pub(crate) fn judge_order(&mut self, said: Final) -> Final {
        let is_ahead =
            self.ahead.negotiation.is_some() || !self.ahead.sent.is_empty() || self.ahead.dialled.is_some();
        match said {
            Ok(reply) if is_ahead && reply.code().is_positive() && !ends_transfer(&reply) => {
                Err(self.out_of_order(&reply))
            }
            said => said,
        }
    }

    fn out_of_order(&mut self, reply: &Reply) -> ControlFailure {
        self.abandon();
        ControlFailure::Broken(format!("the server's answers come out of order: \"{reply}\""))
    }

    /// Makes sure that a data connection can be negotiated, or is negotiated already.
    pub(crate) async fn make_ready(&mut self, request: &Request) -> Result<(), ClientError> {
        let working = self.working.map(|working| working.command);
        let is_negotiated = self.ahead.negotiation.is_some() && self.ahead.negotiation == working;
        let is_dialled = self.ahead.dialled.as_ref().is_some_and(|dialled| {
            Some(dialled.command) == working
                && dialled.upcoming.transfer == request.command
                && request.offset == 0
        });
        let is_ahead = (is_negotiated || is_dialled) && self.ahead.sent.is_empty();
        let representation = request.representation;
        if is_ahead && self.is_usable() && self.pi.dialogue().state().representation == representation {
            return Ok(());
        }
        self.revive().await?;
        self.set_representation(representation).await
    }

    /// Whether the answer to this negotiation is all that has to be waited for.
    pub(crate) fn was_negotiated_ahead(&mut self, command: NegotiationCommand) -> bool {
        self.ahead.negotiation.take() == Some(command)
    }

    /// Takes the answers to all that was sent ahead: they are of no use any more.
    pub(crate) async fn settle(&mut self) {
        if self.ahead.dialled.take().is_some() {
            // The server may be dialling a port that nobody listens at any more.
            (self.ahead.negotiation, self.ahead.sent) = (None, VecDeque::new());
            self.abandon();
            return;
        }
        let negotiation = usize::from(self.ahead.negotiation.take().is_some());
        let unread = std::mem::take(&mut self.ahead.sent).len() + negotiation;
        for _ in 0..unread {
            if !self.is_usable() || self.final_reply(self.options.times.reply).await.is_err() {
                // Whatever comes later would be taken for the answer to something else.
                self.abandon();
                return;
            }
        }
    }

    /// Tries whether the server leaves what comes behind a transfer for afterwards, in `mode`, or else in the mode that worked
    /// last: a NOOP behind the listing of `directory`, both sent before the data connection is open, so that no listing can be
    /// over before the NOOP is read.
    ///
    /// # Errors
    /// When there is no session. All else is a no.
    pub(crate) async fn keeps_order(
        &mut self,
        directory: Option<&Pathname>,
        mode: Option<NegotiationCommand>,
    ) -> Result<bool, ClientError> {
        let (listing, representation) = if self.features().machine_listings() {
            (Command::Mlsd(directory.cloned()), Representation::Image)
        } else {
            let argument = ListArgument { options: Box::default(), path: directory.cloned() };
            (Command::List(argument), Representation::Ascii)
        };
        self.revive().await?;
        self.provide_tickets().await?;
        self.set_representation(representation).await?;
        let advertised = self.working.is_some_and(|working| working.advertised);
        let Some(command) = mode.or(self.working.map(|working| working.command)) else { return Ok(false) };
        let tried = match command.mode() {
            DataMode::Passive => self.try_order_passively(command, &listing, advertised).await,
            DataMode::Active => {
                let Ok(listening) = self.listen(command) else { return Ok(false) };
                // Alone: where it is refused, the listing would come without a data connection that was agreed on.
                match self.exchange(&listening.verb).await {
                    Ok(reply) if reply.code().is_positive() => {
                        self.try_order_actively(listening, &listing).await
                    }
                    // A refusal is in order, and the session as good as before.
                    Ok(_) => return Ok(false),
                    Err(failure) => Err(failure),
                }
            }
        };
        let keeps = tried.unwrap_or(false);
        if !keeps {
            self.abandon();
        }
        Ok(keeps)
    }

    async fn try_order_passively(
        &mut self,
        command: NegotiationCommand,
        listing: &Command,
        advertised: bool,
    ) -> Result<bool, ControlFailure> {
        let negotiation = match command {
            NegotiationCommand::Pasv => Command::Pasv,
            _ => Command::Epsv(EpsvArgument::Same),
        };
        self.exchange(&negotiation).await?;
        let Some(plan) = self.pi.dialogue().plan().copied() else { return Ok(false) };
        let endpoints = passive_endpoints(plan.endpoint, self.peer(), advertised);
        let Some(endpoint) = endpoints.first() else { return Ok(false) };
        self.send(listing);
        self.send(&Command::Noop);
        self.flush().await?;
        let times = self.options.times;
        match self.connect_data(*endpoint, times.passive).await {
            Ok((stream, _)) => self.answers_keep_order(stream, listing, Side::Client).await,
            Err(_) => Ok(false),
        }
    }

    async fn try_order_actively(
        &mut self,
        listening: Listening,
        listing: &Command,
    ) -> Result<bool, ControlFailure> {
        self.send(listing);
        self.send(&Command::Noop);
        self.flush().await?;
        let (peer, times) = (self.peer().ip(), self.options.times);
        let budget = times.active.min(ACTIVE_TRIAL);
        match listening.listener.accept(peer, budget, times.stall, |_| {}).await {
            Ok((stream, _)) => self.answers_keep_order(stream, listing, Side::Server).await,
            Err(_) => Ok(false),
        }
    }

    /// Reads the listing and the answers to it and to the NOOP behind it.
    async fn answers_keep_order(
        &mut self,
        stream: DataStream,
        listing: &Command,
        by: Side,
    ) -> Result<bool, ControlFailure> {
        let (local, peer) = (canonical_endpoint(stream.local()), canonical_endpoint(stream.peer()));
        self.pi.handle_data(self.clock.now(), DataEvent::Opened { by, client: local, server: peer });
        let Some((mut stream, said)) = self.handshake_of_trial(stream, listing).await else {
            return Ok(false);
        };
        let mut buffer = vec![0; 64 * 1024];
        let mut left = TRIAL;
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) => break,
                Ok(count) if (count as u64) < left => left -= count as u64,
                _ => return Ok(false),
            }
        }
        // Some servers confirm nothing before our end of it is closed.
        let _ = stream.finish().await;
        drop(stream);
        self.pi.handle_data(self.clock.now(), DataEvent::Closed);
        let limit = self.options.times.reply;
        let deadline = Instant::now() + limit;
        let mut finals = Vec::from_iter(said.transpose()?);
        while finals.len() < 2 {
            let reply = self.answer_before(deadline, limit).await?.reply;
            if reply.code().class() != ReplyClass::Preliminary {
                finals.push(reply);
            }
        }
        Ok(ends_transfer(&finals[0]) && finals[1].code() == ReplyCode::COMMAND_OKAY)
    }

    /// The data connection of a trial, under TLS where files are, and the final reply if that has come already.
    async fn handshake_of_trial(
        &mut self,
        stream: DataStream,
        listing: &Command,
    ) -> Option<(DataStream, Option<Final>)> {
        let Some(tls) = self.data_tls().ok()? else { return Some((stream, None)) };
        match self.protect(&tls, stream, listing, None).await {
            Ok(Protected::Begun { stream, said, .. }) => Some((stream, said)),
            _ => None,
        }
    }

    /// Sends all that is to be sent.
    async fn flush(&mut self) -> Result<(), ControlFailure> {
        while !self.pi.output().is_empty() {
            let sent = self.control.send(self.pi.output()).await;
            let count = sent.map_err(|error| ControlFailure::Broken(error.to_string()))?;
            self.pi.output_written(count);
        }
        Ok(())
    }
}

/// 226 or 250 (RFC 959 §5.4).
fn ends_transfer(reply: &Reply) -> bool {
    matches!(reply.code(), ReplyCode::TRANSFER_COMPLETE | ReplyCode::FILE_ACTION_OKAY)
}

/// Whether `reply` can be the answer to `command`; a refusal can be of anything.
pub(crate) fn fits(command: &Command, reply: &Reply) -> bool {
    let code = reply.code();
    !code.is_positive() || command.verb().is_none_or(|verb| verb.may_be_answered_with(code.get()))
}
