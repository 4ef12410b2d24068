//! The ladder as text, for a terminal.

use std::fmt::Write;
use std::time::Duration;

use wharf_findings::{Confidence, Finding, Language, Text};
use wharf_proto::dialogue::Side;

use super::ladder::{Lane, Step, Tone, number, steps, summary};
use super::words::{self, fill};
use crate::capture::{Comparison, Conversation, Difference, Reading, TlsUse, What};

/// How the text is to look.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// The language.
    pub language: Language,
    /// With colours, as ANSI has them.
    pub colours: bool,
    /// Columns in all.
    pub width: usize,
    /// There is no other capture of the same: one is recommended where it would tell more.
    pub alone: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { language: Language::English, colours: false, width: 100, alone: true }
    }
}

/// Everything that was understood of a capture.
#[must_use]
pub fn reading(reading: &Reading, style: Style) -> String {
    parts(reading, style).collect()
}

/// The same in parts, of which a long reading has many.
pub fn parts(reading: &Reading, style: Style) -> impl Iterator<Item = String> + '_ {
    let conversations = reading.conversations.iter().enumerate().map(move |(index, conversation)| {
        let before = if index > 0 { "\n" } else { "" };
        format!("{before}{}", self::conversation(index + 1, conversation, style))
    });
    conversations.chain(std::iter::once_with(move || rest(reading, style)))
}

/// What belongs to no conversation.
fn rest(reading: &Reading, style: Style) -> String {
    let mut out = String::new();
    let say = |text: Text, values: &[&str]| fill(text, style.language, values);
    if reading.conversations.is_empty() && reading.findings.is_empty() {
        let _ = writeln!(out, "{}", say(words::NO_CONVERSATION, &[&number(reading.frames)]));
    }
    if reading.left_out > 0 {
        let _ = writeln!(out, "\n{}", say(words::LEFT_OUT_CONVERSATIONS, &[&number(reading.left_out)]));
    }
    if !reading.findings.is_empty() {
        let heading = if reading.conversations.is_empty() { words::FINDINGS } else { words::FINDINGS_ALL };
        let _ = write!(out, "\n{}\n", say(heading, &[]));
        out.push_str(&findings(&reading.findings, style));
    }
    out
}

/// Two readings, and what differs between them.
#[must_use]
pub fn comparison(a: &Reading, b: &Reading, comparison: &Comparison, style: Style) -> String {
    let say = |text: Text, values: &[&str]| fill(text, style.language, values);
    let style = Style { alone: false, ..style };
    let mut out = String::new();
    for (heading, one) in [(words::FIRST_CAPTURE, a), (words::SECOND_CAPTURE, b)] {
        let heading = say(heading, &[]);
        let _ = writeln!(out, "{heading}\n{}\n", "=".repeat(columns(&heading)));
        out.push_str(&reading(one, style));
        out.push('\n');
    }
    let heading = say(words::DIFFERENCES, &[]);
    let _ = writeln!(out, "{heading}\n{}\n", "=".repeat(columns(&heading)));
    out.push_str(&differences(comparison, style.language));
    if comparison.pairs.is_empty() && !a.conversations.is_empty() && !b.conversations.is_empty() {
        let _ = writeln!(out, "{}", say(words::UNPAIRED, &[]));
    }
    if !comparison.findings.is_empty() {
        let _ = write!(out, "\n{}\n", say(words::FINDINGS, &[]));
        out.push_str(&findings(&comparison.findings, style));
    }
    out
}

/// What differs, a line each.
pub(crate) fn differences(comparison: &Comparison, language: Language) -> String {
    let say = |text: Text, values: &[&str]| fill(text, language, values);
    let mut out = String::new();
    if let Some(offset) = comparison.offset {
        let text = if offset < 0.0 { words::OFFSET_BEHIND } else { words::OFFSET };
        let _ = writeln!(out, "{}", say(text, &[&format!("{:.6}", offset.abs())]));
    }
    if !comparison.pairs.is_empty() && comparison.differences.is_empty() {
        let _ = writeln!(out, "{}", say(words::NO_DIFFERENCES, &[]));
    }
    for difference in &comparison.differences {
        let _ = writeln!(out, "  {}", self::difference(difference, language));
    }
    out
}

