//! Where a data connection goes, as text: the six numbers of PORT and 227, the `|family|address|port|` of EPRT and
//! 229.
//!
//! Commands are read strictly, so that a server, and every box between, takes the same endpoint out of the same
//! bytes. Replies are read with tolerance (RFC 1123 §4.1.2.6). Each error says what was wrong at which place.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use core::str::FromStr;

/// An IPv4 endpoint as PORT and 227 write it: `h1,h2,h3,h4,p1,p2` (RFC 959 §4.1.2). The port is not 0 where it was
/// parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// h1 to h4.
    pub address: Ipv4Addr,
    /// p1 × 256 + p2.
    pub port: u16,
}

/// What is wrong with six numbers. An `index` counts the numbers from 0, an `at` the bytes from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostPortError {
    /// The text ends too early.
    #[error("{found} numbers where six are needed")]
    Missing {
        /// How many numbers there are.
        found: usize,
    },
    /// Something else stands where a number should.
    #[error("no digit at byte {at}, where number {} should begin", .index + 1)]
    NotANumber {
        /// Which number.
        index: usize,
        /// Where.
        at: usize,
    },
    /// A number above 255.
    #[error("number {} is {value}, above 255", .index + 1)]
    NumberTooLarge {
        /// Which number.
        index: usize,
        /// Its value; `u32::MAX` for any larger one.
        value: u32,
    },
    /// A number of more than three digits, through zeros in front.
    #[error("number {} has more than three digits", .index + 1)]
    TooManyDigits {
        /// Which number.
        index: usize,
    },
    /// No comma behind a number.
    #[error("no comma at byte {at}, behind number {}", .index + 1)]
    NotAComma {
        /// Behind which number.
        index: usize,
        /// Where.
        at: usize,
    },
    /// Something stands behind the sixth number.
    #[error("more text behind the sixth number, at byte {at}")]
    TrailingBytes {
        /// Where it begins.
        at: usize,
    },
    /// Port 0, to which nobody can connect.
    #[error("port 0 at {address}")]
    PortZero {
        /// The address that came with it.
        address: Ipv4Addr,
    },
}

impl HostPort {
    /// Reads the argument of PORT: exactly six decimal numbers of 0 to 255, with commas between and nothing else.
    ///
    /// # Errors
    /// What is wrong first, from the left; [`HostPortError::PortZero`] only if all else is right.
    pub fn parse_strict(text: &[u8]) -> Result<Self, HostPortError> {
        let (endpoint, length) = parse_six(text, 0, false)?;
        if length < text.len() {
            return Err(HostPortError::TrailingBytes { at: length });
        }
        endpoint.with_port()
    }

    /// Finds the endpoint in the text of a 227 reply: the first six numbers with commas between, wherever they stand,
    /// with or without parentheses, and with spaces around the commas (RFC 1123 §4.1.2.6). The code 227 in front does
    /// no harm. Of a longer row of numbers the last six are taken.
    ///
    /// # Errors
    /// What is wrong with the candidate that came closest; [`HostPortError::Missing`] if the text has no number.
    pub fn find_in_reply_text(text: &[u8]) -> Result<Self, HostPortError> {
        let mut closest = (0, HostPortError::Missing { found: 0 });
        let mut at = 0;
        while let Some(offset) = text[at..].iter().position(u8::is_ascii_digit) {
            let start = at + offset;
            match parse_six(text, start, true) {
                Ok((_, end)) if another_number_follows(&text[end..]) => {}
                Ok((endpoint, _)) => return endpoint.with_port(),
                Err(error) => {
                    let reached = error.numbers_before();
                    // A lone number, such as the code, tells less than nothing found.
                    if reached > closest.0.max(1) {
                        closest = (reached, error);
                    }
                }
            }
            at = start + digits(&text[start..]);
        }
        Err(closest.1)
    }

    fn with_port(self) -> Result<Self, HostPortError> {
        if self.port == 0 { Err(HostPortError::PortZero { address: self.address }) } else { Ok(self) }
    }

    /// Appends `h1,h2,h3,h4,p1,p2`.
    pub fn write(self, out: &mut Vec<u8>) {
        use std::io::Write;
        // Writing into a Vec cannot fail.
        let _ = write!(out, "{self}");
    }

