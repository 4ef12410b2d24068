//! What came of an examination: for people, who read it at a glance and paste it into a mail, and for programs.

use core::fmt;

use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};
use wharf_findings::{Language, Text};
use wharf_proto::dialogue::{DataMode, NegotiationCommand};
use wharf_proto::pathname::escaped;

use super::{Cell, CellOutcome, Examination};

impl Examination {
    /// In words, of several lines with a line end at the last.
    #[must_use]
    pub fn in_words(&self, language: Language) -> InWords<'_> {
        InWords { examined: self, language }
    }

    /// As JSON has it; the texts in `language`.
    #[must_use]
    pub fn in_json(&self, language: Language) -> InJson<'_> {
        InJson { examined: self, language }
    }

    /// What to do next, in a sentence or two.
    #[must_use]
    pub fn recommendation(&self, language: Language) -> String {
        let words = |text: Text| text.in_language(language);
        if !self.control.ok {
            return words(NO_CONTROL).to_owned();
        }
        let works: Vec<String> = self.works().iter().map(ToString::to_string).collect();
        let is_whole = self.cells.iter().all(|cell| cell.outcome == CellOutcome::Ok || cell.is_policy);
        if is_whole && self.findings.is_empty() {
            return words(ALL_WELL).to_owned();
        }
        let mut sentences = Vec::new();
        match self.works().first() {
            Some(first) => {
                let how = if first.mode() == DataMode::Passive { USE_PASSIVE } else { USE_ACTIVE };
                sentences.push(words(how).replace("{}", &works.join(", ")));
            }
            None => sentences.push(words(NOTHING_WORKS).to_owned()),
        }
        // Behind what is sure, what is merely possible is not what to begin with.
        if let Some(finding) = self.findings.first() {
            let fix = finding.cause().fix();
            let parties = [(fix.server, AT_SERVER), (fix.middle, AT_MIDDLE), (fix.client, AT_CLIENT)];
            if let Some((text, party)) = parties.into_iter().find_map(|(text, party)| Some((text?, party))) {
                sentences.push(format!("{} {}", words(party), text.in_language(language)));
            }
        }
        sentences.join(words(BETWEEN_SENTENCES))
    }
}

const ALL_WELL: Text = Text::of(
    "Every way to a data connection works; nothing has to be changed.",
    "所有数据连接方式均正常，无需任何改动。",
);
const NO_CONTROL: Text = Text::of(
    "There is no session with this server: mend that first, and run the doctor again.",
    "无法与该服务器建立会话：请先解决此问题，然后重新运行诊断。",
);
const NOTHING_WORKS: Text =
    Text::of("No data connection comes up in any mode.", "任何模式下都无法建立数据连接。");
const USE_PASSIVE: Text =
    Text::of("As things are, use passive mode; what works: {}.", "目前可用：{}，请使用被动模式。");
const USE_ACTIVE: Text =
    Text::of("As things are, use active mode; what works: {}.", "目前可用：{}，请使用主动模式。");
const AT_SERVER: Text = Text::of("To mend the rest, at the server:", "要解决其余问题，请在服务器端处理：");
const AT_MIDDLE: Text = Text::of("To mend the rest, in between:", "要解决其余问题，请在中间设备上处理：");
const AT_CLIENT: Text = Text::of("To mend the rest, at the client:", "要解决其余问题，请在客户端处理：");
const BETWEEN_SENTENCES: Text = Text::of(" ", "");

const CONTROL: Text = Text::of("Control", "控制连接");
const FROM: Text = Text::of("from", "来自");
const CERTIFICATE_VERIFIED: Text = Text::of("certificate verified", "证书已验证");
const CERTIFICATE_NOT_VERIFIED: Text = Text::of("certificate not verified", "证书未验证");
const IN_CLEAR: Text = Text::of("in clear", "明文");
const UNDER_TLS: Text = Text::of("under TLS", "TLS 加密");
const FINDINGS: Text = Text::of("Findings", "诊断结果");
const NO_FINDINGS: Text = Text::of("none", "未发现问题");
const NO_CAUSE: Text = Text::of(
    "none that has a name; what failed stands above, in the words of who said it",
    "没有可以命名的原因；失败的情况见上文原话",
);
const NOTES: Text = Text::of("Notes", "备注");
const NEXT: Text = Text::of("Next", "下一步");

