//! Programs under a test's control: run to their end with a deadline, or kept in the background.
//!
//! Each gets a process group of its own, which is killed as a whole: at the deadline, when the guard goes, and even
//! when the test itself is killed (see the janitor).

use std::fmt;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::janitor::{self, Remains, Watched};

/// What came of a program that was run to its end.
#[derive(Debug)]
pub struct Run {
    /// The command, as a person would type it.
    pub command: String,
    /// Its exit status.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: Vec<u8>,
    /// Whether it was killed at the deadline.
    pub timed_out: bool,
}

impl Run {
    /// The exit code; -1 for a program that a signal ended.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Standard output as text.
    #[must_use]
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    #[must_use]
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Panics, with all it printed, unless it ended with exit code 0.
    #[track_caller]
    pub fn assert_success(&self) -> &Self {
        self.assert_code(0)
    }

    /// Panics, with all it printed, unless it ended with this exit code.
    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Self {
        assert!(!self.timed_out && self.code() == code, "expected exit code {code}\n{self}");
        self
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match (self.timed_out, self.status.signal()) {
            (true, _) => "killed at the deadline".to_owned(),
            (false, Some(signal)) => format!("ended by signal {signal}"),
            (false, None) => format!("exit code {}", self.code()),
        };
        write!(f, "$ {}\n{}--- stderr\n{}--- {end}", self.command, self.output(), self.errors())
    }
}

/// Runs `command` to its end, with nothing on its standard input, for at most 60 seconds.
#[track_caller]
pub fn run(command: &mut Command) -> Run {
    run_within(Duration::from_secs(60), command)
}

/// Runs `command` to its end, with nothing on its standard input. At the deadline its whole group is killed, which
/// is no panic: [`Run::timed_out`] says so.
#[track_caller]
pub fn run_within(limit: Duration, command: &mut Command) -> Run {
    let mut background = Background::start(command);
    let status = background.wait(limit);
    let timed_out = status.is_none();
    background.kill();
    let status = status.unwrap_or_else(|| background.child.wait().unwrap());
    // What was printed last may still be in the pipes.
    let stdout = background.stdout.all();
    let stderr = background.stderr.all();
    Run { command: background.command.clone(), status, stdout, stderr, timed_out }
}

/// A program in the background, killed with its whole group when this goes.
pub struct Background {
    command: String,
    child: Child,
    stdout: Capture,
    stderr: Capture,
    watched: Option<Watched>,
}

