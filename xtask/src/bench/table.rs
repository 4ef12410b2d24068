//! Medians, ratios, and the table.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::rows::{Part, Row};
use crate::run;

const DOCUMENT: &str = "docs/performance.md";

/// What one turn came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    /// A value for each of the row's lines.
    pub(super) values: Vec<Option<f64>>,
    pub(super) trouble: Option<String>,
}

impl Sample {
    pub(super) fn failed(errors: &str) -> Self {
        let last = errors.lines().last().unwrap_or("it said nothing");
        Self { values: Vec::new(), trouble: Some(last.to_owned()) }
    }

    fn value(&self, line: usize) -> Option<f64> {
        self.values.get(line).copied().flatten()
    }

    /// For whoever looks on.
    pub(super) fn shown(&self, row: &Row) -> String {
        let mut text = match self.value(0) {
            Some(value) => digits(value),
            None => "nothing".to_owned(),
        };
        let lines = row.lines();
        text = format!("{text} {}", lines[0].unit);
        for (index, line) in lines.iter().enumerate().skip(1) {
            if let Some(value) = self.value(index) {
                // Writing to a string cannot fail.
                let _ = write!(text, ", {} {} {}", line.title, digits(value), line.unit);
            }
        }
        match &self.trouble {
            Some(trouble) => format!("{text} ({trouble})"),
            None => text,
        }
    }
}

/// All samples of a table.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// By row and column, both as the table has them.
    of: HashMap<(&'static str, String), Vec<Sample>>,
}

impl Samples {
    pub(super) fn add(&mut self, row: &Row, column: &str, sample: Sample) {
        self.of.entry((row.name, column.to_owned())).or_default().push(sample);
    }

    fn median(&self, row: &Row, column: &str, line: usize) -> Option<f64> {
        let samples = self.of.get(&(row.name, column.to_owned()))?;
        median(samples.iter().filter_map(|sample| sample.value(line)).collect())
    }

    /// The table in Markdown.
    pub(super) fn table(&self, rows: &[&Row], columns: &[String]) -> String {
        let mut table = format!("| | {} |\n|---|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
        for row in rows {
            for (index, line) in row.lines().iter().enumerate() {
                let title = if index == 0 { row.title.to_owned() } else { format!("– {}", line.title) };
                let title = if line.unit.is_empty() { title } else { format!("{title}, {}", line.unit) };
                let medians: Vec<_> = columns.iter().map(|column| self.median(row, column, index)).collect();
                table += &format!("| {title} | {} |\n", cells(&medians).join(" | "));
            }
        }
        table.trim_end().to_owned()
    }
}

/// Each median, with its ratio to the first.
fn cells(medians: &[Option<f64>]) -> Vec<String> {
    let base = medians.first().copied().flatten().filter(|base| *base > 0.0);
    let cell = |(index, median): (usize, &Option<f64>)| match (median, base) {
        (None, _) => "–".to_owned(),
        (Some(median), Some(base)) if index > 0 => format!("{} ({:.2})", digits(*median), median / base),
        (Some(median), _) => digits(*median),
    };
    medians.iter().enumerate().map(cell).collect()
}

/// Three or more digits that mean something.
pub(super) fn digits(value: f64) -> String {
    match value {
        ..1.0 => format!("{value:.3}"),
        ..100.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

/// The one in the middle.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// Where, when, and how.
pub(super) fn conditions(how: &str) -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = run::output(Command::new(program).args(arguments).current_dir(run::root()));
        output.unwrap_or_default().trim().to_owned()
    };
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let temporary = std::env::temp_dir().display().to_string();
    format!(
        "{}, {} ({}), Linux {}, {cores} cores of {}, files on {}. {how} Load average at the end: {}.",
        said("date", &["+%F"]),
        said("git", &["rev-parse", "--short", "HEAD"]),
        said("git", &["log", "-1", "--format=%s"]),
        said("uname", &["-r"]),
        model.map_or("an unknown kind", |(_, name)| name.trim()),
        said("stat", &["--file-system", "--format=%T", &temporary]),
        load.split_whitespace().next().unwrap_or("unknown"),
    )
}

/// Puts the table between its marks in the document.
///
/// # Errors
/// When the marks are not there.
pub(super) fn write_document(table: &str, part: Part) -> Result<()> {
    let path = run::root().join(DOCUMENT);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let name = part.name();
    let (start, end) = (
        format!("<!-- bench {name}: written by cargo xtask bench -->\n"),
        format!("<!-- end of bench {name} -->"),
    );
    let Some(replaced) = replace_between(&text, &start, &end, table) else {
        bail!("{DOCUMENT} has no `{}` … `{end}`; put them back", start.trim());
    };
    fs::write(&path, replaced).with_context(|| format!("cannot write {DOCUMENT}"))
}

fn replace_between(text: &str, start: &str, end: &str, new: &str) -> Option<String> {
    let (before, rest) = text.split_once(start)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{start}{new}\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn ratios_are_to_the_first_column() {
        let row = super::super::rows::chosen(&["small".to_owned()]).unwrap()[0];
        let mut samples = Samples::default();
        for (server, rate) in [("floor", 200.0), ("x", 150.0), ("x", 130.0), ("x", 140.0)] {
            let sample = Sample { values: vec![Some(rate), Some(0.5), None], trouble: None };
            samples.add(row, server, sample);
        }
        let table = samples.table(&[row], &["floor".to_owned(), "x".to_owned()]);
        assert!(table.contains("| 1 KiB files, 8 sessions, /s | 200 | 140 (0.70) |"), "{table}");
        assert!(table.contains("| – server's CPU, ms each | 0.500 | 0.500 (1.00) |"), "{table}");
        assert!(table.contains("| – generator's cores | – | – |"), "{table}");
    }

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        assert_eq!(replace_between("a<old>b", "<", ">", "new").as_deref(), Some("a<new\n>b"));
        assert_eq!(replace_between("a<old", "<", ">", "new"), None);
    }
}
