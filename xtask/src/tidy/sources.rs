//! Rules for Rust sources.

use std::collections::BTreeMap;
use std::path::Path;

use super::Report;
use super::lexer::Source;
use super::repository::Repository;

/// A file over this asks for a split along its seams.
const LONG: usize = 600;
/// A file over this is split.
const TOO_LONG: usize = 800;

/// What the crates without I/O must not name.
const IMPURE: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "rustix",
    "std::fs",
    "std::io::stdin",
    "std::thread",
    "std::process",
    "std::env",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "Instant",
    "SystemTime",
];

/// Files that may hold reply codes as they stand: the tables.
const REPLY_TABLES: &[&str] = &["reply.rs", "replies.rs", "reply_code.rs", "verb.rs", "verbs.rs"];

pub(super) fn check(repository: &Repository, report: &mut Report) {
    let mut unsafe_files: BTreeMap<String, Vec<(String, usize)>> = BTreeMap::new();
    for folder in ["crates", "xtask", "fuzz"] {
        for (path, source) in repository.sources(folder) {
            length(path, &source, report);
            leftovers(path, &source, report);
            if let Some(line) = unsafe_blocks(path, &source, report) {
                unsafe_files.entry(crate_of(path)).or_default().push((path.display().to_string(), line));
            }
        }
    }
    for (name, files) in unsafe_files {
        for (file, line) in files.iter().skip(1) {
            let text = format!("{name} has unsafe code in {} already; keep it in one module", files[0].0);
            report.error("unsafe", file, line + 1, text);
        }
    }
    for folder in ["crates/wharf-proto/src", "crates/wharf-findings/src"] {
        for (path, source) in repository.sources(folder).into_iter().filter(|(path, _)| !is_test_file(path)) {
            purity(path, &source, report);
        }
    }
    for folder in [
        "crates/wharf-server/src",
        "crates/wharf-net/src",
        "crates/wharf-proto/src",
        "crates/wharf-gateway/src",
    ] {
        for (path, source) in repository.sources(folder).into_iter().filter(|(path, _)| !is_test_file(path)) {
            reply_codes(path, &source, report);
        }
    }
    one_tls_file(repository, report);
}

/// crates/NAME or the first folder.
fn crate_of(path: &Path) -> String {
    let mut parts = path.iter().map(|part| part.to_string_lossy().into_owned());
    let first = parts.next().unwrap_or_default();
    if first == "crates" { parts.next().unwrap_or(first) } else { first }
}

/// tests.rs, reply_tests.rs, and whatever lies in a folder tests/ or benches/.
fn is_test_file(path: &Path) -> bool {
    let has_name = path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
    has_name || path.iter().any(|part| part == "tests" || part == "benches")
}

fn length(path: &Path, source: &Source, report: &mut Report) {
    let lines = source.lines.len();
    if lines > TOO_LONG {
        report.error(
            "length",
            path,
            lines,
            format!("{lines} lines; split it along its seams (at most {TOO_LONG})"),
        );
    } else if lines > LONG {
        report.warning("length", path, lines, format!("{lines} lines; look for a seam to split it at"));
    }
}

fn leftovers(path: &Path, source: &Source, report: &mut Report) {
    for (index, line) in source.code.iter().enumerate() {
        for leftover in ["todo!", "unimplemented!"] {
            if has_word(line, leftover) && !source.allows(index, "leftover") {
                report.error(
                    "leftover",
                    path,
                    index + 1,
                    format!("`{leftover}` is left; write what is missing"),
                );
            }
        }
    }
    // In comments too; put together, so that this line is not one.
    let mark = concat!("FIX", "ME");
    for (index, line) in source.lines.iter().enumerate() {
        if line.contains(mark) {
            report.error(
                "leftover",
                path,
                index + 1,
                format!("a {mark} is left; fix it, or open an issue and say why not"),
            );
        }
    }
}

/// Checks that each use of `unsafe` says why it is sound; returns the first line (from 0) that has one.
fn unsafe_blocks(path: &Path, source: &Source, report: &mut Report) -> Option<usize> {
    let mut first = None;
    for (index, line) in source.code.iter().enumerate().filter(|(_, line)| has_word(line, "unsafe")) {
        first = first.or(Some(index));
        let before = &source.lines[index.saturating_sub(6)..=index];
        if !before.iter().any(|line| line.contains("SAFETY:") || line.contains("# Safety")) {
            let text = format!("`{}` without a `// SAFETY:` comment above; say why it is sound", line.trim());
            report.error("unsafe", path, index + 1, text);
        }
    }
    first
}

