//! What a bystander sees of TLS: the headers of its records, both hellos, and alerts.
//!
//! Nothing is decrypted. A hello says whether a session is to be resumed, a record's header how long the record is and
//! of which kind, and before the keys are in use an alert says its name.

use core::fmt;

use crate::limits;

/// RFC 8446 §5.1.
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// Kind, version, length.
const HEADER: usize = 5;
/// RFC 8446 §5.2: 2^14 and what encryption may add; TLS 1.2 allows a little more.
const LONGEST: usize = (1 << 14) + 2048;
/// RFC 8446 §4.
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
/// An alert, its kind and an authentication tag: what close_notify looks like in TLS 1.3.
const HIDDEN_ALERT: usize = 19;

/// Something that was seen in the records of one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A ClientHello.
    ClientHello(ClientHello),
    /// A ServerHello.
    ServerHello(ServerHello),
    /// The keys are in use from here on (TLS 1.2), or it is pretended for old boxes (TLS 1.3).
    ChangeCipherSpec,
    /// An alert in clear, before the keys are in use.
    Alert(Alert),
    /// An encrypted alert: of TLS 1.2, or a record of TLS 1.3 that has the size of one. At the end of a connection it is
    /// close_notify most often.
    HiddenAlert,
    /// Application data, or what looks like it.
    Data {
        /// Bytes of the record without its header.
        length: usize,
    },
}

/// What a client offers (RFC 8446 §4.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The session id, by which TLS 1.2 resumes; TLS 1.3 fills it at random.
    pub session_id: Box<[u8]>,
    /// Whether there is a ticket in the extension of RFC 5077.
    pub has_ticket: bool,
    /// Whether there is a pre-shared key: the ticket of TLS 1.3.
    pub has_pre_shared_key: bool,
    /// Whether TLS 1.3 is offered.
    pub offers_tls13: bool,
    /// The server's name (RFC 6066 §3).
    pub server_name: Option<String>,
}

impl ClientHello {
    /// Whether it asks for a session to be resumed. In TLS 1.2 a session id alone may do, and every client of TLS 1.3
    /// sends one that means nothing.
    #[must_use]
    pub fn asks_to_resume(&self) -> bool {
        self.has_pre_shared_key || self.has_ticket || (!self.session_id.is_empty() && !self.offers_tls13)
    }
}

/// What a server chose (RFC 8446 §4.1.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// 0x0303 for TLS 1.2, 0x0304 for TLS 1.3.
    pub version: u16,
    /// The session id: the client's own again where TLS 1.2 resumes.
    pub session_id: Box<[u8]>,
    /// TLS 1.3: the client's pre-shared key is taken.
    pub takes_pre_shared_key: bool,
}

impl ServerHello {
    /// Whether the session that `client` asked for is resumed.
    #[must_use]
    pub fn resumes(&self, client: &ClientHello) -> bool {
        if self.version >= 0x0304 {
            self.takes_pre_shared_key
        } else {
            !self.session_id.is_empty() && self.session_id == client.session_id
        }
    }

    /// `1.2`, `1.3`, ….
    #[must_use]
    pub fn version_name(&self) -> &'static str {
        match self.version {
            0x0301 => "1.0",
            0x0302 => "1.1",
            0x0303 => "1.2",
            0x0304 => "1.3",
            _ => "?",
        }
    }
}

/// An alert (RFC 8446 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Whether it ends the connection in disorder.
    pub is_fatal: bool,
    /// Its number.
    pub description: u8,
}

impl Alert {
    /// Whether it is `close_notify`.
    #[must_use]
    pub fn is_close_notify(self) -> bool {
        self.description == 0
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.description {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            22 => "record_overflow",
            40 => "handshake_failure",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            100 => "no_renegotiation",
            109 => "missing_extension",
            112 => "unrecognized_name",
            116 => "certificate_required",
            120 => "no_application_protocol",
            other => return write!(f, "alert {other}"),
        })
    }
}

