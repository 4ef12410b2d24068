//! The client's protocol interpreter: [`Dialogue`] + decoder + output (user-PI of RFC 959 §2.2).

use std::collections::VecDeque;

use crate::command::Command;
use crate::decoder::{DecodedReply, ReplyDecoder, ReplyError, ReplyQuirk};
use crate::dialogue::{
    Attribution, Authenticated, DataEvent, Deadlines, Deviation, Dialogue, Endpoints, Event, SecurityState,
    Side,
};
use crate::reply::Reply;
use crate::time::Timestamp;

/// A reply and what it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What the server said.
    pub reply: Reply,
    /// Which command it belongs to.
    pub attribution: Attribution,
}

/// The client's protocol interpreter.
///
/// Its methods are of four kinds:
/// * getters: [`dialogue`](Self::dialogue), [`output`](Self::output)
/// * input: [`handle_input`](Self::handle_input), [`handle_data`](Self::handle_data),
///   [`handle_timeout`](Self::handle_timeout), [`tls_established`](Self::tls_established),
///   [`tls_from_the_start`](Self::tls_from_the_start)
/// * mutators: [`send`](Self::send)
/// * output, to be drained after each of the above: [`output`](Self::output) with
///   [`output_written`](Self::output_written), [`poll_answer`](Self::poll_answer), [`poll_event`](Self::poll_event),
///   and last [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub struct UserPi {
    dialogue: Dialogue,
    decoder: ReplyDecoder,
    answers: VecDeque<Answer>,
    output: Vec<u8>,
    failed: Option<ReplyError>,
}

impl UserPi {
    /// A client whose control connection has just come up.
    #[must_use]
    pub fn new(at: Timestamp, endpoints: Endpoints, deadlines: Deadlines) -> Self {
        Self {
            dialogue: Dialogue::new(at, endpoints, deadlines),
            decoder: ReplyDecoder::new(),
            answers: VecDeque::new(),
            output: Vec::new(),
            failed: None,
        }
    }

    /// The conversation so far.
    #[must_use]
    pub fn dialogue(&self) -> &Dialogue {
        &self.dialogue
    }

    /// The proof of a login, if there was one.
    #[must_use]
    pub fn authenticated(&self) -> Option<Authenticated> {
        self.dialogue.authenticated()
    }

    /// Sends a command. What is out of sequence is sent too: the server's answer is the truth.
    pub fn send(&mut self, at: Timestamp, command: &Command) {
        command.encode(&mut self.output);
        self.dialogue.command(at, command);
    }

    /// Bytes came from the server.
    ///
    /// # Errors
    /// When they are no FTP, or more than a client takes; the conversation cannot go on.
    pub fn handle_input(&mut self, at: Timestamp, input: &[u8]) -> Result<(), ReplyError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.decoder.push(input);
        while let Some(decoded) = self.decoder.next_reply() {
            match decoded {
                Ok(decoded) => self.take_reply(at, decoded),
                Err(error) => {
                    self.failed = Some(error.clone());
                    return Err(error);
                }
            }
            if self.dialogue.state().security == SecurityState::Handshake {
                self.discard_behind_auth();
                break;
            }
        }
        Ok(())
    }

    /// Something happened to the data connection.
    pub fn handle_data(&mut self, at: Timestamp, event: DataEvent) {
        self.dialogue.data(at, event);
    }

    /// The moment of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, at: Timestamp) {
        self.dialogue.handle_timeout(at);
    }

    /// The TLS handshake of the control connection is done.
    pub fn tls_established(&mut self, at: Timestamp) {
        self.dialogue.tls_established(at);
    }

    /// The control connection came up under TLS (implicit FTPS).
    pub fn tls_from_the_start(&mut self, at: Timestamp) {
        self.dialogue.tls_from_the_start(at);
    }

    /// What has to be sent, from its beginning.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// So many bytes of [`output`](Self::output) were sent.
    pub fn output_written(&mut self, count: usize) {
        self.output.drain(..count.min(self.output.len()));
    }

    /// The replies, oldest first, each with the command that it belongs to.
    pub fn poll_answer(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }

    /// What became known, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.dialogue.poll_event()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.dialogue.poll_timeout()
    }

    fn take_reply(&mut self, at: Timestamp, decoded: DecodedReply) {
        let DecodedReply { reply, quirks } = decoded;
        if quirks.contains(ReplyQuirk::BareLineFeed) {
            self.dialogue.deviation(Deviation::BareLineFeed { by: Side::Server });
        }
        if quirks.contains(ReplyQuirk::MissingSpace) {
            self.dialogue.deviation(Deviation::MissingSpace { code: reply.code() });
        }
        let attribution = self.dialogue.reply(at, &reply);
        self.answers.push_back(Answer { reply, attribution });
    }

    /// What stands behind 234 in clear is not the server's word under TLS (threat 29).
    fn discard_behind_auth(&mut self) {
        let count = self.decoder.pending_bytes();
        if count > 0 {
            self.dialogue.deviation(Deviation::BytesBehindAuth { by: Side::Server, count });
            self.decoder = ReplyDecoder::new();
        }
    }
}
