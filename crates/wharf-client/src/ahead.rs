//! Commands sent before their turn, which saves a far server's round trips: behind a transfer that is under way, what is to
//! be asked after it, and the negotiation of the next data connection.
//!
//! Most servers carry them out when the transfer is over, in order (RFC 959 §5.4). Some obey at once, and a negotiation then
//! ends the transfer that is under way: [`keeps_order`](Session::keeps_order) tells them apart. Some refuse what comes during a
//! transfer; that shows in an answer that does not fit, and whoever allows all this serves them without from then on.

use std::collections::VecDeque;

use tokio::time::Instant;
use wharf_net::dtp::connect_passive;
use wharf_proto::command::{EpsvArgument, ListArgument, Representation};
use wharf_proto::dialogue::{DataEvent, NegotiationCommand, Side, canonical_endpoint};
use wharf_proto::pathname::Pathname;
use wharf_proto::{Command, Reply, ReplyCode};

use crate::error::{ClientError, ControlFailure};
use crate::session::Session;
use crate::strategy::passive_endpoints;
use crate::transfer::Final;

/// Most bytes of the listing by which a server is tried.
const TRIAL: u64 = 4 * 1024 * 1024;

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
    negotiation: Option<NegotiationCommand>,
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
        if self.ahead.more_to_come {
            self.send(verb);
            self.ahead.negotiation = Some(command);
        }
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
        let is_ahead = self.ahead.negotiation.is_some() || !self.ahead.sent.is_empty();
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
    pub(crate) async fn make_ready(&mut self, representation: Representation) -> Result<(), ClientError> {
        let is_ahead = self.ahead.negotiation.is_some() && self.ahead.sent.is_empty();
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

    /// Tries whether the server leaves what comes behind a transfer for afterwards: a NOOP behind the listing of
    /// `directory`, both sent before the data connection is opened, so that no listing can be over before the NOOP is read.
    ///
    /// # Errors
    /// When there is no session. All else is a no.
    pub(crate) async fn keeps_order(&mut self, directory: Option<&Pathname>) -> Result<bool, ClientError> {
        let (listing, representation) = if self.features().machine_listings() {
            (Command::Mlsd(directory.cloned()), Representation::Image)
        } else {
            let argument = ListArgument { options: Box::default(), path: directory.cloned() };
            (Command::List(argument), Representation::Ascii)
        };
        self.make_ready(representation).await?;
        let Some(working) = self.working else { return Ok(false) };
        let negotiation = match working.command {
            NegotiationCommand::Epsv => Command::Epsv(EpsvArgument::Same),
            NegotiationCommand::Pasv => Command::Pasv,
            NegotiationCommand::Eprt | NegotiationCommand::Port => return Ok(false),
        };
        let keeps = self.try_order(&negotiation, &listing, working.advertised).await.unwrap_or(false);
        if !keeps {
            self.abandon();
        }
        Ok(keeps)
    }

    async fn try_order(
        &mut self,
        negotiation: &Command,
        listing: &Command,
        advertised: bool,
    ) -> Result<bool, ControlFailure> {
        self.exchange(negotiation).await?;
        let Some(plan) = self.pi.dialogue().plan().copied() else { return Ok(false) };
        let endpoints = passive_endpoints(plan.endpoint, self.peer(), advertised);
        let Some(endpoint) = endpoints.first() else { return Ok(false) };
        self.send(listing);
        self.send(&Command::Noop);
        self.flush().await?;
        let times = self.options.times;
        let local = self.control.data_address(Side::Client);
        let Ok((mut stream, _)) = connect_passive(local, *endpoint, times.passive, times.stall).await else {
            return Ok(false);
        };
        let (client, server) = (canonical_endpoint(stream.local()), canonical_endpoint(stream.peer()));
        self.pi.handle_data(self.clock.now(), DataEvent::Opened { by: Side::Client, client, server });
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
        let mut finals = Vec::new();
        let deadline = Instant::now() + times.reply;
        while finals.len() < 2 {
            let reply = self.answer_before(deadline, times.reply).await?.reply;
            if reply.code().get() >= 200 {
                finals.push(reply);
            }
        }
        Ok(ends_transfer(&finals[0]) && finals[1].code() == ReplyCode::COMMAND_OKAY)
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
fn fits(command: &Command, reply: &Reply) -> bool {
    let code = reply.code();
    !code.is_positive() || command.verb().is_none_or(|verb| verb.may_be_answered_with(code.get()))
}
