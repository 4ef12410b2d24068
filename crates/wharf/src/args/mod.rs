//! What can be typed: clap definitions only.

pub(crate) mod bench;
pub(crate) mod connection;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod get;
pub(crate) mod hosts;
pub(crate) mod import;
pub(crate) mod mirror;
pub(crate) mod paths;
pub(crate) mod put;
pub(crate) mod reach;
pub(crate) mod rules;
pub(crate) mod serve;
pub(crate) mod shell;
pub(crate) mod shell_help;
pub(crate) mod transfer;
pub(crate) mod user;

use clap::{Parser, Subcommand};

/// FTP's two connections made to meet: a server and a client in active and passive mode.
#[derive(Debug, Parser)]
#[command(
    name = "wharf",
    version,
    after_help = "Examples:
  wharf serve .                                       serve this directory on port 2121 of this machine
  wharf get ftp://ftp.example.net/pub/film.mov        fetch a file in whichever mode works
  wharf put *.jpg ftp://me@ftp.example.net/inbox/     send files
  wharf ls -l ftp://ftp.example.net//srv/media        list an absolute path
  wharf mirror ftp://ftp.example.net/pub/ pub         make pub here like /pub there
  wharf explain trouble.pcap                          what went on in a capture, and what went wrong
  wharf shell ftp://me@ftp.example.net/               type commands

`wharf COMMAND --help` tells more about each.

Exit codes of the client: 0 all done and confirmed, 1 other failure, 2 wrong usage, 3 no control connection, 4 TLS, 5 login
refused, 6 the server said no, 7 no data connection in any mode, 8 interrupted or incomplete, 9 local file trouble,
10 all bytes went over but were never confirmed."
)]
pub(crate) struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do. Each tells about itself at its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a directory
    Serve(serve::ServeArguments),
    User(user::UserArguments),
    Get(get::GetArguments),
    Put(put::PutArguments),
    Mirror(mirror::MirrorArguments),
    Shell(shell::ShellArguments),
    Ls(paths::LsArguments),
    Cat(paths::CatArguments),
    Rm(paths::RmArguments),
    Mkdir(paths::MkdirArguments),
    Rmdir(paths::RmdirArguments),
    Mv(paths::MvArguments),
    Stat(paths::StatArguments),
    Doctor(doctor::DoctorArguments),
    Rules(Box<rules::RulesArguments>),
    Explain(explain::ExplainArguments),
    Demo(demo::DemoArguments),
    Hash(paths::HashArguments),
    Hosts(hosts::HostsArguments),
    Bench(bench::BenchArguments),
    Import(import::ImportArguments),
    Completions(shell_help::CompletionsArguments),
    Man(shell_help::ManArguments),
}
