//! A command with its words: flags taken out, and what is left counted.

use wharf_client::ClientError;

use super::table::Row;
use super::words::Word;

/// One command that is to be done.
#[derive(Debug)]
pub(crate) struct Call {
    /// What it is.
    pub(crate) row: &'static Row,
    /// The words behind its name.
    pub(crate) words: Vec<Word>,
}

impl Call {
    /// Takes out a flag, if it is there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let found = self.find(name);
        found.map(|at| self.words.remove(at)).is_some()
    }

    /// Takes out an option with the word behind it.
    ///
    /// # Errors
    /// When nothing stands behind it.
    pub(crate) fn option(&mut self, name: &str) -> Result<Option<Word>, ClientError> {
        let Some(at) = self.find(name) else { return Ok(None) };
        if at + 1 >= self.words.len() {
            return Err(self.usage());
        }
        self.words.remove(at);
        Ok(Some(self.words.remove(at)))
    }

    /// Takes out everything in front that begins with `-`, to be read by somebody else.
    pub(crate) fn flags(&mut self) -> Vec<Word> {
        let count = self.words.iter().take_while(|word| is_flag(word) && word.text != b"--").count();
        self.words.drain(..count).collect()
    }

    /// What is left when the flags are gone: a `--` before names that begin with `-` too.
    ///
    /// # Errors
    /// When there is a flag that the command does not have.
    pub(crate) fn rest(mut self) -> Result<Vec<Word>, ClientError> {
        let end = self.end_of_flags();
        if self.words[..end].iter().any(is_flag) {
            return Err(self.usage());
        }
        if end < self.words.len() {
            self.words.remove(end);
        }
        Ok(self.words)
    }

    /// One word or more.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn some(self) -> Result<Vec<Word>, ClientError> {
        let usage = self.usage();
        Some(self.rest()?).filter(|words| !words.is_empty()).ok_or(usage)
    }

    /// Just so many words.
    ///
    /// # Errors
    /// When there are more or fewer.
    pub(crate) fn exactly<const N: usize>(self) -> Result<[Word; N], ClientError> {
        let usage = self.usage();
        self.rest()?.try_into().map_err(|_| usage)
    }

    /// One word or none.
    ///
    /// # Errors
    /// When there are more.
    pub(crate) fn at_most_one(self) -> Result<Option<Word>, ClientError> {
        let usage = self.usage();
        let mut words = self.rest()?.into_iter();
        let first = words.next();
        if words.next().is_some() { Err(usage) } else { Ok(first) }
    }

    /// One word, and perhaps another.
    ///
    /// # Errors
    /// When there are none, or more.
    pub(crate) fn one_or_two(self) -> Result<(Word, Option<Word>), ClientError> {
        let usage = self.usage();
        let mut words = self.rest()?.into_iter();
        match (words.next(), words.next(), words.next()) {
            (Some(first), second, None) => Ok((first, second)),
            _ => Err(usage),
        }
    }

    /// `on` and `off`, where nothing means the other one than now.
    ///
    /// # Errors
    /// When it is neither.
    pub(crate) fn switch(self, now: bool) -> Result<bool, ClientError> {
        let usage = self.usage();
        match self.at_most_one()?.map(|word| word.lossy()).as_deref() {
            None => Ok(!now),
            Some("on") => Ok(true),
            Some("off") => Ok(false),
            Some(_) => Err(usage),
        }
    }

    /// That it was typed in another way than it is meant.
    pub(crate) fn usage(&self) -> ClientError {
        ClientError::Usage(format!("usage: {}; `help {}` tells more", self.row.syntax, self.row.names[0]))
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.words[..self.end_of_flags()].iter().position(|word| word.text == name.as_bytes())
    }

    fn end_of_flags(&self) -> usize {
        self.words.iter().position(|word| word.text == b"--").unwrap_or(self.words.len())
    }
}

fn is_flag(word: &Word) -> bool {
    word.text.len() > 1 && word.text.starts_with(b"-")
}
