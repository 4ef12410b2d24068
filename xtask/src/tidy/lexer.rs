//! Just enough of Rust's lexical rules to tell code from comments and strings, and product from test.

/// A source file, its parts told apart. All have the same lines.
pub(super) struct Source {
    /// The lines as they are.
    pub(super) lines: Vec<String>,
    /// The lines with comments and the insides of strings blanked.
    pub(super) code: Vec<String>,
    /// The string and byte string literals: the line (from 0) of their start, and what is between the quotes.
    pub(super) strings: Vec<(usize, String)>,
    /// Whether a line belongs to an item under `#[cfg(test)]`.
    pub(super) is_test: Vec<bool>,
}

impl Source {
    /// Whether line `index` (from 0), or the line above, allows a breach of `rule`.
    pub(super) fn allows(&self, index: usize, rule: &str) -> bool {
        let mark = format!("tidy: allow({rule})");
        self.lines[index.saturating_sub(1)..=index].iter().any(|line| line.contains(&mark))
    }
}

/// Reads a source file. Never fails: on what it does not understand it is merely less exact.
pub(super) fn read(text: &str) -> Source {
    let mut reader = Reader {
        text: text.as_bytes(),
        at: 0,
        code: String::with_capacity(text.len()),
        line: 0,
        strings: Vec::new(),
    };
    reader.run();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut code: Vec<String> = reader.code.lines().map(str::to_owned).collect();
    code.resize(lines.len(), String::new());
    let is_test = test_lines(&code);
    Source { lines, code, strings: reader.strings, is_test }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    code: String,
    line: usize,
    strings: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn run(&mut self) {
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            if rest.starts_with(b"//") {
                self.blank(rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()));
            } else if rest.starts_with(b"/*") {
                self.blank(block_comment(rest));
            } else if let Some((start, hashes)) = raw_string(rest).filter(|_| !self.in_word()) {
                self.string(start, raw_end(rest, start, hashes), 1 + hashes);
            } else if rest[0] == b'"' {
                self.string(1, string_end(rest), 1);
            } else if let Some(length) = character(rest) {
                self.blank(length);
            } else {
                self.copy();
            }
        }
    }

    /// Whether the character before belongs to a word: the r of `for"` starts no raw string.
    fn in_word(&self) -> bool {
        let before = self.at.checked_sub(1).map(|at| self.text[at]);
        before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    /// A literal: `start` bytes open it, its inside ends at `end`, `close` bytes close it.
    fn string(&mut self, start: usize, end: usize, close: usize) {
        let inside = &self.text[self.at + start..self.at + end.max(start)];
        self.strings.push((self.line, String::from_utf8_lossy(inside).into_owned()));
        self.code.push('"');
        self.blank((end + close).min(self.text.len() - self.at));
        self.code.push('"');
    }

    fn copy(&mut self) {
        let byte = self.text[self.at];
        // What is not ASCII is no operator, keyword or brace.
        self.code.push(if byte.is_ascii() { char::from(byte) } else { '?' });
        self.line += usize::from(byte == b'\n');
        self.at += 1;
    }

    fn blank(&mut self, length: usize) {
        for byte in &self.text[self.at..self.at + length] {
            if *byte == b'\n' {
                self.code.push('\n');
                self.line += 1;
            }
        }
        self.at += length;
    }
}

fn block_comment(text: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// `r"`, `br##"` and so on: the length of the opening, and the number of hashes.
fn raw_string(text: &[u8]) -> Option<(usize, usize)> {
    let prefix = [b"br".as_slice(), b"cr", b"r"].into_iter().find(|prefix| text.starts_with(prefix))?.len();
    let hashes = text[prefix..].iter().take_while(|byte| **byte == b'#').count();
    (text.get(prefix + hashes) == Some(&b'"')).then_some((prefix + hashes + 1, hashes))
}

fn raw_end(text: &[u8], start: usize, hashes: usize) -> usize {
    let is_end = |at: &usize| {
        let after = text.get(at + 1..at + 1 + hashes);
        text[*at] == b'"' && after.is_some_and(|after| after.iter().all(|byte| *byte == b'#'))
    };
    (start..text.len()).find(is_end).unwrap_or(text.len())
}

fn string_end(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at.min(text.len())
}

/// The length of a character literal; `None` for a lifetime.
fn character(text: &[u8]) -> Option<usize> {
    if text[0] != b'\'' {
        return None;
    }
    if text.get(1) == Some(&b'\\') {
        let end = text.iter().skip(3).position(|byte| *byte == b'\'')?;
        return Some(end + 4);
    }
    // One character, of up to four bytes, and the quote.
    (2..=5)
        .find(|at| text.get(*at) == Some(&b'\''))
        .filter(|at| *at == 2 || !text[1].is_ascii())
        .map(|at| at + 1)
}

/// Marks the items under `#[cfg(test)]`, by their braces.
fn test_lines(code: &[String]) -> Vec<bool> {
    let mut marked = vec![false; code.len()];
    let mut index = 0;
    while index < code.len() {
        if !code[index].contains("#[cfg(test)]") && !code[index].contains("#![cfg(test)]") {
            index += 1;
            continue;
        }
        let whole_file = code[index].contains("#![cfg(test)]");
        let mut depth = 0_usize;
        loop {
            marked[index] = true;
            let line = &code[index];
            let opened = line.matches('{').count();
            depth = (depth + opened).saturating_sub(line.matches('}').count());
            let is_over = depth == 0 && (opened > 0 || line.contains(';') || line.contains('}'));
            index += 1;
            if index == code.len() || (is_over && !whole_file) {
                break;
            }
        }
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_lifetimes_are_told_apart() {
        let text = "let a = \"un\\\"safe\"; // unsafe\n/* x /* y */ z */ fn f<'a>(c: &'a str) { '\"'; b'\\''; }\nr#\"550 \"no\"\n\"#; for_r\"x\"";
        let source = read(text);
        assert_eq!(source.code[0], "let a = \"\"; ");
        assert_eq!(source.code[1].trim(), "fn f<'a>(c: &'a str) { ; b; }");
        assert_eq!(source.strings[0], (0, "un\\\"safe".to_owned()));
        assert_eq!(source.strings[1], (2, "550 \"no\"\n".to_owned()));
        assert_eq!(source.strings[2], (3, "x".to_owned()));
    }

    #[test]
    fn test_modules_are_marked_to_their_end() {
        let source = read(
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { if x { } }\n}\nfn c() {}\n#[cfg(test)]\nmod tests;\nfn d() {}",
        );
        assert_eq!(source.is_test, [false, true, true, true, true, false, true, true, false]);
    }

    #[test]
    fn a_breach_can_be_allowed() {
        let source = read("// tidy: allow(reply-code): a banner\nx();\ny();");
        assert!(
            source.allows(1, "reply-code") && !source.allows(2, "reply-code") && !source.allows(1, "unsafe")
        );
    }
}
