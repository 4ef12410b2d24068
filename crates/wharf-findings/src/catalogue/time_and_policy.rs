//! Time, size, policy.

use super::Entry;
use crate::EvidenceKind as Kind;
use crate::{Fix, Text};

pub(crate) static CONTROL_CUT_IDLE: Entry = Entry {
    id: "control-cut-idle",
    summary: Text::english(
        "The control connection was cut off because nothing went over it during a long transfer or pause.",
    ),
    fix: Fix::NOBODY
        .client("Keep the control connection alive, with TCP keepalive or with NOOP between transfers.")
        .server("Run no idle timer during a transfer, and switch TCP keepalive on for control connections."),
    decided_by: &[Kind::CompletionMissing],
    hinted_by: &[Kind::ReplyReceived],
};

pub(crate) static SLOW_COMPLETION: Entry = Entry {
    id: "slow-completion",
    summary: Text::english(
        "The server takes longer to finish a file than the client waits for the closing reply.",
    ),
    fix: Fix::NOBODY.client("Wait longer for the reply after the data has ended: raise the timeout."),
    decided_by: &[Kind::CompletionLate],
    hinted_by: &[Kind::SilenceAfter],
};

pub(crate) static SESSION_LIMIT: Entry = Entry {
    id: "session-limit",
    summary: Text::english(
        "The server has as many sessions as it allows, in all, for this user or from this address.",
    ),
    fix: Fix::NOBODY
        .client("Use fewer connections at once, and end the ones that are not needed.")
        .server("Raise the session limit, or shorten the idle time after which a session ends."),
    decided_by: &[Kind::ReplyReceived, Kind::SessionsAtLimit],
    hinted_by: &[],
};

pub(crate) static MTU_BLACK_HOLE: Entry = Entry {
    id: "mtu-black-hole",
    summary: Text::english("Packets of full size vanish on the way while small ones arrive."),
    fix: Fix::NOBODY
        .middle("Clamp the TCP maximum segment size to the path, and let ICMP (packet too big) pass."),
    decided_by: &[Kind::FullSegmentsLost],
    hinted_by: &[Kind::ReplyReceived, Kind::DataCut, Kind::NothingSent],
};

pub(crate) static TRANSFER_CUT: Entry = Entry {
    id: "transfer-cut",
    summary: Text::english("A data connection was cut or lost its packets in the middle of a transfer."),
    fix: Fix::NOBODY.middle(
        "Find the device that resets or loses long connections, and raise its timeouts or its capacity.",
    ),
    decided_by: &[Kind::DataCut, Kind::SegmentsLost],
    hinted_by: &[Kind::ReplyReceived, Kind::NothingSent],
};

pub(crate) static SERVER_MISCONFIGURED: Entry = Entry {
    id: "server-misconfigured",
    summary: Text::english("The server says itself that its configuration is wrong."),
    fix: Fix::NOBODY.server("Correct the setting that the server's own message names."),
    decided_by: &[Kind::ReplyReceived],
    hinted_by: &[],
};

pub(crate) static CONTROL_UNREACHABLE: Entry = Entry {
    id: "control-unreachable",
    summary: Text::english("There is no control connection: no answer, a refusal, or a connection without a greeting."),
    fix: Fix::NOBODY
        .client("Use the port and the mode that the server has: 21 for ftp and explicit TLS, 990 for implicit TLS.")
        .server("Start the server on this port, and expect a PROXY header only where the balancer sends one.")
        .middle("Let TCP connections to the server's control port pass."),
    decided_by: &[
        Kind::SynUnanswered,
        Kind::ConnectRefused,
        Kind::ResetReceived,
        Kind::ProhibitedByIcmp,
        Kind::ConnectForbidden,
        Kind::ConnectedWithoutBanner,
    ],
    hinted_by: &[],
};

pub(crate) static ASCII_DAMAGED: Entry = Entry {
    id: "ascii-damaged",
    summary: Text::english("A binary file was moved as text (TYPE A) and is damaged."),
    fix: Fix::NOBODY
        .client("Send TYPE I before each transfer of a file that is not text.")
        .server("Set `ascii = \"binary\"`, so that clients which never send TYPE I do no damage."),
    decided_by: &[Kind::BinaryInAscii],
    hinted_by: &[],
};

pub(crate) static NOT_NETWORK: Entry = Entry {
    id: "not-network",
    summary: Text::english(
        "The network is fine: the file is missing, a permission is lacking, or a quota or disk is full.",
    ),
    fix: Fix::NOBODY
        .client("Check the path and its spelling, and whether this user may do what was asked.")
        .server("Check the permissions, the quota and the free space of the directory."),
    decided_by: &[Kind::ReplyReceived, Kind::StorageRefused],
    hinted_by: &[],
};
