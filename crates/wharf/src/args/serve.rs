//! The flags of `wharf serve`.

mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub(crate) use tls::{Resumption, TlsArguments, TlsUse};

/// Serve a directory over FTP, in active and passive mode.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wharf serve .                                       anonymous, read-only, on port 2121 of this machine
  wharf serve /srv/ftp --listen 0.0.0.0:21 --user media --write --passive-ports 40000-40099")]
pub(crate) struct ServeArguments {
    /// The directory that every user sees as /
    #[arg(default_value = ".")]
    pub(crate) directory: PathBuf,

    /// Control address; repeatable [default: 127.0.0.1:2121 and [::1]:2121]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Vec<SocketAddr>,

    /// A virtual user; without PASSWORD it is read from WHARF_PASSWORD or asked for; repeatable
    #[arg(long, value_name = "NAME[:PASSWORD]")]
    pub(crate) user: Vec<String>,

    /// Anonymous access (the default when no user is given)
    #[arg(long)]
    pub(crate) anonymous: bool,

    /// Allow uploads and changes (the default is read-only)
    #[arg(long)]
    pub(crate) write: bool,

    /// The modes on offer
    #[arg(long, value_name = "MODES", value_delimiter = ',', default_value = "active,passive")]
    pub(crate) modes: Vec<Mode>,

    /// The passive range, first and last port included [default: any free port]
    #[arg(long, value_name = "FIRST-LAST", value_parser = port_range)]
    pub(crate) passive_ports: Option<RangeInclusive<u16>>,

    /// Address told in the PASV reply: an IPv4 address, or a name whose address is looked up at each PASV
    #[arg(long, value_name = "ADDR|NAME", value_parser = advertised)]
    pub(crate) advertise: Option<Advertised>,

    /// Source port of active data connections [default: the control port less one, any where it may not be bound]
    #[arg(long, value_name = "N|any", value_parser = source_port)]
    pub(crate) active_source_port: Option<SourcePort>,

    /// What TYPE A, which is also the type of clients that never send TYPE, does to files
    #[arg(long, value_name = "HOW", default_value = "convert")]
    pub(crate) ascii: Ascii,

    /// FTPS
    #[command(flatten)]
    pub(crate) tls: TlsArguments,

    /// The form of the log on standard error
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) log: LogForm,

    /// Write a transfer log in the form of wu-ftpd's xferlog; SIGHUP opens it anew
    #[arg(long, value_name = "FILE")]
    pub(crate) xferlog: Option<PathBuf>,

    /// Say more: logins and transfers; twice: every session
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,

    /// Say errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Check the flags, the directory and the listen addresses, say what is wrong, and exit
    #[arg(long)]
    pub(crate) check: bool,
}

/// A mode on offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// PORT and EPRT
    Active,
    /// PASV and EPSV
    Passive,
}

/// What TYPE A does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ascii {
    /// Line ends are converted (RFC 959)
    Convert,
    /// Files go over as they are, for devices that never send TYPE I
    Binary,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// The address told in the 227 reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Advertised {
    /// This one.
    Address(Ipv4Addr),
    /// The one that the name has.
    Name(String),
}

/// The source port of active data connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourcePort {
    /// Any.
    Any,
    /// This one.
    Fixed(u16),
}

/// `FIRST-LAST`, both from 1 on.
pub(crate) fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let wanted = || format!("\"{text}\" is not a range of ports such as 40000-40099");
    let (first, last) = text.split_once('-').ok_or_else(wanted)?;
    let (first, last): (u16, u16) =
        (first.trim().parse().map_err(|_| wanted())?, last.trim().parse().map_err(|_| wanted())?);
    match (first, last) {
        (0, _) => Err("a range of ports begins with 1 at the least".to_owned()),
        _ if first > last => Err(format!("the range {text} runs backwards: {last}-{first} is meant")),
        _ => Ok(first..=last),
    }
}

fn advertised(text: &str) -> Result<Advertised, String> {
    if let Ok(address) = text.parse() {
        return Ok(Advertised::Address(address));
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Err("PASV tells IPv4 addresses only; EPSV needs no address".to_owned());
    }
    let is_name =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    let looks_like_address = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_name && !looks_like_address {
        Ok(Advertised::Name(text.to_owned()))
    } else {
        Err(format!("\"{text}\" is neither an IPv4 address nor a host name"))
    }
}

fn source_port(text: &str) -> Result<SourcePort, String> {
    match (text, text.parse()) {
        ("any", _) => Ok(SourcePort::Any),
        (_, Ok(port)) if port > 0 => Ok(SourcePort::Fixed(port)),
        _ => Err(format!("\"{text}\" is neither a port from 1 to 65535 nor \"any\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_checked() {
        assert_eq!(port_range("40000-40099"), Ok(40000..=40099));
        assert_eq!(port_range("7-7"), Ok(7..=7));
        for wrong in ["", "1", "9-1", "0-5", "1-65536", "a-b", "1-2-3"] {
            assert!(port_range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_advertised_is_an_address_or_a_name() {
        assert_eq!(advertised("198.51.100.2"), Ok(Advertised::Address(Ipv4Addr::new(198, 51, 100, 2))));
        assert_eq!(advertised("ftp.example.net"), Ok(Advertised::Name("ftp.example.net".to_owned())));
        for wrong in ["", "::1", "300.1.1.1", "a b", "x/y"] {
            assert!(advertised(wrong).is_err(), "{wrong}");
        }
    }
}