const fn outcome(outcome: CellOutcome) -> Text {
    match outcome {
        CellOutcome::Ok => Text::of("ok", "正常"),
        CellOutcome::Refused => Text::of("refused", "被复位"),
        CellOutcome::Filtered => Text::of("filtered", "无应答"),
        CellOutcome::Rejected => Text::of("rejected", "被拒绝"),
        CellOutcome::Error => Text::of("error", "出错"),
    }
}

/// See [`Examination::in_words`].
#[derive(Clone, Copy, Debug)]
pub struct InWords<'a> {
    examined: &'a Examination,
    language: Language,
}

/// Width of the first column of the matrix, in terminal cells, and of the others.
const ROW_WIDTH: usize = 18;
const CELL_WIDTH: usize = 14;

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { examined, language } = *self;
        let words = |text: Text| text.in_language(language);
        writeln!(f, "wharf doctor {}\n", examined.target)?;
        self.control(f)?;
        if !examined.cells.is_empty() {
            self.matrix(f)?;
        }
        let named = !examined.findings.is_empty();
        match (named, examined.exit_code) {
            (false, 0) => writeln!(f, "{}: {}", words(FINDINGS), words(NO_FINDINGS))?,
            (false, _) => writeln!(f, "{}: {}", words(FINDINGS), words(NO_CAUSE))?,
            (true, _) => {
                writeln!(f, "{}:", words(FINDINGS))?;
                examined
                    .findings
                    .iter()
                    .try_for_each(|finding| writeln!(f, "{}", finding.report(language)))?;
            }
        }
        if !examined.notes.is_empty() {
            writeln!(f, "\n{}:", words(NOTES))?;
            for note in &examined.notes {
                let detail = note.detail.as_deref().unwrap_or_default();
                writeln!(f, "  {} {}", words(note.text), escaped(detail.as_bytes()))?;
            }
        }
        writeln!(f, "\n{}: {}", words(NEXT), examined.recommendation(language))
    }
}

impl InWords<'_> {
    fn control(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |text: Text| text.in_language(self.language);
        let control = &self.examined.control;
        write!(f, "{}: ", words(CONTROL))?;
        if let Some(problem) = &control.problem {
            return writeln!(f, "{}\n", escaped(problem.as_bytes()));
        }
        if let (Some(peer), Some(local)) = (control.peer, control.local) {
            write!(f, "{peer} {} {local}", words(FROM))?;
        }
        if let Some((version, is_verified)) = &control.tls {
            let verified = if *is_verified { CERTIFICATE_VERIFIED } else { CERTIFICATE_NOT_VERIFIED };
            write!(f, ", TLS {version}, {}", words(verified))?;
        }
        writeln!(f)?;
        let lines = [&control.banner, &control.system].into_iter().flatten();
        lines.into_iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        writeln!(f)
    }

    /// A line for each family in clear and under TLS, a column for each command; what did not work is told below.
    fn matrix(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |text: Text| text.in_language(self.language);
        write!(f, "{}", padded("", ROW_WIDTH))?;
        let header: String =
            NegotiationCommand::ALL.iter().map(|command| padded(&command.to_string(), CELL_WIDTH)).collect();
        writeln!(f, "{}", header.trim_end())?;
        let mut rows: Vec<(super::Family, bool)> = Vec::new();
        for cell in &self.examined.cells {
            if !rows.contains(&(cell.family, cell.tls)) {
                rows.push((cell.family, cell.tls));
            }
        }
        for (family, tls) in rows {
            write!(f, "{}", padded(&self.row(family, tls), ROW_WIDTH))?;
            let mut line = String::new();
            for command in NegotiationCommand::ALL {
                let is_here = |cell: &&Cell| (cell.family, cell.tls, cell.command) == (family, tls, command);
                let told = match self.examined.cells.iter().find(is_here) {
                    Some(cell) if cell.outcome == CellOutcome::Ok => {
                        format!("{} {} ms", words(outcome(cell.outcome)), cell.took.as_millis())
                    }
                    Some(cell) => words(outcome(cell.outcome)).to_owned(),
                    // Over IPv6 there is neither PASV nor PORT (RFC 2428 §1).
                    None => "-".to_owned(),
                };
                line += &padded(&told, CELL_WIDTH);
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(f)?;
        let mut has_told = false;
        for cell in self.examined.cells.iter().filter(|cell| !cell.is_policy) {
            if let Some(problem) = &cell.problem {
                writeln!(f, "  {}: {}", self.row(cell.family, cell.tls), escaped(problem.as_bytes()))?;
                has_told = true;
            }
        }
        if has_told { writeln!(f) } else { Ok(()) }
    }

    fn row(&self, family: super::Family, tls: bool) -> String {
        let how = if tls { UNDER_TLS } else { IN_CLEAR };
        format!("{family}, {}", how.in_language(self.language))
    }
}

/// With spaces up to `width` cells of a terminal, in which a Chinese character takes two.
fn padded(text: &str, width: usize) -> String {
    let taken: usize = text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
    format!("{text}{}", " ".repeat(width.saturating_sub(taken)))
}

/// See [`Examination::in_json`].
#[derive(Clone, Copy, Debug)]
pub struct InJson<'a> {
    examined: &'a Examination,
    language: Language,
}

