//! Through a proxy: SOCKS5 (RFC 1928) or HTTP CONNECT (RFC 9110 §9.3.6), for the control connection and for passive data
//! connections. Nobody can connect to us through either, so that active mode is left out.

mod connect;
mod environment;

use core::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_socks::tcp::Socks5Stream;
use wharf_net::control::ControlConnection;
use wharf_proto::command::Password;
use wharf_proto::dialogue::{DataMode, Side};

use crate::error::ClientError;
use crate::observer::Observer;
use crate::options::ModeChoice;
use crate::strategy::rungs;

pub use environment::from_environment;

/// Port of a proxy that names none, as curl has it.
const PORT: u16 = 1080;

/// A proxy, and who we are there. Its `Display` hides the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    login: Option<(String, Password)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// We look names up.
    Socks5,
    /// The proxy does.
    Socks5Remote,
    /// The proxy does.
    Http,
}

/// Where a proxy is to connect to.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Address(SocketAddr),
    Name(String, u16),
}

/// Why a proxy did not connect.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// It cannot be reached, or went away.
    #[error("{0}")]
    Network(#[from] io::Error),
    /// It did not answer.
    #[error("no answer in time")]
    Silent,
    /// It said no.
    #[error("{0}")]
    Refused(String),
}

impl Proxy {
    /// `socks5://[user:password@]host[:port]`, `socks5h://…` (the proxy looks names up) or `http://…` (CONNECT), as curl has
    /// them; without a scheme it is HTTP.
    ///
    /// # Errors
    /// What is wrong with it, without its password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "socks5" => Kind::Socks5,
            "socks5h" => Kind::Socks5Remote,
            "http" => Kind::Http,
            _ => {
                return Err(format!(
                    "no proxy of the kind \"{scheme}\" is known here: socks5, socks5h and http are"
                ));
            }
        };
        let (login, address) = match rest.rsplit_once('@') {
            Some((login, address)) => (Some(parse_login(login)?), address),
            None => (None, rest),
        };
        let address = address.split('/').next().unwrap_or_default();
        let (host, port) = match address.rsplit_once(':') {
            // Not a colon of an IPv6 address.
            Some((host, port)) if !port.contains(']') => {
                let port = port.parse().ok().filter(|port| *port > 0);
                (host, port.ok_or_else(|| format!("the proxy's port is none: {address}"))?)
            }
            _ => (address, PORT),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || host.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(
                "the proxy has no host: it is written as in socks5://proxy.example.net:1080".to_owned()
            );
        }
        Ok(Self { kind, host: host.to_owned(), port, login })
    }

    /// Where the server is, for this proxy: a name where it looks names up; none where we do.
    pub(crate) fn target_of(&self, host: &str, port: u16) -> Option<Target> {
        match (host.parse(), self.kind) {
            (Ok(address), _) => Some(Target::Address(SocketAddr::new(address, port))),
            (Err(_), Kind::Socks5) => None,
            (Err(_), _) => Some(Target::Name(host.to_owned(), port)),
        }
    }

    /// Makes sure that the modes that are allowed can work: nobody connects to us through a proxy.
    pub(crate) fn check(&self, modes: ModeChoice) -> Result<(), ClientError> {
        if rungs(modes, false, None).iter().any(|command| command.mode() == DataMode::Passive) {
            return Ok(());
        }
        Err(ClientError::Usage(format!(
            "nobody can connect to us through the proxy {self}: leave active mode out, or the proxy (--proxy \"\")"
        )))
    }

    /// The control connection, to the first of `targets` that the proxy connects to.
    pub(crate) async fn open_control(
        &self,
        targets: &[Target],
        limit: Duration,
        observer: &mut dyn Observer,
    ) -> Result<ControlConnection, ClientError> {
        let mut last = ("nowhere".to_owned(), ProxyError::Silent);
        for target in targets {
            observer.note(&format!("connecting to {target} through {self}"));
            let connected = match timeout(limit, self.connect(target)).await {
                Ok(connected) => connected,
                Err(_) => Err(ProxyError::Silent),
            };
            match connected.and_then(|stream| Ok(ControlConnection::new(stream.into_std()?, Side::Client)?)) {
                Ok(control) => {
                    return Ok(match target {
                        Target::Address(address) => control.led_to(*address),
                        Target::Name(..) => control,
                    });
                }
                Err(error) => last = (target.to_string(), error),
            }
        }
        let (target, error) = last;
        Err(ClientError::Proxy { proxy: self.to_string(), target, error })
    }

    /// Has the proxy connect.
    pub(crate) async fn connect(&self, target: &Target) -> Result<TcpStream, ProxyError> {
        let mut stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        if self.kind == Kind::Http {
            connect::connect(&mut stream, target, self.login.as_ref()).await?;
            return Ok(stream);
        }
        let connected = match (target, &self.login) {
            (Target::Address(address), None) => Socks5Stream::connect_with_socket(stream, *address).await,
            (Target::Name(name, port), None) => {
                Socks5Stream::connect_with_socket(stream, (name.as_str(), *port)).await
            }
            (target, Some((user, password))) => {
                let password = String::from_utf8_lossy(password.reveal());
                match target {
                    Target::Address(address) => {
                        Socks5Stream::connect_with_password_and_socket(stream, *address, user, &password)
                            .await
                    }
                    Target::Name(name, port) => {
                        let target = (name.as_str(), *port);
                        Socks5Stream::connect_with_password_and_socket(stream, target, user, &password).await
                    }
                }
            }
        };
        match connected {
            Ok(stream) => Ok(stream.into_inner()),
            Err(tokio_socks::Error::Io(error)) => Err(error.into()),
            Err(error) => Err(ProxyError::Refused(error.to_string())),
        }
    }
}

