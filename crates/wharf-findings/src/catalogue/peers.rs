//! Who is connecting, and to whom.

use super::Entry;
use crate::EvidenceKind as Kind;
use crate::{Fix, Text};

pub(crate) static DATA_PEER_MISMATCH: Entry = Entry {
    id: "data-peer-mismatch",
    summary: Text::english(
        "The data connection comes from another address than the control connection, and was closed for safety.",
    ),
    fix: Fix::NOBODY
        .server(
            "Allow the client's network as a whole, or use the PROXY protocol where a proxy stands in front.",
        )
        .middle("Let all connections of one client leave from one address (sticky egress)."),
    decided_by: &[Kind::PeerDiffers],
    hinted_by: &[Kind::ReplyReceived, Kind::ClosedWithoutReply],
};

pub(crate) static WRONG_BACKEND: Entry = Entry {
    id: "wrong-backend",
    summary: Text::english("A balancer sends the data connection to another node than the one with the control connection."),
    fix: Fix::NOBODY.middle(
        "Keep a client's connections on one node (source affinity), or give each node a block of passive ports of its own.",
    ),
    decided_by: &[Kind::FailsIntermittently],
    hinted_by: &[Kind::ConnectRefused, Kind::SynUnanswered],
};

pub(crate) static STOLEN_ACCEPT: Entry = Entry {
    id: "stolen-accept",
    summary: Text::english(
        "A scanner or a health check takes the passive connection that was meant for the client.",
    ),
    fix: Fix::NOBODY.server(
        "Check who connects to a data port, drop strangers, and go on listening for the rightful client.",
    ),
    decided_by: &[Kind::StrangerConnected],
    hinted_by: &[Kind::EmptyTransfers, Kind::FailsIntermittently],
};

pub(crate) static RANGE_EXHAUSTED: Entry = Entry {
    id: "range-exhausted",
    summary: Text::english("Every port of the server's passive range is in use."),
    fix: Fix::NOBODY.server(
        "Enlarge the passive range, or let several clients share a port, told apart by their addresses.",
    ),
    decided_by: &[Kind::AllPortsInUse],
    hinted_by: &[Kind::ReplyReceived, Kind::FailsIntermittently],
};

pub(crate) static PORTS_UNPUBLISHED: Entry = Entry {
    id: "ports-unpublished",
    summary: Text::english("The container or Service in which the server runs does not publish its passive ports."),
    fix: Fix::NOBODY
        .server("Set a small passive range, and publish the same range with the same numbers in the container or Service."),
    decided_by: &[Kind::NeverAccepted],
    hinted_by: &[Kind::ReplyReceived, Kind::ConnectRefused, Kind::SynUnanswered],
};

pub(crate) static BOUNCE_REFUSED: Entry = Entry {
    id: "bounce-refused",
    summary: Text::english(
        "The server refuses to connect to another host than the client, or to a port below 1024.",
    ),
    fix: Fix::NOBODY
        .client("Name the client's own address and a port from 1024 on.")
        .server("Keep refusing: such a connection is how a server is misused against others."),
    decided_by: &[Kind::IllegalEndpoint],
    hinted_by: &[Kind::ReplyReceived],
};
