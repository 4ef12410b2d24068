//! The ladder as a page of its own: nothing is fetched, it opens without a network, light and dark, wide and narrow.

use std::fmt::Write;

use wharf_findings::{Finding, Language, Text};
use wharf_proto::dialogue::Side;

use super::ladder::{Lane, Step, Tone, number, steps, summary};
use super::text::{differences, remarks, tell_apart};
use super::words::{self, fill};
use crate::capture::{Comparison, Conversation, Outcome, Reading, Transfer};

const STYLE: &str = include_str!("page.css");

/// The page of one capture.
#[must_use]
pub fn page(reading: &Reading, language: Language) -> String {
    let mut out = head(language);
    body(&mut out, reading, language, true);
    out.push_str(FOOT);
    out
}

/// The page of two captures, and of what differs between them.
#[must_use]
pub fn comparison(a: &Reading, b: &Reading, comparison: &Comparison, language: Language) -> String {
    let mut out = head(language);
    let heading = escape(&fill(words::DIFFERENCES, language, &[]));
    let _ = writeln!(out, "<section>\n<h2>{heading}</h2>");
    for line in differences(comparison, language).lines() {
        let _ = writeln!(out, "<p class=\"difference\">{}</p>", escape(line.trim()));
    }
    findings(&mut out, &comparison.findings, language);
    out.push_str("</section>\n");
    for (heading, reading) in [(words::FIRST_CAPTURE, a), (words::SECOND_CAPTURE, b)] {
        let _ = writeln!(out, "<h1>{}</h1>", escape(&fill(heading, language, &[])));
        body(&mut out, reading, language, false);
    }
    out.push_str(FOOT);
    out
}

const FOOT: &str = "</main>\n</body>\n</html>\n";

fn head(language: Language) -> String {
    let say = |text: Text, values: &[&str]| escape(&fill(text, language, values));
    let mut out = String::new();
    let code = match language {
        Language::Chinese => "zh",
        _ => "en",
    };
    let title = say(words::TITLE, &[]);
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"{code}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<header><h1>{title}</h1>\n<p class=\"key\"><span class=\"control\">{}</span> <span class=\"data\">{}</span></p>\n</header>\n<main>\n",
        say(words::CONTROL_CONNECTION, &[]),
        say(words::DATA_CONNECTION, &[]),
    );
    out
}

fn body(out: &mut String, reading: &Reading, language: Language, is_alone: bool) {
    let say = |text: Text, values: &[&str]| escape(&fill(text, language, values));
    for (index, conversation) in reading.conversations.iter().enumerate() {
        section(out, index + 1, conversation, language, is_alone);
    }
    if reading.conversations.is_empty() && reading.findings.is_empty() {
        let _ = writeln!(out, "<p>{}</p>", say(words::NO_CONVERSATION, &[&number(reading.frames)]));
    }
    if !reading.findings.is_empty() {
        let heading = if reading.conversations.is_empty() { words::FINDINGS } else { words::FINDINGS_ALL };
        let _ = writeln!(out, "<section>\n<h2>{}</h2>", say(heading, &[]));
        findings(out, &reading.findings, language);
        out.push_str("</section>\n");
    }
    if reading.left_out > 0 {
        let _ = writeln!(out, "<p>{}</p>", say(words::LEFT_OUT_CONVERSATIONS, &[&number(reading.left_out)]));
    }
}

