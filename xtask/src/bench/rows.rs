//! The rows of the tables: what is done, and what is told of it.

use anyhow::{Result, bail};

/// Which table a row stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Servers, in clear
    Clear,
    /// Servers, under TLS
    Tls,
    /// Clients
    Clients,
    /// The program itself: its size, and how quick it starts
    Program,
}

impl Part {
    /// What stands in its marks in the document.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Tls => "tls",
            Self::Clients => "clients",
            Self::Program => "program",
        }
    }

    /// All of them, in the order of the document.
    pub(super) const ALL: [Self; 4] = [Self::Clear, Self::Tls, Self::Clients, Self::Program];
}

/// One row.
pub(super) struct Row {
    /// By what it is chosen.
    pub(super) name: &'static str,
    /// In the table.
    pub(super) title: &'static str,
    pub(super) work: Work,
    /// Whether it stands in the table under TLS, too.
    pub(super) under_tls: bool,
}

/// What is done.
pub(super) enum Work {
    /// A server is loaded by `wharf bench`.
    Load(Load),
    /// So many sessions are held, by a server that has done nothing else.
    Idle { sessions: usize },
    /// One session downloads from a slow disk while another's NOOPs are timed.
    SlowDisk,
    /// A client does something with a server.
    Client(ClientWork),
}

/// What `wharf bench` is asked for.
pub(super) struct Load {
    pub(super) arguments: &'static [&'static str],
    /// Below the server's directory that may be written to.
    pub(super) path: &'static str,
    pub(super) figure: Figure,
}

/// The figure that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    /// Megabytes a second.
    Rate,
    /// Operations a second.
    Operations,
    /// What half of the listings do not exceed: less is better.
    Listing,
}

/// What a client does, how often that is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientWork {
    pub(super) task: ClientTask,
    /// The server's name, as `--servers` has it.
    pub(super) server: &'static str,
    pub(super) tls: bool,
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientTask {
    /// Downloads a large file.
    Get,
    /// Uploads one.
    Put,
    /// Downloads a tree of small files.
    Mirror,
}

/// A line of a row: what it tells, and in which unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Empty for the row's own title.
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
}

const fn line(title: &'static str, unit: &'static str) -> Line {
    Line { title, unit }
}

impl Row {
    /// What is told of it, the row's own figure first. A sample has as many values.
    pub(super) fn lines(&self) -> &'static [Line] {
        const GENERATOR: Line = line("generator's cores", "");
        const RATE: &[Line] = &[line("", "MB/s"), line("server's CPU", "s/GiB"), GENERATOR];
        const OPERATIONS: &[Line] = &[line("", "/s"), line("server's CPU", "ms each"), GENERATOR];
        const LISTING: &[Line] =
            &[line("", "ms"), line("first byte", "ms"), line("server's memory beyond what it had", "MiB")];
        const IDLE: &[Line] =
            &[line("", "KiB PSS each"), line("NOOP meanwhile, p50", "µs"), line("NOOP meanwhile, p99", "µs")];
        const SLOW_DISK: &[Line] =
            &[line("", "µs more"), line("NOOP p99, beside it", "µs"), line("NOOP p99, alone", "µs")];
        const CLIENT: &[Line] = &[line("", "s"), line("client's CPU", "s")];
        match &self.work {
            Work::Load(load) => match load.figure {
                Figure::Rate => RATE,
                Figure::Operations => OPERATIONS,
                Figure::Listing => LISTING,
            },
            Work::Idle { .. } => IDLE,
            Work::SlowDisk => SLOW_DISK,
            Work::Client(_) => CLIENT,
        }
    }

    /// Whether it stands in that table.
    pub(super) fn is_in(&self, part: Part) -> bool {
        let is_of_client = matches!(self.work, Work::Client(_));
        match part {
            Part::Clear => !is_of_client,
            Part::Tls => !is_of_client && self.under_tls,
            Part::Clients => is_of_client,
            Part::Program => false,
        }
    }

    /// Whether that server is measured: one that has a process for each session is not asked for ten thousand of them, and
    /// the slow disk has to be there before the server starts, which is in our hands with two only.
    pub(super) fn takes(&self, server: &str) -> bool {
        match self.work {
            Work::Idle { sessions: 5_000.. } => matches!(server, "floor" | "wharf" | "pyftpdlib"),
            Work::SlowDisk => matches!(server, "floor" | "wharf"),
            _ => true,
        }
    }
}

/// Both rows of listings have a figure of this form.
const fn listing(
    name: &'static str,
    title: &'static str,
    arguments: &'static [&'static str],
    path: &'static str,
) -> Row {
    let work = Work::Load(Load { arguments, path, figure: Figure::Listing });
    Row { name, title, work, under_tls: true }
}

const fn client(
    name: &'static str,
    title: &'static str,
    task: ClientTask,
    server: &'static str,
    tls: bool,
) -> Row {
    Row { name, title, work: Work::Client(ClientWork { task, server, tls }), under_tls: false }
}