impl Serialize for InJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { examined, language } = *self;
        let reports: Vec<_> = examined.findings.iter().map(|finding| finding.report(language)).collect();
        let works: Vec<String> = examined.works().iter().map(ToString::to_string).collect();
        let notes: Vec<String> = examined
            .notes
            .iter()
            .map(|note| {
                let detail = note.detail.as_deref().unwrap_or_default();
                format!("{} {detail}", note.text.in_language(language)).trim_end().to_owned()
            })
            .collect();
        let cells: Vec<_> = examined.cells.iter().map(CellInJson).collect();
        let mut shape = serializer.serialize_struct("Examination", 7)?;
        shape.serialize_field("target", &examined.target)?;
        shape.serialize_field("control", &ControlInJson(examined))?;
        shape.serialize_field("cells", &cells)?;
        shape.serialize_field("findings", &reports)?;
        shape.serialize_field("notes", &notes)?;
        shape.serialize_field("works", &works)?;
        shape.serialize_field("recommend", &examined.recommendation(language))?;
        shape.end()
    }
}

struct ControlInJson<'a>(&'a Examination);

impl Serialize for ControlInJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let control = &self.0.control;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("ok", &control.ok)?;
        map.serialize_entry("peer", &control.peer.map(|peer| peer.to_string()))?;
        map.serialize_entry("banner", &control.banner)?;
        map.serialize_entry("system", &control.system)?;
        map.serialize_entry("features", &control.features)?;
        map.serialize_entry("tls", &control.tls.is_some())?;
        if let Some((version, is_verified)) = &control.tls {
            map.serialize_entry("tls_version", version)?;
            map.serialize_entry("verified", is_verified)?;
        }
        if let Some(problem) = &control.problem {
            map.serialize_entry("problem", problem)?;
        }
        map.end()
    }
}

struct CellInJson<'a>(&'a Cell);

impl Serialize for CellInJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let cell = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("command", &cell.command.to_string())?;
        map.serialize_entry("family", &cell.family)?;
        map.serialize_entry("tls", &cell.tls)?;
        map.serialize_entry("outcome", &cell.outcome)?;
        map.serialize_entry("endpoint", &cell.endpoint.map(|endpoint| endpoint.to_string()))?;
        map.serialize_entry("reply", &cell.reply)?;
        map.serialize_entry("millis", &u64::try_from(cell.took.as_millis()).unwrap_or(u64::MAX))?;
        if let Some(problem) = &cell.problem {
            map.serialize_entry("problem", problem)?;
        }
        map.end()
    }
}