fn difference(difference: &Difference, language: Language) -> String {
    let say = |text: Text, values: &[&str]| fill(text, language, values);
    let frame = |frame: Option<u64>| frame.map(|frame| frame.to_string()).unwrap_or_default();
    let (text, which, at) = match (difference.frame_a, difference.frame_b) {
        (Some(_), Some(_)) => {
            let (a, b) = (frame(difference.frame_a), frame(difference.frame_b));
            return say(words::REWRITTEN, &[&difference.a, &a, &difference.b, &b]);
        }
        (Some(_), None) => (&difference.a, words::FIRST, difference.frame_a),
        (None, _) => (&difference.b, words::SECOND, difference.frame_b),
    };
    let words = if difference.what == What::Injected { words::INJECTED } else { words::LOST };
    say(words, &[text, &frame(at), &say(which, &[])])
}

/// One conversation: its ladder, its transfers, its findings.
#[must_use]
pub fn conversation(number_of_it: usize, conversation: &Conversation, style: Style) -> String {
    let say = |text: Text, values: &[&str]| fill(text, style.language, values);
    let mut out = heading(number_of_it, conversation, style);
    out.push('\n');
    let steps = steps(conversation, style.language);
    out.push_str(&ladder(&steps, style));
    if conversation.lines_left_out > 0 {
        let left_out = number(conversation.lines_left_out);
        let _ = writeln!(out, "\n{}", say(words::LEFT_OUT_LINES, &[&left_out]));
    }
    if !conversation.transfers.is_empty() {
        let _ = writeln!(out, "\n{}", say(words::TRANSFERS, &[]));
        for transfer in &conversation.transfers {
            let _ = writeln!(out, "  {}", summary(conversation, transfer, style.language));
        }
        if conversation.transfers_left_out > 0 {
            let left_out = number(conversation.transfers_left_out);
            let _ = writeln!(out, "  {}", say(words::LEFT_OUT_TRANSFERS, &[&left_out]));
        }
    }
    if conversation.findings.is_empty() {
        let _ = writeln!(out, "\n{}", say(words::NOTHING_WRONG, &[]));
    } else {
        let _ = write!(out, "\n{}\n", say(words::FINDINGS, &[]));
        out.push_str(&findings(&conversation.findings, style));
        if let Some(hint) = tell_apart(conversation, style.language).filter(|_| style.alone) {
            for line in wrapped(&hint, style.width.saturating_sub(2)) {
                let _ = writeln!(out, "  {line}");
            }
        }
    }
    out
}

/// What would tell causes apart that are no more than possible beside others.
pub(crate) fn tell_apart(conversation: &Conversation, language: Language) -> Option<String> {
    let findings = &conversation.findings;
    let is_open = |finding: &Finding| finding.confidence() == Confidence::Possible;
    if findings.len() < 2 || !findings.iter().any(is_open) {
        return None;
    }
    let other = match conversation.taken_at() {
        Some(Side::Client) => words::SERVER,
        Some(Side::Server) => words::CLIENT,
        None => return Some(fill(words::TELL_APART_ANYWHERE, language, &[])),
    };
    Some(fill(words::TELL_APART, language, &[&fill(other, language, &[])]))
}

/// A transfer that has just ended, in a line.
#[must_use]
pub fn ended(conversation: &Conversation, transfer: usize, language: Language) -> String {
    let Some(transfer) = conversation.transfers.get(transfer) else { return String::new() };
    let at = transfer.reply.as_ref().map_or(transfer.asked, |reply| reply.sight);
    format!(
        "{:>12}  {} → {}  {}\n",
        time(at.at.since_start()),
        conversation.client,
        conversation.server,
        summary(conversation, transfer, language)
    )
}

