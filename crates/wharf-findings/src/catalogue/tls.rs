//! TLS on the control and the data connection.

use super::Entry;
use crate::EvidenceKind as Kind;
use crate::{Fix, Text};

pub(crate) static TLS_RESUMPTION_REQUIRED: Entry = Entry {
    id: "tls-resumption-required",
    summary: Text::english("The server wants the data connection to resume the control connection's TLS session."),
    fix: Fix::NOBODY
        .client("Resume the control connection's TLS session on each data connection, or use a client that does.")
        .server("Relax the requirement for clients that cannot resume, knowing that it protects against stolen data."),
    decided_by: &[Kind::SessionNotResumed],
    hinted_by: &[Kind::ReplyReceived],
};

pub(crate) static PROT_MISMATCH: Entry = Entry {
    id: "prot-mismatch",
    summary: Text::english("One side speaks TLS on the data connection, the other speaks in clear."),
    fix: Fix::NOBODY
        .client("Send PBSZ 0 and PROT P after the login, and encrypt every data connection from then on."),
    decided_by: &[Kind::ClearAgainstTls],
    hinted_by: &[Kind::ReplyReceived],
};

pub(crate) static MISSING_CLOSE_NOTIFY: Entry = Entry {
    id: "missing-close-notify",
    summary: Text::english(
        "A data connection under TLS ended without close_notify, so that nobody can tell a whole file from a cut one.",
    ),
    fix: Fix::NOBODY
        .client("Send close_notify before closing after an upload; after a download tolerate its absence if the size fits.")
        .server("Send close_notify before closing after a download; after an upload tolerate its absence if the size fits."),
    decided_by: &[Kind::ClosedWithoutNotify],
    hinted_by: &[Kind::ReplyReceived],
};

pub(crate) static TLS_ORDER_DEADLOCK: Entry = Entry {
    id: "tls-order-deadlock",
    summary: Text::english(
        "Client and server each wait for the other to begin: no TLS handshake, no 1yz reply.",
    ),
    fix: Fix::NOBODY.client(
        "Begin the TLS handshake as soon as the data connection is up, without waiting for the 1yz reply.",
    ),
    decided_by: &[Kind::NoHandshake],
    hinted_by: &[Kind::ReplyReceived, Kind::SilenceAfter],
};

pub(crate) static TLS_NO_COMMON_VERSION: Entry = Entry {
    id: "tls-no-common-version",
    summary: Text::english("Client and server have no TLS version or cipher in common; old devices often stop at TLS 1.0."),
    fix: Fix::NOBODY
        .client("Update the client, so that it can do TLS 1.2 or later with current ciphers.")
        .server("Lower the setting `min_version` where the server's TLS library can still speak the older version."),
    decided_by: &[Kind::TlsAlert],
    hinted_by: &[Kind::ReplyReceived],
};

pub(crate) static CERTIFICATE_INVALID: Entry = Entry {
    id: "certificate-invalid",
    summary: Text::english(
        "The server's certificate is expired, was made for another name, or has an unknown issuer.",
    ),
    fix: Fix::NOBODY
        .client("Use the name that is in the certificate, or name the issuer's certificate with `--ca`.")
        .server(
            "Install a valid certificate for the name that clients use, with all intermediate certificates.",
        ),
    decided_by: &[Kind::CertificateRejected],
    hinted_by: &[Kind::ReplyReceived, Kind::TlsAlert],
};

pub(crate) static TLS_REQUIRED: Entry = Entry {
    id: "tls-required",
    summary: Text::english("The server's policy wants TLS before a login or before data is moved."),
    fix: Fix::NOBODY
        .client("Send AUTH TLS before the login: `--tls require`, or a URL that begins with ftpes://."),
    decided_by: &[Kind::ReplyReceived],
    hinted_by: &[],
};
