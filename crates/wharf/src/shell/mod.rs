//! `wharf shell`: commands typed to a server, one session kept between them.
//!
//! | file | job |
//! |---|---|
//! | `table` | the one table of commands; `reference` makes the documentation of it |
//! | `words`, `call` | what was typed, and the words of one command |
//! | `input`, `editor`, `complete` | where commands come from: scripts, or a terminal with TAB |
//! | `place`, `expand` | where the user is, and what patterns mean there |
//! | `jobs`, `bookmarks` | what goes on in the background, what is kept |
//! | `commands/` | what the commands do, a file for each subject |
//!
//! The transfers are those of the one-shot commands: a path becomes a URL, and that is what `wharf get` does with it.

mod bookmarks;
mod call;
mod commands;
mod complete;
mod editor;
mod expand;
mod input;
mod jobs;
mod place;
mod reference;
mod table;
mod words;

use std::collections::HashMap;
use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;

use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::LocalSet;
use wharf_client::ClientError;
use wharf_proto::pathname::{Pathname, escaped};

use crate::args::shell::ShellArguments;
use crate::commands::client::{self, Client, INTERRUPTED};
use crate::commands::event_loop;
use crate::output;
use call::Call;
use editor::{Event, Terminal, Typed};
use input::Input;
use jobs::Jobs;
use place::Place;
use words::Statement;

/// Names of a directory, and whether they are directories.
type Listed = Vec<(Vec<u8>, bool)>;

/// Everything that commands see and change.
pub(crate) struct Shell {
    client: Client,
    /// None before `open` and behind `close`.
    place: Option<Place>,
    /// Where downloads go; empty before any `lcd`.
    local: PathBuf,
    /// Whether files are text.
    ascii: bool,
    /// Whether commands for many files ask before each.
    asks: bool,
    /// Somebody who can be asked.
    terminal: Option<Terminal>,
    jobs: Jobs,
    /// What TAB has listed since the last command.
    listed: HashMap<Option<Pathname>, Listed>,
    is_leaving: bool,
}

