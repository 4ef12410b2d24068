//! The one table of commands: dispatch, help, completion and docs/shell.md are made from it.

use std::future::Future;
use std::pin::Pin;

use wharf_client::ClientError;

use super::Shell;
use super::call::Call;
use super::commands::{connection, directories, help, jobs, local, many, paths, settings, transfer};

/// What a command comes to.
pub(crate) type Outcome = Result<(), ClientError>;
/// A command that is being done.
pub(crate) type Doing<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// One command.
pub(crate) struct Row {
    /// Its names; the first one is what it is called in the help.
    pub(crate) names: &'static [&'static str],
    /// Where the help shows it.
    pub(crate) section: Section,
    /// How it is typed.
    pub(crate) syntax: &'static str,
    /// What it does.
    pub(crate) help: &'static str,
    /// What its words are.
    pub(crate) completes: Completes,
    /// Ctrl-C belongs to what it starts.
    pub(crate) leaves_interrupts: bool,
    /// Does it.
    pub(crate) run: for<'a> fn(&'a mut Shell, Call) -> Doing<'a>,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.names[0])
    }
}

/// Commands that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Connection,
    Files,
    Directories,
    Settings,
    Local,
    Jobs,
    Shell,
}

impl Section {
    /// All, in the order of the help.
    pub(crate) const ALL: [Self; 7] = [
        Self::Connection,
        Self::Files,
        Self::Directories,
        Self::Settings,
        Self::Local,
        Self::Jobs,
        Self::Shell,
    ];

    /// As a heading.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Connection => "The server",
            Self::Files => "Files",
            Self::Directories => "Directories",
            Self::Settings => "How it is done",
            Self::Local => "This machine",
            Self::Jobs => "In the background",
            Self::Shell => "The shell itself",
        }
    }
}

/// What the words of a command are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completes {
    Nothing,
    Remote,
    RemoteDirectories,
    Local,
    LocalDirectories,
    /// The first at the server, the second here.
    RemoteThenLocal,
    LocalThenRemote,
    Bookmarks,
    Commands,
    Words(&'static [&'static str]),
}

/// The command of that name, or the only one whose name begins so.
///
/// # Errors
/// When there is none, or several.
pub(crate) fn find(name: &str) -> Result<&'static Row, ClientError> {
    if let Some(row) = ROWS.iter().find(|row| row.names.contains(&name)) {
        return Ok(row);
    }
    let begins = |row: &&Row| row.names.iter().any(|full| full.starts_with(name));
    let meant: Vec<&Row> = ROWS.iter().filter(begins).collect();
    match meant[..] {
        [] => Err(ClientError::Usage(format!("\"{name}\" is no command; `help` lists them"))),
        [row] => Ok(row),
        _ => {
            let names: Vec<_> = meant.iter().map(|row| row.names[0]).collect();
            Err(ClientError::Usage(format!("\"{name}\" may mean {}; type more of it", names.join(", "))))
        }
    }
}

macro_rules! rows {
    ($( $section:ident [$($name:literal),+] $syntax:literal, $completes:expr, $run:path $(, $leaves:ident)?; $help:literal )*) => {
        /// All commands, in the order of the help.
        pub(crate) const ROWS: &[Row] = &[$(Row {
            names: &[$($name),+],
            section: Section::$section,
            syntax: $syntax,
            help: $help,
            completes: $completes,
            leaves_interrupts: rows!(@leaves $($leaves)?),
            run: |shell, call| Box::pin($run(shell, call)),
        }),*];
    };
    (@leaves) => { false };
    (@leaves leaves_interrupts) => { true };
}

const ON_OFF: Completes = Completes::Words(&["on", "off"]);

