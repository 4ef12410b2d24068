//! What is printed, and where: results on standard output, all else on standard error.

pub(crate) mod bench;
pub(crate) mod dialogue;
pub(crate) mod entry;
pub(crate) mod mirror;

use std::io::{self, IsTerminal, Stdout, Write};

use wharf_proto::pathname::escaped;

use crate::closed_output;

/// Prints an error for a person.
pub(crate) fn error(message: &impl std::fmt::Display) {
    // If nobody reads it, nobody misses it.
    let _ = writeln!(io::stderr().lock(), "wharf: {}", harmless(message));
}

/// Prints a note for a person.
pub(crate) fn note(message: &impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{}", harmless(message));
}

/// Names from a server, and from the disk, may hold what a terminal obeys. The lines of a message stay lines.
fn harmless(message: &impl std::fmt::Display) -> String {
    let message = message.to_string();
    let lines: Vec<_> = message.split('\n').map(|line| escaped(line.as_bytes()).to_string()).collect();
    lines.join("\n")
}

/// A text that somebody typed as a URL, without its password.
pub(crate) fn masked(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    let Some(end) = text.rfind('@').filter(|end| *end > start) else { return text.to_owned() };
    match text[start..end].find(':') {
        Some(colon) => format!("{}:****{}", &text[..start + colon], &text[end..]),
        None => text.to_owned(),
    }
}

/// clap's words about what was typed, in which a URL may stand whole.
pub(crate) fn masked_usage(text: &str, typed: impl Iterator<Item = String>) -> String {
    // An argument may hold a URL behind a flag, of which clap shows the URL alone.
    let secrets = typed.flat_map(|word| {
        let url = word.find("://").map(|at| word[word[..at].rfind('=').map_or(0, |at| at + 1)..].to_owned());
        [Some(word), url]
    });
    secrets.flatten().filter(|word| masked(word) != *word).fold(text.to_owned(), |text, word| {
        let shown = masked(&word);
        text.replace(&word, &shown)
    })
}

/// Standard output, for results.
///
/// # Errors
/// When it was closed before the program began.
pub(crate) fn standard_output() -> io::Result<Stdout> {
    closed_output::check()?;
    Ok(io::stdout())
}

/// Prints a JSON value on one line of standard output.
///
/// # Errors
/// When standard output is closed or full.
pub(crate) fn json(value: &serde_json::Value) -> io::Result<()> {
    let mut out = standard_output()?;
    writeln!(out, "{value}")?;
    out.flush()
}

/// Prints a text of whole lines on standard output.
///
/// # Errors
/// When standard output is closed or full.
pub(crate) fn text(text: &str) -> io::Result<()> {
    let mut out = standard_output()?;
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// A name as it is printed: on a terminal, control characters could do anything.
pub(crate) fn shown_name(name: &[u8]) -> Vec<u8> {
    if io::stdout().is_terminal() { escaped(name).to_string().into_bytes() } else { name.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked() {
        for (text, shown) in [
            ("ftp://me:secret@h/x", "ftp://me:****@h/x"),
            ("ftp://me:s/e@c ret@h:21/x", "ftp://me:****@h:21/x"),
            ("me:secret@h", "me:****@h"),
            ("ftp://me@h:21/x", "ftp://me@h:21/x"),
            ("ftp://h/x", "ftp://h/x"),
            ("a@b:c", "a@b:c"),
        ] {
            assert_eq!(masked(text), shown);
        }
        let typed = ["--passive=ftp://me:secret@h/x", "ftp://a:b c@h"].map(str::to_owned);
        let said = "unexpected 'ftp://me:secret@h/x' and 'ftp://a:b c@h'";
        assert_eq!(
            masked_usage(said, typed.into_iter()),
            "unexpected 'ftp://me:****@h/x' and 'ftp://a:****@h'"
        );
    }

    #[test]
    fn no_message_moves_the_cursor() {
        assert_eq!(harmless(&"a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\nc");
    }
}