/// Who talks with whom, and what is special about it.
#[must_use]
pub(crate) fn heading(number_of_it: usize, conversation: &Conversation, style: Style) -> String {
    let say = |text: Text, values: &[&str]| fill(text, style.language, values);
    let (client, server) = (conversation.client.to_string(), conversation.server.to_string());
    let mut out = say(words::CONVERSATION, &[&number_of_it.to_string(), &client, &server]);
    let remarks = remarks(conversation, style.language);
    if !remarks.is_empty() {
        let _ = write!(out, "\n  {}", remarks.join("; "));
    }
    out.push('\n');
    out
}

/// What is special about a conversation.
pub(crate) fn remarks(conversation: &Conversation, language: Language) -> Vec<String> {
    let say = |text: Text, values: &[&str]| fill(text, language, values);
    let mut remarks = Vec::new();
    remarks.extend(conversation.user.as_deref().map(|user| say(words::USER, &[user])));
    match conversation.tls {
        TlsUse::None => {}
        TlsUse::Explicit => remarks.push(say(words::UNDER_TLS_EXPLICIT, &[])),
        TlsUse::Implicit => remarks.push(say(words::UNDER_TLS_IMPLICIT, &[])),
    }
    if conversation.control.syns.is_empty() {
        remarks.push(say(words::BEGINS_LATE, &[]));
    }
    if !conversation.control.is_over() {
        remarks.push(say(words::ENDS_EARLY, &[]));
    }
    if conversation.gaps > 0 {
        remarks.push(say(words::HAS_GAPS, &[&number(conversation.gaps)]));
    }
    let copies: u64 =
        conversation.control.copies + conversation.data.iter().map(|data| data.facts.copies).sum::<u64>();
    if copies > 0 {
        remarks.push(say(words::COPIES, &[&number(copies)]));
    }
    remarks
}

fn findings(findings: &[Finding], style: Style) -> String {
    let mut out = String::new();
    for finding in findings {
        let text = finding.report(style.language).to_string();
        for (index, line) in text.lines().enumerate() {
            let indent = if index == 0 { "  " } else { "      " };
            for (piece, line) in
                wrapped(line.trim_start(), style.width.saturating_sub(indent.len() + 2)).iter().enumerate()
            {
                let more = if piece > 0 { "  " } else { "" };
                let _ = writeln!(out, "{indent}{more}{line}");
            }
        }
    }
    out
}

/// The columns before the client's line: frame, time, blanks.
const BEFORE: usize = 22;

/// The ladder alone.
#[must_use]
pub fn ladder(steps: &[Step], style: Style) -> String {
    let mut out = head(style);
    let inner = inner(style);
    let mut frame = 0;
    for step in steps {
        let place = if step.sight.frame == frame { String::new() } else { place(step) };
        frame = step.sight.frame;
        rung(&mut out, &place, step, inner, style);
    }
    out
}

/// The columns between the two hosts' lines.
fn inner(style: Style) -> usize {
    style.width.saturating_sub(BEFORE + 2).max(20)
}

/// The line above a ladder.
pub(crate) fn head(style: Style) -> String {
    let say = |text: Text| text.in_language(style.language);
    let (client, server) = (say(words::CLIENT), say(words::SERVER));
    let between = (inner(style) + 2).saturating_sub(columns(client) + columns(server));
    format!("{}{client}{}{server}\n", columns_of(style), " ".repeat(between))
}

/// One step by itself.
pub(crate) fn rung_text(step: &Step, style: Style) -> String {
    let mut out = String::new();
    rung(&mut out, &place(step), step, inner(style), style);
    out
}

/// The same, below a step of the same moment.
pub(crate) fn rung_without_place(step: &Step, style: Style) -> String {
    let mut out = String::new();
    rung(&mut out, "", step, inner(style), style);
    out
}

fn place(step: &Step) -> String {
    format!("{:>7}  {:>11}", step.sight.frame, time(step.sight.at.since_start()))
}

fn columns_of(style: Style) -> String {
    let say = |text: Text| text.in_language(style.language);
    let right =
        |text: &str, width: usize| format!("{}{text}", " ".repeat(width.saturating_sub(columns(text))));
    format!("{}  {}  ", right(say(words::FRAME), 7), right(say(words::TIME), 11))
}