/// Whether bytes can be the beginning of a TLS record. Fewer than five are judged as far as they go.
#[must_use]
pub fn may_begin_record(bytes: &[u8]) -> bool {
    let kind = bytes.first().is_none_or(|kind| (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(kind));
    let major = bytes.get(1).is_none_or(|major| *major == 3);
    let minor = bytes.get(2).is_none_or(|minor| *minor <= 4);
    let length = match bytes.get(3..HEADER) {
        Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])) <= LONGEST,
        _ => true,
    };
    kind && major && minor && length
}

/// Follows the records of one direction.
///
/// - Input: [`push`](Self::push), any number of bytes cut at any place; [`miss`](Self::miss) for bytes that were there and
///   are not known.
/// - Output: what `push` hands to its callback, and [`is_lost`](Self::is_lost).
///
/// Memory: a hello of at most [`limits::CAPTURED_HELLO`] bytes while it is incomplete, and nothing else.
#[derive(Debug, Default)]
pub struct RecordWatcher {
    header: [u8; HEADER],
    header_length: usize,
    /// Of the record's body, what has not come yet.
    remaining: usize,
    /// The body of hellos and of alerts.
    body: Vec<u8>,
    /// Hellos are over: the keys are in use, or were said to be.
    is_encrypted: bool,
    /// The hello was told; no other handshake message is looked at.
    is_greeted: bool,
    is_lost: bool,
}

impl RecordWatcher {
    /// At the beginning of the first record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it is not known any more where records begin.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Bytes that are kept.
    #[must_use]
    pub fn held(&self) -> usize {
        self.body.len()
    }

    /// Takes the next bytes, and tells how many of them are TLS: fewer than there are only where a record should begin and
    /// something else stands.
    pub fn push(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Record)) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() && !self.is_lost {
            if self.remaining > 0 {
                let taken = self.remaining.min(rest.len());
                self.take_body(&rest[..taken]);
                rest = &rest[taken..];
                self.remaining -= taken;
                if self.remaining == 0 {
                    self.record_ended(tell);
                }
                continue;
            }
            if self.header_length == 0 && !may_begin_record(rest) {
                return bytes.len() - rest.len();
            }
            self.header[self.header_length] = rest[0];
            self.header_length += 1;
            rest = &rest[1..];
            if self.header_length == HEADER {
                self.record_begins(tell);
            }
        }
        bytes.len()
    }

    /// So many bytes passed that nobody saw.
    pub fn miss(&mut self, count: usize) {
        if self.header_length == HEADER && count < self.remaining {
            self.remaining -= count;
            // Half a hello tells nothing.
            self.header[0] = APPLICATION_DATA;
            self.body = Vec::new();
        } else if count > 0 {
            self.is_lost = true;
        }
    }

    fn record_begins(&mut self, tell: &mut dyn FnMut(Record)) {
        if !may_begin_record(&self.header) {
            self.is_lost = true;
            return;
        }
        self.remaining = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
        if self.remaining == 0 {
            self.record_ended(tell);
        }
    }

    fn take_body(&mut self, bytes: &[u8]) {
        let is_hello = self.header[0] == HANDSHAKE && !self.is_greeted;
        let wanted = (is_hello || self.header[0] == ALERT) && !self.is_encrypted;
        if wanted && self.body.len() + bytes.len() <= limits::CAPTURED_HELLO {
            self.body.extend_from_slice(bytes);
        }
    }

    fn record_ended(&mut self, tell: &mut dyn FnMut(Record)) {
        let length = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
        self.header_length = 0;
        match self.header[0] {
            CHANGE_CIPHER_SPEC => {
                self.is_encrypted = true;
                self.body = Vec::new();
                tell(Record::ChangeCipherSpec);
            }
            ALERT if self.is_encrypted || self.body.len() != 2 => {
                self.body = Vec::new();
                tell(Record::HiddenAlert);
            }
            ALERT => {
                let alert = Alert { is_fatal: self.body[0] == 2, description: self.body[1] };
                self.body = Vec::new();
                tell(Record::Alert(alert));
            }
            HANDSHAKE if !self.is_encrypted && !self.is_greeted => self.take_handshake(tell),
            HANDSHAKE => {}
            _ => {
                self.is_encrypted = true;
                tell(if length == HIDDEN_ALERT { Record::HiddenAlert } else { Record::Data { length } });
            }
        }
    }

    /// A handshake message may go over several records, and a record may hold several messages.
    fn take_handshake(&mut self, tell: &mut dyn FnMut(Record)) {
        let body = core::mem::take(&mut self.body);
        let Some((&[kind, a, b, c], rest)) = body.split_first_chunk::<4>() else {
            self.body = body;
            return;
        };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let Some(message) = rest.get(..length) else {
            if length <= limits::CAPTURED_HELLO {
                self.body = body;
            }
            return;
        };
        match kind {
            CLIENT_HELLO | SERVER_HELLO => self.is_greeted = true,
            _ => {}
        }
        match kind {
            CLIENT_HELLO => tell(Record::ClientHello(client_hello(message).unwrap_or_default())),
            SERVER_HELLO => tell(Record::ServerHello(server_hello(message).unwrap_or_default())),
            _ => {}
        }
    }
}

