//! What was typed, taken apart: commands, and the words of each.
//!
//! Blanks part words, `;` parts commands, a `&` behind the last word sends a command to the background, a word that begins
//! with `#` begins a comment. `'…'` is taken as it stands; in `"…"` and outside of quotes a `\` takes the next character as
//! it stands, and `\xE9` is the one byte 0xE9, for names that are no UTF-8. `*`, `?` and `[` that are not quoted make a word
//! a pattern. What stands behind a `!` belongs to the machine's own shell, to the end of the line.

use std::fmt::Write;

/// A command as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Its name first.
    pub(crate) words: Vec<Word>,
    /// Whether it is to be done beside what is typed next.
    pub(crate) in_background: bool,
    /// As it was typed, to be shown.
    pub(crate) text: String,
}

/// One word, with quotes undone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word {
    /// What it says.
    pub(crate) text: Vec<u8>,
    /// The same as a pattern of names, if one of its wildcards was not quoted.
    pub(crate) pattern: Option<Vec<u8>>,
    /// Where it begins in the line, in bytes.
    pub(crate) start: usize,
}

impl Word {
    /// As text, to be compared and shown.
    pub(crate) fn lossy(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }
}

/// A quote without its end, or a `\` before nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a quote is not closed: {0}")]
pub(crate) struct Unfinished(char);

/// The commands of a line.
///
/// # Errors
/// When a quote is not closed.
pub(crate) fn parse(line: &[u8]) -> Result<Vec<Statement>, Unfinished> {
    let mut reader = Reader { bytes: line, at: 0, forgives: false };
    let mut statements = Vec::new();
    while reader.at < line.len() {
        let statement = reader.statement()?;
        statements.extend(Some(statement).filter(|statement| !statement.words.is_empty()));
    }
    Ok(statements)
}

/// The words of the command that is being typed at the end of `line`; the last one is the one that the cursor stands in,
/// and empty where it stands behind a blank.
pub(crate) fn under_cursor(line: &[u8]) -> Vec<Word> {
    let mut reader = Reader { bytes: line, at: 0, forgives: true };
    let mut words = Vec::new();
    while reader.at < line.len() {
        // It forgives every quote.
        words = reader.statement().map(|statement| statement.words).unwrap_or_default();
        if reader.has_ended_statement() {
            words.clear();
        }
    }
    if line.is_empty() || words.is_empty() || line.ends_with(b" ") && !reader.is_inside_word(&words) {
        words.push(Word { start: line.len(), ..Word::default() });
    }
    words
}

/// Whether a line goes on in the next one.
pub(crate) fn goes_on(line: &[u8]) -> bool {
    line.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// `text` as a word that [`parse`] reads back.
pub(crate) fn quoted(text: &[u8]) -> String {
    let mut quoted = String::new();
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_ascii_control() {
                hex(&mut quoted, character as u8);
                continue;
            }
            if matches!(character, ' ' | '"' | '\'' | '\\' | ';' | '&' | '#' | '!' | '*' | '?' | '[') {
                quoted.push('\\');
            }
            quoted.push(character);
        }
        for byte in chunk.invalid() {
            hex(&mut quoted, *byte);
        }
    }
    quoted
}

fn hex(text: &mut String, byte: u8) {
    // Writing into a String cannot fail.
    let _ = write!(text, "\\x{byte:02x}");
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The end of the line closes all quotes.
    forgives: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn statement(&mut self) -> Result<Statement, Unfinished> {
        self.skip_blanks();
        let start = self.at;
        let mut words = Vec::new();
        let mut in_background = false;
        let mut end = self.bytes.len();
        if self.peek() == Some(b'!') {
            self.at = self.end_of_line();
            let rest = self.bytes[start + 1..self.at].trim_ascii();
            words.push(Word { text: b"!".to_vec(), pattern: None, start });
            words.push(Word { text: rest.to_vec(), pattern: None, start: start + 1 });
            end = self.at;
        } else {
            loop {
                self.skip_blanks();
                match self.peek() {
                    None => break,
                    Some(b';' | b'\n') => {
                        end = self.at;
                        self.at += 1;
                        break;
                    }
                    Some(b'&') => {
                        end = self.at;
                        in_background = true;
                        self.at += 1;
                        break;
                    }
                    Some(b'#') => {
                        end = end.min(self.at);
                        self.at = self.end_of_line();
                    }
                    Some(_) => words.push(self.word()?),
                }
            }
        }
        let text = String::from_utf8_lossy(self.bytes[start..end.max(start)].trim_ascii()).into_owned();
        Ok(Statement { words, in_background, text })
    }

    fn word(&mut self) -> Result<Word, Unfinished> {
        let mut word = Word { start: self.at, ..Word::default() };
        let mut pattern = Vec::new();
        let mut is_pattern = false;
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b';' | b'\n' | b'\r' => break,
                quote @ (b'\'' | b'"') => {
                    self.at += 1;
                    self.quote(quote, &mut word.text, &mut pattern)?;
                }
                b'\\' => {
                    let byte = self.escape()?;
                    literal(byte, &mut word.text, &mut pattern);
                }
                byte => {
                    is_pattern |= wharf_proto::glob::is_pattern(&[byte]);
                    word.text.push(byte);
                    pattern.push(byte);
                    self.at += 1;
                }
            }
        }
        word.pattern = is_pattern.then_some(pattern);
        Ok(word)
    }

    fn quote(&mut self, quote: u8, text: &mut Vec<u8>, pattern: &mut Vec<u8>) -> Result<(), Unfinished> {
        loop {
            match self.peek() {
                None if self.forgives => return Ok(()),
                None => return Err(Unfinished(quote.into())),
                Some(byte) if byte == quote => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') if quote == b'"' => {
                    let byte = self.escape()?;
                    literal(byte, text, pattern);
                }
                Some(byte) => {
                    literal(byte, text, pattern);
                    self.at += 1;
                }
            }
        }
    }

    /// The byte that a `\` stands before.
    fn escape(&mut self) -> Result<u8, Unfinished> {
        self.at += 1;
        let hex = self.bytes.get(self.at + 1..self.at + 3).filter(|_| self.peek() == Some(b'x'));
        let number = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        let number = number.filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        if let Some(byte) = number.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            self.at += 3;
            return Ok(byte);
        }
        match self.peek() {
            Some(byte) => {
                self.at += 1;
                Ok(byte)
            }
            None if self.forgives => Ok(b'\\'),
            None => Err(Unfinished('\\')),
        }
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    fn end_of_line(&self) -> usize {
        self.bytes[self.at..]
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(self.bytes.len(), |at| self.at + at)
    }

    fn has_ended_statement(&self) -> bool {
        matches!(self.bytes[..self.at].last(), Some(b';' | b'\n' | b'&')) && self.at == self.bytes.len()
    }

    /// Whether a blank at the end of the line belongs to the last word: it stands in quotes, or behind a `\`.
    fn is_inside_word(&self, words: &[Word]) -> bool {
        words.last().is_some_and(|word| word.text.ends_with(b" "))
    }
}

