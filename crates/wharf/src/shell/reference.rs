//! The part of docs/shell.md that lists the commands.

use std::fmt::Write;

use super::table::{ROWS, Section};

/// All commands by section, as tables.
pub(crate) fn reference() -> String {
    let mut page = String::new();
    for section in Section::ALL {
        let _ = writeln!(page, "### {}\n\n| command | what it does |\n|---|---|", section.title());
        for row in ROWS.iter().filter(|row| row.section == section) {
            let aliases =
                row.names[1..].iter().map(|name| format!("`{}`", cell(name))).collect::<Vec<_>>().join(", ");
            let aliases = if aliases.is_empty() { String::new() } else { format!("; also {aliases}") };
            let _ = writeln!(page, "| `{}`{aliases} | {} |", cell(row.syntax), cell(row.help));
        }
        page.push('\n');
    }
    page
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
