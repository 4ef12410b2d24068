//! What real servers say when something fails, and what that can mean.
//!
//! A text alone proves nothing: the same words stand for several causes, and vsftpd sends its "session reuse required"
//! for *any* failure of TLS on a data connection. So a text yields candidates, which what happened on the wire then
//! tells apart. Ordinary probing by clients (500 to CLNT, MLST or EPSV, 550 to CWD or SIZE) has no row here at all.

use crate::Cause;

/// How a reply's text is recognised. Upper and lower case are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The whole text, with or without a full stop at its end.
    Whole(&'static str),
    /// The beginning of the text.
    Start(&'static str),
    /// These pieces, in this order, with anything before, between and after.
    Pieces(&'static [&'static str]),
}

/// One text that is known from real programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownText {
    /// The programs that say so.
    pub who: &'static str,
    /// The reply code with which they say it; `None` where it varies.
    pub code: Option<u16>,
    /// The text behind the code.
    pub pattern: Pattern,
    /// What it can mean, the most probable first.
    pub candidates: &'static [Cause],
}

/// The causes that a failure's text can stand for, the most probable first; none for a text that is not known.
///
/// `text` is the reply's text without its code; of a reply of several lines, the last or all of them. Codes below 400
/// are no failure and have no candidates, whatever the text.
#[must_use]
pub fn candidates(reply_code: u16, text: &str) -> Vec<Cause> {
    if reply_code < 400 {
        return Vec::new();
    }
    let text = text.trim().to_ascii_lowercase();
    KNOWN_TEXTS
        .iter()
        .find(|known| known.code.is_none_or(|code| code == reply_code) && known.pattern.matches(&text))
        .map_or_else(Vec::new, |known| known.candidates.to_vec())
}

impl Pattern {
    /// Whether `text`, in lower case and without blanks around it, is what this describes.
    fn matches(self, text: &str) -> bool {
        match self {
            Self::Whole(whole) => {
                text.trim_end_matches('.').eq_ignore_ascii_case(whole.trim_end_matches('.'))
            }
            Self::Start(start) => text.starts_with(&start.to_ascii_lowercase()),
            Self::Pieces(pieces) => {
                let mut rest = text;
                pieces.iter().all(|piece| {
                    let piece = piece.to_ascii_lowercase();
                    rest.find(&piece).is_some_and(|at| {
                        rest = &rest[at + piece.len()..];
                        true
                    })
                })
            }
        }
    }
}

const fn known(who: &'static str, code: u16, pattern: Pattern, candidates: &'static [Cause]) -> KnownText {
    KnownText { who, code: Some(code), pattern, candidates }
}

/// The words before the operating system's error text in ProFTPD.
const PROFTPD_425: &str = "Unable to build data connection:";

