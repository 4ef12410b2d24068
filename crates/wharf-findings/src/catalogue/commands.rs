//! Commands and replies that one side does not know or does not send as it should.

use super::Entry;
use crate::EvidenceKind as Kind;
use crate::{Fix, Text};

pub(crate) static EXTENDED_UNSUPPORTED: Entry = Entry {
    id: "extended-unsupported",
    summary: Text::english("The server, or a filter before it, does not know EPSV or EPRT."),
    fix: Fix::NOBODY.client("Fall back to PASV or PORT quickly, and remember that for this host."),
    decided_by: &[Kind::ReplyReceived, Kind::SilenceAfter],
    hinted_by: &[],
};

pub(crate) static EPSV_ONLY_TEXT: Entry = Entry {
    id: "epsv-only-text",
    summary: Text::english(
        "A firewall or NAT in between opens the ports of PASV replies only: EPSV is answered, its port is dead.",
    ),
    fix: Fix::NOBODY
        .client("Fall back to PASV after the connection to EPSV's port failed too, and remember that."),
    decided_by: &[Kind::ExtendedPortDead],
    hinted_by: &[Kind::SynUnanswered],
};

pub(crate) static EPSV_ALL: Entry = Entry {
    id: "epsv-all",
    summary: Text::english(
        "The client sent EPSV ALL, after which the server refuses every other way to open a connection.",
    ),
    fix: Fix::NOBODY.client("Stay with EPSV for the rest of the session, or do not send EPSV ALL."),
    decided_by: &[Kind::RefusedAfterEpsvAll],
    hinted_by: &[Kind::ReplyReceived],
};

pub(crate) static MALFORMED_REPLY: Entry = Entry {
    id: "malformed-reply",
    summary: Text::english("The server's 227 or 229 reply does not say in a readable form where to connect."),
    fix: Fix::NOBODY.client("Read the reply with more tolerance, or use the other of PASV and EPSV.").server(
        "Send `227 … (h1,h2,h3,h4,p1,p2)` and `229 … (|||port|)` exactly as RFC 959 and RFC 2428 have them.",
    ),
    decided_by: &[Kind::ReplyUnreadable],
    hinted_by: &[Kind::ReplyReceived],
};

pub(crate) static FAMILY_MISMATCH: Entry = Entry {
    id: "family-mismatch",
    summary: Text::english(
        "The command is for another address family than the one of the control connection.",
    ),
    fix: Fix::NOBODY
        .client("Use EPSV, or EPRT with an address of the family that the control connection has."),
    decided_by: &[Kind::FamilyDiffers],
    hinted_by: &[Kind::ReplyReceived],
};

pub(crate) static NAT64: Entry = Entry {
    id: "nat64",
    summary: Text::english(
        "An IPv6 client reaches an IPv4 server through NAT64, where PASV and PORT cannot work and EPSV is refused.",
    ),
    fix: Fix::NOBODY.server("Enable EPSV on IPv4 too: it is the only command that works through NAT64."),
    decided_by: &[Kind::TranslatedPeer],
    hinted_by: &[Kind::ReplyReceived],
};

pub(crate) static NO_NEGOTIATION: Entry = Entry {
    id: "no-negotiation",
    summary: Text::english("A transfer was asked for without agreeing on a data connection first."),
    fix: Fix::NOBODY
        .client("Send EPSV, PASV, EPRT or PORT before each transfer: one agreement serves one transfer."),
    decided_by: &[Kind::NotNegotiated],
    hinted_by: &[Kind::ReplyReceived],
};
