//! What the values of flags and of wharf.toml mean. Each is read from a text by `FromStr`, whose error says what is wanted.

use std::fmt;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use ipnet::IpNet;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq, Serializer};

use wharf_server::Charset;

use super::section::plain;

/// Lets a value that has `FromStr` and `Display` be read from, and written to, a TOML string.
macro_rules! text_value {
    ($name:ident, $wanted:literal) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Reader;
                impl Visitor<'_> for Reader {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($wanted)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }

                    // A port may stand without quotes.
                    fn visit_i64<E: de::Error>(self, number: i64) -> Result<$name, E> {
                        number
                            .to_string()
                            .parse()
                            .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
                    }
                }
                deserializer.deserialize_any(Reader)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        plain!($name);
    };
}

/// A mode on offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// PORT and EPRT
    Active,
    /// PASV and EPSV
    Passive,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Passive => "passive",
        })
    }
}

/// What TYPE A does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ascii {
    /// Line ends are converted (RFC 959)
    Convert,
    /// Files go over as they are, for devices that never send TYPE I
    Binary,
}

/// The name of a character set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CharsetName(pub(crate) Charset);

impl FromStr for CharsetName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Charset::from_name(text).map(Self).ok_or_else(|| {
            format!(
                "{text} is not a character set for names: utf-8, gbk, big5, shift_jis or latin1, for instance"
            )
        })
    }
}

impl fmt::Display for CharsetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name().to_lowercase())
    }
}

text_value!(CharsetName, "a character set such as \"utf-8\" or \"gbk\"");

/// Where the data of an upload go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Uploads {
    /// Into a hidden part.
    Atomic,
    /// Into the file itself.
    InPlace,
}

/// What an atomic upload does to a complete file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Append {
    /// It works on a copy.
    Copy,
    /// It writes into it.
    InPlace,
}

/// When the data of an upload count as all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PublishWhen {
    /// When they have ended and the client is still there.
    WhileConnected,
    /// When they have ended.
    OnEof,
}

/// What is done before 226.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DurabilityKind {
    /// The file has its name.
    Rename,
    /// It is on the disk.
    Fsync,
}

/// What becomes of a private address in PORT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PrivateAddress {
    /// It is refused.
    Refuse,
    /// The control connection's peer is taken instead.
    UseControlPeer,
}

/// Whether the server shuts itself in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sandbox {
    /// Where the kernel can.
    Auto,
    /// Or it does not start.
    Require,
    /// No.
    Off,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogForm {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// How much the log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// What stops something that was asked for.
    Error,
    /// What somebody should look at, too.
    Warn,
    /// Logins and transfers too.
    Info,
    /// Every session too.
    Debug,
}

/// Whether TLS is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TlsUse {
    /// No TLS
    Off,
    /// The client chooses
    Allow,
    /// No login and no data in clear
    Require,
}

/// Whether data connections resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Resumption {
    /// A data connection that does not is refused: nobody else can take the data
    Require,
    /// They may
    Prefer,
    /// They cannot
    Off,
}

/// What an upload is that ends without close_notify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CloseNotify {
    /// Cut.
    Require,
    /// Complete.
    Tolerate,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub(crate) enum TlsVersion {
    /// 1.2.
    #[serde(rename = "1.2")]
    Tls12,
    /// 1.3.
    #[serde(rename = "1.3")]
    Tls13,
}

plain!(
    Uploads,
    Append,
    PublishWhen,
    DurabilityKind,
    Mode,
    Ascii,
    PrivateAddress,
    Sandbox,
    LogForm,
    LogLevel,
    TlsUse,
    Resumption,
    CloseNotify,
    TlsVersion
);

/// A range of ports, its first and last included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortRange(pub(crate) RangeInclusive<u16>);

impl FromStr for PortRange {
    type Err = String;

    /// `FIRST-LAST`, both from 1 on.
    fn from_str(text: &str) -> Result<Self, String> {
        port_range(text).map(Self)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0.start(), self.0.end())
    }
}

text_value!(PortRange, "a range of ports such as \"40000-40099\"");

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

/// The ports of passive mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PassivePorts {
    /// Whichever is free.
    Any,
    /// These only.
    Range(PortRange),
}

impl FromStr for PassivePorts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "any" { Ok(Self::Any) } else { text.parse().map(Self::Range) }
    }
}

impl fmt::Display for PassivePorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Range(range) => range.fmt(f),
        }
    }
}

text_value!(PassivePorts, "a range of ports such as \"40000-40099\", or \"any\"");

/// The address told in the 227 reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Advertised {
    /// The one that the client reached.
    Local,
    /// The one that a balancer says the client reached.
    Proxy,
    /// This one.
    Address(Ipv4Addr),
    /// The one that the name has.
    Name(String),
}

