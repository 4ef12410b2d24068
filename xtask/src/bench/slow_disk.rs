//! One session downloads from a disk that is slow; another must not notice.

use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::Value;
use wharf_testkit::slow_disk::{COLD, Disk, SlowDisk};

use super::load::{Generator, read};
use super::servers::Launcher;
use super::table::Sample;

/// What each request to the disk takes: that of a disk with a head that is asked for more than it can.
const DELAY: Duration = Duration::from_millis(50);
/// The file, in bytes. A download of it takes some dozens of requests.
const LENGTH: usize = 4 * 1024 * 1024;
/// Where it is mounted.
const PLACE: &str = "slow";
/// How long the downloads go on, in seconds: longer than the NOOPs.
const LONGER: &str = "60";

/// NOOPs of one session, alone and then beside the downloads of another, from a disk whose every request takes its time.
pub(super) fn measure(launcher: &Launcher<'_>, generator: &Generator<'_>, name: &str) -> Result<Sample> {
    let mut disk = None;
    let started = launcher.start(name, |place| {
        let place = place.join(PLACE);
        std::fs::create_dir(&place)?;
        disk = Some(SlowDisk::mount(&place, Disk::Slow(DELAY), LENGTH).map_err(|reason| anyhow!(reason))?);
        Ok(())
    });
    let server = match started? {
        Ok(server) => server,
        Err(reason) => return Ok(Sample::failed(&reason)),
    };
    let noops = || {
        let arguments = ["--work", "idle", "--parallel", "1"];
        let child = generator.start(&arguments, generator.seconds, &server.url(""))?;
        let number = |object: &Value| object.pointer("/latency/p99_micros").and_then(Value::as_f64);
        anyhow::Ok(read(child, |object| vec![number(object)]))
    };
    let alone = noops()?;
    let path = format!("{PLACE}/{COLD}");
    let arguments = ["--work", "down", "--parallel", "1", "--mode", "pasv"];
    let mut downloads = generator.start(&arguments, LONGER, &server.url(&path))?;
    let beside = noops()?;
    let has_ended = downloads.try_wait()?.is_some();
    let _ = downloads.kill();
    let downloads = read(downloads, |_| Vec::new());
    drop(server);
    drop(disk);
    if has_ended {
        return Ok(Sample::failed(downloads.trouble.as_deref().unwrap_or("the downloads ended early")));
    }
    let (alone, beside) = (alone.values.first().copied().flatten(), beside.values.first().copied().flatten());
    let more = alone.zip(beside).map(|(alone, beside)| (beside - alone).max(0.0));
    Ok(Sample { values: vec![more, beside, alone], trouble: None })
}
