//! What the source does not have, removed from the destination: at the end, and only if everything else succeeded.

use wharf_proto::limits;

use super::event::MirrorEvent;
use super::options::Direction;
use super::tree::{Kind, TreePath, depth, join, split};
use super::worker::{Shared, lock};
use crate::error::ClientError;
use crate::session::Session;

/// One step: what a directory holds is removed before it.
enum Step {
    Look(TreePath, Kind),
    RemoveDirectory(TreePath),
}

impl Shared {
    /// Removes all extras. What cannot be removed is told, and the rest removed nonetheless.
    pub(super) async fn delete_extras(&self, session: &mut Session) -> Result<(), ClientError> {
        let extras = std::mem::take(&mut *lock(&self.extras));
        // In order, from the last on.
        let mut steps: Vec<Step> = extras.into_iter().map(|(path, kind)| Step::Look(path, kind)).collect();
        while let Some(step) = steps.pop() {
            let path = match &step {
                Step::Look(path, _) | Step::RemoveDirectory(path) => path.clone(),
            };
            match self.delete_step(session, step, &mut steps).await {
                Err(
                    error @ (ClientError::Refused { .. }
                    | ClientError::Local { .. }
                    | ClientError::Listing { .. }
                    | ClientError::Usage(_)),
                ) => {
                    self.failed(&path, &error);
                }
                other => other?,
            }
        }
        Ok(())
    }

    async fn delete_step(
        &self,
        session: &mut Session,
        step: Step,
        steps: &mut Vec<Step>,
    ) -> Result<(), ClientError> {
        match step {
            Step::Look(path, Kind::Directory) => {
                if depth(&path) > limits::MIRROR_DEPTH {
                    let shown = String::from_utf8_lossy(&path).into_owned();
                    let problem = format!("it lies more than {} directories deep", limits::MIRROR_DEPTH);
                    return Err(ClientError::Listing { path: shown, problem });
                }
                let inside = self.inside(session, &path).await?;
                let count = inside.len();
                let takes = |path: &[u8], kind| match kind {
                    Kind::Directory => self.options.filter.takes_directory(path),
                    _ => self.options.filter.takes_file(path),
                };
                let inside: Vec<_> = inside
                    .into_iter()
                    .map(|(name, kind)| (join(&path, &name), kind))
                    .filter(|(path, kind)| takes(path, *kind))
                    .collect();
                // One in which something is protected stays.
                if inside.len() == count {
                    steps.push(Step::RemoveDirectory(path));
                }
                steps.extend(inside.into_iter().map(|(path, kind)| Step::Look(path, kind)));
                Ok(())
            }
            Step::Look(path, _) => self.remove(session, &path, false).await,
            Step::RemoveDirectory(path) => self.remove(session, &path, true).await,
        }
    }

    /// Names and kinds of what is in a directory of the destination.
    async fn inside(&self, session: &mut Session, path: &[u8]) -> Result<Vec<(Vec<u8>, Kind)>, ClientError> {
        match self.direction {
            Direction::Download => {
                let directory = self.local()?.directory(path);
                let entries = directory.and_then(|directory| directory.entries(limits::LISTING_ENTRIES));
                let entries = entries.map_err(ClientError::local(self.shown(path)))?;
                Ok(entries.into_iter().map(|(name, entry)| (name, entry.kind)).collect())
            }
            Direction::Upload => {
                let remote = self.remote_name(path)?;
                let mut inside = Vec::new();
                session
                    .list(Some(&remote), |entry| {
                        let name = entry.name.clone();
                        inside.push((name, super::tree::Entry::from(entry).kind));
                    })
                    .await?;
                Ok(inside)
            }
        }
    }

    async fn remove(
        &self,
        session: &mut Session,
        path: &[u8],
        is_directory: bool,
    ) -> Result<(), ClientError> {
        if !self.options.dry_run {
            match (self.direction, is_directory) {
                (Direction::Upload, false) => session.delete(&self.remote_name(path)?).await?,
                (Direction::Upload, true) => session.remove_directory(&self.remote_name(path)?).await?,
                (Direction::Download, _) => {
                    let (parent, name) = split(path);
                    let directory = self.local()?.directory(parent);
                    let removed = directory.and_then(|directory| {
                        if is_directory {
                            directory.remove_directory(name)
                        } else {
                            directory.remove_file(name)
                        }
                    });
                    match removed {
                        // The part of an earlier run, which has become the file since.
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                        other => other.map_err(ClientError::local(self.shown(path)))?,
                    }
                }
            }
        }
        self.tell(&MirrorEvent::Deleted { path, is_directory });
        Ok(())
    }
}
