//! A finding in words: what happened, how that is known, who must change what.

use core::fmt;

use serde::{Serialize, Serializer};

use crate::text::{Language, Text};
use crate::{Cause, Confidence, Finding};

/// A [`Finding`] in one language.
///
/// `Display` is for people, several lines without a line end at the last:
/// ```text
/// The server's PASV reply carries a private address, … (pasv-private-address, certain)
///   Seen:       The reply names 10.0.0.5:40001, …
///   Client:     Connect to …
///   Server:     Advertise …
/// ```
/// `Serialize` gives the JSON shape of `wharf doctor` and `wharf explain`; a side that can do nothing is `null`.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    finding: &'a Finding,
    language: Language,
}

impl<'a> Report<'a> {
    pub(crate) const fn new(finding: &'a Finding, language: Language) -> Self {
        Self { finding, language }
    }

    /// The facts, one sentence each.
    fn evidence(&self) -> impl Iterator<Item = String> + 'a {
        let Self { finding, language } = *self;
        finding.evidence().iter().enumerate().map(move |(index, fact)| {
            format!("{}{}", fact.sentence(language), in_frames(finding.frames(index), language))
        })
    }

    fn fix(&self) -> FixInWords {
        let fix = self.finding.cause().fix();
        let words = |text: Option<Text>| text.map(|text| text.in_language(self.language));
        FixInWords { client: words(fix.client), server: words(fix.server), middle: words(fix.middle) }
    }
}

/// Where a capture shows it: ` (frames 4 and 5)`.
fn in_frames(frames: &[u64], language: Language) -> String {
    let Some((last, others)) = frames.split_last() else { return String::new() };
    let others: Vec<String> = others.iter().map(u64::to_string).collect();
    match (language, others.is_empty()) {
        (Language::Chinese, true) => format!("（第 {last} 帧）"),
        (Language::Chinese, false) => format!("（第 {}、{last} 帧）", others.join("、")),
        (Language::English, true) => format!(" (frame {last})"),
        (Language::English, false) => format!(" (frames {} and {last})", others.join(", ")),
    }
}

const SEEN: Text = Text::of("Seen", "依据");
const CLIENT: Text = Text::of("Client", "客户端");
const SERVER: Text = Text::of("Server", "服务器");
const MIDDLE: Text = Text::of("In between", "中间设备");

const fn confidence(confidence: Confidence) -> Text {
    match confidence {
        Confidence::Certain => Text::of("certain", "确定"),
        Confidence::Likely => Text::of("likely", "很可能"),
        Confidence::Possible => Text::of("possible", "可能"),
    }
}

/// Width of the labels with their colon and space; the longest is "In between: ".
const LABEL_WIDTH: usize = 12;

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { finding, language } = *self;
        let sure = confidence(finding.confidence()).in_language(language);
        let (summary, cause) = (finding.summary(language), finding.cause());
        match language {
            Language::English => write!(f, "{summary} ({cause}, {sure})")?,
            Language::Chinese => write!(f, "{summary}（{cause}，{sure}）")?,
        }
        let mut line = |label: Text, words: &str| {
            let label = format!("{}:", label.in_language(language));
            write!(f, "\n  {label}{:width$}{words}", "", width = LABEL_WIDTH.saturating_sub(cells(&label)))
        };
        for fact in self.evidence() {
            line(SEEN, &fact)?;
        }
        let fix = self.fix();
        for (label, words) in [(CLIENT, fix.client), (SERVER, fix.server), (MIDDLE, fix.middle)] {
            if let Some(words) = words {
                line(label, words)?;
            }
        }
        Ok(())
    }
}

/// Cells of a terminal that a text takes: a Chinese character takes two.
fn cells(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum()
}

#[derive(Serialize)]
struct Shape {
    cause: Cause,
    confidence: Confidence,
    summary: &'static str,
    evidence: Vec<String>,
    fix: FixInWords,
}

#[derive(Serialize)]
struct FixInWords {
    client: Option<&'static str>,
    server: Option<&'static str>,
    middle: Option<&'static str>,
}

impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Shape {
            cause: self.finding.cause(),
            confidence: self.finding.confidence(),
            summary: self.finding.summary(self.language),
            evidence: self.evidence().collect(),
            fix: self.fix(),
        }
        .serialize(serializer)
    }
}
