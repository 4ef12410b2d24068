//! The texts of the server's replies, in one place. Codes are RFC 959's, §5.4.

use std::net::IpAddr;

use wharf_net::dtp::{ConnectError, PumpError};
use wharf_net::passive_ports::ListenError;
use wharf_net::tls::HandshakeError;
use wharf_proto::command::Text;
use wharf_proto::dialogue::{DataMode, is_of_container};
use wharf_proto::pathname::escaped;
use wharf_proto::{Pathname, Reply, ReplyCode};
use wharf_storage::{PathError, StorageError, StoragePath};

use crate::charset::Charset;
use crate::data::NotConnected;
use crate::occupancy::Full;
use crate::policy::Right;
use crate::tls::TlsFailure;
use crate::uploads::Withheld;

/// A reply of one line.
macro_rules! fixed {
    ($($(#[$doc:meta])* $name:ident = $code:ident $text:literal;)*) => {
        $($(#[$doc])* pub(crate) fn $name() -> Reply { Reply::new(ReplyCode::$code, $text) })*
    };
}

fixed! {
    greeting = SERVICE_READY "Wharf is ready.";
    ready_for_new_user = SERVICE_READY "Ready for a new user.";
    host_accepted = SERVICE_READY "Host accepted.";
    goodbye = CLOSING_CONTROL_CONNECTION "Goodbye.";
    okay = COMMAND_OKAY "OK.";
    superfluous = COMMAND_SUPERFLUOUS "Not needed here.";
    type_ascii = COMMAND_OKAY "Type set to ASCII.";
    type_image = COMMAND_OKAY "Type set to image.";
    only_these_types = PARAMETER_NOT_IMPLEMENTED "Only TYPE A, I and L 8 are supported.";
    only_file_structure = PARAMETER_NOT_IMPLEMENTED "Only STRU F is supported.";
    only_stream_mode = PARAMETER_NOT_IMPLEMENTED "Only MODE S is supported.";
    port_accepted = COMMAND_OKAY "Data address noted.";
    epsv_all = COMMAND_OKAY "Only EPSV from now on.";
    system = SYSTEM_TYPE "UNIX Type: L8";
    password_wanted = NEED_PASSWORD "Please give the password.";
    guest_password_wanted = NEED_PASSWORD "Anonymous access: any password will do.";
    logged_in = LOGGED_IN "Logged in.";
    login_refused = NOT_LOGGED_IN "Login incorrect.";
    too_many_failures = SERVICE_NOT_AVAILABLE "Too many wrong logins.";
    address_is_banned = SERVICE_NOT_AVAILABLE "Too many wrong logins came from your address; try again later.";
    no_descriptors = SERVICE_NOT_AVAILABLE "This server has no room for another connection now; try again later.";
    logins_cannot_be_checked = SERVICE_NOT_AVAILABLE "Logins cannot be checked now; try again later.";
    no_directory = NOT_LOGGED_IN "Your directory on this server cannot be used; its administrator has to look at the log.";
    has_rules_beneath = FILE_UNAVAILABLE "Something in that directory has rights of its own, so that it stays where it is.";
    rename_from_accepted = FILE_ACTION_PENDING "Now give the new name with RNTO.";
    read_only = FILE_UNAVAILABLE "Files may be read here, and nothing may be changed.";
    nothing_to_abort = DATA_CONNECTION_OPEN "No transfer is running.";
    transfer_aborted = TRANSFER_ABORTED "Transfer aborted.";
    no_tls = NOT_IMPLEMENTED "TLS is not configured on this server.";
    begin_tls = SECURITY_EXCHANGE_COMPLETE "Begin TLS now.";
    only_tls = PARAMETER_NOT_IMPLEMENTED "Only AUTH TLS is supported.";
    auth_switched_off = DENIED_BY_POLICY "AUTH is switched off on this port; use its implicit FTPS port, where it has one.";
    buffer_size_zero = COMMAND_OKAY "PBSZ=0";
    data_protected = COMMAND_OKAY "Data connections go through TLS.";
    data_in_clear = COMMAND_OKAY "Data connections go in clear.";
    only_c_and_p = PROTECTION_LEVEL_NOT_SUPPORTED "Only PROT C and PROT P are supported.";
    data_tls_switched_off = DENIED_BY_POLICY "Data connections go in clear on this server: send PROT C.";
    clear_data_denied = DENIED_BY_POLICY "This server wants TLS on data connections: send PROT P.";
    stays_protected = DENIED_BY_POLICY "Data connections stay under TLS: PROT C behind PROT P is not allowed here.";
    data_must_be_protected = DATA_PROTECTION_UNACCEPTABLE "This server wants TLS on data connections: send AUTH TLS before the login, then PBSZ 0 and PROT P.";
    data_must_be_clear = DATA_PROTECTION_UNACCEPTABLE "Data connections go in clear on this server: send PROT C.";
    not_under_tls = COMMAND_PROTECTION_DENIED "The control connection is not under TLS.";
    control_in_clear = COMMAND_OKAY "The control connection goes on in clear.";
    clear_control_denied = DENIED_BY_POLICY "The control connection stays under TLS: CCC is not allowed here.";
    tls_required = NOT_LOGGED_IN "This server wants TLS: send AUTH TLS before USER.";
    tls_required_for_user = NOT_LOGGED_IN "This login wants TLS: send AUTH TLS before USER.";
    not_implemented = NOT_IMPLEMENTED "Not supported by this server.";
    idle_too_long = SERVICE_NOT_AVAILABLE "Idle for too long, closing.";
    login_too_slow = SERVICE_NOT_AVAILABLE "No login in time, closing.";
    shutting_down = SERVICE_NOT_AVAILABLE "The server is shutting down.";
    transfer_complete = TRANSFER_COMPLETE "Transfer complete.";
    listing_complete = TRANSFER_COMPLETE "Listing complete.";
    mode_changed = COMMAND_OKAY "Mode changed.";
    deleted = FILE_ACTION_OKAY "Deleted.";
    removed = FILE_ACTION_OKAY "Directory removed.";
    renamed = FILE_ACTION_OKAY "Renamed.";
    size_in_ascii = FILE_UNAVAILABLE "SIZE tells nothing true in TYPE A; send TYPE I first.";
    restart_in_ascii = INVALID_RESTART "A transfer in TYPE A cannot be restarted; send TYPE I first.";
    pasv_is_ipv4_only = NETWORK_PROTOCOL_NOT_SUPPORTED "PASV cannot tell an IPv6 address, use EPSV (2).";
    port_is_ipv4_only = NETWORK_PROTOCOL_NOT_SUPPORTED "PORT cannot tell an IPv6 address, use EPRT (2).";
    use_family_1 = NETWORK_PROTOCOL_NOT_SUPPORTED "This control connection is IPv4, use (1).";
    use_family_2 = NETWORK_PROTOCOL_NOT_SUPPORTED "This control connection is IPv6, use (2).";
    utf8_on = COMMAND_OKAY "Names are UTF-8.";
    unknown_option = PARAMETER_SYNTAX_ERROR "Only OPTS HASH, OPTS MLST and OPTS UTF8 are known.";
    unknown_hash = PARAMETER_NOT_IMPLEMENTED "SHA-256, SHA-512, SHA-1, MD5 and CRC32 are known.";
    bad_range = PARAMETER_SYNTAX_ERROR "The range is no range of bytes of this file.";
    range_noted = FILE_ACTION_PENDING "The next HASH is of this range.";
    allocation_wants_a_number = PARAMETER_SYNTAX_ERROR "ALLO wants a number of bytes.";
    wants_octal_mode = PARAMETER_SYNTAX_ERROR "An octal mode of at most 777 is wanted, and a path behind it for CHMOD.";
    mlsd_wants_a_directory = PARAMETER_SYNTAX_ERROR "MLSD lists directories only; MLST tells about a file.";
    listing_too_long = FILE_UNAVAILABLE "That listing is too long for STAT; use LIST.";
    unlistable = FILE_UNAVAILABLE "No line can hold that name.";
    english_only = PARAMETER_NOT_IMPLEMENTED "Only English is spoken here.";
}

/// 550 for what the user has no right to. (532 would ask for an account, and there is none to give.)
pub(crate) fn denied(right: Right) -> Reply {
    let what = match right {
        Right::Read => "read files",
        Right::Write => "store files",
        Right::Overwrite => "change files that exist",
        Right::Delete => "delete",
        Right::List => "list directories",
        Right::Rename => "rename",
        Right::MakeDirectory => "make directories",
    };
    Reply::new(ReplyCode::FILE_UNAVAILABLE, format!("You are not allowed to {what} here."))
}

/// 421 for a session too many.
pub(crate) fn full(full: Full) -> Reply {
    let text = match full {
        Full::Total(most) => format!("All {most} sessions of this server are in use; try again later."),
        Full::Address(most) => {
            format!("Your address has its {most} sessions already; end one of them first.")
        }
        Full::User(most) => format!("This user has its {most} sessions already; end one of them first."),
    };
    Reply::new(ReplyCode::SERVICE_NOT_AVAILABLE, text)
}

/// 250 with the new directory.
pub(crate) fn directory_is(path: &StoragePath, charset: Charset) -> Reply {
    quoted(ReplyCode::FILE_ACTION_OKAY, path, charset, "is the current directory.")
}

/// 257: RFC 959, appendix II: quotes inside are doubled.
pub(crate) fn current_directory(path: &StoragePath, charset: Charset) -> Reply {
    quoted(ReplyCode::PATHNAME_CREATED, path, charset, "is the current directory.")
}

/// 257 for MKD.
pub(crate) fn created(path: &StoragePath, charset: Charset) -> Reply {
    quoted(ReplyCode::PATHNAME_CREATED, path, charset, "created.")
}

fn quoted(code: ReplyCode, path: &StoragePath, charset: Charset, rest: &str) -> Reply {
    let mut text = vec![b'"'];
    for &byte in charset.shown(path.as_bytes()).iter() {
        text.push(byte);
        if byte == b'"' {
            text.push(b'"');
        }
    }
    text.extend_from_slice(b"\" ");
    text.extend_from_slice(rest.as_bytes());
    Reply::new(code, text)
}

/// 150 with the size where it is known, as wget and curl read it.
pub(crate) fn opening(what: &[u8], ascii: bool, size: Option<u64>) -> Reply {
    let kind = if ascii { "ASCII" } else { "BINARY" };
    let mut text = format!("Opening {kind} mode data connection for ").into_bytes();
    text.extend_from_slice(what);
    text.extend_from_slice(
        match size {
            Some(size) => format!(" ({size} bytes)."),
            None => ".".to_owned(),
        }
        .as_bytes(),
    );
    Reply::new(ReplyCode::OPENING_DATA_CONNECTION, text)
}

/// 150 for STOU (RFC 1123 §4.1.2.9).
pub(crate) fn opening_unique(name: &[u8]) -> Reply {
    Reply::new(ReplyCode::OPENING_DATA_CONNECTION, [b"FILE: ".as_slice(), name].concat())
}

/// 350 for REST.
pub(crate) fn restart_at(offset: u64) -> Reply {
    Reply::new(ReplyCode::FILE_ACTION_PENDING, format!("The next transfer starts at byte {offset}."))
}

/// 502 for a mode that is not on offer (S5).
pub(crate) fn mode_disabled(mode: DataMode) -> Reply {
    let text = match mode {
        DataMode::Active => "Active mode is switched off on this server: use passive mode (EPSV or PASV).",
        DataMode::Passive => "Passive mode is switched off on this server: use active mode (EPRT or PORT).",
    };
    Reply::new(ReplyCode::NOT_IMPLEMENTED, text)
}

/// 200 for PORT or EPRT with a private address that is not the client's, where the client's own is taken (S10).
pub(crate) fn port_accepted_at(told: IpAddr, client: IpAddr) -> Reply {
    Reply::new(
        ReplyCode::COMMAND_OKAY,
        format!("{told} cannot be reached from here; the data connection will go to you at {client}."),
    )
}

/// 504 for PORT or EPRT to another host (RFC 2577 §3).
pub(crate) fn foreign_host(told: IpAddr, client: IpAddr) -> Reply {
    Reply::new(
        ReplyCode::PARAMETER_NOT_IMPLEMENTED,
        format!(
            "No data connection to {told}: you are {client}. Behind a NAT, use passive mode (EPSV or PASV)."
        ),
    )
}

/// 504 for PORT or EPRT to a port of a service (RFC 2577 §3).
pub(crate) fn privileged_port(port: u16) -> Reply {
    Reply::new(
        ReplyCode::PARAMETER_NOT_IMPLEMENTED,
        format!("No data connection to port {port}: ports below 1024 are refused."),
    )
}

/// 425 for a listener that could not be had.
pub(crate) fn cannot_listen(error: &ListenError) -> Reply {
    let text = match error {
        ListenError::AllInUse(_) => format!("{}; try again later.", first_upper(&error.to_string())),
        ListenError::Kernel { .. } => "Cannot listen for a data connection.".to_owned(),
    };
    Reply::new(ReplyCode::CANNOT_OPEN_DATA_CONNECTION, text)
}

/// 425 for a data connection that did not come up: what happened, and who can change it. The log says it in these words.
pub(crate) fn cannot_connect(missed: &NotConnected) -> Reply {
    let text = match &missed.error {
        ConnectError::NothingConnected { listener, waited, strangers } => {
            let told = missed.told.unwrap_or(*listener);
            let seconds = waited.as_secs();
            match (strangers, &missed.range) {
                (1.., _) => format!(
                    "Nobody connected to {told} from {} in {seconds} s, but somebody did from elsewhere: your data connections probably leave from another address than your control connection.",
                    missed.client
                ),
                _ if missed.is_private_told_outside() => format!(
                    "Nothing connected to {told} in {seconds} s: that address is private, and you come from {}; use EPSV, and let this server advertise its outside address.",
                    missed.client
                ),
                (0, Some(range)) if is_of_container(listener.ip()) => format!(
                    "Nothing connected to {told} in {seconds} s: this server has the address of a container, which probably does not publish the passive range {}-{} under the same numbers.",
                    range.start(),
                    range.end()
                ),
                (0, None) if is_of_container(listener.ip()) => format!(
                    "Nothing connected to {told} in {seconds} s: this server has the address of a container, which probably does not publish that port; give the server a passive range and publish it."
                ),
                (0, Some(range)) if range.contains(&told.port()) => format!(
                    "Nothing connected to {told} in {seconds} s: a firewall between you and this server probably blocks the passive range {}-{}.",
                    range.start(),
                    range.end()
                ),
                _ => format!(
                    "Nothing connected to {told} in {seconds} s: a firewall between you and this server probably blocks that port."
                ),
            }
        }
        ConnectError::Unanswered { target, waited } => format!(
            "{target} did not answer in {} s: a firewall or NAT before you probably drops incoming connections; use passive mode.",
            waited.as_secs()
        ),
        ConnectError::Refused { target, source } => match source.kind() {
            std::io::ErrorKind::PermissionDenied => {
                format!("The server's own system forbids connections to {target}; use passive mode.")
            }
            std::io::ErrorKind::NetworkUnreachable | std::io::ErrorKind::HostUnreachable => {
                format!("{target} cannot be reached from this server; use passive mode.")
            }
            _ => format!(
                "{target} refused the connection: nothing listens there, or a firewall rejects it; use passive mode."
            ),
        },
        ConnectError::PairInUse { .. } | ConnectError::SourcePort { .. } => {
            format!("{}.", first_upper(&missed.error.to_string()))
        }
        ConnectError::Kernel(_) => "Cannot open the data connection.".to_owned(),
    };
    Reply::new(ReplyCode::CANNOT_OPEN_DATA_CONNECTION, text)
}

/// The final reply for a transfer that broke.
pub(crate) fn broken(error: &PumpError) -> Reply {
    match error {
        PumpError::Network(_) => {
            Reply::new(ReplyCode::TRANSFER_ABORTED, "The data connection broke; transfer aborted.")
        }
        PumpError::CloseNotifyMissing => Reply::new(
            ReplyCode::TRANSFER_ABORTED,
            "The data connection ended without close_notify, so that nobody can tell the whole file from a part; transfer aborted.",
        ),
        PumpError::Stalled => {
            Reply::new(ReplyCode::TRANSFER_ABORTED, "Nothing moved for too long; transfer aborted.")
        }
        PumpError::Local(error) => match error.kind() {
            std::io::ErrorKind::StorageFull => {
                Reply::new(ReplyCode::INSUFFICIENT_STORAGE, "The disk is full.")
            }
            std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge => {
                Reply::new(ReplyCode::STORAGE_EXCEEDED, "The quota is used up.")
            }
            _ => {
                Reply::new(ReplyCode::LOCAL_ERROR, "The file could not be read or written; transfer aborted.")
            }
        },
    }
}

/// 522 for a data connection whose TLS did not come up (RFC 4217 §10.2), 426 for one that did and is not complete.
pub(crate) fn tls_failure(failure: &TlsFailure) -> Reply {
    let error = match failure {
        TlsFailure::Handshake(error) => error,
        TlsFailure::NotResumed => {
            return Reply::new(
                ReplyCode::NETWORK_PROTOCOL_NOT_SUPPORTED,
                "The data connection did not resume the control connection's TLS session, which the setting resumption = \"require\" wants: use a client that resumes, or ask for resumption = \"prefer\".",
            );
        }
    };
    let advice = match error {
        HandshakeError::Silent { .. } => {
            ": begin TLS as soon as the data connection is up, or send PROT C to go in clear"
        }
        HandshakeError::InClear => ": PROT P is in effect; speak TLS, or send PROT C",
        HandshakeError::NothingInCommon(_) | HandshakeError::Alert { is_about_version: true, .. } => {
            ": update the client, so that it can do TLS 1.2 or later"
        }
        _ => "",
    };
    let text = format!("{}{advice}.", first_upper(&error.to_string()));
    Reply::new(ReplyCode::NETWORK_PROTOCOL_NOT_SUPPORTED, text)
}

/// 426 for data that came to their end, and are not taken for the whole file.
pub(crate) fn withheld(reason: &Withheld) -> Reply {
    let text = format!("{}; transfer aborted.", first_upper(&reason.to_string()));
    Reply::new(ReplyCode::TRANSFER_ABORTED, text)
}

/// 426 for an upload whose own user began it anew in another session.
pub(crate) fn taken_over() -> Reply {
    Reply::new(
        ReplyCode::TRANSFER_ABORTED,
        "The same user began this upload anew in another session; transfer aborted.",
    )
}

/// 501 for a name that means nothing in the session's character set: a guess would be another name (threat 16).
pub(crate) fn not_in_charset(charset: Charset) -> Reply {
    let text = format!("That name is not {}; OPTS UTF8 ON switches to UTF-8.", charset.name());
    Reply::new(ReplyCode::PARAMETER_SYNTAX_ERROR, text)
}

/// 200 for OPTS UTF8 OFF.
pub(crate) fn charset_is(charset: Charset) -> Reply {
    Reply::new(ReplyCode::COMMAND_OKAY, format!("Names are {}.", charset.name()))
}

/// 550 or 553 for a path that leads nowhere.
pub(crate) fn bad_path(error: &PathError) -> Reply {
    Reply::new(ReplyCode::FILE_UNAVAILABLE, format!("{}.", first_upper(&error.to_string())))
}

/// What the storage says, as a reply.
pub(crate) fn storage(error: &StorageError) -> Reply {
    let code = match error {
        StorageError::Busy => ReplyCode::FILE_BUSY,
        StorageError::NoSpace => ReplyCode::INSUFFICIENT_STORAGE,
        StorageError::QuotaExceeded => ReplyCode::STORAGE_EXCEEDED,
        StorageError::NameNotAllowed => ReplyCode::NAME_NOT_ALLOWED,
        StorageError::OffsetBeyondEnd { .. } => ReplyCode::INVALID_RESTART,
        StorageError::Io(_) => ReplyCode::LOCAL_ERROR,
        _ => ReplyCode::FILE_UNAVAILABLE,
    };
    let text = match error {
        StorageError::Io(_) => "The server could not do that.".to_owned(),
        other => format!("{}.", first_upper(&other.to_string())),
    };
    Reply::new(code, text)
}

/// 213 with a number or a time.
pub(crate) fn fact(text: impl Into<Vec<u8>>) -> Reply {
    Reply::new(ReplyCode::FILE_STATUS, text.into())
}

/// 211 about the session.
pub(crate) fn status(lines: Vec<String>) -> Reply {
    Reply::multi_line(
        ReplyCode::SYSTEM_STATUS,
        std::iter::once("Status of this session:".to_owned())
            .chain(lines.into_iter().map(|line| format!(" {line}")))
            .chain(["End of status.".to_owned()])
            .map(String::into_bytes),
    )
}

/// What a listing command lists, for its 150.
pub(crate) fn listed(path: Option<&Pathname>) -> Vec<u8> {
    match path {
        Some(path) => path.as_bytes().to_vec(),
        None => b"the listing".to_vec(),
    }
}

fn first_upper(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// A verb of SITE that nobody knows.
pub(crate) fn unknown_site(name: &[u8]) -> Reply {
    Reply::new(ReplyCode::SYNTAX_ERROR, format!("SITE {} is not known; see SITE HELP.", escaped(name)))
}

/// SITE CANARY: endpoints in hexadecimal digits.
pub(crate) fn canary(peer: &str, heard: &str, told: &str) -> Reply {
    Reply::new(ReplyCode::COMMAND_OKAY, format!("CANARY peer={peer} heard={heard} told={told}"))
}

/// A verb that nobody knows.
pub(crate) fn unknown_verb(name: &Text) -> Reply {
    Reply::new(ReplyCode::NOT_IMPLEMENTED, format!("{name} is not known; HELP lists what is."))
}
