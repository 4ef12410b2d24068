//! A script, and what must come of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use wharf_testkit::TestDirectory;
use wharf_testkit::hostile::HostileServer;
use wharf_testkit::process::Background;
use wharf_testkit::tls::TestCertificate;
use wharf_testkit::tls_server::ServerTls;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
/// Longest run of the program, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Peak memory of the program in KiB, that of the debug build's own pages included.
const MOST_MEMORY: u64 = 96 * 1024;
/// Scripts at once: most of them wait.
const AT_ONCE: usize = 6;
/// A password that must not show, whatever the server does with it.
pub(crate) const SECRET: &str = "s3cret";

/// What is beside the target.
pub(crate) const SOURCE: &str = "mine!";

/// One server, and what the program must make of it.
pub(crate) struct Script {
    name: String,
    table: String,
    command: &'static str,
    flags: Vec<&'static str>,
    scheme: &'static str,
    has_tls: bool,
    is_hasty: bool,
    before: Vec<(&'static str, Vec<u8>)>,
    code: i32,
    says: Vec<&'static str>,
    left: BTreeMap<&'static str, Vec<u8>>,
    /// What is left of this file may be less.
    cut: bool,
}

impl Script {
    fn new(command: &'static str, name: &str, code: i32, says: &[&'static str], table: &str) -> Self {
        Self {
            name: name.to_owned(),
            table: table.to_owned(),
            command,
            flags: Vec::new(),
            scheme: "ftp",
            has_tls: false,
            is_hasty: false,
            before: Vec::new(),
            code,
            says: says.to_vec(),
            left: BTreeMap::new(),
            cut: false,
        }
    }

    /// With these flags too.
    pub(crate) fn flags(mut self, flags: &[&'static str]) -> Self {
        self.flags.extend(flags);
        self
    }

    /// It is about silence: every wait is a second at most.
    pub(crate) fn hasty(mut self) -> Self {
        self.is_hasty = true;
        self
    }

    /// The server can TLS.
    pub(crate) fn secured(mut self, scheme: &'static str) -> Self {
        (self.scheme, self.has_tls) = (scheme, true);
        self
    }

    /// This is in the target when it begins.
    pub(crate) fn before(mut self, name: &'static str, content: impl Into<Vec<u8>>) -> Self {
        self.before.push((name, content.into()));
        self
    }

    /// This is in the target when it is over, and what else was named so, and nothing more.
    pub(crate) fn leaves(mut self, name: &'static str, content: impl Into<Vec<u8>>) -> Self {
        self.left.insert(name, content.into());
        self
    }

    /// `file`, complete.
    pub(crate) fn file(self) -> Self {
        self.leaves("file", "hello")
    }

    /// `file.part`.
    pub(crate) fn part(self, content: &str) -> Self {
        self.leaves("file.part", content)
    }

    /// `file.part`, or less of it: a reset takes with it what was not read.
    pub(crate) fn at_most(self, content: &str) -> Self {
        self.part(content).cut()
    }

    /// Of what is left there may be less.
    pub(crate) fn cut(self) -> Self {
        Self { cut: true, ..self }
    }
}

/// `wharf get` of `file`, whose five bytes are `hello`.
pub(crate) fn get(name: &str, code: i32, says: &[&'static str], table: &str) -> Script {
    Script::new("get", name, code, says, table)
}

/// `wharf put` of a file of five bytes.
pub(crate) fn put(name: &str, code: i32, says: &[&'static str], table: &str) -> Script {
    Script::new("put", name, code, says, table)
}

/// `wharf ls`.
pub(crate) fn ls(name: &str, code: i32, says: &[&'static str], table: &str) -> Script {
    Script::new("ls", name, code, says, table)
}

/// `wharf mirror` of the server's root into the target, with MLSD.
pub(crate) fn mirror(name: &str, code: i32, says: &[&'static str], table: &str) -> Script {
    let table = format!("FEAT: raw 211-x\\r\\n MLST type*;size*;modify*;unique*;\\r\\n211 x\\r\\n\n{table}");
    Script::new("mirror", name, code, says, &table)
}

/// Plays them all, several at once, and tells of all that went wrong.
#[track_caller]
pub(crate) fn play(scripts: Vec<Script>) {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let peak = Mutex::new((0, String::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(script) = scripts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (memory, problems) = played(script);
                    let mut peak = peak.lock().unwrap();
                    if memory > peak.0 {
                        *peak = (memory, script.name.clone());
                    }
                    if let Some(problems) = problems {
                        wrong.lock().unwrap().push(problems);
                    }
                }
            });
        }
    });
    let (wrong, (peak, name)) = (wrong.into_inner().unwrap(), peak.into_inner().unwrap());
    println!("{} scripts, at most {peak} KiB of memory ({name})", scripts.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), scripts.len(), wrong.join("\n"));
}

