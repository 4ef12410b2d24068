//! Many small files of a server that is far away: `wharf mirror` beside lftp, rclone and wget, with as many sessions.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a failed test says where")]

use std::process::Command;
use std::time::{Duration, Instant};

use wharf_testkit::clients::{self, LftpMode};
use wharf_testkit::directory::sample;
use wharf_testkit::process::run_within;
use wharf_testkit::relay::DelayedLink;
use wharf_testkit::served::Served;
use wharf_testkit::{TestDirectory, skip, soak_rounds};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
/// Each way.
const DELAY: Duration = Duration::from_millis(50);
/// Longest time for one program; a hang fails the test.
const PATIENCE: Duration = Duration::from_secs(900);
const FILE: usize = 1024;

/// A server with `files` files of 1 KiB, far away.
struct Far {
    link: DelayedLink,
    served: Served,
    /// The same files under TLS.
    secured: Served,
    files: TestDirectory,
}

impl Far {
    fn new(files: u64) -> Result<Self, String> {
        let link = DelayedLink::new(DELAY)?;
        let directory = TestDirectory::new();
        let content = sample(FILE + files as usize);
        for number in 0..files as usize {
            directory.write(format!("folder {}/file {number}", number % 10), &content[number..number + FILE]);
        }
        let mut serve = Command::new(WHARF);
        serve.arg("serve").arg(directory.path()).args(["--listen", "10.77.0.2:21"]);
        serve.args(["--user", "test:secret", "--quiet"]);
        let served = Served::from_command(&mut link.server.adopt(&serve));
        let mut serve = Command::new(WHARF);
        serve.arg("serve").arg(directory.path()).args(["--listen", "10.77.0.2:990", "--tls-self-signed"]);
        serve.args(["--user", "test:secret", "--quiet"]);
        let secured = Served::from_command(&mut link.server.adopt(&serve));
        Ok(Self { link, served, secured, files: directory })
    }

    /// Has `command` copy everything into a new directory, and tells how long it took.
    fn time(&self, name: &str, command: impl FnOnce(&TestDirectory) -> Command) -> f64 {
        let target = TestDirectory::new();
        let mut command = self.link.client.adopt(&command(&target));
        let started = Instant::now();
        let run = run_within(PATIENCE, &mut command);
        let took = started.elapsed().as_secs_f64();
        run.assert_success();
        assert!(target.tree() == self.files.tree(), "{name} made another tree\n{run}");
        if name == "wharf" {
            // Further sessions know what the first one has asked, and their logins, which were sent at once, are taken.
            assert_eq!(run.errors().matches("> FEAT").count(), 1, "{run}");
            assert!(!run.errors().contains("step by step"), "{run}");
        }
        let (active, last) = (run.output().matches("\"EPRT\"").count(), run.output());
        println!(
            "{name}: {took:.1} s; {active} files in active mode; {}",
            last.lines().last().unwrap_or_default()
        );
        took
    }

    fn wharf(&self, served: &Served, flags: &[&str]) -> f64 {
        self.time("wharf", |target| {
            let mut wharf = Command::new(WHARF);
            let url = format!("ftp://test:secret@{}/", served.address());
            wharf.args(["mirror", "--json", "-v", &url]).arg(target.path()).args(flags);
            wharf.env("HOME", "/dev/null");
            wharf
        })
    }

    fn lftp(&self, settings: &str) -> f64 {
        self.time("lftp", |target| {
            let open = format!("open -u test,secret ftp://{}", self.served.address());
            let script = format!("{settings}{open}; mirror -P 4 / {}", target.path().display());
            clients::lftp(LftpMode::Passive, &script)
        })
    }

    fn rclone(&self) -> f64 {
        self.time("rclone", |target| {
            let mut rclone = Command::new("rclone");
            let password = obscured_password();
            rclone.args(["copy", ":ftp:/", "--transfers", "4", "--checkers", "4", "--ftp-host", "10.77.0.2"]);
            rclone.args(["--ftp-port", "21", "--ftp-user", "test", "--ftp-pass", &password]);
            rclone
                .arg(target.path())
                .env("HOME", "/dev/null")
                .env("RCLONE_CONFIG", "/nonexistent/rclone.conf");
            rclone
        })
    }

    fn wget(&self) -> f64 {
        self.time("wget", |target| {
            let mut wget = clients::wget();
            wget.args(["-r", "-nH", "--quiet", "ftp://test:secret@10.77.0.2/"]);
            wget.current_dir(target.path());
            wget
        })
    }
}

/// Whether the others are measured as well.
fn is_soak() -> bool {
    std::env::var_os("WHARF_SOAK").is_some_and(|value| value == "1")
}

/// The password in the form that rclone's flag wants.
fn obscured_password() -> String {
    let run =
        run_within(PATIENCE, Command::new("rclone").args(["obscure", "secret"]).env("HOME", "/dev/null"));
    run.assert_success().output().trim().to_owned()
}

/// Prints the table of docs/performance.md; its long form is `cargo xtask soak --filter mirror`.
#[test]
fn soak_mirror_far() {
    let files = soak_rounds(40);
    let far = match Far::new(files) {
        Ok(far) => far,
        Err(reason) => skip!("{reason}"),
    };
    let mut rows = vec![
        ("wharf mirror", far.wharf(&far.served, &[])),
        ("wharf mirror --passive", far.wharf(&far.served, &["--passive"])),
        ("wharf mirror, under TLS", far.wharf(&far.secured, &[])),
        ("wharf mirror --passive, under TLS", far.wharf(&far.secured, &["--passive"])),
    ];
    let ours = rows.len();
    // The short form only shows that it makes the same tree in either mode.
    if !is_soak() {
        return;
    }
    for program in ["lftp", "rclone", "wget"] {
        if !clients::is_installed(program) {
            skip!("{program} is not installed");
        }
    }
    rows.push(("lftp mirror -P 4", far.lftp("")));
    rows.push(("lftp mirror -P 4, sync-mode off", far.lftp("set ftp:sync-mode off; ")));
    rows.push(("rclone copy --transfers 4", far.rclone()));
    rows.push(("wget -r", far.wget()));
    let fastest = rows[ours..].iter().map(|(_, took)| *took).fold(f64::INFINITY, f64::min);
    println!("\n{files} files of {FILE} bytes, {} ms each way\n", DELAY.as_millis());
    println!("| | s | files/s | the fastest other one's time, divided by this |\n|---|---|---|---|");
    for (name, took) in rows {
        println!("| {name} | {took:.1} | {:.1} | {:.2} |", files as f64 / took, fastest / took);
    }
}
