//! The commands.

mod bench;
mod cat;
pub(crate) mod client;
pub(crate) use client::describe_data;
mod demo;
mod doctor;
pub(crate) mod event_loop;
mod explain;
pub(crate) mod get;
pub(crate) mod hash;
mod hosts;
mod import;
pub(crate) mod ls;
pub(crate) mod mirror;
pub(crate) mod paths;
pub(crate) mod put;
mod rules;
pub(crate) mod serve;
mod shell_help;
mod user;

use std::process::ExitCode;

use crate::args::{Arguments, Command};

/// Does what was asked for.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    match arguments.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::User(arguments) => user::run(arguments),
        Command::Get(arguments) => get::run(arguments),
        Command::Put(arguments) => put::run(arguments),
        Command::Mirror(arguments) => mirror::run(arguments),
        Command::Shell(arguments) => crate::shell::run(arguments),
        Command::Ls(arguments) => ls::run(arguments),
        Command::Cat(arguments) => cat::run(arguments),
        Command::Rm(arguments) => paths::remove(arguments),
        Command::Mkdir(arguments) => paths::make_directory(arguments),
        Command::Rmdir(arguments) => paths::remove_directory(arguments),
        Command::Mv(arguments) => paths::rename(arguments),
        Command::Stat(arguments) => paths::status(arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Rules(arguments) => rules::run(*arguments),
        Command::Hash(arguments) => hash::run(arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Hosts(arguments) => hosts::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Completions(arguments) => shell_help::completions(arguments),
        Command::Man(arguments) => shell_help::manual(arguments),
    }
}
