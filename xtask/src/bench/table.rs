//! Medians, ratios, and the table.

use std::collections::HashMap;
use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::process::Command;

use super::rows::{Figure, Row};
use crate::run;

const DOCUMENT: &str = "docs/performance.md";
const GIBIBYTE: f64 = (1_u64 << 30) as f64;

/// What one turn came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    value: Option<f64>,
    /// The server's processor time for what was done, in the row's unit.
    cost: Option<f64>,
    /// Cores that the generator used.
    generator: Option<f64>,
    trouble: Option<String>,
}

impl Sample {
    pub(super) fn failed(errors: &str) -> Self {
        Self {
            trouble: Some(errors.lines().last().unwrap_or("it said nothing").to_owned()),
            ..Self::default()
        }
    }

    /// Reads what the row wants from the object of `wharf bench`.
    pub(super) fn read(row: &Row, object: &Value, used: f64) -> Self {
        let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_f64);
        let (value, done) = match row.figure {
            Figure::Rate => (
                number("/bytes_per_second").map(|rate| rate / 1e6),
                number("/whole_run/bytes").map(|bytes| bytes / GIBIBYTE),
            ),
            Figure::Operations => {
                (number("/operations_per_second"), number("/whole_run/operations").map(|count| count / 1e3))
            }
            Figure::Latency => (number("/latency/p50_micros").map(|micros| micros / 1e3), None),
        };
        Self {
            value,
            cost: done.filter(|done| *done > 0.0).map(|done| used / done),
            generator: number("/generator/cores_used"),
            trouble: object.pointer("/failures/0/first").and_then(Value::as_str).map(str::to_owned),
        }
    }

    pub(super) fn shown(&self, row: &Row) -> String {
        let mut text = self.value.map_or_else(|| "nothing".to_owned(), digits) + " " + unit(row.figure);
        if let Some(generator) = self.generator {
            text += &format!(", generator {generator:.2} cores");
        }
        if let Some(trouble) = &self.trouble {
            text += &format!(" ({trouble})");
        }
        text
    }
}

/// All samples.
pub(super) struct Samples {
    servers: Vec<String>,
    of: HashMap<(&'static str, String), Vec<Sample>>,
}

impl Samples {
    pub(super) fn new(servers: Vec<String>) -> Self {
        Self { servers, of: HashMap::new() }
    }

    pub(super) fn add(&mut self, row: &Row, server: &str, sample: Sample) {
        self.of.entry((row.name, server.to_owned())).or_default().push(sample);
    }

    fn median(&self, row: &Row, server: &str, value: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        let samples = self.of.get(&(row.name, server.to_owned()))?;
        median(samples.iter().filter_map(value).collect())
    }

    /// The table in Markdown, with where and how it was measured.
    pub(super) fn table(&self, rows: &[&Row], rounds: usize, seconds: &str, tls: bool) -> String {
        let mut table = format!("{}\n\n", conditions(rounds, seconds, tls));
        table += &format!("| | {} |\n|---|{}\n", self.servers.join(" | "), "---|".repeat(self.servers.len()));
        for row in rows {
            table += &self.line(row, &format!("{}, {}", row.title, unit(row.figure)), |sample| sample.value);
            if let Some(unit) = cost_unit(row.figure) {
                table += &self.line(row, &format!("– server's CPU, {unit}"), |sample| sample.cost);
                table += &self.line(row, "– generator's cores", |sample| sample.generator);
            }
        }
        table.trim_end().to_owned()
    }

    fn line(&self, row: &Row, title: &str, value: impl Fn(&Sample) -> Option<f64> + Copy) -> String {
        let medians: Vec<_> = self.servers.iter().map(|server| self.median(row, server, value)).collect();
        let base = medians.first().copied().flatten();
        let cells = medians.iter().enumerate().map(|(index, median)| match (median, base) {
            (None, _) => "–".to_owned(),
            (Some(median), Some(base)) if index > 0 && base > 0.0 => {
                format!("{} ({:.2})", digits(*median), median / base)
            }
            (Some(median), _) => digits(*median),
        });
        format!("| {title} | {} |\n", cells.collect::<Vec<_>>().join(" | "))
    }
}

fn unit(figure: Figure) -> &'static str {
    match figure {
        Figure::Rate => "MB/s",
        Figure::Operations => "/s",
        Figure::Latency => "ms",
    }
}

fn cost_unit(figure: Figure) -> Option<&'static str> {
    match figure {
        Figure::Rate => Some("s/GiB"),
        Figure::Operations => Some("ms each"),
        Figure::Latency => None,
    }
}

fn digits(value: f64) -> String {
    match value {
        ..1.0 => format!("{value:.3}"),
        ..100.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// Where, when, and how.
fn conditions(rounds: usize, seconds: &str, tls: bool) -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = run::output(Command::new(program).args(arguments).current_dir(run::root()));
        output.unwrap_or_default().trim().to_owned()
    };
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{}, {} ({}), Linux {}, {cores} cores of {}. `wharf bench` over loopback in a network namespace with reno, {}; medians of \
         {rounds} interleaved rounds of {seconds} s, in brackets the ratio to the first column. Load average at the end: {}.",
        said("date", &["+%F"]),
        said("git", &["rev-parse", "--short", "HEAD"]),
        said("git", &["log", "-1", "--format=%s"]),
        said("uname", &["-r"]),
        model.map_or("an unknown kind", |(_, name)| name.trim()),
        if tls { "under TLS" } else { "in clear" },
        load.split_whitespace().next().unwrap_or("unknown"),
    )
}

/// Puts the table between its marks in the document.
///
/// # Errors
/// When the marks are not there.
pub(super) fn write_document(table: &str, tls: bool) -> Result<()> {
    let path = run::root().join(DOCUMENT);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let kind = if tls { "tls" } else { "clear" };
    let (start, end) = (
        format!("<!-- bench {kind}: written by cargo xtask bench -->\n"),
        format!("<!-- end of bench {kind} -->"),
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
    fn ratios_are_to_the_first_server() {
        let row = super::super::rows::chosen(&["small".to_owned()]).unwrap()[0];
        let mut samples = Samples::new(vec!["floor".to_owned(), "x".to_owned()]);
        for (server, rate) in [("floor", 200.0), ("x", 150.0), ("x", 130.0), ("x", 140.0)] {
            let object =
                serde_json::json!({ "operations_per_second": rate, "whole_run": { "operations": 1000 } });
            samples.add(row, server, Sample::read(row, &object, 0.5));
        }
        let table = samples.table(&[row], 3, "2", false);
        assert!(table.contains("| 1 KiB files, 8 sessions, /s | 200 | 140 (0.70) |"), "{table}");
        assert!(table.contains("| – server's CPU, ms each | 0.500 | 0.500 (1.00) |"), "{table}");
    }

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        assert_eq!(replace_between("a<old>b", "<", ">", "new").as_deref(), Some("a<new\n>b"));
        assert_eq!(replace_between("a<old", "<", ">", "new"), None);
    }
}
