//! What is printed.

use std::fmt::Write;
use std::path::Path;

use super::conf::Conf;
use super::mapping::{Draft, Key};

/// The sections of wharf.toml, in the order in which they are printed.
const SECTIONS: &[&str] = &["", "passive", "active", "fxp", "users", "limits", "bans", "tls", "log", "times"];
/// Longest line of a comment.
const WIDTH: usize = 118;

/// The wharf.toml, with comments.
pub(super) fn configuration(draft: &Draft, conf: &Conf, name: &str, users_file: &Path) -> String {
    let mut output = String::new();
    comment(
        &mut output,
        "",
        &format!("Made of {name} by `wharf import vsftpd`. `wharf serve --config FILE --check` tests it."),
    );
    comment(
        &mut output,
        "",
        "Behind each key stand the directives that it comes of; those that the file does not give have vsftpd's defaults.",
    );
    output.push('\n');
    for section in SECTIONS {
        let mut keys: Vec<&Key> = draft.keys.iter().filter(|key| key.section == *section).collect();
        keys.retain(|key| !is_default(key) || key.from.iter().any(|name| conf.gives(name)));
        let needs_file = *section == "users" && !draft.users.is_empty();
        if keys.is_empty() && !needs_file {
            continue;
        }
        if !section.is_empty() {
            let _ = writeln!(output, "[{section}]");
        }
        for key in keys {
            line(&mut output, key, conf);
        }
        if needs_file {
            let file = toml::Value::from(users_file.display().to_string());
            let _ = writeln!(output, "file = {file}");
        }
        output.push('\n');
    }
    told(&mut output, "Not carried over, and what to do instead:", &draft.impossible, conf);
    told(&mut output, "Not needed:", &draft.needless, conf);
    if let Some(users) = users(draft, name) {
        let heading = format!(
            "The users file {}. `--users {}` writes it; `wharf user add NAME --file {}` adds who may log in.",
            users_file.display(),
            users_file.display(),
            users_file.display()
        );
        comment(&mut output, "", &heading);
        comment(&mut output, "", "");
        for line in users.lines() {
            comment(&mut output, "  ", line);
        }
    }
    output.truncate(output.trim_end().len());
    output.push('\n');
    output
}

/// The users file, where one is needed.
pub(super) fn users(draft: &Draft, name: &str) -> Option<String> {
    if draft.users.is_empty() {
        return None;
    }
    let mut output = format!("# Made of {name} by `wharf import vsftpd`.\n");
    for section in ["defaults", "anonymous"] {
        let mut keys = draft.users.iter().filter(|key| key.section == section).peekable();
        if keys.peek().is_some() {
            let _ = writeln!(output, "\n[{section}]");
        }
        for key in keys {
            let _ = writeln!(output, "{} = {}", key.name, key.value);
        }
    }
    Some(output)
}

/// Whether a key says what Wharf does anyway.
fn is_default(key: &Key) -> bool {
    let usual = match (key.section, key.name) {
        ("", "modes") => toml::Value::Array(vec!["active".into(), "passive".into()]),
        ("tls", "resumption" | "upload_close_notify") => "require".into(),
        ("times", "idle" | "data_stall") => 300.into(),
        ("bans", "delay") => 1.into(),
        _ => return false,
    };
    key.value == usual
}

fn line(output: &mut String, key: &Key, conf: &Conf) {
    let setting = format!("{} = {}", key.name, key.value);
    let given: Vec<String> = key
        .from
        .iter()
        .filter(|name| conf.gives(name))
        .map(|name| format!("{name}={}", conf.text(name)))
        .collect();
    let from = match given.is_empty() {
        true => format!("vsftpd's default: {}", key.from.join(", ")),
        false => given.join(", "),
    };
    let _ = writeln!(output, "{setting:<40} # {from}");
}

fn told(output: &mut String, heading: &str, notes: &[(&'static str, String)], conf: &Conf) {
    if notes.is_empty() {
        return;
    }
    comment(output, "", heading);
    for (name, text) in notes {
        let by_default = if conf.gives(name) { "" } else { " (vsftpd's default)" };
        comment(output, "  ", &format!("{name}={}{by_default}: {text}.", conf.text(name)));
    }
    output.push('\n');
}

/// A comment of one or more lines, those behind the first indented.
fn comment(output: &mut String, indent: &str, text: &str) {
    let mut line = format!("# {indent}");
    let begin = line.len();
    for word in text.split(' ') {
        if line.len() > begin && line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(output, "{line}");
            line = format!("# {indent}    ");
        } else if line.len() > begin {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(output, "{}", line.trim_end());
}