    /// The text of a 227 reply, in the form that every client and every helper of a NAT understands (RFC 959 §4.1.2
    /// gives none): `Entering Passive Mode (h1,h2,h3,h4,p1,p2).`
    #[must_use]
    pub fn passive_mode_text(self) -> String {
        format!("Entering Passive Mode ({self}).")
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.address.octets();
        let [high, low] = self.port.to_be_bytes();
        write!(f, "{a},{b},{c},{d},{high},{low}")
    }
}

impl From<HostPort> for SocketAddrV4 {
    fn from(HostPort { address, port }: HostPort) -> Self {
        Self::new(address, port)
    }
}

impl From<SocketAddrV4> for HostPort {
    fn from(endpoint: SocketAddrV4) -> Self {
        Self { address: *endpoint.ip(), port: endpoint.port() }
    }
}

impl HostPortError {
    /// How many numbers were right before it.
    fn numbers_before(self) -> usize {
        match self {
            Self::Missing { found } => found,
            Self::NotANumber { index, .. }
            | Self::NumberTooLarge { index, .. }
            | Self::TooManyDigits { index } => index,
            Self::NotAComma { index, .. } => index + 1,
            Self::TrailingBytes { .. } | Self::PortZero { .. } => 6,
        }
    }
}

/// Six numbers from byte `start` on; the endpoint, whose port may be 0, and where it ends.
fn parse_six(text: &[u8], start: usize, spaces: bool) -> Result<(HostPort, usize), HostPortError> {
    let skip_spaces = |at: usize| if spaces { at + leading_spaces(&text[at..]) } else { at };
    let mut numbers = [0; 6];
    let mut at = start;
    for (index, number) in numbers.iter_mut().enumerate() {
        if index > 0 {
            let comma = skip_spaces(at);
            match text.get(comma) {
                Some(b',') => at = skip_spaces(comma + 1),
                Some(_) => return Err(HostPortError::NotAComma { index: index - 1, at: comma }),
                None => return Err(HostPortError::Missing { found: index }),
            }
        }
        let length = digits(&text[at..]);
        if length == 0 {
            return Err(match text.get(at) {
                Some(_) => HostPortError::NotANumber { index, at },
                None => HostPortError::Missing { found: index },
            });
        }
        let value = decimal(&text[at..at + length]);
        *number = match u8::try_from(value) {
            Ok(_) if length > 3 => return Err(HostPortError::TooManyDigits { index }),
            Ok(number) => number,
            Err(_) => return Err(HostPortError::NumberTooLarge { index, value }),
        };
        at += length;
    }
    let [a, b, c, d, high, low] = numbers;
    Ok((HostPort { address: Ipv4Addr::new(a, b, c, d), port: u16::from_be_bytes([high, low]) }, at))
}

fn another_number_follows(text: &[u8]) -> bool {
    let comma = leading_spaces(text);
    text.get(comma) == Some(&b',')
        && text[comma + 1..].get(leading_spaces(&text[comma + 1..])).is_some_and(u8::is_ascii_digit)
}

fn leading_spaces(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The value of ASCII digits; `u32::MAX` for any larger one.
fn decimal(digits: &[u8]) -> u32 {
    digits.iter().fold(0_u32, |value, digit| value.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
}

/// An endpoint of either family as EPRT writes it: `|1|132.235.1.2|6275|` or `|2|1080::8:800:200C:417A|5282|`
/// (RFC 2428 §2). The port is not 0 where it was parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExtendedHostPort {
    /// The address; its family is the first field.
    pub address: IpAddr,
    /// The TCP port.
    pub port: u16,
}

/// A field of EPRT's argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtendedField {
    /// The first: 1 for IPv4, 2 for IPv6.
    Family,
    /// The second.
    Address,
    /// The third.
    Port,
}