rows! {
    Connection ["open", "connect", "o"] "open [-u USER[,PASSWORD]] HOST|URL|BOOKMARK [PORT]", Completes::Bookmarks, connection::open;
        "Log in to a server. A URL may name a directory to begin in. What the URL and ~/.netrc do not tell is asked for."
    Connection ["close", "disconnect"] "close", Completes::Nothing, connection::close;
        "End the session with the server and stay in the shell."
    Connection ["user"] "user NAME [PASSWORD]", Completes::Nothing, connection::user;
        "Log in to the same server as somebody else."
    Connection ["bookmark", "bookmarks"] "bookmark [list] | bookmark add NAME [URL] | bookmark del NAME", Completes::Words(&["list", "add", "del"]), connection::bookmark;
        "Keep a server, with the directory that you are in, under a name that `open` takes. Passwords are not kept."
    Connection ["status"] "status", Completes::Nothing, connection::status;
        "Tell where you are and how transfers are done."
    Connection ["features"] "features", Completes::Nothing, connection::features;
        "Tell what the server says that it can do (FEAT)."
    Connection ["quote", "literal", "quot"] "quote COMMAND [ARGUMENT]...", Completes::Nothing, connection::quote;
        "Send a command as it is and show the reply. What needs a data connection cannot be sent so."
    Connection ["site"] "site COMMAND [ARGUMENT]...", Completes::Nothing, connection::site;
        "Send a SITE command and show the reply."

    Files ["get", "recv"] "get [-c] REMOTE [-o] [LOCAL|-]", Completes::RemoteThenLocal, transfer::get;
        "Download a file, into LOCAL if that is given; - prints it. -c goes on with a part of it that is here."
    Files ["reget"] "reget REMOTE [LOCAL]", Completes::RemoteThenLocal, transfer::reget;
        "Go on with a download: get -c."
    Files ["mget"] "mget [-c] PATTERN...", Completes::Remote, many::get;
        "Download all files that fit, into the local directory. Asks before each, on a terminal, unless `prompt off`."
    Files ["put", "send"] "put [OPTIONS] LOCAL [REMOTE]", Completes::LocalThenRemote, transfer::put;
        "Upload a file. The options are those of `wharf put`: -c sends only what is missing, --mkdir makes the directories."
    Files ["reput"] "reput LOCAL [REMOTE]", Completes::LocalThenRemote, transfer::reput;
        "Go on with an upload: put -c."
    Files ["mput"] "mput [-c] PATTERN...", Completes::Local, many::put;
        "Upload all files that fit, into the server's directory. Asks before each as mget does."
    Files ["cat"] "cat REMOTE...", Completes::Remote, transfer::print;
        "Print files."
    Files ["more", "less", "page"] "more REMOTE...", Completes::Remote, transfer::page, leaves_interrupts;
        "Show files page by page, by $PAGER."
    Files ["delete", "rm", "del"] "delete REMOTE...", Completes::Remote, paths::delete;
        "Delete files. Names are taken as they stand: mdelete takes patterns."
    Files ["mdelete", "mrm"] "mdelete PATTERN...", Completes::Remote, many::delete;
        "Delete all files that fit. Asks before each as mget does."
    Files ["rename", "mv", "ren"] "rename FROM TO", Completes::Remote, paths::rename;
        "Rename or move a file or directory; a TO that ends with / is a directory to move to."
    Files ["chmod"] "chmod MODE REMOTE...", Completes::Remote, paths::change_mode;
        "Change permissions (SITE CHMOD)."
    Files ["stat"] "stat REMOTE...", Completes::Remote, paths::stat;
        "Tell type, size and time of a path."
    Files ["size"] "size REMOTE...", Completes::Remote, paths::size;
        "Tell the size of a file in bytes (SIZE)."
    Files ["modtime"] "modtime REMOTE...", Completes::Remote, paths::modified;
        "Tell when a file was changed last (MDTM)."
    Files ["hash"] "hash REMOTE...", Completes::Remote, paths::hash;
        "Have the server compute a checksum, by the strongest algorithm that it has, as `wharf hash` does."
    Files ["mirror"] "mirror [-R] [OPTIONS] SRC [DST]", Completes::Remote, transfer::mirror;
        "Make the local directory DST like SRC at the server, or with -R the other way round. SRC and DST may be URLs. The \
         options are those of `wharf mirror`. It has sessions of its own."

    Directories ["ls", "dir", "list"] "ls [PATH|PATTERN]", Completes::Remote, directories::list;
        "List a directory, or what fits a pattern, with types, sizes and times."
    Directories ["nlist", "nls"] "nlist [PATH|PATTERN]", Completes::Remote, directories::names;
        "List names only."
    Directories ["cd", "cwd"] "cd [PATH]", Completes::RemoteDirectories, directories::change;
        "Go to a directory of the server; without PATH, to where the login led."
    Directories ["cdup"] "cdup", Completes::Nothing, directories::up;
        "Go to the directory above."
    Directories ["pwd"] "pwd", Completes::Nothing, directories::tell;
        "Tell which directory of the server you are in."
    Directories ["mkdir"] "mkdir PATH...", Completes::RemoteDirectories, paths::make_directory;
        "Make directories."
    Directories ["rmdir"] "rmdir PATH...", Completes::RemoteDirectories, paths::remove_directory;
        "Remove empty directories."

    Settings ["passive"] "passive [on|off|auto]", Completes::Words(&["on", "off", "auto"]), settings::passive;
        "Passive mode (we connect to the server) on or off (the server connects to us); auto tries both. Without a word it \
         is switched over."
    Settings ["epsv", "epsv4", "epsv6"] "epsv [on|off]", ON_OFF, settings::extended;
        "Whether EPSV and EPRT are tried; off leaves PASV and PORT, which cannot work over IPv6."
    Settings ["binary", "image", "bin"] "binary", Completes::Nothing, settings::binary;
        "Transfer files as they are. This is how it begins."
    Settings ["ascii"] "ascii", Completes::Nothing, settings::ascii;
        "Transfer text: line ends are converted, sizes are not compared."
    Settings ["type"] "type [ascii|binary]", Completes::Words(&["ascii", "binary"]), settings::representation;
        "Tell or choose how files are transferred."
    Settings ["prompt"] "prompt [on|off]", ON_OFF, settings::prompt;
        "Whether mget, mput and mdelete ask before each file. They never do where nobody types."
    Settings ["debug", "verbose"] "debug [on|off]", ON_OFF, settings::debug;
        "Show the dialogue with the server, and how each data connection was made."

    Local ["lcd"] "lcd [DIRECTORY]", Completes::LocalDirectories, local::change;
        "Go to a directory of this machine; without one, home."
    Local ["lpwd"] "lpwd", Completes::Nothing, local::tell;
        "Tell which directory of this machine downloads go to."
    Local ["!", "shell"] "!COMMAND", Completes::Nothing, local::shell, leaves_interrupts;
        "Have the machine's own shell run a command, in the local directory; without one, begin such a shell."

    Jobs ["jobs"] "jobs", Completes::Nothing, jobs::list;
        "List what is being done in the background: a & behind a command sends it there, with a session of its own."
    Jobs ["wait"] "wait [NUMBER]", Completes::Nothing, jobs::wait;
        "Wait for a job, or for all of them."
    Jobs ["kill"] "kill NUMBER", Completes::Nothing, jobs::kill;
        "Stop a job."

    Shell ["help", "?"] "help [COMMAND]", Completes::Commands, help::help;
        "List the commands, or tell about one."
    Shell ["history"] "history", Completes::Nothing, help::history;
        "List what was typed. Lines with a password are not kept."
    Shell ["quit", "exit", "bye"] "quit", Completes::Nothing, help::quit;
        "Leave. Jobs are waited for."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_one_command_and_its_beginning_the_only_one() {
        let mut seen = std::collections::BTreeSet::new();
        for name in ROWS.iter().flat_map(|row| row.names) {
            assert!(seen.insert(name), "{name} stands there twice");
        }
        assert_eq!(find("get").unwrap().names[0], "get");
        assert_eq!(find("pass").unwrap().names[0], "passive");
        assert!(find("mp").is_ok() && find("p").is_err() && find("frobnicate").is_err());
    }

    #[test]
    fn each_syntax_begins_with_the_name() {
        for row in ROWS {
            assert!(row.syntax.starts_with(row.names[0]), "{}", row.syntax);
            assert!(row.help.ends_with('.'), "{}", row.help);
        }
    }
}
