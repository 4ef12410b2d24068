//! Asking for a password on the terminal, and leaving the terminal as it was.

use std::fs::File;
use std::io;
use std::sync::mpsc;
use std::thread;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// The exit code of a program that Ctrl-C ended, as shells tell it: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// Asks `question` on the terminal and reads a password that is not shown. Ctrl-C, and the signals that end a program,
/// end this one, with the terminal as it was before: the default action would leave it without echo.
///
/// # Errors
/// When there is no terminal, or it gives no line.
pub(crate) fn password(question: &str) -> io::Result<String> {
    let terminal = File::open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    let (answered, asking) = oneshot::channel();
    let (ready, watched) = mpsc::channel();
    let watcher = thread::spawn(move || watch(&terminal, &before, &ready, asking));
    // An error means that there is nobody who watches: then the question is asked all the same.
    let _ = watched.recv();
    let answer = rpassword::prompt_password(question);
    if answer.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {
        // It read the Ctrl-C itself and has set the terminal right.
        std::process::exit(INTERRUPTED);
    }
    // Fails only where the watcher is gone.
    let _ = answered.send(());
    let _ = watcher.join();
    answer
}

/// Ends the program on a signal until `asking` is over.
fn watch(terminal: &File, before: &Termios, ready: &mpsc::Sender<()>, asking: oneshot::Receiver<()>) {
    // Its own event loop: the caller's stands still while the question is asked.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
    runtime.block_on(async {
        let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = signals else { return };
        let _ = ready.send(());
        tokio::select! {
            _ = asking => return,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        // If that fails the terminal is gone, and nothing is left to be done for it.
        let _ = tcsetattr(terminal, OptionalActions::Now, before);
        std::process::exit(INTERRUPTED);
    });
}
