//! What a doctor asks of a session, and no ordinary operation does: one way to a data connection and no other, small
//! segments, the first bytes of a file, a file as it comes.

use std::io;
use std::time::Duration;

use tokio::time::timeout;
use wharf_net::dtp::PumpError;
use wharf_proto::Command;
use wharf_proto::command::Representation;
use wharf_proto::dialogue::Endpoints;
use wharf_proto::pathname::Pathname;

use crate::attempt::Attempt;
use crate::data_connection::Request;
use crate::error::{ClientError, ControlFailure};
use crate::operations::settle;
use crate::options::ModeChoice;
use crate::session::Session;
use crate::strategy::WorkingMode;

/// Bytes that are read at once.
const PIECE: usize = 16 * 1024;

/// The beginning of a file, as far as it came.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Bytes that came.
    pub bytes: u64,
    /// Whether that is all that was asked for, or all that there is.
    pub is_complete: bool,
    /// What broke it off; none where nothing more came in time.
    pub error: Option<String>,
    /// How the data connection was made.
    pub attempt: Attempt,
}

impl Session {
    /// Both ends of the control connection.
    #[must_use]
    pub fn endpoints(&self) -> Endpoints {
        self.control.endpoints()
    }

    /// Why the server's certificate does not prove who it is; none where it does, and in clear.
    #[must_use]
    pub fn certificate_problem(&self) -> Option<String> {
        self.security.problem()
    }

    /// Which ways to a data connection are tried from now on, and which of them first.
    pub fn choose(&mut self, mode: ModeChoice, first: Option<WorkingMode>) {
        self.options.mode = mode;
        self.working = first;
    }

    /// Has data connections carry segments of at most this many bytes, in either direction; none: as the system has it.
    pub fn limit_segments(&mut self, bytes: Option<u32>) {
        self.largest_segment = bytes;
    }

    /// Leaves the control connection silent while it is idle, as most clients do; ours reminds every NAT of it.
    pub fn stay_silent(&self) {
        if let Err(error) = self.control.without_keepalive() {
            tracing::debug!(%error, "keepalive stays on");
        }
    }

    /// Whether the server still answers on this very control connection; saying that it ends the session is an answer.
    pub async fn answers(&mut self) -> bool {
        matches!(self.exchange(&Command::Noop).await, Ok(_) | Err(ControlFailure::Dismissed(_)))
    }

    /// The longest that it took so far from the end of the data of a transfer to its final reply.
    #[must_use]
    pub fn slowest_completion(&self) -> Duration {
        self.slowest_completion
    }

    /// How long final replies are waited for from now on, behind the end of the data.
    pub fn wait_for_completion(&mut self, limit: Duration) {
        self.options.times.completion = limit;
    }

    /// Fetches `path` in TYPE I, whatever length the server tells of it, but no more than about `most` bytes.
    ///
    /// # Errors
    /// When there is no data connection, it breaks or carries more, or the server does not confirm.
    pub async fn fetch(&mut self, path: &Pathname, most: usize) -> Result<Vec<u8>, ClientError> {
        let command = Command::Retr(path.clone());
        let request = Request { command, representation: Representation::Image, offset: 0, expected: None };
        let mut running = self.begin(&request).await?;
        let mut transfer = running.transfer;
        let mut content = Vec::new();
        let work = async {
            let mut buffer = vec![0; PIECE];
            loop {
                let count = transfer.receive(&mut buffer).await?;
                content.extend_from_slice(&buffer[..count]);
                if count == 0 {
                    // The sender has ended in order already.
                    let _ = transfer.finish().await;
                    return Ok(());
                }
                if content.len() > most {
                    let problem = format!("more than {most} bytes came");
                    return Err(PumpError::Network(io::Error::other(problem)));
                }
            }
        };
        let (end, said) = self.attend(work, running.said.take()).await;
        let bytes = content.len() as u64;
        settle(path, None, &end, said, bytes, None, bytes == 0, false, None)?;
        Ok(content)
    }

    /// Fetches the first `most` bytes of `path` and throws them away; `patience` is the longest wait for the next byte.
    ///
    /// # Errors
    /// When there is no data connection, or the server refuses. One that stalls or breaks is no error.
    pub async fn sample(
        &mut self,
        path: &Pathname,
        most: u64,
        patience: Duration,
    ) -> Result<Sample, ClientError> {
        let request = Request {
            command: Command::Retr(path.clone()),
            representation: Representation::Image,
            offset: 0,
            expected: None,
        };
        let mut running = self.begin(&request).await?;
        let mut buffer = vec![0; PIECE];
        let (mut bytes, mut error) = (0, None);
        let is_complete = loop {
            if bytes >= most {
                break true;
            }
            match timeout(patience, running.transfer.receive(&mut buffer)).await {
                Ok(Ok(0)) => break true,
                Ok(Ok(count)) => bytes += count as u64,
                Ok(Err(failure)) => {
                    error = Some(failure.to_string());
                    break false;
                }
                Err(_) => break false,
            }
        };
        // The server is in the middle of a file: a new control connection is sooner there than the end of that.
        self.abandon();
        Ok(Sample { bytes, is_complete, error, attempt: running.attempt })
    }
}
