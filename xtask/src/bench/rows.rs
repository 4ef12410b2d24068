//! The rows of the table: what `wharf bench` is asked for, and which figure of its object counts.

use anyhow::{Result, bail};

/// A work, and how it is told.
pub(super) struct Row {
    /// By what it is chosen.
    pub(super) name: &'static str,
    /// In the table.
    pub(super) title: &'static str,
    pub(super) arguments: &'static [&'static str],
    /// Below the server's directory that may be written to.
    pub(super) path: &'static str,
    pub(super) figure: Figure,
}

/// The figure that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    /// Megabytes a second, and the server's processor seconds for a gibibyte.
    Rate,
    /// Operations a second, and the server's processor milliseconds for one.
    Operations,
    /// Milliseconds that half of the operations do not exceed: less is better.
    Latency,
}

const ROWS: &[Row] = &[
    Row {
        name: "down",
        title: "download, 4 sessions",
        arguments: &["--work", "down", "--parallel", "4", "--mode", "pasv"],
        path: "bench/large",
        figure: Figure::Rate,
    },
    Row {
        name: "down1",
        title: "download, 1 session",
        arguments: &["--work", "down", "--parallel", "1", "--mode", "pasv"],
        path: "bench/large",
        figure: Figure::Rate,
    },
    Row {
        name: "down-active",
        title: "download, 4 sessions, active",
        arguments: &["--work", "down", "--parallel", "4", "--mode", "port"],
        path: "bench/large",
        figure: Figure::Rate,
    },
    Row {
        name: "up",
        title: "upload, 4 sessions",
        arguments: &[
            "--work",
            "up",
            "--parallel",
            "4",
            "--mode",
            "pasv",
            "--size",
            "134217728",
            "--count",
            "12",
        ],
        path: "",
        figure: Figure::Rate,
    },
    Row {
        name: "small",
        title: "1 KiB files, 8 sessions",
        arguments: &["--work", "small", "--parallel", "8", "--mode", "pasv"],
        path: "bench/small",
        figure: Figure::Operations,
    },
    Row {
        name: "small1",
        title: "1 KiB files, 1 session",
        arguments: &["--work", "small", "--parallel", "1", "--mode", "pasv"],
        path: "bench/small",
        figure: Figure::Operations,
    },
    Row {
        name: "small-active",
        title: "1 KiB files, 8 sessions, active",
        arguments: &["--work", "small", "--parallel", "8", "--mode", "port"],
        path: "bench/small",
        figure: Figure::Operations,
    },
    Row {
        name: "small-up",
        title: "1 KiB uploads, 8 sessions",
        arguments: &["--work", "small-up", "--parallel", "8", "--mode", "pasv", "--count", "4000"],
        path: "",
        figure: Figure::Operations,
    },
    Row {
        name: "login",
        title: "logins, 8 sessions",
        arguments: &["--work", "login", "--parallel", "8"],
        path: "",
        figure: Figure::Operations,
    },
    Row {
        name: "list",
        title: "LIST of 10,000",
        arguments: &["--work", "list", "--listing", "list", "--mode", "pasv", "--count", "20"],
        path: "bench/list",
        figure: Figure::Latency,
    },
    Row {
        name: "idle",
        title: "NOOP beside 40 idle sessions",
        arguments: &["--work", "idle", "--parallel", "40"],
        path: "",
        figure: Figure::Latency,
    },
];

/// The rows of these names, or all.
///
/// # Errors
/// When there is none of a name.
pub(super) fn chosen(names: &[String]) -> Result<Vec<&'static Row>> {
    if names.is_empty() {
        return Ok(ROWS.iter().collect());
    }
    let known = || ROWS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
    let mut chosen = Vec::new();
    for name in names {
        match ROWS.iter().find(|row| row.name == name) {
            Some(row) => chosen.push(row),
            None => bail!("there is no work {name}; there are: {}", known()),
        }
    }
    Ok(chosen)
}