/// The texts; the first row that matches counts, so special ones stand before general ones.
pub const KNOWN_TEXTS: &[KnownText] = &[
    known("ProFTPD", 500, Pattern::Pieces(&["Illegal", "command, EPSV ALL in effect"]), &[Cause::EpsvAll]),
    // Its words for active mode behind EPSV ALL; PASV it still carries out.
    known("Pure-FTPd", 501, Pattern::Whole("Active mode is disabled"), &[Cause::EpsvAll]),
    known("pyftpdlib", 501, Pattern::Pieces(&["not allowed after EPSV ALL"]), &[Cause::EpsvAll]),
    known("Wharf", 503, Pattern::Start("EPSV ALL is in effect"), &[Cause::EpsvAll]),
    // Bad syntax of the command is the third meaning; it is no cause of the catalogue. ProFTPD says it for another
    // address and for a port below 1024; a private address from a public peer it replaces in silence.
    known(
        "vsftpd, ProFTPD",
        500,
        Pattern::Whole("Illegal PORT command."),
        &[Cause::PortUnroutable, Cause::BounceRefused],
    ),
    known(
        "vsftpd, ProFTPD",
        500,
        Pattern::Whole("Illegal EPRT command."),
        &[Cause::PortUnroutable, Cause::BounceRefused],
    ),
    // Active: the connect failed. Passive: nobody came within 60 seconds.
    known(
        "vsftpd",
        425,
        Pattern::Whole("Failed to establish connection."),
        &[
            Cause::ClientRefusesInbound,
            Cause::ServerEgressBlocked,
            Cause::SourcePortFiltered,
            Cause::PortUnroutable,
            Cause::PassivePortFiltered,
            Cause::PassivePortRefused,
            Cause::PortsUnpublished,
        ],
    ),
    known("vsftpd", 425, Pattern::Start("Security: Bad IP connecting"), &[Cause::DataPeerMismatch]),
    known("vsftpd", 425, Pattern::Whole("Use PORT or PASV first."), &[Cause::NoNegotiation]),
    known("Pure-FTPd", 425, Pattern::Whole("No data connection"), &[Cause::NoNegotiation]),
    known(
        "Wharf",
        425,
        Pattern::Start("Use EPSV, PASV, EPRT or PORT before each transfer"),
        &[Cause::NoNegotiation],
    ),
    // Sent for any failure of TLS on a data connection.
    known(
        "vsftpd",
        522,
        Pattern::Start("SSL connection failed; session reuse required"),
        &[
            Cause::TlsResumptionRequired,
            Cause::ProtMismatch,
            Cause::TlsNoCommonVersion,
            Cause::CertificateInvalid,
            Cause::TlsOrderDeadlock,
        ],
    ),
    known("vsftpd", 522, Pattern::Whole("Data connections must be encrypted."), &[Cause::ProtMismatch]),
    known("vsftpd", 522, Pattern::Whole("Bad network protocol."), &[Cause::FamilyMismatch, Cause::Nat64]),
    known("vsftpd", 500, Pattern::Whole("Bad EPRT protocol."), &[Cause::FamilyMismatch, Cause::Nat64]),
    known("vsftpd", 421, Pattern::Whole("Timeout."), &[Cause::ControlCutIdle]),
    known("vsftpd", 421, Pattern::Start("Data timeout."), &[Cause::TransferCut, Cause::MtuBlackHole]),
    known(
        "vsftpd",
        426,
        Pattern::Whole("Failure reading network stream."),
        &[Cause::TransferCut, Cause::MissingCloseNotify],
    ),
    known(
        "vsftpd",
        426,
        Pattern::Whole("Failure writing network stream."),
        &[Cause::TransferCut, Cause::MissingCloseNotify],
    ),
    known("vsftpd", 530, Pattern::Start("Non-anonymous sessions must use encryption"), &[Cause::TlsRequired]),
    known("vsftpd", 530, Pattern::Start("Anonymous sessions must use encryption"), &[Cause::TlsRequired]),
    // What PASV and EPSV get where every port of the range is taken; the session ends with it.
    known("vsftpd", 500, Pattern::Start("OOPS: vsf_sysutil_bind"), &[Cause::RangeExhausted]),
    known("vsftpd", 500, Pattern::Start("OOPS:"), &[Cause::ServerMisconfigured]),
    known(
        "ProFTPD",
        522,
        Pattern::Start("Network protocol not supported, use ("),
        &[Cause::FamilyMismatch, Cause::Nat64],
    ),
    // What an administrator's <Limit> says of a mode that is switched off.
    known("ProFTPD", 501, Pattern::Pieces(&[": Operation not permitted"]), &[Cause::ModeDisabled]),
    known("ProFTPD", 522, Pattern::Start("SSL/TLS required on the data channel"), &[Cause::ProtMismatch]),
    known(
        "FileZilla Server",
        425,
        Pattern::Pieces(&["TLS session of data connection not resumed"]),
        &[Cause::TlsResumptionRequired],
    ),
    known(
        "ProFTPD",
        425,
        Pattern::Pieces(&[PROFTPD_425, "Connection refused"]),
        &[Cause::ClientRefusesInbound, Cause::PortUnroutable],
    ),
    known(
        "ProFTPD",
        425,
        Pattern::Pieces(&[PROFTPD_425, "Connection timed out"]),
        &[
            Cause::ClientRefusesInbound,
            Cause::PortUnroutable,
            Cause::ServerEgressBlocked,
            Cause::PassivePortFiltered,
        ],
    ),
    known(
        "ProFTPD",
        425,
        Pattern::Pieces(&[PROFTPD_425, "No route to host"]),
        &[Cause::PortUnroutable, Cause::ServerEgressBlocked],
    ),
    known(
        "ProFTPD",
        425,
        Pattern::Pieces(&[PROFTPD_425, "Network is unreachable"]),
        &[Cause::PortUnroutable, Cause::ServerEgressBlocked],
    ),
    // mod_tls reports a data connection whose session was not resumed with EPERM; so does a local firewall's DROP.
    known(
        "ProFTPD",
        425,
        Pattern::Pieces(&[PROFTPD_425, "Operation not permitted"]),
        &[Cause::TlsResumptionRequired, Cause::ServerEgressBlocked],
    ),
    known(
        "ProFTPD",
        425,
        Pattern::Pieces(&[PROFTPD_425, "Permission denied"]),
        &[Cause::ServerEgressBlocked, Cause::SourcePortFiltered],
    ),
    known(
        "ProFTPD",
        425,
        Pattern::Start(PROFTPD_425),
        &[Cause::ClientRefusesInbound, Cause::ServerEgressBlocked, Cause::PortUnroutable],
    ),
    known(
        "Pure-FTPd",
        500,
        Pattern::Pieces(&["I won't open a connection to", "(only to"]),
        &[Cause::PortUnroutable],
    ),
    KnownText {
        who: "Pure-FTPd",
        code: None,
        pattern: Pattern::Start("You cannot use PASV on IPv6 connections"),
        candidates: &[Cause::FamilyMismatch],
    },
    KnownText {
        who: "Pure-FTPd",
        code: None,
        pattern: Pattern::Start("All reserved TCP ports are busy"),
        candidates: &[Cause::RangeExhausted],
    },
    known(
        "SFTPGo",
        425,
        Pattern::Pieces(&["data connection security requirements not met"]),
        &[Cause::DataPeerMismatch],
    ),
    known(
        "pyftpdlib",
        501,
        Pattern::Start("Rejected data connection to foreign address"),
        &[Cause::PortUnroutable],
    ),
    known("Wharf", 502, Pattern::Pieces(&["mode is switched off on this server"]), &[Cause::ModeDisabled]),
    known("Wharf", 504, Pattern::Start("No data connection to port"), &[Cause::BounceRefused]),
    known(
        "Wharf",
        504,
        Pattern::Pieces(&["No data connection to", ": you are"]),
        &[Cause::BounceRefused, Cause::PortUnroutable],
    ),
    known("Wharf", 425, Pattern::Pieces(&["passive ports", "are in use"]), &[Cause::RangeExhausted]),
    known(
        "Wharf",
        425,
        Pattern::Pieces(&["Nothing connected to", "that address is private"]),
        &[Cause::PasvPrivateAddress],
    ),
    known(
        "Wharf",
        425,
        Pattern::Pieces(&["Nobody connected to", "from elsewhere"]),
        &[Cause::DataPeerMismatch],
    ),
    known(
        "Wharf",
        425,
        Pattern::Pieces(&["Nothing connected to", "the address of a container"]),
        &[Cause::PortsUnpublished, Cause::PassivePortFiltered],
    ),
    known(
        "Wharf",
        425,
        Pattern::Start("Nothing connected to"),
        &[Cause::PassivePortFiltered, Cause::PortsUnpublished],
    ),
    known(
        "Wharf",
        425,
        Pattern::Pieces(&["did not answer in", "use passive mode"]),
        &[Cause::ClientRefusesInbound, Cause::PortUnroutable, Cause::ServerEgressBlocked],
    ),
    known(
        "Wharf",
        425,
        Pattern::Pieces(&["refused the connection", "use passive mode"]),
        &[Cause::ClientRefusesInbound, Cause::PortUnroutable],
    ),
    known(
        "Wharf",
        425,
        Pattern::Start("The server's own system forbids connections to"),
        &[Cause::ServerEgressBlocked],
    ),
    known("Wharf", 425, Pattern::Pieces(&["cannot be reached from this server"]), &[Cause::PortUnroutable]),
    known("Wharf", 425, Pattern::Start("Cannot connect from port"), &[Cause::SourcePortFiltered]),
    known("Wharf", 530, Pattern::Pieces(&["wants TLS: send AUTH TLS before USER"]), &[Cause::TlsRequired]),
    known("Wharf", 522, Pattern::Pieces(&["cannot tell an IPv6 address"]), &[Cause::FamilyMismatch]),
    known("Wharf", 522, Pattern::Start("This control connection is IPv"), &[Cause::FamilyMismatch]),
    known("several", 421, Pattern::Pieces(&["too many"]), &[Cause::SessionLimit]),
    known("several", 530, Pattern::Pieces(&["too many"]), &[Cause::SessionLimit]),
];