/// Reads fields with the lengths before them; `None` where there is less than there should be.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        self.take(bytes).map(|taken| taken.iter().fold(0, |value, byte| value << 8 | usize::from(*byte)))
    }

    fn vector(&mut self, length_bytes: usize) -> Option<&'a [u8]> {
        let length = self.number(length_bytes)?;
        self.take(length)
    }
}

const SERVER_NAME: usize = 0;
const SESSION_TICKET: usize = 35;
const PRE_SHARED_KEY: usize = 41;
const SUPPORTED_VERSIONS: usize = 43;
const TLS13: [u8; 2] = [3, 4];

fn client_hello(message: &[u8]) -> Option<ClientHello> {
    let mut fields = Fields(message);
    fields.take(2 + 32)?; // version, random
    let mut hello = ClientHello { session_id: fields.vector(1)?.into(), ..ClientHello::default() };
    fields.vector(2)?; // cipher suites
    fields.vector(1)?; // compression methods
    let mut extensions = Fields(fields.vector(2).unwrap_or_default());
    while let Some(kind) = extensions.number(2) {
        let content = extensions.vector(2)?;
        match kind {
            SERVER_NAME => hello.server_name = server_name(content),
            SESSION_TICKET => hello.has_ticket = !content.is_empty(),
            PRE_SHARED_KEY => hello.has_pre_shared_key = true,
            SUPPORTED_VERSIONS => {
                hello.offers_tls13 =
                    content.get(1..).unwrap_or_default().chunks(2).any(|version| version == TLS13);
            }
            _ => {}
        }
    }
    Some(hello)
}

fn server_name(content: &[u8]) -> Option<String> {
    let mut fields = Fields(content);
    fields.take(3)?; // length of the list, kind of name
    String::from_utf8(fields.vector(2)?.to_vec()).ok()
}

fn server_hello(message: &[u8]) -> Option<ServerHello> {
    let mut fields = Fields(message);
    let version = u16::try_from(fields.number(2)?).ok()?;
    fields.take(32)?; // random
    let mut hello = ServerHello { version, session_id: fields.vector(1)?.into(), ..ServerHello::default() };
    fields.take(3)?; // cipher suite, compression method
    let mut extensions = Fields(fields.vector(2).unwrap_or_default());
    while let Some(kind) = extensions.number(2) {
        let content = extensions.vector(2)?;
        match kind {
            SUPPORTED_VERSIONS => {
                hello.version = content.try_into().map_or(hello.version, u16::from_be_bytes);
            }
            PRE_SHARED_KEY => hello.takes_pre_shared_key = true,
            _ => {}
        }
    }
    Some(hello)
}
