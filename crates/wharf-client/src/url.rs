//! `ftp://[user[:password]@]host[:port]/path[;type=a|i|d]` (RFC 1738 §3.2).

use core::fmt;
use core::str::FromStr;
use std::net::Ipv6Addr;

use wharf_proto::command::{Password, Text};
use wharf_proto::pathname::{Pathname, PathnameError, escaped};

/// The port of the control connection (RFC 959 §8).
const FTP_PORT: u16 = 21;
/// The port of implicit FTPS, as IANA lists it.
const FTPS_PORT: u16 = 990;

/// Whether, and from when on, the control connection is under TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `ftp://`
    Ftp,
    /// `ftps://`: TLS from the first byte on.
    ImplicitTls,
    /// `ftpes://`: AUTH TLS is required.
    ExplicitTls,
}

/// What `;type=` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferType {
    /// `a`: text, with line ends converted.
    Ascii,
    /// `i`: bytes as they are.
    Image,
    /// `d`: a listing of the directory.
    Listing,
}

/// An FTP URL.
///
/// The path is bytes of any character set, percent-decoded. It is relative to the login directory, and sent in one
/// piece: `/a/b` is `a/b`; `//a/b` and `/%2Fa/b` are `/a/b`. `?` and `#` are ordinary characters of a name, as in the
/// clients that people are used to. Nothing in it can hold CR, LF or NUL, however written (threat 26).
///
/// `Display` and `Debug` hide the password. `Display` can be parsed again.
#[derive(Clone, PartialEq, Eq)]
pub struct FtpUrl {
    scheme: Scheme,
    user: Option<Text>,
    password: Option<Password>,
    host: String,
    port: Option<u16>,
    path: Option<Pathname>,
    transfer_type: Option<TransferType>,
}

/// Why a text is no URL that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It does not begin with `ftp://`, `ftps://` or `ftpes://`.
    #[error("it does not begin with ftp://, ftps:// or ftpes://")]
    Scheme,
    /// No host, or bytes that no host name has.
    #[error("\"{}\" is not a host name or address", escaped(.0.as_bytes()))]
    Host(String),
    /// Not 1 to 65535. What stands there is not told: it is the password where somebody forgot to write its `/` as `%2F`.
    #[error("what stands behind the host is not a port from 1 to 65535; a / in a password is written %2F")]
    Port,
    /// A `;type=` that RFC 1738 does not know.
    #[error("\";type={}\" is none of ;type=a, ;type=i and ;type=d", escaped(.0.as_bytes()))]
    TransferType(String),
    /// A CR, LF or NUL, or too long.
    #[error("{part}: {error}")]
    Forbidden {
        /// The user, the password or the path.
        part: Part,
        /// What is wrong with it.
        error: PathnameError,
    },
}

/// A part of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Before the `:`.
    User,
    /// Behind the `:`.
    Password,
    /// Behind the host.
    Path,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "the user name",
            Self::Password => "the password",
            Self::Path => "the path",
        })
    }
}

