//! Shows what a mirror does: a line or an object for each thing, and how far it is.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use wharf_client::Observer;
use wharf_client::operations::mirror::{Direction, MirrorEvent, MirrorObserver, Totals};
use wharf_client::operations::third_party::{Listener, Route};
use wharf_proto::pathname::escaped;

use super::dialogue::Shown;
use super::entry::set_name;
use crate::settings::{ClientSettings, Talk};

/// Tells a person or a script what a mirror does.
pub(crate) struct Told {
    settings: ClientSettings,
    direction: Direction,
    dry_run: bool,
    /// Of all files together, on a terminal, with those of the long ones among them.
    bar: Option<ProgressBar>,
    many: Option<MultiProgress>,
    /// That standard output took no more.
    broken: Mutex<Option<io::Error>>,
}

impl Told {
    /// As much as the settings ask for.
    pub(crate) fn new(settings: &ClientSettings, direction: Direction, dry_run: bool) -> Self {
        let has_bar =
            settings.talk != Talk::Quiet && !settings.json && !dry_run && io::stderr().is_terminal();
        let many = has_bar.then(MultiProgress::new);
        let bar = many.as_ref().map(|many| {
            let bar = many.add(ProgressBar::new(0));
            if let Ok(style) =
                ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} files {elapsed} {msg}")
            {
                bar.set_style(style);
            }
            bar
        });
        Self { settings: settings.clone(), direction, dry_run, bar, many, broken: Mutex::new(None) }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Tells what was done in all.
    ///
    /// # Errors
    /// When standard output took no more, now or before.
    pub(crate) fn totals(&self, totals: &Totals) -> io::Result<()> {
        if self.settings.json {
            self.print(&self.object(
                "done",
                json!({
                    "transferred": totals.transferred,
                    "bytes": totals.bytes,
                    "unchanged": totals.unchanged,
                    "directories": totals.directories,
                    "links": totals.links,
                    "deleted": totals.deleted,
                    "skipped": totals.skipped,
                    "failed": totals.failed,
                    "sessions": totals.sessions,
                "pipelined": totals.pipelined,
                    "exit": totals.first_failure.unwrap_or(0),
                }),
            ));
        } else if self.settings.talk != Talk::Quiet {
            self.line(summary(totals, self.direction, self.dry_run).as_bytes());
        }
        let broken = self.broken.lock().ok().and_then(|mut broken| broken.take());
        broken.map_or(Ok(()), Err)
    }

    fn object(&self, event: &str, mut fields: Value) -> Value {
        fields["event"] = event.into();
        if self.dry_run {
            fields["dry_run"] = true.into();
        }
        fields
    }

    fn print(&self, value: &Value) {
        self.note_broken(super::json(value));
    }

    fn line(&self, line: &[u8]) {
        let print = || {
            let mut out = super::standard_output()?;
            out.write_all(line)?;
            out.write_all(b"\n")
        };
        self.note_broken(match &self.many {
            Some(many) => many.suspend(print),
            None => print(),
        });
    }

    fn note_broken(&self, outcome: io::Result<()>) {
        if let (Err(error), Ok(mut broken)) = (outcome, self.broken.lock()) {
            broken.get_or_insert(error);
        }
    }

    /// Says a line for a person, beside the results.
    fn note(&self, text: &str) {
        match &self.many {
            Some(many) => many.suspend(|| super::note(&text)),
            None => super::note(&text),
        }
    }

    /// What was done to a path, on a line of its own where such lines are wanted.
    fn done(&self, word: &str, path: &[u8], more: &str) {
        if self.settings.talk == Talk::Dialogue || (self.dry_run && self.settings.talk != Talk::Quiet) {
            let would = if self.dry_run { "would " } else { "" };
            let line =
                [would.as_bytes(), word.as_bytes(), b" ", &super::shown_name(path), more.as_bytes()].concat();
            self.line(&line);
        }
    }
}

impl MirrorObserver for Told {
    fn event(&self, event: &MirrorEvent<'_>) {
        if let (Some(bar), MirrorEvent::Transferred { path, .. }) = (&self.bar, event) {
            bar.set_message(escaped(path).to_string());
            bar.inc(1);
        }
        if let (Some(bar), MirrorEvent::Failed { .. }) = (&self.bar, event) {
            bar.inc(1);
        }
        if self.settings.json {
            self.json(event);
        } else {
            self.text(event);
        }
    }

    fn planned(&self, files: u64, _bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc_length(files);
        }
    }

    fn session(&self) -> Box<dyn Observer> {
        Box::new(Shown::of_many(&self.settings, self.many.clone()))
    }
}

