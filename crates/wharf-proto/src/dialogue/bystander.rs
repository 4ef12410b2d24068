//! What only a bystander needs: it may come late, miss something, and has to find its place again.

use super::{Dialogue, LoginState};
use crate::command::Command;
use crate::reply::ReplyCode;
use crate::time::Timestamp;
use crate::verb::Verb;

impl Dialogue {
    /// The conversation was under way when it began to be watched: the greeting and the login are over, as far as anyone
    /// can tell.
    pub fn joined_late(&mut self, at: Timestamp) {
        self.last_activity = at;
        self.greeted = true;
        self.state.login = LoginState::LoggedIn;
    }

    /// The oldest unanswered command was answered, and its answer is not known: it was missed, or cannot be read.
    pub fn forget_oldest(&mut self, at: Timestamp) -> Option<Command> {
        self.last_activity = at;
        let command = self.outstanding.pop_front()?;
        if command.verb().is_some_and(|verb| verb.role().is_transfer()) {
            self.transfer = None;
            self.plan = None; // the first reply to a transfer uses it up
        }
        Some(command)
    }

    /// Whether the oldest unanswered command may be answered with `code`.
    #[must_use]
    pub fn oldest_fits(&self, code: ReplyCode) -> bool {
        self.outstanding
            .front()
            .is_some_and(|command| command.verb().is_none_or(|verb| verb.may_be_answered_with(code.get())))
    }

    /// The verb of the oldest unanswered command, where it is one of the table.
    #[must_use]
    pub fn oldest_verb(&self) -> Option<Verb> {
        self.outstanding.front().and_then(Command::verb)
    }

    /// Whether a command with this verb is unanswered.
    #[must_use]
    pub fn is_waiting_for(&self, verb: Verb) -> bool {
        self.outstanding.iter().any(|command| command.verb() == Some(verb))
    }
}
