//! The flags that every command of the client has.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use wharf_client::{Charset, Proxy};

use super::reach::ReachArguments;
use super::transfer::rate;
use crate::config::values::port_range;

/// How to connect, and how much to say.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArguments {
    /// Active mode: the server connects to us. ADDR is told in its place (the outside of a NAT); FIRST-LAST are the ports
    /// to listen on. As in --active, --active=198.51.100.7, --active=:50000-50099, --active=198.51.100.7:50000-50099
    #[arg(
        long,
        value_name = "ADDR:FIRST-LAST",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        value_parser = active
    )]
    pub(crate) active: Option<Active>,

    /// Passive mode: we connect to the server
    #[arg(long, conflicts_with_all = ["active", "mode"])]
    pub(crate) passive: bool,

    /// How data connections are made: "auto" tries EPSV, PASV, EPRT and PORT until one works [default: auto]
    #[arg(long, value_name = "MODE")]
    pub(crate) mode: Option<Mode>,

    #[command(flatten)]
    pub(crate) reach: ReachArguments,

    /// Show this certificate (PEM) to servers that ask for one
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,

    /// The private key of --cert (PEM) [default: in the same file]
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Go back to a control connection in clear after the login (CCC), so that a NAT or firewall can read along; files
    /// stay encrypted
    #[arg(long)]
    pub(crate) ccc: bool,

    /// The charset of names at the server, such as gbk, big5, shift_jis or latin-1: they are UTF-8 here and in URLs
    /// [default: bytes, as they are]
    #[arg(long, value_name = "NAME", value_parser = Charset::named)]
    pub(crate) charset: Option<Charset>,

    /// Go through this proxy: socks5://[user:password@]host[:port], socks5h:// (it looks names up) or http:// (CONNECT);
    /// "" for none [default: as ftp_proxy, all_proxy and no_proxy say]
    #[arg(long, value_name = "URL", value_parser = proxy)]
    pub(crate) proxy: Option<ProxyChoice>,

    /// Longest wait for a connection, a reply, or the next byte of data, in seconds [default: 15, 60 and 300]
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,

    /// How often to try again after a failed connect or an interrupted transfer, which is gone on with
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) retry: u32,

    /// Move at most so many bytes a second, all sessions together; 500k and 2.5M are understood
    #[arg(long, value_name = "BYTES", value_parser = rate)]
    pub(crate) limit_rate: Option<u64>,

    /// No progress, no notes: errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Show the dialogue with the server (passwords hidden) and how each data connection was made
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// What stands behind `--active`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Active {
    /// The address to tell.
    pub(crate) told: Option<IpAddr>,
    /// The ports to listen on.
    pub(crate) ports: Option<RangeInclusive<u16>>,
}

/// What stands behind `--proxy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProxyChoice {
    /// None, whatever the environment says.
    None,
    /// This one.
    Proxy(Proxy),
}

/// How data connections are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Whichever works
    Auto,
    /// Extended passive
    Epsv,
    /// Passive
    Pasv,
    /// Extended active
    Eprt,
    /// Active
    Port,
}

/// `[ADDR][:FIRST-LAST]`, an IPv6 address in brackets where ports follow; `FIRST-LAST` alone too.
fn active(text: &str) -> Result<Active, String> {
    let address = |text: &str| {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        bare.parse().map_err(|_| format!("\"{text}\" is not an IP address"))
    };
    if text.is_empty() {
        return Ok(Active::default());
    }
    if let Ok(told) = address(text) {
        return Ok(Active { told: Some(told), ports: None });
    }
    match text.rsplit_once(':') {
        Some(("", ports)) => Ok(Active { told: None, ports: Some(port_range(ports)?) }),
        Some((told, ports)) => Ok(Active { told: Some(address(told)?), ports: Some(port_range(ports)?) }),
        None => match port_range(text) {
            Ok(ports) => Ok(Active { told: None, ports: Some(ports) }),
            Err(_) => {
                Err(format!("\"{text}\" is neither an address nor a range of ports such as :50000-50099"))
            }
        },
    }
}

fn proxy(text: &str) -> Result<ProxyChoice, String> {
    if text.is_empty() { Ok(ProxyChoice::None) } else { Proxy::parse(text).map(ProxyChoice::Proxy) }
}

/// A number of seconds above 0, with a fraction or without.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\" is not a number of seconds above 0");
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_active() {
        let told = |text: &str| Some(text.parse().unwrap());
        for (text, wanted) in [
            ("", Active::default()),
            ("192.0.2.1", Active { told: told("192.0.2.1"), ports: None }),
            (":5000-5009", Active { told: None, ports: Some(5000..=5009) }),
            ("5000-5009", Active { told: None, ports: Some(5000..=5009) }),
            ("192.0.2.1:7-7", Active { told: told("192.0.2.1"), ports: Some(7..=7) }),
            ("::1", Active { told: told("::1"), ports: None }),
            ("[::1]", Active { told: told("::1"), ports: None }),
            ("[::1]:5-6", Active { told: told("::1"), ports: Some(5..=6) }),
        ] {
            assert_eq!(active(text), Ok(wanted), "{text}");
        }
        for wrong in ["x", "1.2.3.4:", "1.2.3.4:5", ":6-5", "1.2.3:5-6", ":"] {
            assert!(active(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_above_zero() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for wrong in ["0", "-1", "x", "nan", "inf", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
