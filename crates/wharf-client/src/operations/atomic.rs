//! `put --atomic`: an upload under a temporary name, which is renamed when all of it is there and confirmed, so that nobody
//! at the server ever sees half a file under its name.

use wharf_proto::Command;
use wharf_proto::pathname::Pathname;

use super::upload::{UploadOptions, UploadSource, Uploaded};
use crate::error::{ClientError, NotRenamed};
use crate::session::{Session, accepted};

/// What stands behind the name meanwhile. In the same directory: a rename to another one may be a copy.
const SUFFIX: &str = ".wharf-part";

impl Session {
    /// As [`upload`](Self::upload), under a temporary name first.
    pub(super) async fn upload_atomically(
        &mut self,
        source: UploadSource,
        path: &Pathname,
        options: UploadOptions,
    ) -> Result<Uploaded, ClientError> {
        let temporary = temporary(path)?;
        let can_be_gone_on_with = matches!(source, UploadSource::File(_)) && !options.ascii;
        let uploaded = match self.upload_in_place(source, &temporary, options).await {
            Ok(uploaded) => uploaded,
            Err(error) => {
                if is_of_no_use(&error, can_be_gone_on_with) {
                    // If it stays, the error that is told is the one that counts.
                    let _ = self.delete(&temporary).await;
                }
                return Err(error);
            }
        };
        self.take_name(&temporary, path, uploaded.bytes).await?;
        Ok(uploaded)
    }

    /// Gives the complete `temporary` its name. Servers differ in what they do when that is taken: most replace what is there
    /// in one step, some refuse. Then nothing is removed by us, since there would be a moment without either.
    async fn take_name(
        &mut self,
        temporary: &Pathname,
        path: &Pathname,
        bytes: u64,
    ) -> Result<(), ClientError> {
        let from = Command::Rnfr(temporary.clone());
        accepted(&from, self.execute(&from).await?)?;
        let to = Command::Rnto(path.clone());
        let outcome = match self.exchange(&to).await {
            Ok(reply) => accepted(&to, reply).map(|_| ()),
            Err(failure) => Err(failure.into()),
        };
        match outcome {
            Err(ClientError::Refused { reply, .. }) => {
                let (temporary, path) = (temporary.to_string(), path.to_string());
                Err(ClientError::NotRenamed(Box::new(NotRenamed { temporary, path, reply })))
            }
            // The answer was lost: what is there tells whether it was done.
            Err(ClientError::ControlLost(_))
                if self.size(temporary).await?.is_none() && self.size(path).await? == Some(bytes) =>
            {
                Ok(())
            }
            other => other,
        }
    }
}

/// Whether what is under the temporary name helps nobody: nothing can be gone on with, or not from there.
fn is_of_no_use(error: &ClientError, can_be_gone_on_with: bool) -> bool {
    match error {
        ClientError::Refused { .. } | ClientError::SumsDiffer(_) => true,
        ClientError::Incomplete(_) | ClientError::Unconfirmed { .. } | ClientError::ControlLost(_) => {
            !can_be_gone_on_with
        }
        _ => false,
    }
}

fn temporary(path: &Pathname) -> Result<Pathname, ClientError> {
    let unusable = |error| ClientError::Usage(format!("{path} has no temporary name: {error}"));
    Pathname::new([path.as_bytes(), SUFFIX.as_bytes()].concat()).map_err(unusable)
}
