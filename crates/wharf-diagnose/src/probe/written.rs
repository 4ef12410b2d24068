//! A small file up, back and away: what only a transfer in that direction shows.

use std::io::{Seek, SeekFrom, Write};

use wharf_client::ClientError;
use wharf_client::error::IncompleteReason;
use wharf_client::operations::{UploadOptions, UploadSource};
use wharf_findings::{Cause, Confidence, Evidence, Finding, Text};
use wharf_proto::Command;
use wharf_proto::pathname::Pathname;

use super::column::Column;
use super::{Note, Plan, Progress, below, found, judge};

/// What it is made of, again and again: what TYPE A changes on the way there (CR LF), on the way back (LF), and what is no text.
const PIECE: &[u8] = b"\0\r\nw\n\r\xff";
/// How often: several segments of full size.
const PIECES: usize = 2400;

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
    let content = PIECE.repeat(PIECES);
    match there_and_back(column, &path, &content).await {
        Ok(returned) => findings.extend(changed(&content, &returned)),
        Err(error) => findings.extend(of_error(&error, &content)),
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

/// What came back.
async fn there_and_back(
    column: &mut Column,
    path: &Pathname,
    content: &[u8],
) -> Result<Vec<u8>, ClientError> {
    let local = |source| ClientError::Local { what: "a temporary file".to_owned(), source };
    let mut file = tempfile::tempfile().map_err(local)?;
    file.write_all(content).and_then(|()| file.seek(SeekFrom::Start(0))).map_err(local)?;
    match column.session.upload(UploadSource::Stream(file), path, UploadOptions::default()).await {
        // What comes back tells more than the server's words.
        Err(ClientError::TakenForText { .. }) => {}
        uploaded => drop(uploaded?),
    }
    column.session.fetch(path, 2 * content.len()).await
}

/// What it means that something else came back; nothing where it did not.
fn changed(content: &[u8], returned: &[u8]) -> Option<Finding> {
    if returned == content {
        return None;
    }
    let (sent, received) = (content.len() as u64, returned.len() as u64);
    if without_returns(content) == without_returns(returned) {
        let verb = "STOR and RETR".to_owned();
        let evidence = Evidence::BinaryInAscii { verb, sent, received };
        return found(Cause::AsciiDamaged, Confidence::Certain, vec![evidence]);
    }
    let error = format!("of {sent} bytes that were uploaded, other ones came back");
    found(Cause::TransferCut, Confidence::Likely, vec![Evidence::DataCut { bytes: received, error }])
}

/// What text has in common however its lines end.
fn without_returns(content: &[u8]) -> Vec<u8> {
    content.iter().copied().filter(|byte| *byte != b'\r').collect()
}

fn of_error(error: &ClientError, content: &[u8]) -> Vec<Finding> {
    match error {
        ClientError::Refused { command, reply } => judge::of_refusal(command, reply),
        ClientError::Incomplete(incomplete) => match &incomplete.reason {
            IncompleteReason::ServerGaveUp(reply) => judge::of_refusal("STOR", reply),
            // The server's own count: of what comes back none is asked.
            IncompleteReason::WrongSize | IncompleteReason::WentAsText(_) => {
                stored(content, incomplete.bytes).into_iter().collect()
            }
            reason => {
                let evidence = Evidence::DataCut { bytes: incomplete.bytes, error: reason.to_string() };
                found(Cause::TransferCut, Confidence::Likely, vec![evidence]).into_iter().collect()
            }
        },
        other => other.findings().to_vec(),
    }
}

/// The server has stored so many bytes, and they are not as many as were sent.
fn stored(content: &[u8], received: u64) -> Option<Finding> {
    let count = |piece: &[u8]| content.windows(piece.len()).filter(|window| *window == piece).count() as u64;
    let sent = content.len() as u64;
    let (pairs, returns, feeds) = (count(b"\r\n"), count(b"\r"), count(b"\n"));
    // CR LF as LF; CR left out; LF as CR LF.
    if [sent - pairs, sent - returns, sent + feeds].contains(&received) {
        let evidence = Evidence::BinaryInAscii { verb: "STOR".to_owned(), sent, received };
        return found(Cause::AsciiDamaged, Confidence::Certain, vec![evidence]);
    }
    let error = IncompleteReason::WrongSize.to_string();
    found(Cause::TransferCut, Confidence::Likely, vec![Evidence::DataCut { bytes: received, error }])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn causes(finding: Option<Finding>) -> Option<(Cause, Confidence)> {
        finding.map(|finding| (finding.cause(), finding.confidence()))
    }

    #[test]
    fn line_ends_that_changed_are_told_from_anything_else() {
        let content = PIECE.repeat(3);
        let damaged = Some((Cause::AsciiDamaged, Confidence::Certain));
        let cut = Some((Cause::TransferCut, Confidence::Likely));
        assert_eq!(causes(changed(&content, &content)), None);
        // There and back in TYPE A.
        assert_eq!(causes(changed(&content, &b"\0\r\nw\r\n\r\xff".repeat(3))), damaged);
        assert_eq!(causes(changed(&content, &content[..7])), cut);
        assert_eq!(causes(changed(&content, &PIECE.to_ascii_uppercase().repeat(3))), cut);
        assert_eq!(causes(stored(&content, 18)), damaged);
        assert_eq!(causes(stored(&content, 17)), cut);
    }
}