const fn load(
    name: &'static str,
    title: &'static str,
    under_tls: bool,
    arguments: &'static [&'static str],
    path: &'static str,
    figure: Figure,
) -> Row {
    Row { name, title, work: Work::Load(Load { arguments, path, figure }), under_tls }
}

/// What is below the server's directory that may be written to, and made when a row has it.
pub(super) const LARGE: &str = "bench/large";
pub(super) const SMALL: &str = "bench/small";
pub(super) const LIST: &str = "bench/list";
pub(super) const LONG_LIST: &str = "bench/long-list";

const UPLOAD: &str = "134217728";

const ROWS: &[Row] = &[
    load(
        "down",
        "download, 4 sessions",
        true,
        &["--work", "down", "--parallel", "4", "--mode", "pasv"],
        LARGE,
        Figure::Rate,
    ),
    load(
        "down1",
        "download, 1 session",
        true,
        &["--work", "down", "--parallel", "1", "--mode", "pasv"],
        LARGE,
        Figure::Rate,
    ),
    load(
        "down-active",
        "download, 4 sessions, active",
        false,
        &["--work", "down", "--parallel", "4", "--mode", "port"],
        LARGE,
        Figure::Rate,
    ),
    load(
        "down1-active",
        "download, 1 session, active",
        false,
        &["--work", "down", "--parallel", "1", "--mode", "port"],
        LARGE,
        Figure::Rate,
    ),
    load(
        "up",
        "upload, 4 sessions",
        true,
        &["--work", "up", "--parallel", "4", "--mode", "pasv", "--size", UPLOAD, "--count", "12"],
        "",
        Figure::Rate,
    ),
    load(
        "up1",
        "upload, 1 session",
        true,
        &["--work", "up", "--parallel", "1", "--mode", "pasv", "--size", UPLOAD, "--count", "8"],
        "",
        Figure::Rate,
    ),
    load(
        "small",
        "1 KiB files, 8 sessions",
        true,
        &["--work", "small", "--parallel", "8", "--mode", "pasv"],
        SMALL,
        Figure::Operations,
    ),
    load(
        "small1",
        "1 KiB files, 1 session",
        true,
        &["--work", "small", "--parallel", "1", "--mode", "pasv"],
        SMALL,
        Figure::Operations,
    ),
    load(
        "small-active",
        "1 KiB files, 8 sessions, active",
        false,
        &["--work", "small", "--parallel", "8", "--mode", "port"],
        SMALL,
        Figure::Operations,
    ),
    load(
        "small1-active",
        "1 KiB files, 1 session, active",
        false,
        &["--work", "small", "--parallel", "1", "--mode", "port"],
        SMALL,
        Figure::Operations,
    ),
    load(
        "small-up",
        "1 KiB uploads, 8 sessions",
        true,
        &["--work", "small-up", "--parallel", "8", "--mode", "pasv", "--count", "4000"],
        "",
        Figure::Operations,
    ),
    load(
        "login",
        "logins, 8 sessions",
        true,
        &["--work", "login", "--parallel", "8"],
        "",
        Figure::Operations,
    ),
    listing(
        "list",
        "LIST of 10,000",
        &["--work", "list", "--listing", "list", "--mode", "pasv", "--count", "20"],
        LIST,
    ),
    listing(
        "mlsd",
        "MLSD of 10,000",
        &["--work", "list", "--listing", "mlsd", "--mode", "pasv", "--count", "20"],
        LIST,
    ),
    listing(
        "long-list",
        "LIST of 100,000",
        &["--work", "list", "--listing", "list", "--mode", "pasv", "--count", "3"],
        LONG_LIST,
    ),
    listing(
        "long-mlsd",
        "MLSD of 100,000",
        &["--work", "list", "--listing", "mlsd", "--mode", "pasv", "--count", "3"],
        LONG_LIST,
    ),
    Row {
        name: "idle",
        title: "idle session, of 2,000",
        work: Work::Idle { sessions: 2_000 },
        under_tls: true,
    },
    Row {
        name: "idle-many",
        title: "idle session, of 10,000",
        work: Work::Idle { sessions: 10_000 },
        under_tls: true,
    },
    Row { name: "slow-disk", title: "NOOP p99 beside a slow disk", work: Work::SlowDisk, under_tls: false },
    client("get", "get of 1 GiB from Wharf", ClientTask::Get, "wharf", false),
    client("get-tls", "get of 1 GiB from Wharf, TLS", ClientTask::Get, "wharf", true),
    client("put", "put of 1 GiB to Wharf", ClientTask::Put, "wharf", false),
    client("put-tls", "put of 1 GiB to Wharf, TLS", ClientTask::Put, "wharf", true),
    client("mirror", "mirror of 10,000 files of 1 KiB from Wharf", ClientTask::Mirror, "wharf", false),
    client("mirror-vsftpd", "the same from vsftpd", ClientTask::Mirror, "vsftpd", false),
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