impl Background {
    /// Starts `command` with nothing on its standard input; what it prints is kept.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let shown = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start `{shown}`: {error}"));
        let watched = Some(janitor::watch_over(Remains::Group(child.id())));
        let stdout = Capture::of(child.stdout.take().unwrap());
        let stderr = Capture::of(child.stderr.take().unwrap());
        Self { command: shown, child, stdout, stderr, watched }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed on standard output so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.stdout.so_far()
    }

    /// What it has printed on standard error so far.
    #[must_use]
    pub fn errors(&self) -> String {
        self.stderr.so_far()
    }

    /// Everything it has printed on standard output, once it has ended.
    #[must_use]
    pub fn all_output(&self) -> String {
        String::from_utf8_lossy(&self.stdout.all()).into_owned()
    }

    /// Everything it has printed on standard error, once it has ended.
    #[must_use]
    pub fn all_errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr.all()).into_owned()
    }

    /// Waits until a line of standard output starts with `start`, and returns the rest of that line.
    ///
    /// # Panics
    /// When no such line comes within `limit`, or the program ends first.
    #[track_caller]
    pub fn wait_for_line(&self, start: &str, limit: Duration) -> String {
        let found = self.stdout.wait_until(limit, |text| {
            let complete = &text[..text.rfind('\n').map_or(0, |end| end)];
            complete.lines().find_map(|line| line.strip_prefix(start)).map(str::to_owned)
        });
        found.unwrap_or_else(|| panic!("no line `{start}…` from {self:?}"))
    }

    /// Waits until `is_there` is content with what standard output holds.
    ///
    /// # Panics
    /// When that does not come about within `limit`, or the program ends first.
    #[track_caller]
    pub fn wait_for_output(&self, limit: Duration, is_there: impl Fn(&str) -> bool) {
        self.wait_for(&self.stdout, limit, is_there);
    }

    /// As [`wait_for_output`](Self::wait_for_output), of standard error.
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn wait_for_errors(&self, limit: Duration, is_there: impl Fn(&str) -> bool) {
        self.wait_for(&self.stderr, limit, is_there);
    }

    #[track_caller]
    fn wait_for(&self, stream: &Capture, limit: Duration, is_there: impl Fn(&str) -> bool) {
        let found = stream.wait_until(limit, |text| is_there(text).then_some(()));
        found.unwrap_or_else(|| panic!("what was waited for did not come from {self:?}"));
    }

    /// Sends `signal` to the program itself, not to its group.
    pub fn signal(&self, signal: Signal) {
        kill_process(pid(self.id()), signal).unwrap();
    }

    /// Its exit status, when it ends within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        // Short programs are the rule, so the first looks come quickly.
        let deadline = Instant::now() + limit;
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Kills it and whatever it started.
    pub fn kill(&mut self) {
        // The group may be gone already; as long as the child is not reaped its number belongs to nobody else, and
        // after that a group of this number can only be what the child left behind.
        let _ = kill_process_group(pid(self.id()), Signal::KILL);
        let _ = self.child.wait();
        self.watched = None;
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.kill();
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`\n--- stdout\n{}--- stderr\n{}---", self.command, self.output(), self.errors())
    }
}

pub(crate) fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}

/// What comes out of a pipe, collected by a thread.
struct Capture {
    shared: Arc<(Mutex<Captured>, Condvar)>,
}

#[derive(Default)]
struct Captured {
    bytes: Vec<u8>,
    ended: bool,
}

impl Capture {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Captured::default()), Condvar::new()));
        let writer = Arc::clone(&shared);
        thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            loop {
                let count = pipe.read(&mut buffer).unwrap_or(0);
                let mut captured = writer.0.lock().unwrap();
                captured.bytes.extend_from_slice(&buffer[..count]);
                captured.ended = count == 0;
                writer.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        Self { shared }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.shared.0.lock().unwrap().bytes).into_owned()
    }

    /// All of it, once the last writer is gone. One that escaped from its group gets no more than a moment.
    fn all(&self) -> Vec<u8> {
        let captured = self.shared.0.lock().unwrap();
        let limit = Duration::from_secs(2);
        let (captured, _) =
            self.shared.1.wait_timeout_while(captured, limit, |captured| !captured.ended).unwrap();
        captured.bytes.clone()
    }

    fn wait_until<T>(&self, limit: Duration, mut find: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut captured = self.shared.0.lock().unwrap();
        loop {
            let found = find(&String::from_utf8_lossy(&captured.bytes));
            let left = deadline.saturating_duration_since(Instant::now());
            if found.is_some() || captured.ended || left.is_zero() {
                return found;
            }
            captured = self.shared.1.wait_timeout(captured, left).unwrap().0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_run_keeps_what_was_printed_and_how_it_ended() {
        let run = run(&mut shell("echo out; echo err >&2; exit 3"));
        assert_eq!((run.output().as_str(), run.errors().as_str()), ("out\n", "err\n"));
        run.assert_code(3);
    }

    #[test]
    fn the_deadline_ends_the_whole_group() {
        let start = Instant::now();
        let run = run_within(Duration::from_millis(200), &mut shell("echo early; sleep 50 & sleep 50"));
        assert!(run.timed_out && run.output() == "early\n", "{run}");
        assert!(start.elapsed() < Duration::from_secs(5), "the sleeping child kept the pipe open");
    }

    #[test]
    fn a_line_is_waited_for_and_the_group_goes_with_the_guard() {
        let background = Background::start(&mut shell("sleep 50 & echo child $!; wait"));
        let child: i32 = background.wait_for_line("child ", Duration::from_secs(5)).parse().unwrap();
        assert!(rustix::process::test_kill_process(Pid::from_raw(child).unwrap()).is_ok());
        drop(background);
        let deadline = Instant::now() + Duration::from_secs(5);
        // An orphan stays as a zombie for as long as the init process of a container does not care.
        while std::fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
        {
            assert!(Instant::now() < deadline, "the child outlives its guard");
            thread::sleep(Duration::from_millis(5));
        }
    }
}
