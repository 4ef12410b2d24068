//! What peers do that the RFCs do not say: the vocabulary of the diagnosis.

use std::net::{IpAddr, SocketAddr};

use super::negotiation::{NegotiationCommand, Side};
use crate::host_port::{ExtendedHostPortError, HostPortError};
use crate::reply::ReplyCode;
use crate::verb::Verb;

/// One thing that a peer did and that no RFC says. None is an error by itself: what it means is for
/// `wharf-findings` to judge, with what came before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deviation {
    /// Commands came before the greeting (RFC 959 §5.4 makes the user wait for 220).
    CommandBeforeGreeting {
        /// The first of them.
        verb: Option<Verb>,
    },
    /// A final reply came and no command was waiting for one.
    ReplyWithoutCommand {
        /// Its code.
        code: ReplyCode,
    },
    /// The code is not among those that may answer this verb (RFC 959 §5.4).
    ReplyNotForVerb {
        /// The oldest unanswered command.
        verb: Verb,
        /// What answered it.
        code: ReplyCode,
    },
    /// A second 1yz for one transfer (RFC 959 §4.2: one is allowed).
    RepeatedPreliminary {
        /// The transfer's verb.
        verb: Verb,
    },
    /// A transfer was confirmed and never announced: 2yz without 1yz (RFC 959 §5.4).
    CompletionWithoutPreliminary {
        /// The transfer's verb.
        verb: Verb,
        /// The final code.
        code: ReplyCode,
    },
    /// 2yz came while no data connection had been seen.
    CompletionBeforeData {
        /// The transfer's verb.
        verb: Verb,
        /// The final code.
        code: ReplyCode,
    },
    /// 227 without six numbers that can be read.
    MalformedPassiveReply {
        /// What is wrong with it.
        error: HostPortError,
    },
    /// 229 without a port that can be read.
    MalformedExtendedReply {
        /// What is wrong with it.
        error: ExtendedHostPortError,
    },
    /// The address in 227 is not the control connection's server. Alone it proves nothing.
    PassiveAddressDiffers {
        /// What the 227 says.
        told: SocketAddr,
        /// The server end of the control connection.
        control: IpAddr,
    },
    /// The address in PORT or EPRT is not the control connection's client (RFC 2577 §3).
    ActiveAddressDiffers {
        /// What PORT or EPRT says.
        told: SocketAddr,
        /// The client end of the control connection.
        control: IpAddr,
    },
    /// PORT or EPRT names a port that belongs to services (RFC 2577 §3).
    ActivePortBelow1024 {
        /// What PORT or EPRT says.
        told: SocketAddr,
    },
    /// PASV on an IPv6 control connection, where 227 cannot tell an address (RFC 2428 §1).
    PassiveOnIpv6,
    /// EPRT of the other family than the control connection's.
    FamilyDiffers {
        /// What EPRT says.
        told: SocketAddr,
    },
    /// Another negotiation after EPSV ALL (RFC 2428 §4).
    NegotiationAfterEpsvAll {
        /// Which one.
        command: NegotiationCommand,
    },
    /// A transfer without a negotiation of its own. RFC 959 §3.2 has default ports; nobody can rely on them.
    TransferWithoutNegotiation {
        /// The transfer's verb.
        verb: Verb,
    },
    /// A second transfer was begun while the first was not answered.
    TransferDuringTransfer {
        /// The verb of the second.
        verb: Verb,
    },
    /// The data connection came from, or went to, another address than the control connection's.
    DataPeerDiffers {
        /// The data connection's address.
        data: IpAddr,
        /// The control connection's.
        control: IpAddr,
    },
    /// The data connection was opened by the side that should have listened.
    OpenedByWrongSide {
        /// Who opened it.
        by: Side,
    },
    /// Bytes stood behind AUTH or its 234 in clear: what a STARTTLS injection looks like (threats 6 and 29).
    BytesBehindAuth {
        /// Who sent them.
        by: Side,
        /// How many.
        count: usize,
    },
    /// A line ended with LF alone (RFC 854 wants CR LF).
    BareLineFeed {
        /// Who sent it.
        by: Side,
    },
    /// The code was followed by text without a space, or by nothing (RFC 959 §4.2).
    MissingSpace {
        /// Its code.
        code: ReplyCode,
    },
    /// A line that is no reply; the text is kept shortened.
    NotAReply {
        /// What stands there.
        line: Box<[u8]>,
    },
    /// More commands were unanswered than anyone sends.
    TooManyOutstanding,
}