/// One step: an arrow with its text in it, what does not fit below it.
fn rung(out: &mut String, place: &str, step: &Step, inner: usize, style: Style) {
    let (line, edge) = match step.lane {
        Lane::Control => ('─', '│'),
        Lane::Data => ('═', '║'),
    };
    let paint = Paint { step, on: style.colours };
    let room = inner.saturating_sub(10);
    let mut texts = Vec::new();
    for (index, text) in step.text.lines().enumerate() {
        if index == 2 && step.text.lines().count() > 4 {
            texts.push("…".to_owned());
        }
        if index < 2 || index + 1 >= step.text.lines().count() || step.text.lines().count() <= 4 {
            texts.extend(wrapped(text, room));
        }
    }
    let first = texts.first().cloned().unwrap_or_default();
    let tail = |used: usize| inner.saturating_sub(used);
    let arrow = match step.from {
        Some(Side::Client) => {
            let head = format!("{line}{line} {first} ");
            format!("{head}{}>", line.to_string().repeat(tail(columns(&head) + 1)))
        }
        Some(Side::Server) => {
            let head = format!("<{line} {first} ");
            format!("{head}{}", line.to_string().repeat(tail(columns(&head))))
        }
        None => {
            let head = format!("   {first}");
            format!("{head}{}", " ".repeat(tail(columns(&head))))
        }
    };
    let _ = writeln!(out, "{place:<width$}{edge}{}{edge}", paint.apply(&arrow), width = BEFORE);
    let notes = step.note.iter().flat_map(|note| wrapped(&format!("({note})"), room));
    let more = texts.into_iter().skip(1);
    for text in more.chain(notes) {
        let text = format!("   {text}");
        let padded = format!("{text}{}", " ".repeat(tail(columns(&text))));
        let _ = writeln!(out, "{}{edge}{}{edge}", " ".repeat(BEFORE), paint.apply(&padded));
    }
}

struct Paint<'a> {
    step: &'a Step,
    on: bool,
}

impl Paint<'_> {
    fn apply(&self, text: &str) -> String {
        if !self.on {
            return text.to_owned();
        }
        let colour = match (self.step.tone, self.step.lane) {
            (Tone::Trouble, _) => "31",
            (Tone::Remark, _) => "2",
            (_, Lane::Control) => "36",
            (_, Lane::Data) => "33",
        };
        format!("\x1b[{colour}m{text}\x1b[0m")
    }
}

fn time(since: Duration) -> String {
    format!("{}.{:06}", since.as_secs(), since.subsec_micros())
}

/// The columns that a text takes: Chinese characters take two.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(|character| if is_wide(character) { 2 } else { 1 }).sum()
}

/// Unicode's East Asian Width, as far as our own texts and most names need it.
fn is_wide(character: char) -> bool {
    matches!(character, '\u{1100}'..='\u{115F}' | '\u{2E80}'..='\u{A4CF}' | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}' | '\u{FE30}'..='\u{FE4F}' | '\u{FF00}'..='\u{FF60}' | '\u{FFE0}'..='\u{FFE6}'
        | '\u{1F300}'..='\u{1FAFF}' | '\u{20000}'..='\u{3FFFD}')
}

/// Pieces of at most `room` columns, cut at blanks where there are any.
pub(crate) fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_inclusive([' ', '，', '。', '；', '、']) {
        if columns(&line) + columns(word.trim_end()) > room && !line.is_empty() {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        let mut rest = word;
        while columns(rest.trim_end()) > room {
            let mut end = 0;
            for (at, character) in rest.char_indices() {
                if columns(&rest[..at + character.len_utf8()]) > room {
                    break;
                }
                end = at + character.len_utf8();
            }
            if end == 0 {
                break;
            }
            lines.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        line.push_str(rest);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line.trim_end().to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_blanks_and_long_words_anywhere() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("", 4), [""]);
        assert_eq!(wrapped("数据连接没有得到应答", 8), ["数据连接", "没有得到", "应答"]);
    }
}
