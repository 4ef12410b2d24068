//! The program itself: how large it is, and how quick it starts.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use wharf_testkit::TestDirectory;
use wharf_testkit::process::Background;

use crate::run;

/// Most bytes of the program that is given to users.
const LARGEST: u64 = 15_000_000;
/// Longest start, of half of the runs.
const SLOWEST: Duration = Duration::from_millis(20);
const RUNS: usize = 20;
/// Longest wait for a server to listen.
const LIMIT: Duration = Duration::from_secs(20);

/// Builds the program in a profile of Cargo.toml, and tells where it is.
///
/// # Errors
/// When it does not build.
pub(crate) fn build(profile: &str) -> Result<PathBuf> {
    run::succeed(run::cargo().args(["build", "--profile", profile, "--package", "wharf"]))?;
    place(profile)
}

/// Where a profile's program is.
///
/// # Errors
/// When cargo does not say where it builds.
pub(crate) fn place(profile: &str) -> Result<PathBuf> {
    Ok(run::target_directory()?.join(profile).join("wharf"))
}

/// `cargo xtask size`: fails when the program that is given to users is larger than it may be, or starts too slowly.
///
/// # Errors
/// When it does not build or start.
pub(crate) fn check() -> Result<ExitCode> {
    let program = Program::measure(&build("dist")?)?;
    println!("{}", program.table());
    let mut problems = Vec::new();
    if program.bytes >= LARGEST {
        problems.push(format!("it has {} bytes, and {LARGEST} are too many", program.bytes));
    }
    for (what, start) in [("--version", program.version), ("serve", program.serve)] {
        if start.median >= SLOWEST {
            problems.push(format!("{what} takes {:?}, and {SLOWEST:?} are too long", start.median));
        }
    }
    for problem in &problems {
        eprintln!("xtask: {problem}");
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What there is to say of the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    /// Of its file.
    bytes: u64,
    version: Start,
    /// Until its port answers.
    serve: Start,
}

/// How long it took to start.
#[derive(Clone, Copy, Debug)]
struct Start {
    median: Duration,
    longest: Duration,
}

impl Program {
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn measure(wharf: &Path) -> Result<Self> {
        let bytes = std::fs::metadata(wharf).with_context(|| format!("no {}", wharf.display()))?.len();
        let directory = TestDirectory::new();
        Ok(Self {
            bytes,
            version: Start::of(|| version(wharf))?,
            serve: Start::of(|| serve(wharf, directory.path()))?,
        })
    }

    /// In Markdown.
    pub(crate) fn table(&self) -> String {
        let millis = |start: Start| {
            let millis = |time: Duration| time.as_secs_f64() * 1e3;
            format!("{:.1} | {:.1}", millis(start.median), millis(start.longest))
        };
        format!(
            "The program's file has {} bytes.\n\n| {RUNS} runs | median, ms | longest, ms |\n|---|---|---|\n\
             | `wharf --version` | {} |\n| `wharf serve`, until its port answers | {} |",
            self.bytes,
            millis(self.version),
            millis(self.serve)
        )
    }
}

impl Start {
    fn of(run: impl Fn() -> Result<Duration>) -> Result<Self> {
        let mut times = (0..RUNS).map(|_| run()).collect::<Result<Vec<_>>>()?;
        times.sort();
        Ok(Self { median: times[RUNS / 2], longest: times[RUNS - 1] })
    }
}

fn version(wharf: &Path) -> Result<Duration> {
    let begun = Instant::now();
    let status = Command::new(wharf).arg("--version").stdout(Stdio::null()).status()?;
    let took = begun.elapsed();
    if !status.success() {
        bail!("{} --version failed", wharf.display());
    }
    Ok(took)
}

fn serve(wharf: &Path, directory: &Path) -> Result<Duration> {
    let port = wharf_testkit::free_port(std::net::Ipv4Addr::LOCALHOST.into());
    let mut command = Command::new(wharf);
    command.arg("serve").arg(directory).args(["--listen", &format!("127.0.0.1:{port}"), "--anonymous"]);
    let begun = Instant::now();
    let server = Background::start(&mut command);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if begun.elapsed() > LIMIT {
            bail!("it does not listen: {server:?}");
        }
        std::thread::yield_now();
    }
    Ok(begun.elapsed())
}
