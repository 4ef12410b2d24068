//! Where commands come from: a terminal, the command line, a file, or standard input.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::Path;

use wharf_client::ClientError;

use super::editor::Terminal;
use super::words::goes_on;

/// Where commands come from. Each line of a script may go on in the next one.
pub(crate) enum Input {
    /// Somebody types them.
    Terminal(Terminal),
    /// They stood on the command line.
    Given(VecDeque<String>),
    /// They are read one by one, so that a pipe is obeyed as it comes.
    Lines { name: String, reader: Option<Box<dyn BufRead + Send>> },
}

impl Input {
    /// What the arguments ask for; without any, a terminal where there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn open(commands: &[String], file: Option<&Path>) -> Result<Self, ClientError> {
        let trouble = |what: &str, source| ClientError::Local { what: what.to_owned(), source };
        match file {
            Some(file) if file.as_os_str() != "-" => {
                let name = file.display().to_string();
                let opened = File::open(file).map_err(|error| trouble(&name, error))?;
                Ok(Self::Lines { name, reader: Some(Box::new(BufReader::new(opened))) })
            }
            None if !commands.is_empty() => Ok(Self::Given(commands.iter().cloned().collect())),
            None if io::stdin().is_terminal() => {
                Terminal::open().map(Self::Terminal).map_err(|error| trouble("the terminal", error))
            }
            _ => {
                let name = "standard input".to_owned();
                Ok(Self::Lines { name, reader: Some(Box::new(BufReader::new(io::stdin()))) })
            }
        }
    }

    /// The next line of a script; none at its end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn script_line(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        match self {
            Self::Terminal(_) => Ok(None),
            Self::Given(lines) => Ok(lines.pop_front().map(String::into_bytes)),
            Self::Lines { name, reader } => {
                let Some(mut taken) = reader.take() else { return Ok(None) };
                let read = tokio::task::spawn_blocking(move || (whole_line(&mut *taken), taken)).await;
                let line = match read {
                    Ok((line, taken)) => {
                        *reader = Some(taken);
                        line
                    }
                    Err(error) => Err(io::Error::other(error)),
                };
                line.map_err(|source| ClientError::Local { what: name.clone(), source })
            }
        }
    }
}

/// A line with those that it goes on in.
fn whole_line(reader: &mut dyn BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    loop {
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(Some(line).filter(|line| !line.is_empty()));
        }
        while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.pop();
        }
        if !goes_on(&line) {
            return Ok(Some(line));
        }
        line.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_on_behind_a_backslash() {
        let mut script = &b"get \\\n  a\r\n\nls \\\\\nls \\"[..];
        let mut next = || whole_line(&mut script).unwrap().map(|line| String::from_utf8(line).unwrap());
        assert_eq!(next().as_deref(), Some("get   a"));
        assert_eq!(next().as_deref(), Some(""));
        assert_eq!(next().as_deref(), Some("ls \\\\"));
        assert_eq!(next().as_deref(), Some("ls "));
        assert_eq!(next(), None);
    }
}
