//! What was seen: the facts that decide a cause.

use core::time::Duration;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::Language;

mod chinese;
mod sentence;

/// One of the two ends of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one who connected the control connection.
    Client,
    /// The one who accepted it.
    Server,
}

/// Makes the evidence, the list of its kinds and the way from one to the other from one table.
macro_rules! evidence {
    ($($(#[$doc:meta])* $variant:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* },)*) => {
        /// A fact that was observed.
        ///
        /// `Display` says it in one English sentence on one line: texts of a peer are escaped. Replies are kept
        /// without their line end. No variant may carry a password; the arguments of commands are not kept.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Evidence {
            $($(#[$doc])* $variant { $($(#[$field_doc])* $field: $type,)* },)*
        }

        /// The kind of an [`Evidence`], without its facts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EvidenceKind {
            $($(#[$doc])* $variant,)*
        }

        impl EvidenceKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }

        impl Evidence {
            /// The kind of this evidence.
            #[must_use]
            pub const fn kind(&self) -> EvidenceKind {
                match self {
                    $(Self::$variant { .. } => EvidenceKind::$variant,)*
                }
            }
        }
    };
}

evidence! {
    /// A reply told a private, loopback or link-local address to a client that talks to a public one.
    PrivateAddressTold {
        /// The endpoint in the reply.
        told: SocketAddr,
        /// The server's address on the control connection.
        control_peer: IpAddr,
    },
    /// The told endpoint does not connect, the same port of another address does.
    OtherAddressConnects {
        /// The endpoint in the reply.
        told: SocketAddr,
        /// The endpoint that took the connection.
        connected: SocketAddr,
    },
    /// Client and server share a network, and the reply told an address outside of it.
    SameNetwork {
        /// The client's own address.
        client: IpAddr,
        /// The server's address on the control connection.
        server: IpAddr,
        /// The endpoint in the reply.
        told: SocketAddr,
    },
    /// A connection attempt got no answer at all while the control connection was alive.
    SynUnanswered {
        /// Where the attempt went to.
        endpoint: SocketAddr,
        /// How long an answer was waited for.
        waited: Duration,
    },
    /// A connection attempt was refused.
    ConnectRefused {
        /// Where the attempt went to.
        endpoint: SocketAddr,
        /// The operating system's words.
        error: String,
    },
    /// A capture shows a reset in answer to a connection attempt.
    ResetReceived {
        /// Where the attempt went to.
        endpoint: SocketAddr,
        /// IP time to live of the reset, in hops.
        ttl: u8,
        /// IP time to live of the same host's packets on the control connection, in hops.
        control_ttl: u8,
    },
    /// An ICMP message forbade a connection attempt.
    ProhibitedByIcmp {
        /// Where the attempt went to.
        endpoint: SocketAddr,
        /// Who sent the ICMP message.
        sender: IpAddr,
        /// The message, such as `administratively prohibited`.
        message: String,
    },
    /// The told port lies outside of the range that is known to be exposed.
    PortOutsideRange {
        /// The port in the reply.
        told: u16,
        /// First port of the exposed range.
        first: u16,
        /// Last port of the exposed range.
        last: u16,
    },
    /// The port that the client read is not the one on which the server listens.
    PortsDiffer {
        /// The port that the client read.
        told: u16,
        /// The port on which the server listens.
        listening: u16,
    },
    /// A line arrived other than it was sent.
    TextRewritten {
        /// The line as one side sent it.
        sent: String,
        /// The line as the other side read it.
        received: String,
    },
    /// The same mode works in clear and fails under TLS.
    FailsUnderTlsOnly {
        /// The verb that negotiated the data connection.
        verb: String,
        /// The endpoint that failed.
        endpoint: SocketAddr,
    },
    /// PORT or EPRT arrived with the client's inside address although its connection was translated.
    AddressNotRewritten {
        /// PORT or EPRT.
        verb: String,
        /// The endpoint as it arrived.
        told: SocketAddr,
        /// The address from which the control connection arrived.
        control_source: IpAddr,
    },
    /// The segment with a command or reply was sent again and again and never acknowledged.
    SegmentUnacknowledged {
        /// The line in the segment.
        line: String,
        /// How often it was sent, the first time included.
        times: u32,
    },
    /// It is always the same port that fails.
    SamePortFails {
        /// The port.
        port: u16,
        /// How many attempts to it failed.
        failures: u32,
    },
    /// PORT or EPRT named an address that cannot be reached from the server.
    UnroutableAddressSent {
        /// The endpoint in the command.
        told: SocketAddr,
        /// The address from which the control connection came.
        control_source: IpAddr,
    },
    /// PORT or EPRT named a private address to a server that has a public one: a NAT stands between them.
    PrivateAddressSent {
        /// PORT or EPRT.
        verb: String,
        /// The endpoint in the command.
        told: SocketAddr,
        /// The server's address on the control connection.
        control_peer: IpAddr,
    },
    /// The server was told to connect, and no SYN of it reached the client's wire.
    NoSynArrived {
        /// The endpoint at which the client listened.
        endpoint: SocketAddr,
        /// How long it listened.
        waited: Duration,
    },
    /// The operating system did not let a connection attempt out.
    ConnectForbidden {
        /// Where the attempt should have gone to.
        endpoint: SocketAddr,
        /// The operating system's words.
        error: String,
    },
    /// A SYN reached this machine, which did not let it in.
    SynDropped {
        /// Where the SYN came from.
        source: SocketAddr,
        /// The endpoint at which the client listened.
        endpoint: SocketAddr,
    },
    /// A SYN that did not come from port 20 got no answer.
    SynFromOtherPort {
        /// Where the SYN came from.
        source: SocketAddr,
        /// Where it went to.
        endpoint: SocketAddr,
    },
    /// The operating system refused a local port.
    BindRefused {
        /// The port that was asked for.
        port: u16,
        /// The operating system's words.
        error: String,
    },
    /// A reply to a command.
    ReplyReceived {
        /// The verb that was sent; empty for a greeting or a reply that nothing asked for.
        verb: String,
        /// The reply, code and text.
        reply: String,
    },
    /// A command got no reply.
    SilenceAfter {
        /// The verb that was sent.
        verb: String,
        /// How long a reply was waited for.
        waited: Duration,
    },
    /// The port of an EPSV reply is dead, the one of a PASV reply works.
    ExtendedPortDead {
        /// The endpoint that EPSV led to.
        extended: SocketAddr,
        /// The endpoint that PASV led to.
        classic: SocketAddr,
    },
    /// A command was refused after EPSV ALL.
    RefusedAfterEpsvAll {
        /// PORT, PASV or EPRT.
        verb: String,
        /// The reply, code and text.
        reply: String,
    },
    /// A 227 or 229 does not say where to connect.
    ReplyUnreadable {
        /// The reply, code and text.
        reply: String,
        /// What is wrong with it, and where.
        problem: String,
    },
    /// A command that cannot work with the address family of the control connection.
    FamilyDiffers {
        /// The verb that was sent.
        verb: String,
        /// The other side's address on the control connection.
        control_peer: IpAddr,
    },
    /// The server's address lies in the prefix of NAT64.
    TranslatedPeer {
        /// The server's address as the client sees it.
        control_peer: Ipv6Addr,
    },
    /// A transfer was asked for without PORT, PASV, EPRT or EPSV since the last one.
    NotNegotiated {
        /// The verb of the transfer.
        verb: String,
    },
    /// The server agreed on a data connection, and knew nothing of that when the transfer was asked for.
    AgreementLost {
        /// The verb that negotiated.
        verb: String,
        /// The positive reply to it, code and text.
        agreed: String,
        /// The reply to the transfer, code and text.
        reply: String,
    },
    /// A data connection came from another address than the control connection.
    PeerDiffers {
        /// The other side's address on the control connection.
        control_peer: IpAddr,
        /// Where the data connection came from.
        data_peer: SocketAddr,
    },
    /// A data connection came up, and whoever had to send on it did not.
    NothingSent {
        /// Where the data connection went to.
        endpoint: SocketAddr,
        /// How long it stood.
        waited: Duration,
    },
    /// The server took a data connection, closed it before the first byte, and did not answer.
    ClosedWithoutReply {
        /// Where the server listened.
        endpoint: SocketAddr,
        /// How long a reply was waited for afterwards.
        waited: Duration,
    },
    /// The same thing works at times and fails at others.
    FailsIntermittently {
        /// How many attempts failed.
        failed: u32,
        /// How many attempts there were.
        tried: u32,
    },
    /// Somebody else connected to the passive port.
    StrangerConnected {
        /// Who connected.
        stranger: SocketAddr,
        /// Who was expected.
        expected: IpAddr,
    },
    /// The server answered a transfer as one whose data connection came up, while its client had connected nowhere.
    TakenByAnother {
        /// The verb of the transfer.
        verb: String,
        /// The reply, code and text.
        reply: String,
        /// Where the server listened.
        endpoint: SocketAddr,
    },
    /// Transfers succeeded without a byte.
    EmptyTransfers {
        /// How many were empty.
        empty: u32,
        /// How many there were.
        tried: u32,
    },
    /// Every port of the passive range is taken.
    AllPortsInUse {
        /// First port of the range.
        first: u16,
        /// Last port of the range.
        last: u16,
    },
    /// The server listened and nobody connected.
    NeverAccepted {
        /// The endpoint at which the server listened, as the server sees it.
        listening: SocketAddr,
        /// How long it listened.
        waited: Duration,
    },
    /// The server's own address is one of those that are given to containers.
    ContainerAddress {
        /// The address, as a reply told it or as the server sees it.
        address: IpAddr,
    },
    /// PORT or EPRT named another host or a port below 1024.
    IllegalEndpoint {
        /// The endpoint in the command.
        told: SocketAddr,
        /// The client's address on the control connection.
        control_peer: IpAddr,
    },
    /// The TLS handshake of the data connection did not resume the control connection's session.
    SessionNotResumed {
        /// The other end of the data connection.
        endpoint: SocketAddr,
    },
    /// One side sent clear bytes where the other began TLS.
    ClearAgainstTls {
        /// Who spoke in clear.
        clear: Side,
    },
    /// A TLS data connection was closed without close_notify.
    ClosedWithoutNotify {
        /// Who closed.
        by: Side,
        /// Bytes of the file that had arrived.
        bytes: u64,
    },
    /// The data connection is up, and neither a ClientHello nor a 1yz reply comes.
    NoHandshake {
        /// The other end of the data connection.
        endpoint: SocketAddr,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A fatal TLS alert ended a handshake.
    TlsAlert {
        /// Who sent it.
        by: Side,
        /// Its name, such as `handshake_failure`.
        alert: String,
    },
    /// The other side's certificate was not accepted.
    CertificateRejected {
        /// The verifier's reason.
        reason: String,
    },
    /// The data connection ended on both sides, the closing reply never came, and the control connection was idle before.
    CompletionMissing {
        /// How long nothing had gone over the control connection.
        idle: Duration,
    },
    /// The closing reply came after the client had given up.
    CompletionLate {
        /// From the end of the data to the reply.
        after: Duration,
        /// From the end of the data to the client's giving up.
        patience: Duration,
    },
    /// The server has as many sessions as it allows.
    SessionsAtLimit {
        /// Sessions that were open.
        open: u32,
        /// Sessions that are allowed.
        limit: u32,
    },
    /// Segments of full size were sent again and again while smaller ones arrived.
    FullSegmentsLost {
        /// Payload of the segment, in bytes.
        size: u32,
        /// How often it was sent, the first time included.
        times: u32,
    },
    /// The same file stalls in segments of full size, and arrives in small ones.
    SmallSegmentsPass {
        /// The largest payload of a small segment, in bytes.
        small: u32,
        /// Bytes that arrived in segments of full size.
        full_bytes: u64,
        /// Bytes that arrived in small segments.
        small_bytes: u64,
    },
    /// The control connection was left idle, and was dead afterwards.
    DeadAfterIdle {
        /// How long nothing went over it.
        idle: Duration,
    },
    /// A data connection broke before its end.
    DataCut {
        /// Bytes that had gone over.
        bytes: u64,
        /// The operating system's words, or what the capture shows.
        error: String,
    },
    /// A storm of duplicate acknowledgements: segments were lost.
    SegmentsLost {
        /// Duplicate acknowledgements seen.
        duplicates: u32,
    },
    /// A control connection came up, and the server did not greet.
    ConnectedWithoutBanner {
        /// The server's endpoint.
        endpoint: SocketAddr,
        /// How long the greeting was waited for.
        waited: Duration,
    },
    /// A file with NUL bytes went over in TYPE A and changed its size.
    BinaryInAscii {
        /// The verb of the transfer.
        verb: String,
        /// Size at the source, in bytes.
        sent: u64,
        /// Size at the destination, in bytes.
        received: u64,
    },
    /// The server's file system refused.
    StorageRefused {
        /// The error in words.
        error: String,
    },
}

impl Evidence {
    /// The fact in one sentence.
    #[must_use]
    pub fn sentence(&self, language: Language) -> String {
        match language {
            Language::English => sentence::english(self),
            Language::Chinese => chinese::sentence(self),
        }
    }
}

impl core::fmt::Display for Evidence {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&sentence::english(self))
    }
}
