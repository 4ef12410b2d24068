//! The line that is typed on a terminal: rustyline, in a thread of its own, since jobs go on meanwhile.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustyline::completion::{Completer, Pair};
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::state;

/// Most lines that are kept.
const HISTORY: usize = 1000;
/// How long the user waits for completions before the key is taken for nothing.
const COMPLETION_TIME: Duration = Duration::from_secs(6);

/// What the thread is asked for.
enum Request {
    Line(String),
    Keep(String),
    History,
}

/// What comes of it.
#[derive(Debug)]
pub(crate) enum Typed {
    /// A line.
    Line(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or the terminal is gone.
    End,
    /// What was asked for.
    History(Vec<String>),
}

/// Somebody pressed TAB.
pub(crate) struct Completion {
    /// What stands before the cursor.
    pub(crate) line: String,
    reply: mpsc::SyncSender<(usize, Vec<Pair>)>,
}

impl Completion {
    /// Offers `candidates` for what begins at `start`.
    pub(crate) fn offer(self, start: usize, candidates: Vec<Pair>) {
        // Whoever waited too long is gone.
        let _ = self.reply.send((start, candidates));
    }
}

/// What can come from a terminal while a line is waited for.
pub(crate) enum Event {
    Typed(Typed),
    Completion(Completion),
}

/// A terminal with somebody at it.
pub(crate) struct Terminal {
    requests: mpsc::Sender<Request>,
    typed: UnboundedReceiver<Typed>,
    completions: UnboundedReceiver<Completion>,
}

impl Terminal {
    /// Begins.
    ///
    /// # Errors
    /// When the terminal cannot be used.
    pub(crate) fn open() -> std::io::Result<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .history_ignore_space(true)
            .auto_add_history(false)
            .build();
        let mut editor: Editor<Completing, DefaultHistory> =
            Editor::with_config(config).map_err(std::io::Error::other)?;
        let (requests, asked) = mpsc::channel();
        let (answers, typed) = unbounded_channel();
        let (asks, completions) = unbounded_channel();
        editor.set_helper(Some(Completing { asks }));
        thread::Builder::new().name("editor".to_owned()).spawn(move || edit(editor, &asked, &answers))?;
        Ok(Self { requests, typed, completions })
    }

    /// Asks for a line; [`event`](Self::event) has it.
    pub(crate) fn ask_line(&self, prompt: String) {
        // If the thread is gone, its end is the next event.
        let _ = self.requests.send(Request::Line(prompt));
    }

    /// What happens next.
    pub(crate) async fn event(&mut self) -> Event {
        tokio::select! {
            biased;
            Some(completion) = self.completions.recv() => Event::Completion(completion),
            typed = self.typed.recv() => Event::Typed(typed.unwrap_or(Typed::End)),
        }
    }

    /// Asks something in the middle of a command. None is Ctrl-C or Ctrl-D.
    pub(crate) async fn ask(&mut self, question: String) -> Option<String> {
        self.ask_line(question);
        loop {
            match self.event().await {
                Event::Completion(completion) => completion.offer(0, Vec::new()),
                Event::Typed(Typed::Line(line)) => return Some(line),
                Event::Typed(_) => return None,
            }
        }
    }

    /// Keeps a line for the next time.
    pub(crate) fn keep(&self, line: String) {
        let _ = self.requests.send(Request::Keep(line));
    }

    /// What was typed, oldest first.
    pub(crate) async fn history(&mut self) -> Vec<String> {
        let _ = self.requests.send(Request::History);
        match self.event().await {
            Event::Typed(Typed::History(lines)) => lines,
            _ => Vec::new(),
        }
    }
}

fn history_file() -> Option<PathBuf> {
    let directory = state::directory()?;
    std::fs::create_dir_all(&directory).ok()?;
    Some(directory.join("shell_history"))
}

fn edit(
    mut editor: Editor<Completing, DefaultHistory>,
    asked: &mpsc::Receiver<Request>,
    answers: &UnboundedSender<Typed>,
) {
    // Without a history that can be kept, there is one until the end.
    let file = history_file();
    let _ = editor.set_max_history_size(HISTORY);
    if let Some(file) = &file {
        let _ = editor.load_history(file);
    }
    while let Ok(request) = asked.recv() {
        let answer = match request {
            Request::Line(prompt) => match editor.readline(&prompt) {
                Ok(line) => Typed::Line(line),
                Err(ReadlineError::Interrupted) => Typed::Interrupted,
                Err(_) => Typed::End,
            },
            Request::Keep(line) => {
                let is_new = editor.add_history_entry(line).unwrap_or(false);
                if let Some(file) = file.as_ref().filter(|_| is_new) {
                    let _ = editor.append_history(file);
                }
                continue;
            }
            Request::History => Typed::History(editor.history().iter().cloned().collect()),
        };
        if answers.send(answer).is_err() {
            return;
        }
    }
}

/// Asks the shell for completions.
struct Completing {
    asks: UnboundedSender<Completion>,
}

impl Completer for Completing {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (reply, offered) = mpsc::sync_channel(1);
        let nothing = (position, Vec::new());
        if self.asks.send(Completion { line: line[..position].to_owned(), reply }).is_err() {
            return Ok(nothing);
        }
        Ok(offered.recv_timeout(COMPLETION_TIME).unwrap_or(nothing))
    }
}

impl Hinter for Completing {
    type Hint = String;
}

impl Highlighter for Completing {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Cow::Borrowed(prompt)
    }
}

impl Validator for Completing {}
impl Helper for Completing {}