/// Runs the shell to its end.
pub(crate) fn run(arguments: ShellArguments) -> ExitCode {
    if arguments.command_reference {
        let printed =
            output::standard_output().and_then(|mut out| out.write_all(reference::reference().as_bytes()));
        return if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    client::run_owned(event_loop::start, &arguments.connection, arguments.json, async |client| {
        let input = match Input::open(&arguments.commands, arguments.file.as_deref()) {
            Ok(input) => input,
            Err(error) => {
                output::error(&error);
                return error.exit_code();
            }
        };
        let mut shell = Shell::new(client);
        // Jobs are tasks of this thread.
        let life = Box::pin(shell.live(input, arguments.url.as_deref()));
        LocalSet::new().run_until(life).await
    })
}

/// The signals that end a command, and a program.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Shell {
    fn new(client: Client) -> Self {
        Self {
            client,
            place: None,
            local: PathBuf::new(),
            ascii: false,
            asks: true,
            terminal: None,
            jobs: Jobs::default(),
            listed: HashMap::new(),
            is_leaving: false,
        }
    }

    /// Obeys until the end, and returns the exit code.
    async fn live(&mut self, input: Input, url: Option<&str>) -> u8 {
        let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        let (Ok(interrupt), Ok(terminate)) = signals else {
            output::error(&"signals cannot be waited for here");
            return 1;
        };
        let mut signals = Signals { interrupt, terminate };
        let opening = url.map(|url| Statement {
            words: ["open", url].map(|word| words::Word { text: word.into(), ..Default::default() }).into(),
            in_background: false,
            text: "open".to_owned(),
        });
        let code = match input {
            Input::Terminal(terminal) => {
                self.terminal = Some(terminal);
                if let Some(opening) = opening {
                    self.obey(opening, &mut signals).await;
                }
                self.converse(&mut signals).await
            }
            script => self.follow(script, opening, &mut signals).await,
        };
        let waited = self.wait_for_jobs(&mut signals).await;
        self.client.close().await;
        if code == 0 && self.terminal.is_none() { waited } else { code }
    }

    /// Obeys a script until its end or the first failure.
    async fn follow(&mut self, mut script: Input, opening: Option<Statement>, signals: &mut Signals) -> u8 {
        if let Some(opening) = opening {
            let code = self.obey(opening, signals).await;
            if code != 0 {
                return code;
            }
        }
        while !self.is_leaving {
            let line = tokio::select! {
                line = script.script_line() => line,
                _ = signals.interrupt.recv() => return INTERRUPTED,
                _ = signals.terminate.recv() => return INTERRUPTED,
            };
            let code = match line {
                Ok(None) => return 0,
                Ok(Some(line)) => self.obey_line(&line, signals).await,
                Err(error) => self.failed(&error),
            };
            self.tell_ended_jobs().await;
            if code != 0 {
                return code;
            }
        }
        0
    }

    /// Obeys whoever types, until he leaves.
    async fn converse(&mut self, signals: &mut Signals) -> u8 {
        while !self.is_leaving {
            self.tell_ended_jobs().await;
            let prompt = self.prompt();
            let Some(terminal) = &self.terminal else { return 0 };
            terminal.ask_line(prompt);
            match self.typed(signals).await {
                Some(Typed::Line(line)) => {
                    if !line.trim().is_empty() && !holds_password(&line) {
                        self.terminal.iter().for_each(|terminal| terminal.keep(line.clone()));
                    }
                    self.listed.clear();
                    self.obey_line(line.as_bytes(), signals).await;
                }
                Some(Typed::Interrupted | Typed::History(_)) => {}
                Some(Typed::End) => return 0,
                None => return INTERRUPTED,
            }
        }
        0
    }

    /// The next line from the terminal; TAB is served meanwhile. None is the signal that ends programs.
    async fn typed(&mut self, signals: &mut Signals) -> Option<Typed> {
        loop {
            let terminal = self.terminal.as_mut()?;
            let event = tokio::select! {
                event = terminal.event() => event,
                _ = signals.terminate.recv() => return None,
            };
            match event {
                Event::Typed(typed) => return Some(typed),
                Event::Completion(completion) => {
                    let (start, candidates) = self.complete(&completion.line).await;
                    completion.offer(start, candidates);
                }
            }
        }
    }

    fn prompt(&self) -> String {
        let Some(place) = &self.place else { return "wharf> ".to_owned() };
        let directory = place.directory.as_ref().map(|path| escaped(path.as_bytes()).to_string());
        format!("{}:{}> ", place.server.host(), directory.unwrap_or_default())
    }

    /// All commands of a line, until one fails. Returns its exit code, or 0.
    async fn obey_line(&mut self, line: &[u8], signals: &mut Signals) -> u8 {
        let statements = match words::parse(line) {
            Ok(statements) => statements,
            Err(error) => return self.failed(&ClientError::Usage(error.to_string())),
        };
        for statement in statements {
            let code = self.obey(statement, signals).await;
            if code != 0 || self.is_leaving {
                return code;
            }
        }
        0
    }

    /// One command. An interruption ends it, and not the shell.
    async fn obey(&mut self, statement: Statement, signals: &mut Signals) -> u8 {
        let leaves_interrupts =
            table::find(&statement.words[0].lossy()).is_ok_and(|row| row.leaves_interrupts);
        let outcome = tokio::select! {
            outcome = self.carry_out(statement) => Some(outcome),
            _ = signals.interrupt.recv(), if !leaves_interrupts => None,
            _ = signals.terminate.recv() => {
                self.is_leaving = true;
                None
            }
        };
        match outcome {
            Some(Ok(())) => self.client.take_failure().unwrap_or(0),
            Some(Err(error)) => self.failed(&error),
            None => {
                self.client.give_up().await;
                self.client.take_failure();
                INTERRUPTED
            }
        }
    }

    async fn carry_out(&mut self, statement: Statement) -> Result<(), ClientError> {
        let Statement { mut words, in_background, text } = statement;
        let row = table::find(&words.remove(0).lossy())?;
        let call = Call { row, words };
        if in_background {
            let number = self.jobs.start(text.clone(), self.beside().in_background(call));
            return self.say(
                &serde_json::json!({ "event": "job", "number": number, "command": text }),
                &format!("[{number}] {text}"),
            );
        }
        (row.run)(self, call).await
    }

    /// A shell at the same place, for a job.
    fn beside(&self) -> Self {
        let mut beside = Self::new(self.client.beside());
        beside.place = self.place.clone();
        beside.local = self.local.clone();
        beside.ascii = self.ascii;
        beside
    }

    fn in_background(mut self, call: Call) -> Pin<Box<dyn Future<Output = u8>>> {
        Box::pin(async move {
            let code = match (call.row.run)(&mut self, call).await {
                Ok(()) => self.client.take_failure().unwrap_or(0),
                Err(error) => self.failed(&error),
            };
            self.client.close().await;
            code
        })
    }

    /// Tells a failure, and returns its exit code: 0 where only nobody listens any more.
    fn failed(&mut self, error: &ClientError) -> u8 {
        let url = self.place.as_ref().map(Place::here);
        self.client.failed(url.as_ref(), error);
        self.is_leaving |= self.client.is_over();
        self.client.take_failure().unwrap_or(0)
    }

    /// Prints a result: for a script as an object, for a person as a text.
    fn say(&mut self, event: &Value, text: &str) -> Result<(), ClientError> {
        if self.client.settings.json {
            self.client.event(event);
            return Ok(());
        }
        let print = || writeln!(output::standard_output()?, "{text}");
        print().map_err(client::standard_output)
    }

    async fn tell_ended_jobs(&mut self) {
        for ended in self.jobs.take_ended().await {
            output::note(&ended);
        }
    }

    /// Before the end: the jobs are waited for, until somebody has waited enough. Returns the exit code of the first
    /// that failed.
    async fn wait_for_jobs(&mut self, signals: &mut Signals) -> u8 {
        let mut code = 0;
        if let (Some(_), count @ 1..) = (&self.terminal, self.jobs.running().count()) {
            output::note(&format!("waiting for {count} jobs; Ctrl-C stops them"));
        }
        while let Some(number) = self.jobs.oldest() {
            let ended = tokio::select! {
                ended = self.jobs.wait(number) => ended,
                _ = signals.interrupt.recv() => None,
                _ = signals.terminate.recv() => None,
            };
            let Some(ended) = ended else {
                self.jobs.kill_all();
                return INTERRUPTED;
            };
            output::note(&ended);
            if code == 0 {
                code = ended.code.unwrap_or(INTERRUPTED);
            }
        }
        code
    }
}

/// Whether a line should not be kept.
fn holds_password(line: &str) -> bool {
    let Ok(statements) = words::parse(line.as_bytes()) else { return true };
    statements.iter().any(|statement| {
        let words: Vec<String> = statement.words.iter().map(words::Word::lossy).collect();
        let is_told = |word: &String| output::masked(word) != *word;
        let name = table::find(&words[0]).map_or("", |row| row.names[0]);
        let follows = |at: usize| words.len() > at;
        words.iter().any(is_told)
            || (name == "user" && follows(2))
            || (name == "open" && words.iter().any(|word| word.contains(',')))
            || (name == "quote" && follows(1) && matches!(&*words[1].to_ascii_uppercase(), "PASS" | "ACCT"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_a_password_are_not_kept() {
        for line in
            ["open ftp://a:b@h/", "ls; user a b", "open -u a,b h", "quote pass x", "get 'x", "literal ACCT x"]
        {
            assert!(holds_password(line), "{line}");
        }
        for line in ["open ftp://a@h/", "user a", "open h 21", "quote STAT", "get a,b"] {
            assert!(!holds_password(line), "{line}");
        }
    }
}
