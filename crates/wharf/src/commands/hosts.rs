//! `wharf hosts`.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::args::hosts::HostsArguments;
use crate::hosts::{self, Hosts};
use crate::output::{self, standard_output};

/// The exit code where something could not be read or written here.
const LOCAL: u8 = 9;

pub(crate) fn run(arguments: HostsArguments) -> ExitCode {
    if arguments.forget.is_empty() {
        return match show(arguments.json) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                output::error(&format!("standard output: {error}"));
                LOCAL.into()
            }
            _ => ExitCode::SUCCESS,
        };
    }
    let mut code = ExitCode::SUCCESS;
    for host in &arguments.forget {
        let (name, port) = name_and_port(host);
        match hosts::forget(name, port) {
            Ok(0) => {
                output::error(&format!(
                    "nothing is known of {host}; `wharf hosts` tells of which servers there is"
                ));
                code = ExitCode::FAILURE;
            }
            Ok(_) => {}
            Err(error) => {
                output::error(&format!("cannot forget {host}: {error}"));
                return LOCAL.into();
            }
        }
    }
    code
}

fn show(json: bool) -> io::Result<()> {
    let hosts = Hosts::load();
    let mut out = standard_output()?;
    if json {
        let text = serde_json::to_string_pretty(hosts.entries()).map_err(io::Error::other)?;
        return writeln!(out, "{text}");
    }
    for entry in hosts.entries() {
        let server = format!("{}:{}", entry.name, entry.port);
        let address = if entry.advertised { ", at the address that it tells" } else { "" };
        let day = entry.learnt.strftime("%Y-%m-%d");
        writeln!(out, "{server:<40} {:<5} from {:<20} {day}{address}", entry.mode, entry.network)?;
    }
    Ok(())
}

/// `HOST`, `HOST:PORT`, `[V6]:PORT`; an IPv6 address alone has colons of its own.
fn name_and_port(text: &str) -> (&str, Option<u16>) {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if bare.parse::<std::net::Ipv6Addr>().is_ok() {
        return (bare, None);
    }
    match text.rsplit_once(':') {
        Some((name, port)) => match port.parse() {
            Ok(port) => (name.trim_start_matches('[').trim_end_matches(']'), Some(port)),
            Err(_) => (text, None),
        },
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_with_its_port_or_without() {
        assert_eq!(name_and_port("ftp.example.net"), ("ftp.example.net", None));
        assert_eq!(name_and_port("ftp.example.net:2121"), ("ftp.example.net", Some(2121)));
        assert_eq!(name_and_port("2001:db8::1"), ("2001:db8::1", None));
        assert_eq!(name_and_port("[2001:db8::1]:21"), ("2001:db8::1", Some(21)));
    }
}
