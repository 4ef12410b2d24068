//! What was exchanged, for the reader of a failed test.

use std::fmt;
use std::time::{Duration, Instant};

/// Bytes of one entry that are shown; a transfer's content is not what the reader looks for.
const SHOWN: usize = 400;

/// The steps of a conversation so far, with the time of each since its start.
pub(super) struct Transcript {
    start: Instant,
    entries: Vec<(Duration, String)>,
}

impl Default for Transcript {
    fn default() -> Self {
        Self { start: Instant::now(), entries: Vec::new() }
    }
}

impl Transcript {
    /// Notes a step that carries no bytes.
    pub(super) fn note(&mut self, what: impl Into<String>) {
        self.entries.push((self.start.elapsed(), what.into()));
    }

    /// Notes bytes, one entry for each line; `who` says where they came from.
    pub(super) fn bytes(&mut self, who: &str, bytes: &[u8]) {
        if who.contains("data") {
            self.note(format!("{who} {} bytes: {}", bytes.len(), shown(bytes)));
            return;
        }
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.note(format!("{who} {}", shown(line.strip_suffix(b"\r\n").unwrap_or(line))));
        }
    }
}

/// Bytes as text on one line, cut where they get long.
pub(super) fn shown(bytes: &[u8]) -> String {
    let text =
        bytes[..bytes.len().min(SHOWN)].escape_ascii().to_string().replace("\\\"", "\"").replace("\\'", "'");
    if bytes.len() > SHOWN { format!("{text}… ({} bytes)", bytes.len()) } else { text }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, what) in &self.entries {
            writeln!(f, "{:>8.3}  {what}", at.as_secs_f64())?;
        }
        Ok(())
    }
}
