//! The ladder as one picture.

use std::fmt::Write;

use wharf_findings::{Language, Text};
use wharf_proto::dialogue::Side;

use super::html::escape;
use super::ladder::{Lane, Step, Tone, number, steps, summary};
use super::text::{remarks, wrapped};
use super::words::{self, fill};
use crate::capture::Reading;

/// In units of the picture, which are pixels where it is not scaled.
const WIDTH: usize = 980;
const MARGIN: usize = 24;
/// The two lifelines.
const CLIENT: usize = 190;
const SERVER: usize = 940;
const LINE: usize = 17;
/// Columns of a text between the lifelines, at the size that is used.
const COLUMNS: usize = 96;

const STYLE: &str = "\
svg{background:#fbfaf7;color:#1c2024}text{font:13px ui-monospace,'DejaVu Sans Mono','Noto Sans Mono CJK SC',monospace;fill:#1c2024}\
.h{font:600 15px system-ui,'Noto Sans CJK SC',sans-serif}.f{fill:#667079;font-size:11px}.l{stroke:#b9b5ab;stroke-width:2}\
.c{stroke:#0b6e8f}.d{stroke:#a4550a}.x{stroke:#b3261e}.c,.d,.x{stroke-width:2;fill:none}\
.tc{fill:#0b6e8f}.td{fill:#a4550a}.tx{fill:#b3261e}\
@media(prefers-color-scheme:dark){svg{background:#14171a}text{fill:#e6e4df}.f{fill:#98a2ab}.l{stroke:#3a4046}\
.c{stroke:#63c3e0}.d{stroke:#eba55a}.x{stroke:#ff8a80}.tc{fill:#63c3e0}.td{fill:#eba55a}.tx{fill:#ff8a80}}";

/// The picture of all conversations, one below the other.
#[must_use]
pub fn picture(reading: &Reading, language: Language) -> String {
    let mut drawing = Drawing { body: String::new(), y: MARGIN, language };
    for (index, conversation) in reading.conversations.iter().enumerate() {
        let (client, server) = (conversation.client.to_string(), conversation.server.to_string());
        let heading = drawing.say(words::CONVERSATION, &[&(index + 1).to_string(), &client, &server]);
        drawing.text(MARGIN, "h", &heading);
        for remark in wrapped(&remarks(conversation, language).join("; "), COLUMNS + 20) {
            drawing.text(MARGIN, "f", &remark);
        }
        drawing.ladder(&steps(conversation, language));
        for transfer in &conversation.transfers {
            for line in wrapped(&summary(conversation, transfer, language), COLUMNS + 18) {
                drawing.text(MARGIN, "", &line);
            }
        }
        drawing.findings(&conversation.findings);
        drawing.y += 2 * LINE;
    }
    if reading.conversations.is_empty() && reading.findings.is_empty() {
        let text = drawing.say(words::NO_CONVERSATION, &[&number(reading.frames)]);
        for line in wrapped(&text, COLUMNS) {
            drawing.text(MARGIN, "", &line);
        }
    }
    drawing.findings(&reading.findings);
    let height = drawing.y + MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\">\n\
         <style>{STYLE}</style>\n\
         <defs><marker id=\"a\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" \
         markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0L10 5L0 10z\" fill=\"context-stroke\"/></marker></defs>\n\
         {}</svg>\n",
        drawing.body
    )
}

struct Drawing {
    body: String,
    y: usize,
    language: Language,
}

impl Drawing {
    fn say(&self, text: Text, values: &[&str]) -> String {
        fill(text, self.language, values)
    }

    fn text(&mut self, x: usize, class: &str, text: &str) {
        self.y += LINE;
        let _ =
            writeln!(self.body, "<text x=\"{x}\" y=\"{}\" class=\"{class}\">{}</text>", self.y, escape(text));
    }

