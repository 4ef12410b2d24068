//! What a session can do for somebody who types one command after the other: go somewhere, change the mode, give up.

use std::time::Duration;

use tokio::time::timeout;
use wharf_proto::Command;
use wharf_proto::dialogue::DataEvent;
use wharf_proto::pathname::Pathname;

use crate::error::{ClientError, ControlFailure};
use crate::observer::Observer;
use crate::operations::status::quoted_path;
use crate::options::ModeChoice;
use crate::session::Session;

/// How long the server's answers to ABOR and to what it ended are waited for. After that a new control connection is faster.
const ABORT_TIME: Duration = Duration::from_secs(3);

impl Session {
    /// Goes to the directory `path` (CWD), and stays there when the session is set up anew. Returns what the server calls
    /// it, if it says.
    ///
    /// # Errors
    /// [`ClientError::Refused`], or what happened to the control connection.
    pub async fn change_directory(&mut self, path: &Pathname) -> Result<Option<Pathname>, ClientError> {
        self.require(&Command::Cwd(path.clone())).await?;
        let now = self.working_directory().await?;
        let is_absolute = path.as_bytes().starts_with(b"/");
        self.directory = now.clone().or_else(|| is_absolute.then(|| path.clone()));
        Ok(now)
    }

    /// The directory that [`change_directory`](Self::change_directory) went to last.
    #[must_use]
    pub fn directory(&self) -> Option<&Pathname> {
        self.directory.as_ref()
    }

    /// Where the session is (PWD); none where the server does not say.
    ///
    /// # Errors
    /// When the control connection is lost.
    pub async fn working_directory(&mut self) -> Result<Option<Pathname>, ClientError> {
        let reply = self.execute(&Command::Pwd).await?;
        Ok(if reply.code().is_negative() { None } else { quoted_path(&reply) })
    }

    /// In a control connection that is new: back to where the user was.
    pub(crate) async fn return_to_directory(&mut self) -> Result<(), ClientError> {
        let Some(path) = self.directory.clone() else { return Ok(()) };
        let reply = self.exchange(&Command::Cwd(path.clone())).await?;
        if reply.code().is_negative() {
            self.directory = None;
            self.observer.warning(&format!(
                "{path} cannot be gone to any more (\"{reply}\"); you are in the login directory"
            ));
        }
        Ok(())
    }

    /// Which ways to a data connection are tried from now on, the first of them first.
    pub fn set_mode(&mut self, mode: ModeChoice) {
        self.options.mode = mode;
        self.working = None;
    }

    /// Who is told what goes on from now on.
    pub fn set_observer(&mut self, observer: Box<dyn Observer>) {
        self.observer = observer;
    }

    /// Ends what a dropped future of this session has begun (RFC 959 §4.1.3, ABOR), so that the next command finds the
    /// control connection as it was. Where the server takes its time, or nothing can be saved, the next command opens
    /// another one.
    pub async fn abort(&mut self) {
        self.observer.transfer_ended();
        if !self.is_usable() || self.pi.authenticated().is_none() {
            self.abandon();
            return;
        }
        if !self.pi.dialogue().is_unanswered() {
            return;
        }
        self.pi.handle_data(self.clock.now(), DataEvent::Cut);
        self.send(&Command::Abor);
        let answers = async {
            while self.pi.dialogue().is_unanswered() {
                self.next_answer().await?;
            }
            Ok::<_, ControlFailure>(())
        };
        if !matches!(timeout(ABORT_TIME, answers).await, Ok(Ok(()))) {
            self.abandon();
        }
    }
}