impl FtpUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it first, from the left.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = split_scheme(text).ok_or(UrlError::Scheme)?;
        let (authority, path) = match rest.find('/') {
            Some(slash) => (&rest[..slash], &rest[slash + 1..]),
            None => (rest, ""),
        };
        let (login, endpoint) = match authority.rsplit_once('@') {
            Some((login, endpoint)) => (Some(login), endpoint),
            None => (None, authority),
        };
        let (user, password) = match login {
            None | Some("") => (None, None),
            Some(login) => match login.split_once(':') {
                Some((user, password)) => (parse_user(user)?, Some(parse_password(password)?)),
                None => (parse_user(login)?, None),
            },
        };
        let (host, port) = split_port(endpoint)?;
        let host = parse_host(host)?;
        let (path, transfer_type) = split_type(path)?;
        let path = match Pathname::new(percent_decode(path)) {
            Ok(path) => Some(path),
            Err(PathnameError::Empty) => None,
            Err(error) => return Err(UrlError::Forbidden { part: Part::Path, error }),
        };
        Ok(Self { scheme, user, password, host, port, path, transfer_type })
    }

    /// Whether TLS is asked for.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The user, if one is named.
    #[must_use]
    pub fn user(&self) -> Option<&Text> {
        self.user.as_ref()
    }

    /// The password, if one stands there.
    #[must_use]
    pub fn password(&self) -> Option<&Password> {
        self.password.as_ref()
    }

    /// A name or an address; an IPv6 address without its brackets, with its zone behind `%`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port of the control connection.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.scheme {
            Scheme::Ftp | Scheme::ExplicitTls => FTP_PORT,
            Scheme::ImplicitTls => FTPS_PORT,
        })
    }

    /// The path as it is sent; none is the login directory.
    #[must_use]
    pub fn path(&self) -> Option<&Pathname> {
        self.path.as_ref()
    }

    /// What stands behind `;type=`.
    #[must_use]
    pub fn transfer_type(&self) -> Option<TransferType> {
        self.transfer_type
    }

    /// Whether it names a directory by its form: no path, a `/` at the end, or `;type=d`.
    #[must_use]
    pub fn is_directory_form(&self) -> bool {
        self.transfer_type == Some(TransferType::Listing)
            || self.path.as_ref().is_none_or(|path| path.as_bytes().ends_with(b"/"))
    }

    /// The last segment of the path: what a download is called here. None if the URL has the form of a directory.
    #[must_use]
    pub fn file_name(&self) -> Option<&[u8]> {
        let path = self.path.as_ref()?.as_bytes();
        path.rsplit(|byte| *byte == b'/').next().filter(|name| !name.is_empty())
    }

    /// The same server and login with another path.
    #[must_use]
    pub fn with_path(&self, path: Option<Pathname>) -> Self {
        Self { path, transfer_type: None, ..self.clone() }
    }

    /// The same, to be transferred so.
    #[must_use]
    pub fn with_transfer_type(&self, transfer_type: Option<TransferType>) -> Self {
        Self { transfer_type, ..self.clone() }
    }

    /// The same for another user.
    #[must_use]
    pub fn with_login(&self, user: Option<Text>, password: Option<Password>) -> Self {
        Self { user, password, ..self.clone() }
    }

    /// Whether both lead to the same server with the same login, so that one session serves both.
    #[must_use]
    pub fn shares_session_with(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.user == other.user
            && self.password == other.password
            && self.host.eq_ignore_ascii_case(&other.host)
            && self.port() == other.port()
    }
}

impl FromStr for FtpUrl {
    type Err = UrlError;
    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl fmt::Display for FtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scheme {
            Scheme::Ftp => "ftp://",
            Scheme::ImplicitTls => "ftps://",
            Scheme::ExplicitTls => "ftpes://",
        })?;
        if let Some(user) = &self.user {
            percent_encode(f, user.as_bytes(), b"")?;
            if self.password.is_some() {
                f.write_str(":****")?;
            }
            f.write_str("@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host.replace('%', "%25"))?;
        } else {
            f.write_str(&self.host)?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str("/")?;
        if let Some(path) = &self.path {
            match path.as_bytes().strip_prefix(b"/") {
                // An absolute path, in the form that no box takes for a doubled slash.
                Some(rest) => {
                    f.write_str("%2F")?;
                    percent_encode(f, rest, b"/")?;
                }
                None => percent_encode(f, path.as_bytes(), b"/")?,
            }
        }
        match self.transfer_type {
            None => Ok(()),
            Some(TransferType::Ascii) => f.write_str(";type=a"),
            Some(TransferType::Image) => f.write_str(";type=i"),
            Some(TransferType::Listing) => f.write_str(";type=d"),
        }
    }
}

impl fmt::Debug for FtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FtpUrl({self})")
    }
}

fn split_scheme(text: &str) -> Option<(Scheme, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = [("ftp", Scheme::Ftp), ("ftps", Scheme::ImplicitTls), ("ftpes", Scheme::ExplicitTls)]
        .into_iter()
        .find_map(|(name, found)| scheme.eq_ignore_ascii_case(name).then_some(found))?;
    Some((scheme, rest))
}

fn parse_user(text: &str) -> Result<Option<Text>, UrlError> {
    match Text::new(percent_decode(text)) {
        Ok(user) => Ok(Some(user)),
        Err(PathnameError::Empty) => Ok(None),
        Err(error) => Err(UrlError::Forbidden { part: Part::User, error }),
    }
}

fn parse_password(text: &str) -> Result<Password, UrlError> {
    Password::new(percent_decode(text)).map_err(|error| UrlError::Forbidden { part: Part::Password, error })
}

