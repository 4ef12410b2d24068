//! Addresses and ports.

use super::Entry;
use crate::EvidenceKind as Kind;
use crate::{Fix, Text};

pub(crate) static PASV_PRIVATE_ADDRESS: Entry = Entry {
    id: "pasv-private-address",
    summary: Text::english(
        "The server's PASV reply carries a private address, which cannot be reached from where the client is.",
    ),
    fix: Fix::NOBODY
        .client(
            "Connect to the address of the control connection instead of the one in the reply, or use EPSV.",
        )
        .server("Advertise the outside address in passive mode, by number or by a name that follows it."),
    decided_by: &[Kind::PrivateAddressTold],
    hinted_by: &[Kind::SynUnanswered, Kind::ReplyReceived],
};

pub(crate) static PASV_WRONG_ADDRESS: Entry = Entry {
    id: "pasv-wrong-address",
    summary: Text::english("The server's PASV reply carries a public address that is not the server's."),
    fix: Fix::NOBODY
        .server("Correct the address that is advertised in passive mode: it must lead to this server."),
    decided_by: &[Kind::OtherAddressConnects],
    hinted_by: &[
        Kind::SynUnanswered,
        Kind::ConnectRefused,
        Kind::ResetReceived,
        Kind::ProhibitedByIcmp,
        Kind::NeverAccepted,
    ],
};

pub(crate) static HAIRPIN: Entry = Entry {
    id: "hairpin",
    summary: Text::english(
        "The server advertises its outside address to a client of its own network, and the router does not lead such \
         connections back in.",
    ),
    fix: Fix::NOBODY
        .server("Advertise the inside address to clients of the inside network, and the outside one to all others.")
        .middle("Switch NAT loopback (hairpin NAT) on for the control port and the passive range."),
    decided_by: &[Kind::SameNetwork],
    hinted_by: &[Kind::SynUnanswered, Kind::ConnectRefused],
};

pub(crate) static PASSIVE_PORT_FILTERED: Entry = Entry {
    id: "passive-port-filtered",
    summary: Text::english("A firewall drops connections to the server's passive data port without a word."),
    fix: Fix::NOBODY
        .server(
            "Set a fixed range of passive ports and open it for incoming TCP in the server's own firewall.",
        )
        .middle("Let TCP connections to the server's passive port range pass."),
    decided_by: &[Kind::SynUnanswered],
    hinted_by: &[Kind::ReplyReceived, Kind::NeverAccepted],
};

pub(crate) static PASSIVE_PORT_REFUSED: Entry = Entry {
    id: "passive-port-refused",
    summary: Text::english("Nothing listens on the passive data port at that address, or a firewall rejects it."),
    fix: Fix::NOBODY
        .server("Map the passive ports to this server, each to the same number, or correct the mapping that exists.")
        .middle("Change the rule that rejects TCP connections to the server's passive port range."),
    decided_by: &[Kind::ConnectRefused, Kind::ResetReceived, Kind::ProhibitedByIcmp],
    hinted_by: &[Kind::ReplyReceived, Kind::NeverAccepted],
};

pub(crate) static PORT_RENUMBERED: Entry = Entry {
    id: "port-renumbered",
    summary: Text::english(
        "A device in front of the server maps the passive ports to other numbers than the reply names.",
    ),
    fix: Fix::NOBODY
        .server("Tell the server how the ports are mapped, so that it advertises the outside port of each."),
    decided_by: &[Kind::PortsDiffer, Kind::PortOutsideRange],
    hinted_by: &[Kind::SynUnanswered, Kind::ConnectRefused, Kind::ResetReceived, Kind::NeverAccepted],
};

pub(crate) static ALG_REWRITE: Entry = Entry {
    id: "alg-rewrite",
    summary: Text::english(
        "A gateway in between changes the address or port in PORT, EPRT or their replies, and gets it wrong.",
    ),
    fix: Fix::NOBODY
        .client("Use EPSV, which carries no address, or TLS, which no gateway can rewrite.")
        .middle("Switch the FTP application-level gateway (often called FTP ALG, helper or inspection) off."),
    decided_by: &[Kind::TextRewritten],
    hinted_by: &[Kind::PortsDiffer, Kind::OtherAddressConnects],
};

pub(crate) static TLS_BLINDS_ALG: Entry = Entry {
    id: "tls-blinds-alg",
    summary: Text::english(
        "The NAT opens data connections by reading the control connection, and TLS hides that from it.",
    ),
    fix: Fix::NOBODY
        .client("Use passive mode: with active mode and TLS no NAT can know the client's port.")
        .server("Set a fixed range of passive ports, forward it, and advertise the outside address."),
    decided_by: &[Kind::FailsUnderTlsOnly],
    hinted_by: &[Kind::AddressNotRewritten, Kind::SynUnanswered],
};

pub(crate) static ALG_NOT_ATTACHED: Entry = Entry {
    id: "alg-not-attached",
    summary: Text::english(
        "The NAT has no FTP helper on this control connection, so the client's PORT goes out unchanged.",
    ),
    fix: Fix::NOBODY.client("Use passive mode, which needs no helper at the client's NAT.").middle(
        "Attach the FTP helper to the control port that is used: current Linux kernels want `ct helper set` \
             (nftables) or `-j CT --helper ftp` (iptables).",
    ),
    decided_by: &[Kind::AddressNotRewritten],
    hinted_by: &[Kind::ReplyReceived, Kind::UnroutableAddressSent, Kind::PrivateAddressSent],
};

pub(crate) static ALG_DROPS: Entry = Entry {
    id: "alg-drops",
    summary: Text::english(
        "A gateway in between drops the segment with the command or reply, because it cannot read it.",
    ),
    fix: Fix::NOBODY
        .client("Send each command as one segment of its own, without commands pipelined around it.")
        .server("Send each reply as one segment of its own that ends with the line."),
    decided_by: &[Kind::SegmentUnacknowledged],
    hinted_by: &[Kind::SilenceAfter],
};

pub(crate) static PORT_TAKEN_BY_OTHER_ALG: Entry = Entry {
    id: "port-taken-by-other-alg",
    summary: Text::english(
        "One port of the range belongs to another protocol, such as 5060 of SIP, whose gateway spoils the data.",
    ),
    fix: Fix::NOBODY.server("Choose a range of passive ports that leaves this port out."),
    decided_by: &[Kind::SamePortFails],
    hinted_by: &[Kind::FailsIntermittently],
};