fn purity(path: &Path, source: &Source, report: &mut Report) {
    for (index, line) in source.code.iter().enumerate().filter(|(index, _)| !source.is_test[*index]) {
        for name in IMPURE {
            if has_word(line, name) && !source.allows(index, "purity") {
                let text = format!("`{name}` in a crate without I/O and clock; hand in what it needs");
                report.error("purity", path, index + 1, text);
            }
        }
    }
}

/// A literal that starts like a reply line belongs into the reply table: what a program says on the wire has one place.
fn reply_codes(path: &Path, source: &Source, report: &mut Report) {
    let is_table = path.file_name().is_some_and(|name| REPLY_TABLES.iter().any(|table| name == *table));
    if is_table {
        return;
    }
    for (index, string) in &source.strings {
        if starts_like_a_reply(string) && !source.is_test[*index] && !source.allows(*index, "reply-code") {
            let text =
                format!("the reply `{}` as a literal; take it from the reply table", string.escape_debug());
            report.error("reply-code", path, index + 1, text);
        }
    }
}

/// `550 No such file`, `226-`: a code of RFC 959's shape, then a space or a hyphen.
fn starts_like_a_reply(text: &str) -> bool {
    match text.as_bytes() {
        [first, second, third, after, ..] => {
            (b'1'..=b'6').contains(first)
                && (b'0'..=b'5').contains(second)
                && third.is_ascii_digit()
                && matches!(after, b' ' | b'-')
        }
        _ => false,
    }
}

/// TLS is set up in one file, with an explicit provider.
fn one_tls_file(repository: &Repository, report: &mut Report) {
    let mut places: Vec<(String, usize)> = Vec::new();
    for (path, source) in repository.sources("crates").into_iter().filter(|(path, _)| !is_test_file(path)) {
        let is_setup =
            |line: &str| line.contains("ServerConfig::builder") || line.contains("ClientConfig::builder");
        let lines = source.code.iter().enumerate().filter(|(index, line)| {
            is_setup(line) && !source.is_test[*index] && !source.allows(*index, "tls")
        });
        places.extend(lines.map(|(index, _)| (path.display().to_string(), index + 1)));
    }
    let Some((home, _)) = places.first().cloned() else { return };
    for (file, line) in places.iter().filter(|(file, _)| *file != home) {
        report.error("tls", file, *line, format!("TLS is set up here and in {home}; one file does that"));
    }
}

/// Whether `word` stands in `line` as a word of its own; `::` before it is fine.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(is_part)
            && !line[at + word.len()..].chars().next().is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::super::lexer;
    use super::*;

    fn texts(check: impl Fn(&Path, &Source, &mut Report), text: &str) -> Vec<(usize, String)> {
        let mut report = Report::default();
        check(Path::new("x.rs"), &lexer::read(text), &mut report);
        report.findings.into_iter().map(|finding| (finding.line, finding.text)).collect()
    }

    #[test]
    fn unsafe_code_says_why_it_is_sound() {
        let bare = "fn f() {\n    unsafe { g() }\n}\n#![allow(unsafe_code)]\n// unsafe\n";
        let check = |path: &Path, source: &Source, report: &mut Report| {
            let _ = unsafe_blocks(path, source, report);
        };
        assert_eq!(texts(check, bare).len(), 1);
        assert!(texts(check, "// SAFETY: g is fine.\nunsafe { g() }").is_empty());
    }

    #[test]
    fn the_core_names_no_clock_but_its_tests_may() {
        let text = "use std::time::Instant;\n/// tokio\nfn f(t: Instantly) {}\n#[cfg(test)]\nmod tests { use std::fs; }\n";
        assert_eq!(texts(purity, text).len(), 1);
    }

    #[test]
    fn replies_are_told_from_other_texts() {
        assert!(starts_like_a_reply("550 No such file") && starts_like_a_reply("211-Features"));
        assert!(
            !starts_like_a_reply("404 a")
                || !starts_like_a_reply("2024-01-01") && !starts_like_a_reply("550")
        );
        assert_eq!(
            texts(reply_codes, "f(b\"226 Done\");\n// tidy: allow(reply-code): a greeting\ng(\"220 hi\");")
                .len(),
            1
        );
    }
}
