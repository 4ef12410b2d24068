//! What each step of a session is for, in a sentence: for whoever sees one for the first time.

use wharf_findings::Text;
use wharf_proto::Timestamp;
use wharf_proto::dialogue::{DataMode, Side};
use wharf_proto::verb::Verb;

use super::ladder::{Lane, Step, Tone, number};
use super::text::{Style, head, rung_text, rung_without_place};
use super::words::{self, fill};
use crate::capture::Sight;

/// Draws a ladder while it happens, with a sentence for each step.
#[derive(Debug)]
pub struct Lesson {
    style: Style,
    mode: DataMode,
    steps: u64,
    /// The last command, to which the next reply belongs.
    verb: Option<Verb>,
}

impl Lesson {
    /// A lesson about this mode.
    #[must_use]
    pub fn new(mode: DataMode, style: Style) -> Self {
        Self { style, mode, steps: 0, verb: None }
    }

    /// What comes before the first step.
    #[must_use]
    pub fn title(&self) -> String {
        let text = match self.mode {
            DataMode::Active => words::LESSON_ACTIVE,
            DataMode::Passive => words::LESSON_PASSIVE,
        };
        format!("{}\n\n{}", self.say(text, &[]), head(self.style))
    }

    /// What is to be remembered.
    #[must_use]
    pub fn moral(&self) -> String {
        let text = match self.mode {
            DataMode::Active => words::MORAL_ACTIVE,
            DataMode::Passive => words::MORAL_PASSIVE,
        };
        format!("\n{}\n", self.say(text, &[]))
    }

    /// The control connection came up.
    #[must_use]
    pub fn connected(&mut self, at: Timestamp, server: &str) -> String {
        let syn = format!("SYN → {server}");
        self.handshake(at, Lane::Control, Side::Client, syn, self.say(words::TEACH_CONNECT, &[]))
    }

    /// The client sent a command.
    #[must_use]
    pub fn command(&mut self, at: Timestamp, verb: Option<Verb>, text: &str) -> String {
        self.verb = verb;
        let note = verb.and_then(of_command).map(|text| self.say(text, &[]));
        self.step(at, Lane::Control, Side::Client, text.to_owned(), Tone::Talk, note)
    }

    /// The server answered; `sum` is the port arithmetic, where the answer tells a port.
    #[must_use]
    pub fn reply(&mut self, at: Timestamp, code: u16, text: &str, sum: Option<String>) -> String {
        let meaning = of_reply(code, self.verb).map(|text| self.say(text, &[]));
        let note = match (sum, meaning) {
            (Some(sum), Some(meaning)) => Some(format!("{sum}. {meaning}")),
            (one, other) => one.or(other),
        };
        let tone = if code >= 400 { Tone::Trouble } else { Tone::Talk };
        self.step(at, Lane::Control, Side::Server, text.to_owned(), tone, note)
    }

    /// The data connection came up.
    #[must_use]
    pub fn data_opened(&mut self, at: Timestamp, endpoint: &str) -> String {
        let (by, text) = match self.mode {
            DataMode::Passive => (Side::Client, words::TEACH_DATA_PASSIVE),
            DataMode::Active => (Side::Server, words::TEACH_DATA_ACTIVE),
        };
        let note = self.say(text, &[]);
        self.handshake(at, Lane::Data, by, format!("SYN → {endpoint}"), note)
    }

    /// The data went over, and the sender closed the connection.
    #[must_use]
    pub fn data_moved(&mut self, at: Timestamp, bytes: u64) -> String {
        let moved = self.say(words::BYTES, &[&number(bytes)]);
        let note = Some(self.say(words::TEACH_DATA, &[]));
        let mut out = self.step(at, Lane::Data, Side::Server, moved, Tone::Talk, note);
        let note = Some(self.say(words::TEACH_FIN, &[]));
        out.push_str(&self.step(at, Lane::Data, Side::Server, "FIN".to_owned(), Tone::Transport, note));
        out
    }

    /// Something about the step before.
    #[must_use]
    pub fn remark(&self, at: Timestamp, text: &str) -> String {
        let sight = Sight { frame: self.steps, at };
        let step = Step::new(sight, Lane::Control, None, format!("({text})"), Tone::Remark, None);
        rung_without_place(&step, self.style)
    }

    fn handshake(&mut self, at: Timestamp, lane: Lane, by: Side, syn: String, note: String) -> String {
        let mut out = self.step(at, lane, by, syn, Tone::Transport, Some(note));
        let answer = self.say(words::SYN_ACK, &[]);
        out.push_str(&self.step(at, lane, by.opposite(), answer, Tone::Transport, None));
        let ack = self.say(words::ACK, &[]);
        out.push_str(&self.step(at, lane, by, ack, Tone::Transport, None));
        out
    }

    fn step(
        &mut self,
        at: Timestamp,
        lane: Lane,
        from: Side,
        text: String,
        tone: Tone,
        note: Option<String>,
    ) -> String {
        self.steps += 1;
        let sight = Sight { frame: self.steps, at };
        rung_text(&Step::new(sight, lane, Some(from), text, tone, note), self.style)
    }

    fn say(&self, text: Text, values: &[&str]) -> String {
        fill(text, self.style.language, values)
    }
}

fn of_command(verb: Verb) -> Option<Text> {
    Some(match verb {
        Verb::User => words::TEACH_USER,
        Verb::Pass => words::TEACH_PASS,
        Verb::Feat => words::TEACH_FEAT,
        Verb::Type => words::TEACH_TYPE,
        Verb::Size => words::TEACH_SIZE,
        Verb::Mdtm => words::TEACH_MDTM,
        Verb::Pasv => words::TEACH_PASV,
        Verb::Port => words::TEACH_PORT,
        Verb::Retr => words::TEACH_RETR,
        Verb::Quit => words::TEACH_QUIT,
        _ => return None,
    })
}

fn of_reply(code: u16, verb: Option<Verb>) -> Option<Text> {
    Some(match (code, verb) {
        (220, _) => words::TEACH_GREETING,
        (227, _) => words::TEACH_227,
        (200, Some(Verb::Port)) => words::TEACH_PORT_TAKEN,
        (230, _) => words::TEACH_LOGGED_IN,
        (150 | 125, _) => words::TEACH_150,
        (226, _) => words::TEACH_226,
        _ => return None,
    })
}
