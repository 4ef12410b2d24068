//! Sessions that are only held: what each takes of the server's memory, and how quick it stays beside them.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;

use super::load::{Generator, read};
use super::servers::Launcher;
use super::table::Sample;

/// Between the last login and the first NOOP that is timed, in seconds: memory is looked at meanwhile.
const WARM_UP: &str = "3";
/// Longest wait for all of the sessions.
const OPENING: Duration = Duration::from_secs(120);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// What the last session still says behind its login.
const SETTLING: Duration = Duration::from_millis(300);

/// One turn of a server that has done nothing before: memory that was used once would be used again.
pub(super) fn measure(
    launcher: &Launcher<'_>,
    generator: &Generator<'_>,
    name: &str,
    sessions: usize,
) -> Result<Sample> {
    let server = match launcher.start(name, |_| Ok(()))? {
        Ok(server) => server,
        Err(reason) => return Ok(Sample::failed(&reason)),
    };
    let processes = server.processes;
    // The first session of a server makes what all of them use.
    let first =
        generator.start(&["--work", "login", "--parallel", "1", "--count", "20"], "1", &server.url(""))?;
    first.wait_with_output()?;
    let before = processes.memory();
    let wanted = sessions.to_string();
    let arguments = ["--work", "idle", "--parallel", &wanted, "--warm-up", WARM_UP];
    let mut child = generator.start(&arguments, generator.seconds, &server.url(""))?;
    let until = Instant::now() + OPENING;
    // Both ends of each control connection are in this network.
    while processes.sockets() < 2 * sessions {
        if child.try_wait()?.is_some() || Instant::now() > until {
            let _ = child.kill();
            return Ok(read(child, |_| vec![None, None, None]));
        }
        thread::sleep(LOOK);
    }
    thread::sleep(SETTLING);
    let each = (processes.memory() - before) / sessions as f64;
    Ok(read(child, |object| {
        let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_f64);
        vec![Some(each), number("/latency/p50_micros"), number("/latency/p99_micros")]
    }))
}
