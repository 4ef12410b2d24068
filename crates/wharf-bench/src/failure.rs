//! What went wrong, counted by kind, with the first words of each.

use std::collections::BTreeMap;
use std::io;

use wharf_net::tls::HandshakeError;
use wharf_proto::decoder::ReplyError;
use wharf_proto::{Command, Reply};

/// Kinds of errors. [`id`](Self::id) is what scripts may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// No control connection.
    Connect,
    /// No TLS where it was to be.
    Tls,
    /// The login was refused.
    Login,
    /// The server said no to a command.
    Refused,
    /// The data connection did not come up.
    DataConnection,
    /// The data connection broke, or ended too early.
    Cut,
    /// The control connection broke, or the server said that it closes.
    ControlLost,
    /// Nothing came in time.
    TimedOut,
    /// What came is no FTP.
    NotFtp,
    /// Trouble of this machine.
    Local,
}

impl FailureKind {
    /// Its name in JSON.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Login => "login",
            Self::Refused => "refused",
            Self::DataConnection => "data-connection",
            Self::Cut => "cut",
            Self::ControlLost => "control-lost",
            Self::TimedOut => "timed-out",
            Self::NotFtp => "not-ftp",
            Self::Local => "local",
        }
    }
}

/// One error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// What kind it is of.
    pub kind: FailureKind,
    /// What happened, for a person.
    pub text: String,
    /// Whether the session can go on with the next command.
    pub(crate) spares_session: bool,
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), spares_session: false }
    }

    /// Of a connection: a time that is over is a kind of its own.
    pub(crate) fn of_io(kind: FailureKind, what: &str, error: &io::Error) -> Self {
        let is_late = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
        match is_late {
            true => Self::new(FailureKind::TimedOut, format!("{what}: nothing came in time")),
            false => Self::new(kind, format!("{what}: {error}")),
        }
    }

    pub(crate) fn of_tls(what: &str, error: &HandshakeError) -> Self {
        Self::new(FailureKind::Tls, format!("{what}: {error}"))
    }

    pub(crate) fn refused(kind: FailureKind, command: &Command, reply: &Reply) -> Self {
        let text = format!("{command} was refused: \"{reply}\"");
        Self { kind, text, spares_session: true }
    }
}

impl From<ReplyError> for Failure {
    fn from(error: ReplyError) -> Self {
        Self::new(FailureKind::NotFtp, error.to_string())
    }
}

/// Errors by kind.
#[derive(Clone, Debug, Default)]
pub struct Failures(BTreeMap<FailureKind, (u64, String)>);

impl Failures {
    /// Notes one.
    pub fn note(&mut self, failure: &Failure) {
        self.0.entry(failure.kind).or_insert_with(|| (0, failure.text.clone())).0 += 1;
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: &Self) {
        for (kind, (count, first)) in &other.0 {
            self.0.entry(*kind).or_insert_with(|| (0, first.clone())).0 += count;
        }
    }

    /// Each kind, how often, and the words of the first.
    pub fn iter(&self) -> impl Iterator<Item = (FailureKind, u64, &str)> {
        self.0.iter().map(|(kind, (count, first))| (*kind, *count, first.as_str()))
    }

    /// All of them.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().map(|(count, _)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_words_of_each_kind_are_kept() {
        let mut failures = Failures::default();
        for text in ["one", "two"] {
            failures.note(&Failure::new(FailureKind::Refused, text));
        }
        let mut more = Failures::default();
        more.note(&Failure::new(FailureKind::Cut, "three"));
        more.note(&Failure::new(FailureKind::Refused, "four"));
        failures.merge(&more);
        let all: Vec<_> = failures.iter().collect();
        assert_eq!(all, [(FailureKind::Refused, 3, "one"), (FailureKind::Cut, 1, "three")]);
        assert_eq!(failures.count(), 4);
    }
}
