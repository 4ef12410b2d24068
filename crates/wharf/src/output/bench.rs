//! What `wharf bench` has measured: for a person, and for a script.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};
use wharf_bench::histogram::Histogram;
use wharf_bench::{Measured, Target, machine};
use wharf_client::FtpUrl;
use wharf_net::tls::TlsVersion;

use crate::args::bench::Work;

/// One run, with what it was about.
pub(crate) struct Told<'a> {
    pub(crate) work: Work,
    pub(crate) url: &'a FtpUrl,
    pub(crate) target: &'a Target,
    pub(crate) tls_version: Option<TlsVersion>,
    pub(crate) measured: &'a Measured,
}

impl Told<'_> {
    /// Prints the table.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = super::standard_output()?;
        out.write_all(self.text().as_bytes())?;
        out.flush()?;
        for warning in self.measured.warnings(self.is_on_this_machine()) {
            super::note(&format!("wharf: beware: {}", warning.text));
        }
        Ok(())
    }

    fn text(&self) -> String {
        let measured = self.measured;
        let seconds = measured.time.as_secs_f64();
        let mut text = String::new();
        let mut row = |name: &str, value: String| text.push_str(&format!("{name:<14}{value}\n"));
        let tls = self.tls_version.map_or_else(|| "in clear".to_owned(), |version| format!("TLS {version}"));
        let mode = if self.moves_data() { format!(", {}", self.target.negotiation) } else { String::new() };
        let up = match measured.sessions_up {
            up if up == measured.sessions || self.work == Work::Login => String::new(),
            up => format!(" ({up} came up)"),
        };
        row("work", format!("{}, {} sessions{up}, {tls}{mode}", self.work.name(), measured.sessions));
        row(
            self.operation(),
            format!(
                "{} in {seconds:.2} s: {} /s",
                measured.operations,
                rounded(measured.operations_per_second())
            ),
        );
        if self.moves_data() {
            let rate = rounded(measured.bytes_per_second() / 1e6);
            row("data", format!("{} bytes: {rate} MB/s", measured.bytes));
        }
        for (name, histogram) in [(self.latency(), &measured.latency), ("first byte", &measured.first_byte)] {
            if let Some(line) = times(histogram) {
                row(name, line);
            }
        }
        if self.work == Work::Idle {
            let lost = measured.sessions_lost;
            row("opened in", format!("{:.2} s; {lost} lost at the end", measured.opening.as_secs_f64()));
        }
        row("this program", format!("{:.2} of {} cores", measured.cores_used(), machine::cores()));
        for (kind, count, first) in measured.failures.iter() {
            row("failed", format!("{count} {}, the first: {first}", kind.id()));
        }
        if measured.stuck > 0 {
            row("stuck", format!("{} sessions, of which nothing was heard at the end", measured.stuck));
        }
        if measured.interrupted {
            row("interrupted", "this is what was measured until then".to_owned());
        }
        // What servers say may hold what a terminal obeys.
        let lines: Vec<_> = text
            .lines()
            .map(|line| wharf_proto::pathname::escaped(line.as_bytes()).to_string() + "\n")
            .collect();
        lines.concat()
    }

    /// The object of `--json`, as docs/bench.md has it.
    pub(crate) fn object(&self) -> Value {
        let measured = self.measured;
        let failures: Vec<_> = measured
            .failures
            .iter()
            .map(|(kind, count, first)| json!({ "kind": kind.id(), "count": count, "first": first }))
            .collect();
        let warnings: Vec<_> = measured
            .warnings(self.is_on_this_machine())
            .into_iter()
            .map(|warning| json!({ "id": warning.id, "text": warning.text }))
            .collect();
        let left: Vec<_> = measured
            .left_behind
            .iter()
            .map(|(path, why)| json!({ "path": path.to_string(), "reason": why }))
            .collect();
        json!({
            "url": self.url.to_string(),
            "address": self.target.address.to_string(),
            "work": self.work.name(),
            "mode": self.moves_data().then(|| self.target.negotiation.to_string()),
            "tls": self.tls_version.map(|version| version.to_string()),
            "seconds": measured.time.as_secs_f64(),
            "interrupted": measured.interrupted,
            "operations": measured.operations,
            "operations_per_second": measured.operations_per_second(),
            "bytes": measured.bytes,
            "bytes_per_second": measured.bytes_per_second(),
            "latency": object_of(&measured.latency),
            "first_byte": object_of(&measured.first_byte),
            "sessions": {
                "wanted": measured.sessions,
                "up": if self.work == Work::Login { Value::Null } else { measured.sessions_up.into() },
                "lost": measured.sessions_lost,
                "stuck": measured.stuck,
                "opening_seconds": measured.opening.as_secs_f64(),
            },
            "generator": {
                "processor_seconds": measured.processor_time.as_secs_f64(),
                "cores_used": measured.cores_used(),
                "cores": machine::cores(),
            },
            "whole_run": { "operations": measured.all_operations, "bytes": measured.all_bytes },
            "failures": failures,
            "warnings": warnings,
            "left_behind": left,
        })
    }

    fn operation(&self) -> &'static str {
        match self.work {
            Work::Down | Work::Small | Work::Up | Work::SmallUp => "files",
            Work::List => "listings",
            Work::Login => "logins",
            Work::Idle => "NOOPs",
        }
    }

    fn latency(&self) -> &'static str {
        if self.work == Work::Idle { "a NOOP took" } else { "each took" }
    }

    fn moves_data(&self) -> bool {
        !matches!(self.work, Work::Login | Work::Idle)
    }

    fn is_on_this_machine(&self) -> bool {
        self.target.address.ip().is_loopback()
    }
}

fn times(histogram: &Histogram) -> Option<String> {
    let at = |share| histogram.percentile(share).map(shown);
    Some(format!(
        "p50 {}, p90 {}, p99 {}, longest {}",
        at(0.5).filter(|_| histogram.count() > 0)?,
        at(0.9)?,
        at(0.99)?,
        shown(histogram.most()?)
    ))
}

/// Three digits, and a unit in which they can be read.
fn shown(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        ..1e3 => format!("{} µs", rounded(micros)),
        ..1e6 => format!("{} ms", rounded(micros / 1e3)),
        _ => format!("{} s", rounded(micros / 1e6)),
    }
}

/// Three digits of what is below 100.
fn rounded(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Times in microseconds; null where there are none.
fn object_of(histogram: &Histogram) -> Value {
    let micros = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e6);
    if histogram.count() == 0 {
        return Value::Null;
    }
    json!({
        "count": histogram.count(),
        "least_micros": micros(histogram.least()),
        "mean_micros": micros(histogram.mean()),
        "p50_micros": micros(histogram.percentile(0.5)),
        "p90_micros": micros(histogram.percentile(0.9)),
        "p99_micros": micros(histogram.percentile(0.99)),
        "p999_micros": micros(histogram.percentile(0.999)),
        "most_micros": micros(histogram.most()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_have_three_digits_and_a_unit() {
        for (nanos, text) in [
            (1_234, "1.23 µs"),
            (45_600, "45.6 µs"),
            (999_000, "999 µs"),
            (1_500_000, "1.50 ms"),
            (2_000_000_000, "2.00 s"),
        ] {
            assert_eq!(shown(Duration::from_nanos(nanos)), text);
        }
        assert_eq!((rounded(12_345.6), rounded(99.94)), ("12346".to_owned(), "99.9".to_owned()));
    }

    #[test]
    fn what_was_never_timed_is_null() {
        assert_eq!((object_of(&Histogram::default()), times(&Histogram::default())), (Value::Null, None));
    }
}
