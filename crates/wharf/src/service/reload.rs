//! SIGHUP: the configuration, the users and the certificates are read anew, and log files opened anew. Sessions and transfers
//! that are up go on as they are. What cannot be had anew stays as it was, and that is said.

use std::sync::Arc;

use anyhow::Result;
use wharf_server::transfer_log::TransferLog;
use wharf_server::{ReloadHandle, Roots};

use super::log::LogFile;
use super::manager;
use super::sandbox::Reach;
use crate::args::serve::ServeArguments;
use crate::config::{self, Configuration, Passwords};

/// What a reload needs, and what it is compared with.
pub(crate) struct Reload {
    /// As they were typed.
    pub(crate) arguments: ServeArguments,
    /// As the server was started.
    pub(crate) at_start: Configuration,
    /// What is within reach, where the server is shut in.
    pub(crate) reach: Option<Reach>,
    pub(crate) handle: ReloadHandle,
    pub(crate) roots: Arc<Roots>,
    pub(crate) log: Option<LogFile>,
    pub(crate) transfer_log: Option<TransferLog>,
}

impl Reload {
    /// Reads and opens everything anew. Must be called inside a runtime, where files may be read.
    pub(crate) fn run(&self) {
        manager::reloading();
        self.reopen_logs();
        match self.reload() {
            Ok(()) => tracing::info!("the configuration, the users and the certificates were read anew"),
            Err(error) => {
                self.handle.note_failure();
                // A file may have more than one thing wrong with it: a line each.
                for line in format!("{error:#}").lines() {
                    tracing::error!("reload: {line}");
                }
                tracing::error!(
                    "reload: everything stays as it was: the old configuration, the old users and the old certificates stay in use"
                );
            }
        }
        manager::ready();
    }

    fn reopen_logs(&self) {
        if let Some(Err(error)) = self.log.as_ref().map(LogFile::reopen) {
            tracing::error!(%error, "the log cannot be opened anew: the old file stays in use");
        }
        if let Some(Err(error)) = self.transfer_log.as_ref().map(TransferLog::reopen) {
            tracing::error!(%error, "the transfer log cannot be opened anew: the old file stays in use");
        }
    }

    fn reload(&self) -> Result<()> {
        let configuration = config::effective(&self.arguments)?;
        let Some(present) = self.handle.config() else { return Ok(()) };
        let is_default_listen = self.arguments.config.is_none() && self.arguments.listen.is_empty();
        let config =
            config::server_config(&configuration, is_default_listen, &Passwords::Known(Box::new(present)))?;
        if let Some(reach) = &self.reach {
            let wanted = Reach::of(&configuration, &config, self.arguments.config.as_deref());
            for path in wanted.beyond(reach) {
                tracing::error!(
                    path = %path.display(),
                    "reload: the server has shut itself in and cannot reach this: restart it"
                );
            }
        }
        let root = configuration.root.clone().unwrap_or_default();
        // The same one, where it is the same directory.
        let storage = self.roots.open(&root).map_err(anyhow::Error::msg)?;
        let reloaded = self.handle.reload(config, storage)?;
        if reloaded.listeners_differ {
            tracing::warn!("reload: other addresses are to be listened on: that takes a restart");
        }
        self.warn_of_what_stays(&configuration);
        Ok(())
    }

    /// What is set up once.
    fn warn_of_what_stays(&self, now: &Configuration) {
        let before = &self.at_start;
        let stays = [
            ("user", before.user != now.user),
            ("group", before.group != now.group),
            ("sandbox", before.sandbox != now.sandbox),
            ("admin", before.admin != now.admin),
            ("log.form", before.log.form != now.log.form),
            ("log.level", before.log.level != now.log.level),
            ("log.file", before.log.file != now.log.file),
            ("log.xferlog", before.log.xferlog != now.log.xferlog),
        ];
        for (key, _) in stays.into_iter().filter(|(_, differs)| *differs) {
            tracing::warn!("reload: `{key}` differs: that takes a restart");
        }
    }
}
