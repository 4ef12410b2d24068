//! Commands sent before their turn, which saves a far server's round trips: behind a transfer that is under way, what is to
//! be asked after it, and the negotiation of the next data connection.
//!
//! A server carries them out when the transfer is over, in order (RFC 959 §5.4); one that refuses or drops what comes during
//! a transfer is found out by whoever allows it, and served without from then on.

use std::collections::VecDeque;

use wharf_proto::command::Representation;
use wharf_proto::dialogue::NegotiationCommand;
use wharf_proto::{Command, Reply};

use crate::error::ClientError;
use crate::session::Session;

/// What was, or may be, sent before its turn.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    /// Whether anything may.
    pub(crate) is_allowed: bool,
    /// Whether another transfer will follow the one that is to begin.
    pub(crate) more_to_come: bool,
    /// What is to be asked after the transfer that is to begin.
    followers: VecDeque<Command>,
    /// Followers that were sent and whose answer is still to be read.
    sent: usize,
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
            self.ahead.sent += 1;
        }
        if self.ahead.more_to_come {
            self.send(verb);
            self.ahead.negotiation = Some(command);
        }
    }

    /// The answers to what was to be asked after the transfer that has just ended.
    pub(crate) async fn follow_up(&mut self) -> Result<Vec<Reply>, ClientError> {
        let mut replies = Vec::new();
        while self.ahead.sent > 0 {
            self.ahead.sent -= 1;
            let limit = self.options.times.reply;
            replies.push(self.final_reply(limit).await?);
        }
        for follower in std::mem::take(&mut self.ahead.followers) {
            replies.push(self.execute(&follower).await?);
        }
        Ok(replies)
    }

    /// Makes sure that a data connection can be negotiated, or is negotiated already.
    pub(crate) async fn make_ready(&mut self, representation: Representation) -> Result<(), ClientError> {
        let is_ahead = self.ahead.negotiation.is_some() && self.ahead.sent == 0;
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
        let unread =
            std::mem::take(&mut self.ahead.sent) + usize::from(self.ahead.negotiation.take().is_some());
        for _ in 0..unread {
            let limit = self.options.times.reply;
            if !self.is_usable() || self.final_reply(limit).await.is_err() {
                // Whatever comes later would be taken for the answer to something else.
                self.abandon();
                return;
            }
        }
    }
}
