//! One turn of `wharf bench` with one server.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use wharf_testkit::namespace::NetworkNamespace;

use super::processes::ProcessorTime;
use super::rows::{Figure, Load};
use super::servers::Server;
use super::table::Sample;

/// Pause between two looks at a server's processes.
const LOOK: Duration = Duration::from_millis(50);
const GIBIBYTE: f64 = (1_u64 << 30) as f64;
const KIB_OF_MIB: f64 = 1024.0;

/// The generator: our binary, in the network of the servers.
pub(super) struct Generator<'a> {
    pub(super) wharf: &'a Path,
    pub(super) namespace: &'a NetworkNamespace,
    /// How long each turn is measured, in seconds.
    pub(super) seconds: &'a str,
    pub(super) tls: bool,
}

impl Generator<'_> {
    /// Starts it with these arguments.
    pub(super) fn start(&self, arguments: &[&str], seconds: &str, url: &str) -> Result<Child> {
        let mut command = Command::new(self.wharf);
        command.args(["bench", "--json", "--quiet", "--seconds", seconds]).args(arguments);
        command.args(if self.tls { &["--tls", "require", "--insecure"][..] } else { &["--tls", "off"] });
        self.namespace
            .adopt(command.arg(url))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start `ip netns exec`")
    }

    /// One turn.
    pub(super) fn measure(&self, load: &Load, server: &Server) -> Result<Sample> {
        let processes = server.processes;
        let (mut before, mut seen) = (ProcessorTime::default(), ProcessorTime::default());
        processes.observe(&mut before);
        let had = processes.resident();
        processes.forget_most();
        let mut most: f64 = 0.0;
        let mut child = self.start(load.arguments, self.seconds, &server.url(load.path))?;
        loop {
            let is_over = child.try_wait()?.is_some();
            processes.observe(&mut seen);
            if load.figure == Figure::Listing {
                most = most.max(processes.most_resident());
            }
            if is_over {
                break;
            }
            thread::sleep(LOOK);
        }
        let used = seen.since(&before);
        Ok(read(child, |object| {
            let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_f64);
            let cost = |done: Option<f64>| done.filter(|done| *done > 0.0).map(|done| used / done);
            match load.figure {
                Figure::Rate => vec![
                    number("/bytes_per_second").map(|rate| rate / 1e6),
                    cost(number("/whole_run/bytes").map(|bytes| bytes / GIBIBYTE)),
                    number("/generator/cores_used"),
                ],
                Figure::Operations => vec![
                    number("/operations_per_second"),
                    cost(number("/whole_run/operations").map(|count| count / 1e3)),
                    number("/generator/cores_used"),
                ],
                Figure::Listing => vec![
                    number("/latency/p50_micros").map(|micros| micros / 1e3),
                    number("/first_byte/p50_micros").map(|micros| micros / 1e3),
                    Some((most - had).max(0.0) / KIB_OF_MIB),
                ],
            }
        }))
    }
}

/// What the generator printed, once it has ended.
pub(super) fn read(child: Child, values: impl FnOnce(&Value) -> Vec<Option<f64>>) -> Sample {
    let output = match child.wait_with_output() {
        Ok(output) => output,
        Err(error) => return Sample::failed(&error.to_string()),
    };
    match serde_json::from_slice::<Value>(&output.stdout) {
        Ok(object) => Sample {
            values: values(&object),
            trouble: object.pointer("/failures/0/first").and_then(Value::as_str).map(str::to_owned),
        },
        Err(_) => Sample::failed(String::from_utf8_lossy(&output.stderr).trim()),
    }
}
