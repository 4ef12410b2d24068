//! docs/configuration.md, written from the keys.

use std::fmt::Write;

use super::keys::Configuration;
use super::section::{Key, Section};

/// The part of the page that lists all keys.
pub(crate) fn reference() -> String {
    let defaults = toml::Value::try_from(Configuration::default());
    let mut page = String::new();
    section(&mut page, "", Configuration::KEYS, defaults.as_ref().ok());
    page
}

/// One table: what it is for, its keys, then the tables in it.
fn section(page: &mut String, path: &str, keys: &[Key], defaults: Option<&toml::Value>) {
    let (tables, values): (Vec<&Key>, Vec<&Key>) = keys.iter().partition(|key| key.example.is_empty());
    for key in values {
        let default = defaults.and_then(|table| table.get(key.name)).map(|value| format!("`{value}`"));
        let default = if key.is_required { Some("has to be given".to_owned()) } else { default };
        let flag = key.flag.map_or_else(String::new, |flag| format!("; `wharf serve {flag}`"));
        let dot = if path.is_empty() { "" } else { "." };
        let _ = writeln!(page, "#### `{path}{dot}{}`\n\n{}\n", key.name, about(key));
        let default = default.unwrap_or_else(|| "not set".to_owned());
        let _ = writeln!(page, "Default: {default}{flag}\n");
        let _ = writeln!(page, "```toml\n{path}{dot}{} = {}\n```\n", key.name, key.example);
        list(page, key);
    }
    for key in tables {
        let _ = writeln!(page, "### `[{}]`\n\n{}\n", key.name, about(key));
        section(page, key.name, key.inside, defaults.and_then(|table| table.get(key.name)));
    }
}

/// The keys of a rule in a list of rules.
fn list(page: &mut String, key: &Key) {
    for inner in key.inside {
        let needed = if inner.is_required { "has to be given" } else { "may be left out" };
        let _ =
            writeln!(page, "* `{}` ({needed}): {} Such as `{}`.", inner.name, about(inner), inner.example);
    }
    if !key.inside.is_empty() {
        page.push('\n');
    }
}

/// The explanation as it stands in the source, without the blank that begins each line.
fn about(key: &Key) -> String {
    key.about.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n")
}