fn section(
    out: &mut String,
    number_of_it: usize,
    conversation: &Conversation,
    language: Language,
    is_alone: bool,
) {
    let say = |text: Text, values: &[&str]| escape(&fill(text, language, values));
    let (client, server) = (conversation.client.to_string(), conversation.server.to_string());
    let heading = say(words::CONVERSATION, &[&number_of_it.to_string(), &client, &server]);
    let _ = writeln!(out, "<section>\n<h2>{heading}</h2>");
    let remarks = remarks(conversation, language);
    if !remarks.is_empty() {
        let _ = writeln!(out, "<p class=\"remarks\">{}</p>", escape(&remarks.join("; ")));
    }
    if conversation.findings.is_empty() {
        let _ = writeln!(out, "<p class=\"well\">{}</p>", say(words::NOTHING_WRONG, &[]));
    } else {
        let _ = writeln!(out, "<h3>{}</h3>", say(words::FINDINGS, &[]));
        findings(out, &conversation.findings, language);
        if let Some(hint) = tell_apart(conversation, language).filter(|_| is_alone) {
            let _ = writeln!(out, "<p class=\"remarks\">{}</p>", escape(&hint));
        }
    }
    let _ = writeln!(
        out,
        "<div class=\"ladder\">\n<div class=\"hosts\"><span>{}<br><small>{}</small></span>\
         <span>{}<br><small>{}</small></span></div>",
        say(words::CLIENT, &[]),
        escape(&client),
        say(words::SERVER, &[]),
        escape(&server)
    );
    ladder(out, conversation, language);
    out.push_str("</div>\n");
    for (count, text) in [
        (conversation.lines_left_out, words::LEFT_OUT_LINES),
        (conversation.transfers_left_out, words::LEFT_OUT_TRANSFERS),
    ] {
        if count > 0 {
            let _ = writeln!(out, "<p>{}</p>", say(text, &[&number(count)]));
        }
    }
    out.push_str("</section>\n");
}

/// The steps; what belongs to a transfer is folded into one line.
fn ladder(out: &mut String, conversation: &Conversation, language: Language) {
    let steps = steps(conversation, language);
    let mut rest = steps.as_slice();
    while let Some(first) = rest.first() {
        let count = rest.iter().take_while(|step| step.transfer == first.transfer).count();
        let (run, behind) = rest.split_at(count);
        rest = behind;
        match first.transfer.and_then(|index| conversation.transfers.get(index)) {
            Some(transfer) if count > 1 => folded(out, conversation, transfer, run, language),
            _ => run.iter().for_each(|step| rung(out, step)),
        }
    }
}

fn folded(
    out: &mut String,
    conversation: &Conversation,
    transfer: &Transfer,
    run: &[Step],
    language: Language,
) {
    let is_well = matches!(transfer.outcome, Outcome::Complete | Outcome::NotCaptured);
    let is_open = !is_well || conversation.transfers.len() == 1;
    let _ = writeln!(
        out,
        "<details class=\"transfer {}\"{}>\n<summary>{} <small>{}</small></summary>",
        if is_well { "well" } else { "trouble" },
        if is_open { " open" } else { "" },
        escape(&summary(conversation, transfer, language)),
        escape(&fill(words::STEPS, language, &[&run.len().to_string()])),
    );
    run.iter().for_each(|step| rung(out, step));
    out.push_str("</details>\n");
}

/// One step: its place, and an arrow between the two lifelines with its text on it.
fn rung(out: &mut String, step: &Step) {
    let lane = match step.lane {
        Lane::Control => "control",
        Lane::Data => "data",
    };
    let from = match step.from {
        Some(Side::Client) => "right",
        Some(Side::Server) => "left",
        None => "nowhere",
    };
    let tone = match step.tone {
        Tone::Transport => "transport",
        Tone::Talk => "talk",
        Tone::Trouble => "trouble",
        Tone::Remark => "remark",
    };
    let many = if step.text.contains('\n') { " many" } else { "" };
    let since = step.sight.at.since_start();
    let _ = write!(
        out,
        "<div class=\"rung {lane} {from} {tone}{many}\"><span class=\"place\">#{} <time>{}.{:06}</time></span>\
         <span class=\"text\">{}</span>",
        step.sight.frame,
        since.as_secs(),
        since.subsec_micros(),
        escape(&step.text),
    );
    if let Some(note) = &step.note {
        let _ = write!(out, "<span class=\"note\">{}</span>", escape(note));
    }
    out.push_str("</div>\n");
}

fn findings(out: &mut String, findings: &[Finding], language: Language) {
    for finding in findings {
        let text = finding.report(language).to_string();
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let _ = writeln!(out, "<article class=\"finding\">\n<p>{}</p>\n<dl>", escape(first));
        for line in lines {
            let (label, words) = line.trim().split_once([':', '：']).unwrap_or(("", line));
            let _ = writeln!(out, "<dt>{}</dt><dd>{}</dd>", escape(label), escape(words.trim()));
        }
        out.push_str("</dl>\n</article>\n");
    }
}

/// For HTML and SVG alike.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
