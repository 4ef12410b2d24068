//! Shows what goes on in a session: the dialogue, and the progress of transfers.

use std::fmt::Display;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;
use wharf_client::Observer;
use wharf_client::attempt::{Attempt, described};
use wharf_client::observer::TransferStarted;
use wharf_net::tls::Secured;
use wharf_proto::dialogue::Deviation;
use wharf_proto::pathname::escaped;
use wharf_proto::{Command, Reply};

use super::note;
use crate::settings::{ClientSettings, Talk};

/// How often the bar moves.
const BEAT: Duration = Duration::from_millis(100);
/// How long one of many transfers is under way before it gets a bar: short ones would only flicker.
const WORTH_A_BAR: Duration = Duration::from_millis(500);

/// Shows a session on standard error.
#[derive(Debug)]
pub(crate) struct Shown {
    dialogue: bool,
    notes: bool,
    quiet: bool,
    bars: bool,
    bar: Option<(ProgressBar, JoinHandle<()>)>,
    /// The bars of all sessions, where there are many.
    many: Option<MultiProgress>,
    under_way: UnderWay,
}

/// The transfer that is being made: whoever is interrupted wants to know what of it stays.
pub(crate) type UnderWay = Arc<Mutex<Option<TransferStarted>>>;

impl Shown {
    /// As much as the settings ask for.
    pub(crate) fn new(settings: &ClientSettings, under_way: UnderWay) -> Self {
        let quiet = settings.talk == Talk::Quiet;
        let terminal = std::io::stderr().is_terminal();
        Self {
            dialogue: settings.talk == Talk::Dialogue,
            notes: !quiet && terminal,
            quiet,
            bars: !quiet && !settings.json && terminal,
            bar: None,
            many: None,
            under_way,
        }
    }

    /// As [`new`](Self::new), for one of many sessions, which show their bars together in `many`; without it they show none.
    pub(crate) fn of_many(settings: &ClientSettings, many: Option<MultiProgress>) -> Self {
        let mut shown = Self::new(settings, UnderWay::default());
        shown.bars &= many.is_some();
        (shown.notes, shown.many) = (false, many);
        shown
    }

    /// As [`of_many`](Self::of_many), for further sessions with a server of which one has warned already.
    pub(crate) fn of_pieces(settings: &ClientSettings) -> Self {
        let mut shown = Self::of_many(settings, None);
        shown.quiet = true;
        shown
    }

    fn line(&self, line: &impl Display) {
        match (&self.many, &self.bar) {
            (Some(many), _) => many.suspend(|| note(line)),
            (None, Some((bar, _))) => bar.suspend(|| note(line)),
            (None, None) => note(line),
        }
    }
}

impl Observer for Shown {
    fn connecting(&mut self, endpoint: SocketAddr) {
        if self.dialogue {
            self.line(&format!("* connecting to {endpoint}"));
        }
    }

    fn connected(&mut self, endpoint: SocketAddr) {
        if self.dialogue {
            self.line(&format!("* control connection to {endpoint}"));
        }
    }

    fn control_secured(&mut self, secured: Option<&Secured>) {
        if self.dialogue {
            self.line(&match secured {
                Some(secured) => format!("* control connection under {}", described(secured)),
                None => "* control connection not under TLS".to_owned(),
            });
        }
    }

    fn command(&mut self, command: &Command) {
        if self.dialogue {
            self.line(&format!("> {command}"));
        }
    }

    fn reply(&mut self, reply: &Reply) {
        if self.dialogue {
            for line in reply.to_string().lines() {
                self.line(&format!("< {line}"));
            }
        }
    }

    fn deviation(&mut self, deviation: &Deviation) {
        tracing::debug!(?deviation, "no RFC says that");
    }

    fn data_connection(&mut self, attempt: &Attempt) {
        if self.dialogue {
            self.line(&format!("* data connection by {attempt}"));
        }
    }

    fn transfer_started(&mut self, transfer: &TransferStarted) {
        if let Ok(mut under_way) = self.under_way.lock() {
            *under_way = Some(transfer.clone());
        }
        // There, the data itself is shown.
        if !self.bars || (transfer.to_standard_output && std::io::stdout().is_terminal()) {
            return;
        }
        let template = match transfer.total {
            Some(_) => "{msg} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left",
            None => "{msg} {spinner} {bytes} {binary_bytes_per_sec} {elapsed}",
        };
        let bar = ProgressBar::with_draw_target(transfer.total, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(escaped(&transfer.name).to_string());
        bar.set_position(transfer.offset);
        bar.reset_eta();
        let (moving, transfer, many) = (bar.clone(), transfer.clone(), self.many.clone());
        let mover = tokio::spawn(async move {
            match many {
                Some(many) => {
                    tokio::time::sleep(WORTH_A_BAR).await;
                    many.add(moving.clone());
                }
                None => moving.set_draw_target(ProgressDrawTarget::stderr()),
            }
            let mut beat = tokio::time::interval(BEAT);
            loop {
                beat.tick().await;
                moving.set_position(transfer.offset + transfer.progress.bytes());
            }
        });
        self.bar = Some((bar, mover));
    }

    fn transfer_ended(&mut self) {
        if let Ok(mut under_way) = self.under_way.lock() {
            *under_way = None;
        }
        if let Some((bar, mover)) = self.bar.take() {
            mover.abort();
            bar.finish_and_clear();
        }
    }

    fn note(&mut self, text: &str) {
        if self.dialogue || self.notes {
            self.line(&format!("* {text}"));
        }
    }

    fn warning(&mut self, text: &str) {
        if !self.quiet {
            self.line(&format!("wharf: {text}"));
        }
    }
}

impl Drop for Shown {
    /// A transfer that is interrupted must not leave half a bar behind.
    fn drop(&mut self) {
        self.transfer_ended();
    }
}