/// The host, still with its brackets, and the port.
fn split_port(endpoint: &str) -> Result<(&str, Option<u16>), UrlError> {
    let behind_brackets = match endpoint.rfind(']') {
        Some(at) => at + 1,
        None if endpoint.starts_with('[') => endpoint.len(),
        None => 0,
    };
    let Some(colon) = endpoint[behind_brackets..].find(':').map(|at| at + behind_brackets) else {
        return Ok((endpoint, None));
    };
    let (host, port) = (&endpoint[..colon], &endpoint[colon + 1..]);
    if port.is_empty() {
        return Ok((host, None));
    }
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(number) if is_number && number != 0 => Ok((host, Some(number))),
        _ => Err(UrlError::Port),
    }
}

fn parse_host(host: &str) -> Result<String, UrlError> {
    let wrong = || UrlError::Host(host.to_owned());
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or_else(wrong)?;
        // The zone stands behind %25 (RFC 6874 §2), or behind a % as people type it.
        let (address, zone) = match inner.split_once('%') {
            Some((address, zone)) => (address, Some(zone.strip_prefix("25").unwrap_or(zone))),
            None => (inner, None),
        };
        let address: Ipv6Addr = address.parse().map_err(|_| wrong())?;
        return match zone {
            None => Ok(address.to_string()),
            Some(zone) if is_host_text(zone) => Ok(format!("{address}%{zone}")),
            Some(_) => Err(wrong()),
        };
    }
    if is_host_text(host) { Ok(host.to_owned()) } else { Err(wrong()) }
}

/// Letters of any script, digits and what host names have between them.
fn is_host_text(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '.' | '_'))
}

/// `;type=` counts at the very end only.
fn split_type(path: &str) -> Result<(&str, Option<TransferType>), UrlError> {
    let Some(at) = path.to_ascii_lowercase().rfind(";type=") else { return Ok((path, None)) };
    let code = &path[at + ";type=".len()..];
    let transfer_type = match code {
        "a" | "A" => TransferType::Ascii,
        "i" | "I" => TransferType::Image,
        "d" | "D" => TransferType::Listing,
        _ => return Err(UrlError::TransferType(code.to_owned())),
    };
    Ok((&path[..at], Some(transfer_type)))
}

