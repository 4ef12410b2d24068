//! `cargo xtask bench`: `wharf bench` over our release binary and the installed peers in turn, as a table.
//!
//! All servers run in one network namespace of their own, paced by reno and with few remembered connections, so that
//! neither bbr nor TIME_WAIT hides what differs. They are taken in turn, round by round, so that whatever else the machine does
//! meanwhile hits all of them.

mod rows;
mod servers;
mod table;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use wharf_testkit::namespace::NetworkNamespace;
use wharf_testkit::tls::TestCertificate;

use crate::run;
use rows::Row;
use servers::{Content, ProcessorTime, Server};
use table::{Sample, Samples};

/// Pause between two looks at a server's processes.
const LOOK: Duration = Duration::from_millis(50);

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The rows of the table, a comma between them [default: all]
    #[arg(long, value_delimiter = ',')]
    works: Vec<String>,
    /// The servers, a comma between them: wharf, vsftpd, proftpd, pure-ftpd, pyftpdlib. Others are compared with the first
    #[arg(long, value_delimiter = ',', default_value = "wharf,vsftpd,pure-ftpd,proftpd,pyftpdlib")]
    servers: Vec<String>,
    /// A program that does nothing but what must be done, started as FILE --port N --root DIR: the others are compared with it
    #[arg(long, value_name = "FILE")]
    floor: Option<PathBuf>,
    /// How often each server has its turn; the medians are told
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each turn is measured, in seconds
    #[arg(long, default_value = "2")]
    seconds: String,
    /// Everything under TLS, by servers that have it
    #[arg(long)]
    tls: bool,
    /// Write the table to docs/performance.md too
    #[arg(long)]
    write: bool,
    /// Take target/release/wharf as it is
    #[arg(long)]
    no_build: bool,
}

/// Measures, and prints the table.
///
/// # Errors
/// When there is no network namespace to be had, or something does not build or start.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let rows = rows::chosen(&options.works)?;
    if !options.no_build {
        run::succeed(run::cargo().args(["build", "--release", "--package", "wharf"]))?;
    }
    let wharf = run::target_directory()?.join("release/wharf");
    let namespace = match NetworkNamespace::new() {
        Ok(namespace) => namespace,
        Err(reason) => bail!("{reason}; cargo xtask bench needs one"),
    };
    namespace.enter(|| {
        for (key, value) in [("tcp_congestion_control", "reno"), ("tcp_max_tw_buckets", "1")] {
            let file = PathBuf::from("/proc/sys/net/ipv4").join(key);
            std::fs::write(&file, value).with_context(|| format!("cannot set {}", file.display()))?;
        }
        anyhow::Ok(())
    })?;
    let certificate = options.tls.then(|| TestCertificate::new(&["127.0.0.1"]));
    let content = Content::new()?;
    let mut servers = Vec::new();
    if let Some(floor) = &options.floor {
        servers.push(Server::floor(floor, &namespace, &content, certificate.as_ref())?);
    }
    for name in &options.servers {
        match Server::start(name, &wharf, &namespace, &content, certificate.as_ref())? {
            Ok(server) => servers.push(server),
            Err(reason) => eprintln!("xtask: {name} is left out: {reason}"),
        }
    }
    let mut samples = Samples::new(servers.iter().map(|server| server.name.clone()).collect());
    for row in &rows {
        for round in 1..=options.rounds {
            for server in &servers {
                let sample = measure(row, server, &wharf, &namespace, options)?;
                eprintln!(
                    "xtask: {} {round}/{} {}: {}",
                    row.name,
                    options.rounds,
                    server.name,
                    sample.shown(row)
                );
                samples.add(row, &server.name, sample);
            }
        }
    }
    let table = samples.table(&rows, options.rounds, &options.seconds, options.tls);
    println!("{table}");
    if options.write {
        table::write_document(&table, options.tls)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One turn of one server.
fn measure(
    row: &Row,
    server: &Server,
    wharf: &std::path::Path,
    namespace: &NetworkNamespace,
    options: &Options,
) -> Result<Sample> {
    let mut command = Command::new(wharf);
    command.args(["bench", "--json", "--quiet", "--seconds", &options.seconds]).args(row.arguments);
    command.args(if options.tls { &["--tls", "require", "--insecure"][..] } else { &["--tls", "off"] });
    command.arg(server.url(row.path));
    let (mut before, mut seen) = (ProcessorTime::default(), ProcessorTime::default());
    server.observe(&mut before);
    let mut command = namespace.adopt(&command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start `ip netns exec`")?;
    while child.try_wait()?.is_none() {
        server.observe(&mut seen);
        thread::sleep(LOOK);
    }
    server.observe(&mut seen);
    let output = child.wait_with_output()?; // an object fits into a pipe
    let used = seen.since(&before);
    let Ok(object) = serde_json::from_slice::<Value>(&output.stdout) else {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Ok(Sample::failed(errors.trim()));
    };
    Ok(Sample::read(row, &object, used))
}
