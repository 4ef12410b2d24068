//! What the source does not have, removed from the destination: at the end, and only if everything else succeeded.

use wharf_proto::limits;
use wharf_proto::listing::ListingEntry;

use super::event::MirrorEvent;
use super::side::{End, Sessions};
use super::tree::{Entry, Kind, TreePath, depth, join, split};
use super::worker::{Shared, lock};
use crate::error::ClientError;

/// One step: what a directory holds is removed before it.
enum Step {
    Look(TreePath, Kind),
    RemoveDirectory(TreePath),
}

impl Shared {
    /// Removes all extras. What cannot be removed is told, and the rest removed nonetheless.
    pub(super) async fn delete_extras(&self, sessions: &mut Sessions) -> Result<(), ClientError> {
        let extras = std::mem::take(&mut *lock(&self.extras));
        // In order, from the last on.
        let mut steps: Vec<Step> = extras.into_iter().map(|(path, kind)| Step::Look(path, kind)).collect();
        while let Some(step) = steps.pop() {
            let path = match &step {
                Step::Look(path, _) | Step::RemoveDirectory(path) => path.clone(),
            };
            match self.delete_step(sessions, step, &mut steps).await {
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
        sessions: &mut Sessions,
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
                let inside = self.inside(sessions, &path).await?;
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
            Step::Look(path, _) => self.remove(sessions, &path, false).await,
            Step::RemoveDirectory(path) => self.remove(sessions, &path, true).await,
        }
    }

    /// Names and kinds of what is in a directory of the destination.
    async fn inside(
        &self,
        sessions: &mut Sessions,
        path: &[u8],
    ) -> Result<Vec<(Vec<u8>, Kind)>, ClientError> {
        let Some(tree) = self.destination.remote() else {
            let entries = self.destination.directory(path)?.entries(limits::LISTING_ENTRIES);
            let entries = entries.map_err(ClientError::local(self.destination.shown(path)))?;
            return Ok(entries.into_iter().map(|(name, entry)| (name, entry.kind)).collect());
        };
        let remote = tree.name(path)?;
        let mut inside = Vec::new();
        let take = |entry: ListingEntry| {
            let name = entry.name.clone();
            inside.push((name, Entry::from(entry).kind));
        };
        sessions.at(End::Destination)?.list(Some(&remote), take).await?;
        Ok(inside)
    }

    async fn remove(
        &self,
        sessions: &mut Sessions,
        path: &[u8],
        is_directory: bool,
    ) -> Result<(), ClientError> {
        if !self.options.dry_run {
            match (self.destination.remote(), is_directory) {
                (Some(tree), false) => sessions.at(End::Destination)?.delete(&tree.name(path)?).await?,
                (Some(tree), true) => {
                    sessions.at(End::Destination)?.remove_directory(&tree.name(path)?).await?;
                }
                (None, _) => {
                    let (parent, name) = split(path);
                    let directory = self.destination.directory(parent)?;
                    let removed = match is_directory {
                        true => directory.remove_directory(name),
                        false => directory.remove_file(name),
                    };
                    match removed {
                        // The part of an earlier run, which has become the file since.
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                        other => other.map_err(ClientError::local(self.destination.shown(path)))?,
                    }
                }
            }
        }
        self.tell(&MirrorEvent::Deleted { path, is_directory });
        Ok(())
    }
}
