//! `wharf shell` on a real pseudo terminal, with somebody who types (S18).

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use wharf_testkit::clients::is_installed;
use wharf_testkit::scripted::ScriptedServer;
use wharf_testkit::served::Served;
use wharf_testkit::{TestDirectory, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
/// How long each thing that is waited for may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A shell on a pseudo terminal, which script(1) makes.
struct Typist {
    child: Child,
    keys: Option<std::process::ChildStdin>,
    screen: Receiver<Vec<u8>>,
    /// What has come and was not waited for yet.
    seen: String,
    all: String,
}

impl Typist {
    /// None where there is no script(1).
    fn sit_down(home: &TestDirectory, words: &[&str]) -> Option<Self> {
        if !is_installed("script") {
            skip_noted();
            return None;
        }
        let line = [&["shell"], words].concat().iter().map(|word| format!(" '{word}'")).collect::<String>();
        let mut child = Command::new("script")
            .args(["-q", "-e", "-f", "-c", &format!("exec {WHARF}{line}"), "/dev/null"])
            .current_dir(home.path())
            .env("HOME", home.path())
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .env_remove("XDG_STATE_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("STATE_DIRECTORY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let keys = child.stdin.take();
        let mut output = child.stdout.take().unwrap();
        let (sender, screen) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Some(Self { child, keys, screen, seen: String::new(), all: String::new() })
    }

    fn types(&mut self, keys: &str) -> &mut Self {
        self.keys.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Waits until the screen shows `text`, behind what was waited for before.
    #[track_caller]
    fn sees(&mut self, text: &str) -> &mut Self {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return self;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    self.all.push_str(&text);
                    self.seen.push_str(&text);
                }
                Err(_) => panic!("no {text:?} on the screen:\n{}", self.all.escape_debug()),
            }
        }
    }

    /// Waits for the end, and tells the exit code.
    #[track_caller]
    fn leaves(&mut self) -> i32 {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.all.escape_debug());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Typist {
    fn drop(&mut self) {
        // The terminal goes with it, and that ends the shell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn skip_noted() {
    skip!("script(1) is not installed");
}

fn ours() -> (TestDirectory, Served, String) {
    let directory = TestDirectory::new();
    let served = Served::start(WHARF, directory.path(), &["--user", "me:s3cret", "--write"]);
    let url = format!("ftp://me:s3cret@{}/", served.address());
    (directory, served, url)
}

/// S18.
#[test]
fn passive_is_typed_and_the_next_listing_goes_the_other_way() {
    let (at_server, _served, url) = ours();
    at_server.write("a file", "");
    let home = TestDirectory::new();
    let Some(mut typist) = Typist::sit_down(&home, &["-v", &url]) else { return };
    typist.sees("127.0.0.1:/> ").types("nlist\r").sees("> EPSV").sees("a file").sees(":/> ");
    typist.types("passive\r").sees("Passive mode: off").sees(":/> ");
    typist.types("nlist\r").sees("> EPRT").sees("opened by the server").sees("a file").sees(":/> ");
    typist.types("passive\r").sees("Passive mode: on").sees(":/> ");
    typist.types("epsv\r").sees("EPSV/EPRT: off").sees(":/> ");
    typist.types("nlist\r").sees("> PASV").sees("opened by us").sees("a file").sees(":/> ");
    // Ctrl-D.
    typist.types("\x04");
    assert_eq!(typist.leaves(), 0);
    let history = String::from_utf8(home.read(".local/state/wharf/shell_history")).unwrap();
    assert!(history.contains("passive\n") && history.contains("nlist\n"), "{history}");
}

#[test]
fn tab_completes_commands_and_names_of_both_sides() {
    let (at_server, _served, url) = ours();
    at_server.write("pub/with space.txt", "content");
    at_server.write("private", "");
    let home = TestDirectory::new();
    home.write("local file", "to be sent");
    let Some(mut typist) = Typist::sit_down(&home, &[&url]) else { return };
    typist.sees(":/> ").types("pw\t\r").sees("\r\n/").sees(":/> ");
    // Both begin so; one is a directory.
    typist.types("get p\t\t").sees("private").sees("pub/");
    // The prompt is drawn anew with each key: what the commands themselves say is waited for.
    typist.types("ub/w\t\r").sees("with space.txt: 7 bytes").sees(":/> ");
    typist.types("put lo\t\r").sees("local file: 10 bytes").sees(":/> ");
    assert_eq!(home.read("with space.txt"), b"content");
    assert_eq!(at_server.read("local file"), b"to be sent");
    typist.types("quit\r");
    assert_eq!(typist.leaves(), 0);
}

#[test]
fn many_files_are_asked_for_one_by_one_and_passwords_are_not_kept() {
    let (at_server, _served, url) = ours();
    for name in ["1.txt", "2.txt", "3.txt", "4.txt"] {
        at_server.write(name, name);
    }
    let home = TestDirectory::new();
    let Some(mut typist) = Typist::sit_down(&home, &[]) else { return };
    typist.sees("wharf> ").types(&format!("open {url}\r")).sees(":/> ").types("mget *.txt\r");
    typist.sees("mget 1.txt [y/n/a/q]? ").types("n\r").sees("mget 2.txt [y/n/a/q]? ").types("y\r");
    typist.sees("mget 3.txt [y/n/a/q]? ").types("a\r").sees(":/> ");
    assert_eq!(home.names(), [".local", "2.txt", "3.txt", "4.txt"]);
    typist.types("prompt\r").sees("Interactive mode: off").sees(":/> ").types("mdelete *\r").sees(":/> ");
    typist.types("nlist\r").sees(":/> ").types("bye\r");
    assert_eq!(typist.leaves(), 0);
    assert!(at_server.names().is_empty());
    let history = String::from_utf8(home.read(".local/state/wharf/shell_history")).unwrap();
    assert!(history.contains("mget *.txt\n") && !history.contains("s3cret"), "{history}");
    assert!(!history.lines().any(|line| line == "y" || line == "a"), "answers are no commands: {history}");
}

/// Ctrl-C ends the transfer by ABOR; the same control connection goes on.
#[test]
fn an_interrupted_transfer_does_not_end_the_shell() {
    let server = ScriptedServer::start(|server| {
        server.play("S: 220 x\nC: AUTH TLS\nS: 500 x\nC: USER me\nS: 331 x\nC: PASS s3cret\nS: 230 x\nC: FEAT\nS: 500 x");
        server.play("C: PWD\nS: 257 \"/\"\nC: TYPE I\nS: 200 x\nC: SIZE /big\nS: 213 1000000\nC: EPSV\nS: 229 (|||{port}|)");
        server.play("C: RETR /big\nS: 150 x").open_data().send_data("the beginning");
        server.play("C: ABOR\nS: 426 x\nS: 226 x\nC: DELE /other\nS: 250 x\nC: QUIT\nS: 221 x");
    });
    let home = TestDirectory::new();
    let url = format!("ftp://me:s3cret@{}/", server.address());
    let Some(mut typist) = Typist::sit_down(&home, &[&url]) else { return };
    // The progress bar tells that it has begun.
    typist.sees(":/> ").types("get big\r").sees("13 B").types("\x03").sees("interrupted").sees("big.part");
    typist.sees(":/> ").types("rm other\r").sees(":/> ").types("\x03").sees(":/> ").types("quit\r");
    assert_eq!(typist.leaves(), 0);
    assert_eq!(home.read("big.part"), b"the beginning");
}
