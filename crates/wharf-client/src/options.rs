//! What the user of a session chooses.

use std::net::IpAddr;
use std::time::Duration;

use wharf_net::passive_ports::PassivePorts;
use wharf_net::tls::ConnectorOptions;
use wharf_proto::dialogue::NegotiationCommand;
use wharf_proto::limits;

use crate::charset::Charset;
use crate::memory::Remembered;
use crate::operations::Verification;
use crate::proxy::Proxy;
use crate::rate::RateLimit;

/// How a session connects and transfers. `Default` is `--mode auto` over any address family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which rungs of the ladder are tried.
    pub mode: ModeChoice,
    /// How active mode listens.
    pub active: ActiveOptions,
    /// Which addresses of the server are tried.
    pub family: Family,
    /// Whether and how TLS is spoken.
    pub tls: TlsOptions,
    /// How long things may take.
    pub times: Times,
    /// What names are written in over the wire; none leaves them the bytes that they are.
    pub charset: Option<Charset>,
    /// Through which all connections go.
    pub proxy: Option<Proxy>,
    /// What worked with this server before, from any network: it is tried first in its own.
    pub remembered: Vec<Remembered>,
    /// What is done beside moving the bytes.
    pub transfers: TransferOptions,
}

/// What is done beside moving the bytes of a transfer. `Default` keeps times, and verifies and limits nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferOptions {
    /// Copies are as old as what they are copies of, where the server can tell, or be told, how old that is.
    pub keep_times: bool,
    /// Compare checksums afterwards, where the server has them.
    pub verification: Option<Verification>,
    /// How many bytes a second all sessions with a clone of this move.
    pub rate: Option<RateLimit>,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self { keep_times: true, verification: None, rate: None }
    }
}

/// Whether and how TLS is spoken. `Default` is `--tls auto`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// When; the scheme of a URL comes before it.
    pub mode: TlsMode,
    /// Servers need not prove who they are, where TLS is required too.
    pub insecure: bool,
    /// Who is trusted beside the machine's authorities, and who we are.
    pub connector: ConnectorOptions,
    /// Whether the control connection goes on in clear after the login (CCC), so that a NAT or firewall on the way can
    /// read along. Data connections stay under TLS.
    pub clear_control: bool,
}

/// When TLS is spoken with a server of `ftp://`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// Never.
    Off,
    /// If the server offers it, whoever it is. One that refuses AUTH is spoken to in clear, one whose handshake fails is not.
    #[default]
    Auto,
    /// Always, and the server has to prove who it is.
    Require,
}

/// Which ways to a data connection are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ModeChoice {
    /// All, passive ones first.
    #[default]
    Auto,
    /// EPSV, PASV.
    Passive,
    /// EPRT, PORT.
    Active,
    /// One only.
    Only(NegotiationCommand),
}

/// How active mode listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveOptions {
    /// The address that PORT and EPRT tell, where it is not the control connection's own: the outside of a NAT.
    pub told: Option<IpAddr>,
    /// The ports to listen on.
    pub ports: PassivePorts,
}

/// Which address family is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Family {
    /// Either, in the order that the resolver gives.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// From the start of looking up the name, for each step: the name, and each address.
    pub connect: Duration,
    /// From a command to its reply; the greeting too. It is the time to the end of the reply: bytes that trickle in do not
    /// extend it.
    pub reply: Duration,
    /// From the end of the data of a transfer to its final reply.
    pub completion: Duration,
    /// The longest time without a byte of data.
    pub stall: Duration,
    /// For the opening of a passive data connection while there is another rung to try.
    pub passive: Duration,
    /// For the coming of an active data connection while there is another rung to try.
    pub active: Duration,
    /// For either on the last rung.
    pub last_rung: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: ModeChoice::default(),
            active: ActiveOptions { told: None, ports: PassivePorts::Any },
            family: Family::default(),
            tls: TlsOptions::default(),
            times: Times::default(),
            charset: None,
            proxy: None,
            remembered: Vec::new(),
            transfers: TransferOptions::default(),
        }
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            connect: limits::CONNECT_TIME,
            reply: limits::REPLY_TIME,
            completion: limits::REPLY_TIME,
            stall: limits::DATA_STALL_TIME,
            passive: Duration::from_secs(3),
            active: Duration::from_secs(3),
            last_rung: Duration::from_secs(10),
        }
    }
}

impl Times {
    /// One time for everything; the budgets of the rungs only get shorter.
    #[must_use]
    pub fn with_timeout(timeout: Duration) -> Self {
        let usual = Self::default();
        Self {
            connect: timeout,
            reply: timeout,
            completion: timeout,
            stall: timeout,
            passive: usual.passive.min(timeout),
            active: usual.active.min(timeout),
            last_rung: usual.last_rung.min(timeout),
        }
    }
}

/// Longest pause before another try.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long to wait before try number `tries` + 1 of something that may well work a little later.
#[must_use]
pub fn pause_before_retry(tries: u32) -> Duration {
    LONGEST_PAUSE.min(Duration::from_secs(1 << tries.min(5)) / 2)
}
