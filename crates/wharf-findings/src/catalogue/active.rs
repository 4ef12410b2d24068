//! Active mode.

use super::Entry;
use crate::EvidenceKind as Kind;
use crate::{Fix, Text};

pub(crate) static PORT_UNROUTABLE: Entry = Entry {
    id: "port-unroutable",
    summary: Text::english("The client's PORT or EPRT names an address to which the server cannot connect."),
    fix: Fix::NOBODY
        .client(
            "Use passive mode, or tell the client its outside address and a port range that is forwarded to it.",
        )
        .server("Connect to the address of the control connection when the client names a private one, if policy allows."),
    decided_by: &[Kind::UnroutableAddressSent, Kind::PrivateAddressSent],
    hinted_by: &[Kind::ReplyReceived, Kind::SynUnanswered, Kind::ConnectForbidden, Kind::ResetReceived],
};

pub(crate) static CLIENT_REFUSES_INBOUND: Entry = Entry {
    id: "client-refuses-inbound",
    summary: Text::english("The client's firewall or NAT does not let the server's data connection in."),
    fix: Fix::NOBODY.client(
        "Use passive mode, or let connections from the server's port 20 reach the port at which the client listens.",
    ),
    decided_by: &[Kind::SynUnanswered, Kind::ConnectRefused, Kind::ResetReceived, Kind::ProhibitedByIcmp],
    hinted_by: &[Kind::ReplyReceived, Kind::NoSynArrived],
};

pub(crate) static SERVER_EGRESS_BLOCKED: Entry = Entry {
    id: "server-egress-blocked",
    summary: Text::english("The server, or a firewall before it, lets no connection out to the client."),
    fix: Fix::NOBODY
        .client("Use passive mode, in which the server does not connect out.")
        .server("Allow outgoing TCP connections from the server's port 20 to any port from 1024 on."),
    decided_by: &[Kind::NoSynArrived, Kind::ConnectForbidden],
    hinted_by: &[Kind::ReplyReceived, Kind::SynUnanswered],
};

pub(crate) static SOURCE_PORT_FILTERED: Entry = Entry {
    id: "source-port-filtered",
    summary: Text::english(
        "A filter at the client wants data connections from port 20, and the server does not or cannot use that port.",
    ),
    fix: Fix::NOBODY
        .server("Connect from port 20 in active mode; the server needs the right to bind ports below 1024 for it.")
        .middle("Match the state of the connection (related, established) instead of source port 20."),
    decided_by: &[Kind::SynFromOtherPort, Kind::BindRefused],
    hinted_by: &[Kind::SynUnanswered, Kind::ReplyReceived],
};

pub(crate) static MODE_DISABLED: Entry = Entry {
    id: "mode-disabled",
    summary: Text::english(
        "The server offers only one of the two modes, and it is not the one that was asked for.",
    ),
    fix: Fix::NOBODY.client(
        "Use the other mode: passive where PORT and EPRT are refused, active where PASV and EPSV are.",
    ),
    decided_by: &[Kind::ReplyReceived],
    hinted_by: &[],
};