/// What is wrong with the argument of EPRT or the text of 229.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtendedHostPortError {
    /// The text is empty, or, in a reply, nothing in it looks like an endpoint.
    #[error("no endpoint such as |||6446| in it")]
    Missing,
    /// The first byte cannot be a delimiter: 33 to 126 can (RFC 2428 §2).
    #[error("byte 0x{byte:02X} cannot be a delimiter")]
    BadDelimiter {
        /// The byte.
        byte: u8,
    },
    /// The text ends before the delimiter that ends this field.
    #[error("no delimiter behind the {field}")]
    Unended {
        /// The field.
        field: ExtendedField,
    },
    /// Something stands behind the last delimiter.
    #[error("more text behind the last delimiter, at byte {at}")]
    TrailingBytes {
        /// Where it begins, counted from 0.
        at: usize,
    },
    /// The family or port is no decimal number.
    #[error("the {field} is not a number")]
    NotANumber {
        /// [`ExtendedField::Family`] or [`ExtendedField::Port`].
        field: ExtendedField,
    },
    /// A family other than 1 and 2. A server answers 522.
    #[error("address family {family} is unknown: 1 is IPv4, 2 is IPv6")]
    UnknownFamily {
        /// The number; `u32::MAX` for any larger one.
        family: u32,
    },
    /// The address is none of this family.
    #[error("the address is not an IPv{} address", if *.family == 1 { 4 } else { 6 })]
    AddressNotOfFamily {
        /// 1 or 2.
        family: u32,
    },
    /// The address has a zone (`fe80::1%eth0`), which means something on its own host only.
    #[error("the address has a zone, which means nothing to another host")]
    ScopedAddress,
    /// The port is above 65535.
    #[error("port {value} is above 65535")]
    PortOutOfRange {
        /// The number; `u32::MAX` for any larger one.
        value: u32,
    },
    /// Port 0, to which nobody can connect.
    #[error("port 0")]
    PortZero,
}

impl ExtendedHostPort {
    /// Reads the argument of EPRT (RFC 2428 §2), with any delimiter of 33 to 126.
    ///
    /// # Errors
    /// What is wrong first, from the left. Of an unknown family nothing more is read: it is the one error that is
    /// answered with 522.
    pub fn parse(text: &[u8]) -> Result<Self, ExtendedHostPortError> {
        let (&delimiter, rest) = text.split_first().ok_or(ExtendedHostPortError::Missing)?;
        if !(33..=126).contains(&delimiter) {
            return Err(ExtendedHostPortError::BadDelimiter { byte: delimiter });
        }
        let (family, rest) = split_field(rest, delimiter, ExtendedField::Family)?;
        let family = parse_number(family, ExtendedField::Family)?;
        if !matches!(family, 1 | 2) {
            return Err(ExtendedHostPortError::UnknownFamily { family });
        }
        let (address, rest) = split_field(rest, delimiter, ExtendedField::Address)?;
        let address = parse_address(address, family)?;
        let (port, rest) = split_field(rest, delimiter, ExtendedField::Port)?;
        let port = parse_port(port)?;
        if !rest.is_empty() {
            return Err(ExtendedHostPortError::TrailingBytes { at: text.len() - rest.len() });
        }
        Ok(Self { address, port })
    }

    /// The number of the address's family: 1 or 2.
    #[must_use]
    pub const fn family(self) -> u32 {
        match self.address {
            IpAddr::V4(_) => 1,
            IpAddr::V6(_) => 2,
        }
    }

    /// Appends `|family|address|port|`.
    pub fn write(self, out: &mut Vec<u8>) {
        use std::io::Write;
        // Writing into a Vec cannot fail.
        let _ = write!(out, "{self}");
    }
}

impl fmt::Display for ExtendedHostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "|{}|{}|{}|", self.family(), self.address, self.port)
    }
}

impl From<ExtendedHostPort> for SocketAddr {
    fn from(ExtendedHostPort { address, port }: ExtendedHostPort) -> Self {
        Self::new(address, port)
    }
}

/// Without the zone of a link-local address: the peer has its own.
impl From<SocketAddr> for ExtendedHostPort {
    fn from(endpoint: SocketAddr) -> Self {
        Self { address: endpoint.ip(), port: endpoint.port() }
    }
}

impl fmt::Display for ExtendedField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Family => "family",
            Self::Address => "address",
            Self::Port => "port",
        })
    }
}

/// The text of a 229 reply (RFC 2428 §3): `Entering Extended Passive Mode (|||port|)`.
///
/// No full stop follows: the RFC has none, and clients with a pattern of their own were written to that.
#[must_use]
pub fn extended_passive_mode_text(port: u16) -> String {
    format!("Entering Extended Passive Mode (|||{port}|)")
}

