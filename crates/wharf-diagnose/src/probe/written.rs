//! A small file up, back and away: what only a transfer in that direction shows.

use std::io::{Read, Seek, SeekFrom, Write};

use wharf_client::error::IncompleteReason;
use wharf_client::operations::{UploadOptions, UploadSource};
use wharf_client::{ClientError, Destination};
use wharf_findings::{Cause, Confidence, Evidence, Finding, Text};
use wharf_proto::Command;
use wharf_proto::pathname::Pathname;

use super::column::Column;
use super::{Note, Plan, Progress, below, found, judge};

/// Its length in bytes: several segments of full size.
const LENGTH: usize = 16 * 1024;

/// Uploads it, fetches it back, compares, and deletes it.
pub(super) async fn examine(
    column: &mut Column,
    plan: &Plan,
    progress: &mut dyn Progress,
) -> (Vec<Finding>, Vec<Note>) {
    let Some(command) = column.working else { return Default::default() };
    let name = format!("wharf-doctor-{}.tmp", std::process::id());
    let Some(path) = below(plan, name.as_bytes()) else { return Default::default() };
    progress.step("a small upload");
    column.choose(command);
    let mut findings = Vec::new();
    match there_and_back(column, &path).await {
        Ok(Some(finding)) => findings.push(finding),
        Ok(None) => {}
        Err(error) => findings.extend(of_error(&error)),
    }
    let mut notes = Vec::new();
    let deleted = column.session.require(&Command::Dele(path.clone())).await;
    if deleted.is_err() && findings.is_empty() {
        notes.push(Note {
            text: Text::of("The file of the test could not be deleted:", "测试文件未能删除："),
            detail: Some(path.to_string()),
        });
    }
    (findings, notes)
}

async fn there_and_back(column: &mut Column, path: &Pathname) -> Result<Option<Finding>, ClientError> {
    let local = |what: &str| {
        let what = what.to_owned();
        move |source| ClientError::Local { what, source }
    };
    // NUL and line ends: what TYPE A would change.
    let content: Vec<u8> = (0..LENGTH).map(|at| [0, b'\n', b'\r', b'w', 0xff][at % 5]).collect();
    let mut file = tempfile::tempfile().map_err(local("a temporary file"))?;
    file.write_all(&content)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .map_err(local("a temporary file"))?;
    let options = UploadOptions::default();
    column.session.upload(UploadSource::Stream(file), path, options).await?;
    let folder = tempfile::tempdir().map_err(local("a temporary folder"))?;
    let back = folder.path().join("back");
    let options = wharf_client::operations::DownloadOptions {
        destination: Destination::Path(back.clone()),
        resume: false,
        ascii: false,
    };
    column.session.download(path, &options).await?;
    let mut returned = Vec::new();
    let mut file = std::fs::File::open(&back).map_err(local("a temporary file"))?;
    file.read_to_end(&mut returned).map_err(local("a temporary file"))?;
    if returned == content {
        return Ok(None);
    }
    let (sent, received) = (content.len() as u64, returned.len() as u64);
    let evidence = Evidence::BinaryInAscii { verb: "STOR".to_owned(), sent, received };
    Ok(found(Cause::AsciiDamaged, Confidence::Likely, vec![evidence]))
}

fn of_error(error: &ClientError) -> Vec<Finding> {
    match error {
        ClientError::Refused { command, reply } => judge::of_refusal(command, reply),
        ClientError::Incomplete(incomplete) => match &incomplete.reason {
            IncompleteReason::ServerGaveUp(reply) => judge::of_refusal("STOR", reply),
            reason => {
                let evidence = Evidence::DataCut { bytes: incomplete.bytes, error: reason.to_string() };
                found(Cause::TransferCut, Confidence::Likely, vec![evidence]).into_iter().collect()
            }
        },
        other => other.findings().to_vec(),
    }
}
