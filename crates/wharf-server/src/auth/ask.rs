//! A program or an HTTP service that decides who may come in. docs/users.md describes what is asked and answered.

mod http;
mod program;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use wharf_proto::command::Password;

use super::record::UserRecord;
use super::remembered::{Mark, Remembered};
use super::settings::UserSettings;

pub use http::{HttpUrl, UrlError};

/// Whom to ask, and how.
#[derive(Clone, Debug)]
pub struct AskSettings {
    /// Whom.
    pub whom: AskWhom,
    /// Longest wait for the answer.
    pub time: Duration,
    /// How long an answer that lets somebody in is used again.
    pub remember: Duration,
    /// Questions at once; further logins wait for their turn.
    pub at_once: usize,
    /// What holds where the answer says nothing.
    pub base: UserSettings,
}

/// Who decides.
#[derive(Clone, Debug)]
pub enum AskWhom {
    /// A program with its arguments: the question comes on its standard input, the answer on its standard output.
    Program(Vec<PathBuf>),
    /// An HTTP service: the question is POSTed.
    Service(HttpUrl),
}

/// Who wants to come in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    pub client: IpAddr,
    pub server: SocketAddr,
    pub tls: bool,
}

/// The question, as JSON.
#[derive(Serialize)]
struct Question<'a> {
    user: &'a str,
    password: &'a str,
    client: IpAddr,
    server: SocketAddr,
    tls: bool,
}

/// The answer, as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    allow: bool,
    #[serde(default)]
    user: UserRecord,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("no answer within {} s", .0.as_secs_f32())]
    TooLate(Duration),
    #[error("the program cannot be run: {0}")]
    NotRun(std::io::Error),
    #[error("the program ended with {0}")]
    Ended(std::process::ExitStatus),
    #[error("the service cannot be asked: {0}")]
    NotAsked(String),
    #[error("the service answered with HTTP status {0}")]
    Status(u16),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("the answer is not understood: {0}")]
    NotUnderstood(String),
}

/// Asks, and remembers who was let in.
#[derive(Debug)]
pub(super) struct Ask {
    settings: AskSettings,
    turns: Semaphore,
    remembered: Remembered<Arc<UserSettings>>,
}

impl Ask {
    pub(super) fn new(settings: AskSettings) -> Self {
        Self {
            turns: Semaphore::new(settings.at_once.max(1)),
            remembered: Remembered::new(settings.remember),
            settings,
        }
    }

    /// What holds for the user `name`; none where it may not come in.
    pub(super) async fn ask(
        &self,
        name: &[u8],
        password: &Password,
        asker: Asker,
    ) -> Result<Option<Arc<UserSettings>>, AskError> {
        // JSON has no other names and passwords.
        let texts = (std::str::from_utf8(name), std::str::from_utf8(password.reveal()));
        let (Ok(user), Ok(secret)) = texts else { return Ok(None) };
        let mark = self.mark(name, password, asker);
        let question =
            Question { user, password: secret, client: asker.client, server: asker.server, tls: asker.tls };
        let question =
            serde_json::to_vec(&question).map_err(|error| AskError::NotUnderstood(error.to_string()))?;
        let answer = self.answer(question).await?;
        let answer: Answer =
            serde_json::from_slice(&answer).map_err(|error| AskError::NotUnderstood(error.to_string()))?;
        if !answer.allow {
            return Ok(None);
        }
        let settings = Arc::new(answer.user.settings(&self.settings.base).map_err(AskError::NotUnderstood)?);
        if let Some(mark) = mark {
            self.remembered.keep(mark, settings.clone());
        }
        Ok(Some(settings))
    }

    /// What was answered a moment ago, where that lets the user in.
    pub(super) fn known(&self, name: &[u8], password: &Password, asker: Asker) -> Option<Arc<UserSettings>> {
        self.mark(name, password, asker).and_then(|mark| self.remembered.find(&mark))
    }

    fn mark(&self, name: &[u8], password: &Password, asker: Asker) -> Option<Mark> {
        let client = asker.client.to_string();
        self.remembered.mark(&[name, password.reveal(), client.as_bytes(), &[asker.tls.into()]])
    }

    async fn answer(&self, question: Vec<u8>) -> Result<Vec<u8>, AskError> {
        let time = self.settings.time;
        let asked = async {
            // Never closed, so this is no error; a turn that is waited for counts to the time.
            let _turn = self.turns.acquire().await;
            match &self.settings.whom {
                AskWhom::Program(words) => program::ask(words, &question).await,
                AskWhom::Service(url) => http::ask(url, question).await,
            }
        };
        tokio::time::timeout(time, asked).await.map_err(|_| AskError::TooLate(time))?
    }
}