/// Adds a byte that stands for itself.
fn literal(byte: u8, text: &mut Vec<u8>, pattern: &mut Vec<u8>) {
    text.push(byte);
    if wharf_proto::glob::is_pattern(&[byte]) {
        pattern.extend_from_slice(&[b'[', byte, b']']);
    } else {
        pattern.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<String>> {
        let statements = parse(line.as_bytes()).unwrap();
        statements.iter().map(|it| it.words.iter().map(Word::lossy).collect()).collect()
    }

    #[test]
    fn words_quotes_and_commands() {
        assert_eq!(words("get a  b;ls"), [vec!["get", "a", "b"], vec!["ls"]]);
        assert_eq!(words(r#"get "a b" 'c"d' e\ f"#), [["get", "a b", "c\"d", "e f"]]);
        assert_eq!(words("ls # list; all\ncd a#b"), [vec!["ls"], vec!["cd", "a#b"]]);
        assert_eq!(words("!ls | wc; date"), [["!", "ls | wc; date"]]);
        assert_eq!(words(" ;; \n"), Vec::<Vec<String>>::new());
        assert_eq!(words("get ''"), [["get", ""]]);
        assert_eq!(parse(b"get \\xe9").unwrap()[0].words[1].text, b"\xE9");
        for wrong in ["get \"a", "get 'a", "get a\\"] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let statement = &parse(b"get a & ls").unwrap()[0];
        assert!(statement.in_background && statement.text == "get a");
        assert_eq!(words("open ftp://h/a&b"), [["open", "ftp://h/a&b"]]);
    }

    #[test]
    fn only_what_is_not_quoted_is_a_pattern() {
        let pattern = |line: &str| parse(line.as_bytes()).unwrap()[0].words[0].pattern.clone();
        assert_eq!(pattern("a*"), Some(b"a*".to_vec()));
        assert_eq!(pattern("'a*'?"), Some(b"a[*]?".to_vec()));
        assert_eq!(pattern("'a*'"), None);
        assert_eq!(pattern("a\\*"), None);
    }

    #[test]
    fn a_quoted_word_is_read_back() {
        for name in [&b"a b;c"[..], b"it's #1 & \"x\" \\", b"caf\xE9\n*?[", "d\u{fc}".as_bytes()] {
            let read = parse(quoted(name).as_bytes()).unwrap();
            assert_eq!(read[0].words[0].text, name);
            assert_eq!(read[0].words[0].pattern, None);
        }
    }

    #[test]
    fn the_word_under_the_cursor() {
        let last = |line: &str| {
            let words = under_cursor(line.as_bytes());
            (words.len(), words[words.len() - 1].lossy(), words[words.len() - 1].start)
        };
        assert_eq!(last(""), (1, String::new(), 0));
        assert_eq!(last("ge"), (1, "ge".into(), 0));
        assert_eq!(last("get "), (2, String::new(), 4));
        assert_eq!(last("ls; get \"two li"), (2, "two li".into(), 8));
        assert_eq!(last("get two\\ "), (2, "two ".into(), 4));
        assert_eq!(last("ls; "), (1, String::new(), 4));
    }

    #[test]
    fn an_odd_backslash_goes_on() {
        assert!(goes_on(b"get \\") && !goes_on(b"get \\\\") && !goes_on(b"get"));
    }
}