impl Told {
    fn text(&self, event: &MirrorEvent<'_>) {
        let verb = match self.direction {
            Direction::Download => "get",
            Direction::Upload => "put",
            Direction::Between => "copy",
        };
        match event {
            MirrorEvent::Transferred { path, bytes, route, .. } => {
                let way = route.map_or("", |route| match route {
                    Route::Direct { .. } => ", from server to server",
                    Route::Through => ", through this machine",
                });
                self.done(verb, path, &format!(" ({bytes} bytes{way})"));
            }
            MirrorEvent::MadeDirectory { path } => self.done("mkdir", path, ""),
            MirrorEvent::Linked { path, target } => {
                self.done("link", path, &format!(" -> {}", escaped(target)));
            }
            MirrorEvent::Deleted { path, is_directory: true } => self.done("rmdir", path, ""),
            MirrorEvent::Deleted { path, is_directory: false } => self.done("rm", path, ""),
            MirrorEvent::Skipped { path, reason } if self.settings.talk != Talk::Quiet => {
                self.note(&format!("wharf: skipped {}: {reason}", shown(path)));
            }
            MirrorEvent::Note { text } if self.settings.talk != Talk::Quiet => {
                self.note(&format!("wharf: {text}"));
            }
            MirrorEvent::Skipped { .. } | MirrorEvent::Note { .. } => {}
            MirrorEvent::Failed { path, error } => self.note(&format!("wharf: {}: {error}", shown(path))),
        }
    }

    fn json(&self, event: &MirrorEvent<'_>) {
        let (name, fields, path) = match event {
            MirrorEvent::Transferred { path, bytes, attempt, route, took } => {
                let mut fields =
                    json!({ "bytes": bytes, "millis": u64::try_from(took.as_millis()).unwrap_or(u64::MAX) });
                crate::commands::describe_data(&mut fields, *attempt);
                set_route(&mut fields, *route);
                ("transferred", fields, path)
            }
            MirrorEvent::MadeDirectory { path } => ("made_directory", json!({}), path),
            MirrorEvent::Linked { path, target } => {
                let mut fields = json!({});
                set_name(&mut fields, "target", target);
                ("linked", fields, path)
            }
            MirrorEvent::Deleted { path, is_directory } => {
                ("deleted", json!({ "directory": is_directory }), path)
            }
            MirrorEvent::Skipped { path, reason } => ("skipped", json!({ "reason": reason }), path),
            MirrorEvent::Failed { path, error } => {
                // For the person who reads the log of the script.
                super::error(&format!("{}: {error}", shown(path)));
                ("error", json!({ "exit": error.exit_code(), "message": error.to_string() }), path)
            }
            MirrorEvent::Note { text } => {
                self.print(&self.object("note", json!({ "text": text })));
                return;
            }
        };
        let mut object = self.object(name, fields);
        set_name(&mut object, "path", path);
        self.print(&object);
    }
}

/// The root has no name of its own.
fn shown(path: &[u8]) -> String {
    if path.is_empty() { ".".to_owned() } else { escaped(path).to_string() }
}

/// Which way a file went from server to server, as fields of an event.
fn set_route(fields: &mut Value, route: Option<Route>) {
    match route {
        None => {}
        Some(Route::Through) => fields["route"] = "through".into(),
        Some(Route::Direct { listener }) => {
            fields["route"] = "direct".into();
            fields["listener"] = match listener {
                Listener::Source => "source".into(),
                Listener::Destination => "destination".into(),
            };
        }
    }
}

fn summary(totals: &Totals, direction: Direction, dry_run: bool) -> String {
    let done = match (direction, dry_run) {
        (Direction::Download, false) => "downloaded",
        (Direction::Upload, false) => "uploaded",
        (Direction::Between, false) => "copied",
        (Direction::Between, true) => "to be copied",
        (Direction::Download, true) => "to be downloaded",
        (Direction::Upload, true) => "to be uploaded",
    };
    let mut text = format!(
        "{} files {done} ({} bytes), {} unchanged",
        totals.transferred, totals.bytes, totals.unchanged
    );
    let more = [
        (totals.directories, if dry_run { "directories to be made" } else { "directories made" }),
        (totals.links, if dry_run { "links to be made" } else { "links made" }),
        (totals.deleted, if dry_run { "to be deleted" } else { "deleted" }),
        (totals.skipped, "skipped"),
        (totals.failed, "failed"),
    ];
    for (count, what) in more.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(", {count} {what}"));
    }
    text
}