/// Finds the port in the text of a 229 reply (RFC 2428 §3): `(|||6446|)`; also with another delimiter, without
/// parentheses, without the last delimiter before the end, and with a family and an address, as in
/// `(|1|10.0.0.1|6446|)`, which are passed over: the connection goes to the control connection's peer.
///
/// # Errors
/// [`ExtendedHostPortError::Missing`] if nothing looks like it, else what is wrong with the port.
pub fn find_extended_port(text: &[u8]) -> Result<u16, ExtendedHostPortError> {
    let in_parentheses = (0..text.len()).filter(|&at| at > 0 && text[at - 1] == b'(');
    // A letter or digit is taken as a delimiter only where the parenthesis says so.
    let anywhere = (0..text.len()).filter(|&at| text[at].is_ascii_punctuation());
    for start in in_parentheses.chain(anywhere) {
        if let Some(port) = extended_port_at(&text[start..]) {
            return parse_port(port);
        }
    }
    Err(ExtendedHostPortError::Missing)
}

/// The digits of the port, if `text` begins with an endpoint. Looks at a bounded number of bytes only.
fn extended_port_at(text: &[u8]) -> Option<&[u8]> {
    /// An IPv6 address with an IPv4 tail and a zone.
    const LONGEST_ADDRESS: usize = 64;
    /// More than a port has, so that one that is too large is told from none.
    const MOST_DIGITS: usize = 10;
    let &delimiter = text.first()?;
    if !(33..=126).contains(&delimiter) {
        return None;
    }
    let field =
        |text: &[u8], longest: usize| text.iter().take(longest + 1).position(|&byte| byte == delimiter);
    let text = &text[1..];
    let family = field(text, 1)?;
    if !matches!(&text[..family], b"" | b"1" | b"2") {
        return None;
    }
    let text = &text[family + 1..];
    let address = field(text, LONGEST_ADDRESS)?;
    // Numbers are not enough, or the `,1,2,3,` in the middle of a 227 would do.
    if address > 0 && !is_address(&text[..address]) {
        return None;
    }
    let text = &text[address + 1..];
    let length = match field(text, MOST_DIGITS) {
        Some(length) => length,
        None => digits(&text[..text.len().min(MOST_DIGITS + 1)]),
    };
    let ends = matches!(text.get(length), None | Some(b')')) || text.get(length) == Some(&delimiter);
    let is_port = (1..=MOST_DIGITS).contains(&length) && text[..length].iter().all(u8::is_ascii_digit);
    (ends && is_port).then(|| &text[..length])
}

fn is_address(text: &[u8]) -> bool {
    let zone = memchr::memchr(b'%', text).unwrap_or(text.len());
    core::str::from_utf8(&text[..zone]).is_ok_and(|text| IpAddr::from_str(text).is_ok())
}

fn split_field(
    text: &[u8],
    delimiter: u8,
    field: ExtendedField,
) -> Result<(&[u8], &[u8]), ExtendedHostPortError> {
    let end = memchr::memchr(delimiter, text).ok_or(ExtendedHostPortError::Unended { field })?;
    Ok((&text[..end], &text[end + 1..]))
}

fn parse_number(text: &[u8], field: ExtendedField) -> Result<u32, ExtendedHostPortError> {
    if text.is_empty() || digits(text) < text.len() {
        return Err(ExtendedHostPortError::NotANumber { field });
    }
    Ok(decimal(text))
}

fn parse_port(text: &[u8]) -> Result<u16, ExtendedHostPortError> {
    let value = parse_number(text, ExtendedField::Port)?;
    match u16::try_from(value) {
        Ok(0) => Err(ExtendedHostPortError::PortZero),
        Ok(port) => Ok(port),
        Err(_) => Err(ExtendedHostPortError::PortOutOfRange { value }),
    }
}

fn parse_address(text: &[u8], family: u32) -> Result<IpAddr, ExtendedHostPortError> {
    let not_of_family = ExtendedHostPortError::AddressNotOfFamily { family };
    let text = core::str::from_utf8(text).map_err(|_| not_of_family)?;
    if family == 1 {
        return Ipv4Addr::from_str(text).map(IpAddr::V4).map_err(|_| not_of_family);
    }
    match text.split_once('%') {
        Some((address, _)) if Ipv6Addr::from_str(address).is_ok() => {
            Err(ExtendedHostPortError::ScopedAddress)
        }
        _ => Ipv6Addr::from_str(text).map(IpAddr::V6).map_err(|_| not_of_family),
    }
}

#[cfg(test)]
#[path = "host_port_tests.rs"]
mod tests;