    fn ladder(&mut self, steps: &[Step]) {
        self.y += LINE / 2;
        let (client, server) = (self.say(words::CLIENT, &[]), self.say(words::SERVER, &[]));
        self.y += LINE;
        for (x, host) in [(CLIENT, client), (SERVER, server)] {
            let _ = writeln!(
                self.body,
                "<text x=\"{x}\" y=\"{}\" class=\"h\" text-anchor=\"middle\">{}</text>",
                self.y,
                escape(&host)
            );
        }
        let top = self.y + 6;
        let mut rungs = String::new();
        std::mem::swap(&mut rungs, &mut self.body);
        for step in steps {
            self.rung(step);
        }
        std::mem::swap(&mut rungs, &mut self.body);
        self.y += LINE / 2;
        // The lifelines go below the arrows.
        for x in [CLIENT, SERVER] {
            let _ = writeln!(
                self.body,
                "<line x1=\"{x}\" y1=\"{top}\" x2=\"{x}\" y2=\"{}\" class=\"l\"/>",
                self.y
            );
        }
        self.body.push_str(&rungs);
        self.y += LINE / 2;
    }

    fn rung(&mut self, step: &Step) {
        let class = match (step.tone, step.lane) {
            (Tone::Trouble, _) => "x",
            (_, Lane::Control) => "c",
            (_, Lane::Data) => "d",
        };
        let since = step.sight.at.since_start();
        let place = format!("#{}  {}.{:06}", step.sight.frame, since.as_secs(), since.subsec_micros());
        let first = self.y + LINE + 3;
        let _ =
            writeln!(self.body, "<text x=\"{MARGIN}\" y=\"{first}\" class=\"f\">{}</text>", escape(&place));
        let anchor_at_server = step.from == Some(Side::Server);
        let (x, anchor) = if anchor_at_server { (SERVER - 12, "end") } else { (CLIENT + 12, "start") };
        let lines: Vec<&str> = step.text.lines().collect();
        let shown = lines.iter().take(2).chain(lines.iter().skip(2).rev().take(1));
        self.y += 3;
        for line in shown.flat_map(|line| wrapped(line, COLUMNS)) {
            self.y += LINE;
            let _ = writeln!(
                self.body,
                "<text x=\"{x}\" y=\"{}\" class=\"t{class}\" text-anchor=\"{anchor}\">{}</text>",
                self.y,
                escape(&line)
            );
        }
        self.y += 6;
        let (from, to) = if anchor_at_server { (SERVER, CLIENT) } else { (CLIENT, SERVER) };
        if step.from.is_some() {
            let double = if step.lane == Lane::Data { " stroke-width=\"3\"" } else { "" };
            let _ = writeln!(
                self.body,
                "<line x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\" class=\"{class}\"{double} marker-end=\"url(#a)\"/>",
                y = self.y
            );
        }
        for line in step.note.iter().flat_map(|note| wrapped(note, COLUMNS)) {
            self.y += LINE - 2;
            let _ = writeln!(
                self.body,
                "<text x=\"{x}\" y=\"{}\" class=\"f\" text-anchor=\"{anchor}\">{}</text>",
                self.y,
                escape(&line)
            );
        }
    }

    fn findings(&mut self, findings: &[wharf_findings::Finding]) {
        for finding in findings {
            self.y += LINE / 2;
            for (index, line) in finding.report(self.language).to_string().lines().enumerate() {
                let indent = if index == 0 { 0 } else { 24 };
                let class = if index == 0 { "tx" } else { "" };
                for piece in wrapped(line.trim(), COLUMNS + 10) {
                    self.text(MARGIN + indent, class, &piece);
                }
            }
        }
    }
}

/// The widest text fits between the lifelines.
const _: () = assert!(COLUMNS * 8 > SERVER - CLIENT && COLUMNS * 7 < SERVER - CLIENT);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_of_nothing_is_well_formed() {
        let reading = crate::capture::Explainer::new(crate::capture::Options::default()).finish();
        let picture = picture(&reading, Language::English);
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"), "{picture}");
    }
}