/// `user[:password]`, percent-decoded.
fn parse_login(text: &str) -> Result<(String, Password), String> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let decoded = |text: &str| crate::url::percent_decode(text);
    let wrong = || "the proxy's user or password holds what none can hold".to_owned();
    let user = String::from_utf8(decoded(user)).map_err(|_| wrong())?;
    if user.is_empty() || user.contains(['\r', '\n', '\0', ':']) {
        return Err(wrong());
    }
    Ok((user, Password::new(decoded(password)).map_err(|_| wrong())?))
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::Socks5 => "socks5",
            Kind::Socks5Remote => "socks5h",
            Kind::Http => "http",
        };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

/// `host:port`, as CONNECT has it.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_proxy() {
        for (text, shown) in [
            ("socks5://h", "socks5://h:1080"),
            ("SOCKS5H://h:9050/", "socks5h://h:9050"),
            ("h:3128", "http://h:3128"),
            ("http://u:p%40ss@[::1]:8080", "http://[::1]:8080"),
            ("socks5://u@10.0.0.1:1", "socks5://10.0.0.1:1"),
        ] {
            assert_eq!(Proxy::parse(text).unwrap().to_string(), shown, "{text}");
        }
        let proxy = Proxy::parse("http://u:s3cret@h").unwrap();
        assert!(!format!("{proxy} {proxy:?}").contains("s3cret"));
        for wrong in ["ftp://h", "socks5://", "http://h:0", "http://h:x", "http://:p@h", "h h", "u%0d:x@h"] {
            assert!(Proxy::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn who_looks_names_up() {
        let named = |proxy: &str, host: &str| {
            Proxy::parse(proxy).unwrap().target_of(host, 21).map(|target| target.to_string())
        };
        assert_eq!(named("socks5://p", "a.example"), None);
        assert_eq!(named("socks5h://p", "a.example").as_deref(), Some("a.example:21"));
        assert_eq!(named("http://p", "a.example").as_deref(), Some("a.example:21"));
        assert_eq!(named("socks5://p", "::1").as_deref(), Some("[::1]:21"));
    }
}
