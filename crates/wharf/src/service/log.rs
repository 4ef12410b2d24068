//! The log: text for people or JSON for machines, on standard error or in a file that can be opened anew.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::MakeWriter;

use crate::config::Configuration;
use crate::config::values::{LogForm, LogLevel};

/// A log file. Clones write to the same one.
#[derive(Clone)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: Arc<Mutex<File>>,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: Arc::new(Mutex::new(append_to(path)?)) })
    }

    /// Opens the file anew, after it was moved away.
    ///
    /// # Errors
    /// When it cannot be opened; the old one is then kept.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        let file = append_to(&self.path)?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// One line on its way into the file: a writer writes a line with one call.
pub(crate) struct Line(Arc<Mutex<File>>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(self.file.clone())
    }
}

/// Starts the log as the configuration wants it; returns the file, where it goes into one.
///
/// # Errors
/// When the file cannot be opened.
pub(crate) fn start(configuration: &Configuration) -> Result<Option<LogFile>> {
    let level = match configuration.log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // What the resolver and the HTTP library come to is ours to tell; their own steps say nothing to who runs an FTP server.
    let filter = format!(
        "{level},hickory_resolver=off,hickory_net=off,hickory_proto=off,hyper=off,hyper_util=off,axum=off"
    );
    let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_target(false);
    let is_json = configuration.log.form == LogForm::Json;
    let Some(path) = &configuration.log.file else {
        let log = log.with_writer(io::stderr);
        if is_json {
            log.json().flatten_event(true).init();
        } else {
            log.with_ansi(io::stderr().is_terminal()).init();
        }
        return Ok(None);
    };
    let file = LogFile::open(path).with_context(|| format!("cannot write the log {}", path.display()))?;
    let log = log.with_writer(file.clone());
    if is_json {
        log.json().flatten_event(true).init();
    } else {
        log.with_ansi(false).init();
    }
    Ok(Some(file))
}
