//! Segments of full size against small ones: behind a path that swallows large packets and the ICMP that should tell so,
//! logins and short listings work, and files stall.

use wharf_findings::{Cause, Confidence, Evidence, Finding};
use wharf_proto::listing::EntryKind;
use wharf_proto::pathname::Pathname;

use super::column::Column;
use super::{Plan, Progress, below, found};

/// The shortest file that fills segments of any size, in bytes.
const SHORTEST: u64 = 4 * 1024;
/// How much of it is fetched, in bytes.
const MOST: u64 = 64 * 1024;
/// A segment that passes everywhere, in bytes: what every IPv4 host has to take (RFC 9293 §3.7.1).
const SMALL: u32 = 536;

/// Fetches the beginning of a file of the directory, in small segments where it stalls.
pub(super) async fn examine(column: &mut Column, plan: &Plan, progress: &mut dyn Progress) -> Vec<Finding> {
    let Some(path) = file_of(column, plan) else { return Vec::new() };
    let Some(command) = column.working else { return Vec::new() };
    progress.step("segments of full size");
    column.choose(command);
    let Ok(full) = column.session.sample(&path, MOST, plan.patience).await else { return Vec::new() };
    if full.is_complete {
        return Vec::new();
    }
    progress.step("small segments");
    column.session.limit_segments(Some(SMALL));
    let small = column.session.sample(&path, MOST, plan.patience).await;
    column.session.limit_segments(None);
    let found = match small {
        Ok(small) if small.is_complete && small.bytes > full.bytes => {
            let evidence = Evidence::SmallSegmentsPass {
                small: SMALL,
                full_bytes: full.bytes,
                small_bytes: small.bytes,
            };
            found(Cause::MtuBlackHole, Confidence::Certain, vec![evidence])
        }
        _ => {
            let error =
                full.error.unwrap_or_else(|| format!("nothing more came in {} s", plan.patience.as_secs()));
            found(
                Cause::TransferCut,
                Confidence::Likely,
                vec![Evidence::DataCut { bytes: full.bytes, error }],
            )
        }
    };
    found.into_iter().collect()
}

/// The largest file of the directory, if it is large enough.
fn file_of(column: &Column, plan: &Plan) -> Option<Pathname> {
    let files = column.entries.iter().filter(|entry| entry.kind == EntryKind::File);
    let largest = files.filter(|entry| entry.size >= Some(SHORTEST)).max_by_key(|entry| entry.size)?;
    below(plan, &largest.name)
}