/// The program's peak memory in KiB, and what was wrong, if anything was.
fn played(script: &Script) -> (u64, Option<String>) {
    let certificate = script.has_tls.then(|| TestCertificate::new(&["127.0.0.1"]));
    let server = HostileServer::start(&script.table, certificate.as_ref().map(ServerTls::new));
    let directory = TestDirectory::new();
    let target = directory.make_directory("target");
    let source = directory.write("source", SOURCE);
    for (name, content) in &script.before {
        directory.write(Path::new("target").join(name), content);
    }
    let mut command = Command::new(WHARF);
    command.current_dir(&target).env("HOME", "/dev/null").env("XDG_STATE_HOME", "/dev/null");
    let url = format!("{}://me:{SECRET}@{}", script.scheme, server.address());
    command.args([script.command, "--timeout", if script.is_hasty { "1" } else { "20" }]);
    command.args(&script.flags);
    match script.command {
        "get" => command.arg(format!("{url}/file")),
        "put" => command.arg(source).arg(format!("{url}/file")),
        "ls" => command.arg(format!("{url}/")),
        _ => command.args([&format!("{url}/"), "."]),
    };
    let mut run = Background::start(&mut command);
    let (memory, code) = watch(&mut run);
    let (listed, errors) = (run.all_output(), run.all_errors());
    // A listing in a pipe has names as they are.
    let shown = if script.command == "ls" { errors.clone() } else { listed.clone() + &errors };
    let output = listed + &errors;
    let mut wrong = Vec::new();
    match code {
        None => wrong.push(format!("it did not end in {PATIENCE:?}")),
        Some(code) if code != script.code => {
            wrong.push(format!("exit code {code} in place of {}", script.code));
        }
        Some(_) => {}
    }
    for words in script.says.iter().filter(|words| !output.contains(**words)) {
        wrong.push(format!("it does not say \"{words}\""));
    }
    if output.contains(SECRET) {
        wrong.push("it shows the password".to_owned());
    }
    if let Some(control) = shown.chars().find(|character| character.is_control() && *character != '\n') {
        wrong.push(format!("it prints {control:?}"));
    }
    if directory.names() != ["source", "target"] || directory.read("source") != SOURCE.as_bytes() {
        wrong.push(format!("something outside the target: {:?}", directory.names()));
    }
    if server.was_taken_in_full() {
        wrong.push("it took all of a flood".to_owned());
    }
    if memory > MOST_MEMORY {
        wrong.push(format!("it took {memory} KiB of memory"));
    }
    if let Some(problem) = not_left(script, &directory) {
        wrong.push(problem);
    }
    let problems = (!wrong.is_empty()).then(|| {
        let output: String = output.chars().take(3000).collect();
        format!("=== {}: {}\n{output}--- the server\n{}", script.name, wrong.join("; "), server.transcript())
    });
    (memory, problems)
}

/// Its peak memory in KiB, as last seen before its end, and its exit code.
fn watch(run: &mut Background) -> (u64, Option<i32>) {
    let started = Instant::now();
    let status = PathBuf::from(format!("/proc/{}/status", run.id()));
    let mut peak = 0;
    while started.elapsed() < PATIENCE {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let now = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = peak.max(now.and_then(|now| now.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0));
        if let Some(status) = run.wait(Duration::from_millis(5)) {
            return (peak, Some(status.code().unwrap_or(-1)));
        }
    }
    run.kill();
    (peak, None)
}

fn not_left(script: &Script, directory: &TestDirectory) -> Option<String> {
    let tree = directory.tree();
    let left: BTreeMap<String, Vec<u8>> = tree
        .iter()
        .filter_map(|(name, content)| {
            Some((name.strip_prefix("target").ok()?.to_string_lossy().into_owned(), content.clone()))
        })
        .collect();
    let is_right = left.keys().map(String::as_str).eq(script.left.keys().copied())
        && left
            .values()
            .zip(script.left.values())
            .all(|(content, wanted)| content == wanted || (script.cut && wanted.starts_with(content)));
    let shown = |content: &[u8]| String::from_utf8_lossy(&content[..content.len().min(40)]).into_owned();
    let left: Vec<_> = left.iter().map(|(name, content)| (name, shown(content), content.len())).collect();
    (!is_right).then(|| format!("in the target are {left:?}"))
}