impl FromStr for Advertised {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "local" {
            return Ok(Self::Local);
        }
        if text == "proxy" {
            return Ok(Self::Proxy);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        if text.parse::<std::net::Ipv6Addr>().is_ok() {
            return Err("PASV tells IPv4 addresses only; EPSV needs no address".to_owned());
        }
        let is_name = !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        let looks_like_address = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if is_name && !looks_like_address {
            Ok(Self::Name(text.to_owned()))
        } else {
            Err(format!("\"{text}\" is neither an IPv4 address nor a host name"))
        }
    }
}

impl fmt::Display for Advertised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Proxy => f.write_str("proxy"),
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

text_value!(Advertised, "\"local\", \"proxy\", an IPv4 address or a host name");

/// The source port of active data connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourcePort {
    /// The control port less one, any where that may not be bound.
    ControlMinusOne,
    /// Any.
    Any,
    /// This one.
    Fixed(u16),
}

impl FromStr for SourcePort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("control-1", _) => Ok(Self::ControlMinusOne),
            ("any", _) => Ok(Self::Any),
            (_, Ok(port)) if port > 0 => Ok(Self::Fixed(port)),
            _ => Err(format!("\"{text}\" is neither a port from 1 to 65535 nor \"any\" nor \"control-1\"")),
        }
    }
}

impl fmt::Display for SourcePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ControlMinusOne => f.write_str("control-1"),
            Self::Any => f.write_str("any"),
            Self::Fixed(port) => port.fmt(f),
        }
    }
}

text_value!(SourcePort, "\"control-1\", \"any\" or a port from 1 to 65535");

/// Files: one, or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Files(pub(crate) Vec<PathBuf>);

impl<'de> Deserialize<'de> for Files {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_or_many(deserializer, "a path, or a list of them", |text| Ok(PathBuf::from(text))).map(Self)
    }
}

plain!(Files);

/// Networks: one text, or a list of them. A lone address is the network of that one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Networks(pub(crate) Vec<IpNet>);

impl Networks {
    /// All addresses of both families.
    pub(crate) fn everyone() -> Self {
        Self(vec![IpNet::default(), ipnet::Ipv6Net::default().into()])
    }

    /// The loopback addresses of both families.
    pub(crate) fn this_machine() -> Self {
        let loopback = std::net::IpAddr::from(Ipv4Addr::new(127, 0, 0, 0));
        let eight = IpNet::new(loopback, 8).ok();
        Self(
            eight
                .into_iter()
                .chain([IpNet::from(std::net::IpAddr::from(std::net::Ipv6Addr::LOCALHOST))])
                .collect(),
        )
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wanted = "a network such as \"192.168.0.0/16\", or a list of them";
        one_or_many(deserializer, wanted, network).map(Self)
    }
}

/// A text, or a list of texts.
fn one_or_many<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    wanted: &'static str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, D::Error> {
    struct Reader<F>(&'static str, F);
    impl<'de, T, F: Fn(&str) -> Result<T, String>> Visitor<'de> for Reader<F> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            (self.1)(text).map(|one| vec![one]).map_err(E::custom)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(text) = list.next_element::<String>()? {
                all.push((self.1)(&text).map_err(de::Error::custom)?);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_any(Reader(wanted, read))
}

impl Serialize for Networks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for network in &self.0 {
            list.serialize_element(&network.to_string())?;
        }
        list.end()
    }
}

plain!(Networks);

fn network(text: &str) -> Result<IpNet, String> {
    let network =
        text.parse().or_else(|error| text.parse::<std::net::IpAddr>().map(IpNet::from).map_err(|_| error));
    let network: IpNet = network
        .map_err(|_| format!("\"{text}\" is not a network such as 192.168.0.0/16 or 2001:db8::/32"))?;
    if network.addr() == network.network() {
        Ok(network)
    } else {
        Err(format!("{text} has bits behind its length set: {} is meant", network.trunc()))
    }
}

/// A time, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) u32);

impl Seconds {
    pub(crate) const fn of(time: std::time::Duration) -> Self {
        // The limits in question are minutes.
        Self(time.as_secs() as u32)
    }

    pub(crate) fn duration(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.0.into())
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seconds from 1 to 86400")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Seconds, E> {
                match u32::try_from(number) {
                    Ok(seconds @ 1..=86_400) => Ok(Seconds(seconds)),
                    _ => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
                }
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0)
    }
}

plain!(Seconds);

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
        assert_eq!("198.51.100.2".parse(), Ok(Advertised::Address(Ipv4Addr::new(198, 51, 100, 2))));
        assert_eq!("ftp.example.net".parse(), Ok(Advertised::Name("ftp.example.net".to_owned())));
        assert_eq!("local".parse(), Ok(Advertised::Local));
        for wrong in ["", "::1", "300.1.1.1", "a b", "x/y"] {
            assert!(wrong.parse::<Advertised>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn networks_are_checked() {
        assert_eq!(network("10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
        assert_eq!(network("2001:db8::/32").unwrap().to_string(), "2001:db8::/32");
        assert_eq!(
            network("10.1.2.3/8").unwrap_err(),
            "10.1.2.3/8 has bits behind its length set: 10.0.0.0/8 is meant"
        );
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "example.net"] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }
}