/// Two hexadecimal digits behind a `%` are a byte; any other `%` stands for itself.
pub(crate) fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let pair = bytes.get(at + 1).zip(bytes.get(at + 2)).filter(|_| byte == b'%');
        match pair.and_then(|(high, low)| Some(hexadecimal(*high)? << 4 | hexadecimal(*low)?)) {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Letters, digits, `-._~` (RFC 3986 §2.3) and `also` stand as they are.
fn percent_encode(f: &mut fmt::Formatter<'_>, bytes: &[u8], also: &[u8]) -> fmt::Result {
    use fmt::Write;
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.contains(&byte) {
            f.write_char(char::from(byte))?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> Vec<u8> {
        FtpUrl::parse(text).unwrap().path().map_or_else(Vec::new, |path| path.as_bytes().to_vec())
    }

    #[test]
    fn all_parts() {
        let url = FtpUrl::parse("ftp://me:se%40cret@ftp.example.net:2121/pub/a%20b;type=a").unwrap();
        assert_eq!(url.user().unwrap().as_bytes(), b"me");
        assert_eq!(url.password().unwrap().reveal(), b"se@cret");
        assert_eq!((url.host(), url.port()), ("ftp.example.net", 2121));
        assert_eq!(url.path().unwrap().as_bytes(), b"pub/a b");
        assert_eq!(url.transfer_type(), Some(TransferType::Ascii));
        assert_eq!(url.file_name(), Some(&b"a b"[..]));
        assert_eq!(url.to_string(), "ftp://me:****@ftp.example.net:2121/pub/a%20b;type=a");
        assert!(!format!("{url:?}").contains("cret"));
    }

    #[test]
    fn what_is_left_out_has_its_usual_value() {
        let url = FtpUrl::parse("FTP://host").unwrap();
        assert_eq!((url.user(), url.password(), url.port(), url.path()), (None, None, 21, None));
        assert!(url.is_directory_form());
        assert_eq!(FtpUrl::parse("ftps://host/").unwrap().port(), 990);
        assert_eq!(FtpUrl::parse("ftpes://host:/").unwrap().port(), 21);
        assert_eq!(FtpUrl::parse("ftp://@host/x").unwrap().user(), None);
        assert_eq!(FtpUrl::parse("ftp://me:@host/x").unwrap().password().unwrap().reveal(), b"");
    }

    #[test]
    fn paths_are_relative_unless_they_begin_with_a_second_slash() {
        for (url, expected) in [
            ("ftp://h/a/b", &b"a/b"[..]),
            ("ftp://h//a/b", b"/a/b"),
            ("ftp://h/%2Fa/b", b"/a/b"),
            ("ftp://h/%2f", b"/"),
            ("ftp://h/caf%E9", b"caf\xE9"),
            ("ftp://h/100%25", b"100%"),
            ("ftp://h/100%", b"100%"),
            ("ftp://h/a?b#c", b"a?b#c"),
            ("ftp://u@x:p@h/a@b:c", b"a@b:c"),
            ("ftp://h/a;type=b;type=i", b"a;type=b"),
        ] {
            assert_eq!(path(url), expected, "{url}");
        }
        assert!(FtpUrl::parse("ftp://h/a/").unwrap().is_directory_form());
        assert!(FtpUrl::parse("ftp://h/a;type=d").unwrap().is_directory_form());
        assert!(!FtpUrl::parse("ftp://h/a").unwrap().is_directory_form());
    }

    #[test]
    fn ipv6_literals_with_a_zone() {
        let url = FtpUrl::parse("ftp://[fe80::1%25eth0]:2121/x").unwrap();
        assert_eq!((url.host(), url.port()), ("fe80::1%eth0", 2121));
        assert_eq!(url.to_string(), "ftp://[fe80::1%25eth0]:2121/x");
        assert_eq!(FtpUrl::parse("ftp://[fe80::1%eth0]/x").unwrap().host(), "fe80::1%eth0");
        assert_eq!(FtpUrl::parse("ftp://u:p@[::1]/").unwrap().host(), "::1");
    }

    #[test]
    fn lines_cannot_be_smuggled_in() {
        for url in [
            "ftp://h/a%0d%0aDELE b",
            "ftp://h/a\r\nDELE b",
            "ftp://h/a%00",
            "ftp://u%0a:p@h/",
            "ftp://u\n@h/",
            "ftp://u:p%0D@h/",
            "ftp://u:p\0@h/",
        ] {
            assert!(matches!(FtpUrl::parse(url), Err(UrlError::Forbidden { .. })), "{url:?}");
        }
        assert!(matches!(FtpUrl::parse("ftp://h\r\n/"), Err(UrlError::Host(_))));
        assert_eq!(
            FtpUrl::parse("ftp://h/a%0d").unwrap_err().to_string(),
            "the path: the path holds a carriage return at byte 1"
        );
    }

    #[test]
    fn what_is_no_url() {
        for (text, error) in [
            ("host/x", UrlError::Scheme),
            ("http://h/", UrlError::Scheme),
            ("ftp:///x", UrlError::Host(String::new())),
            ("ftp://h:0/", UrlError::Port),
            ("ftp://h:+1/", UrlError::Port),
            ("ftp://h:65536/", UrlError::Port),
            ("ftp://[::1/", UrlError::Host("[::1".into())),
            ("ftp://a b/", UrlError::Host("a b".into())),
            ("ftp://h/x;type=q", UrlError::TransferType("q".into())),
        ] {
            assert_eq!(FtpUrl::parse(text), Err(error), "{text}");
        }
    }

    fn encoded(bytes: &[u8]) -> String {
        struct Encoded<'a>(&'a [u8]);
        impl fmt::Display for Encoded<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                percent_encode(f, self.0, b"/")
            }
        }
        Encoded(bytes).to_string()
    }

    proptest! {
        #[test]
        fn any_byte_goes_round(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(percent_decode(&encoded(&bytes)), bytes);
        }

        #[test]
        fn nothing_panics_and_no_line_end_gets_through(text in ".*") {
            if let Ok(url) = FtpUrl::parse(&text) {
                let path = url.path().map(|path| path.as_bytes().to_vec()).unwrap_or_default();
                prop_assert!(!path.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')));
            }
        }

        #[test]
        fn what_is_shown_can_be_read_again(
            user in "[a-z%:@]{0,6}",
            path in proptest::collection::vec(any::<u8>().prop_filter("allowed", |b| !matches!(b, 0 | 10 | 13)), 0..32),
        ) {
            let text = format!("ftp://{}@h/{}", encoded(user.as_bytes()), encoded(&path));
            let url = FtpUrl::parse(&text).unwrap();
            prop_assert_eq!(FtpUrl::parse(&url.to_string()).unwrap(), url);
        }
    }
}
