//! Every length, count and time that a peer controls, in one place.
//!
//! Sizes are in bytes and include line ends unless said otherwise. Times are what Wharf uses where its user sets
//! nothing else.

use core::time::Duration;

/// Longest command line that is read; a longer one is discarded up to its end and answered with 500.
pub const COMMAND_LINE: usize = 8 * 1024;
/// Longest reply, all its lines together, that a client takes.
pub const REPLY: usize = 64 * 1024;
/// Longest single line of a reply.
pub const REPLY_LINE: usize = 16 * 1024;
/// Longest line of a listing that is read from a data connection.
pub const LISTING_LINE: usize = 16 * 1024;
/// Most entries of one listing that a client takes.
pub const LISTING_ENTRIES: usize = 4_000_000;
/// Most bytes of something unknown or malformed that are repeated in the reply that refuses it.
pub const ECHO: usize = 64;
/// Longest name or path, as PATH_MAX of Linux has it.
pub const PATHNAME: usize = 4096;
/// Commands that a server keeps while one is unanswered; with more than these it stops reading.
pub const READ_AHEAD_COMMANDS: usize = 64;
/// Bytes of commands that a server keeps while one is unanswered.
pub const READ_AHEAD_BYTES: usize = 2 * COMMAND_LINE;
/// Bytes of replies that a client has not taken, with which a server carries out no more of its commands.
pub const UNSENT_REPLIES: usize = 16 * 1024;
/// Commands that a [`Dialogue`](crate::dialogue::Dialogue) remembers as unanswered.
pub const OUTSTANDING_COMMANDS: usize = 256;
/// Events that a [`Dialogue`](crate::dialogue::Dialogue) keeps for a reader who does not drain it; older ones are dropped.
pub const PENDING_EVENTS: usize = 256;
/// Commands that a server does not know, before login, after which it hangs up.
pub const UNKNOWN_COMMANDS_BEFORE_LOGIN: u8 = 3;
/// Wrong passwords in one session after which a server hangs up.
pub const LOGIN_FAILURES: u8 = 5;
/// Logins that a server remembers as right, so that it need not compute or ask again.
pub const REMEMBERED_LOGINS: usize = 10_000;
/// How long it does.
pub const REMEMBER_LOGIN_TIME: Duration = Duration::from_secs(300);
/// Addresses, and as many names, whose wrong logins a server counts.
pub const COUNTED_FAILURES: usize = 20_000;
/// Longest answer of a program or service that decides about logins, in bytes.
pub const LOGIN_ANSWER: usize = 64 * 1024;
/// Longest wait for that answer.
pub const LOGIN_ANSWER_TIME: Duration = Duration::from_secs(5);
/// Sessions, of as many clients, that wait for their data connections on one passive port when the range is full.
pub const SESSIONS_OF_A_PASSIVE_PORT: usize = 64;
/// Longest PROXY header, in bytes.
pub const PROXY_HEADER: usize = 1024;
/// Longest wait for a PROXY header.
pub const PROXY_HEADER_TIME: Duration = Duration::from_secs(5);
/// Longest ClientHello that is read to find out whose data connection it begins, in bytes.
pub const CLIENT_HELLO: usize = 16 * 1024;
/// Data connections at once of which it is not known yet whose they are, because their PROXY header or their ClientHello is
/// waited for; more are dropped.
pub const UNIDENTIFIED_DATA_CONNECTIONS: usize = 256;
/// Longest wait for the login to be complete, from the greeting on, whatever the peer sends meanwhile.
pub const LOGIN_TIME: Duration = Duration::from_secs(60);
/// Longest silence of a control connection while nothing is being transferred.
pub const IDLE_TIME: Duration = Duration::from_secs(300);
/// Longest wait for a TLS handshake to be complete, on the control and on each data connection.
pub const TLS_HANDSHAKE_TIME: Duration = Duration::from_secs(20);
/// Longest wait for a client to end its side of TLS after CCC or REIN.
pub const TLS_END_TIME: Duration = Duration::from_secs(5);
/// Longest wait for a data connection to come up, in either direction.
pub const DATA_CONNECTION_TIME: Duration = Duration::from_secs(30);
/// The same where somebody else has connected in the client's place.
pub const DATA_CONNECTION_BEHIND_STRANGER_TIME: Duration = Duration::from_secs(10);
/// Longest time without a byte of progress on a data connection.
pub const DATA_STALL_TIME: Duration = Duration::from_secs(300);
/// Longest wait of a client for a control connection.
pub const CONNECT_TIME: Duration = Duration::from_secs(15);
/// Longest wait of a client for a reply.
pub const REPLY_TIME: Duration = Duration::from_secs(60);
/// Longest wait of a PASV for the address of the name that is advertised.
pub const ADVERTISED_NAME_TIME: Duration = Duration::from_secs(1);
/// Bytes in a second below which two servers that exchange a file, unseen by us, are taken for stuck.
pub const THIRD_PARTY_SLOWEST_RATE: u64 = 4 * 1024;
/// The same for a file whose length nobody knows: the whole time.
pub const THIRD_PARTY_TIME: Duration = Duration::from_secs(12 * 3600);

/// Most entries of a whole tree that a mirror looks at.
pub const MIRROR_ENTRIES: u64 = 20_000_000;
/// Most bytes of memory for the entries of one directory that a mirror compares: some two million of usual names.
pub const MIRROR_DIRECTORY_BYTES: usize = 512 * 1024 * 1024;
/// Most bytes of memory for the directories and files of a mirror that wait for their turn.
pub const MIRROR_QUEUE_BYTES: usize = 1024 * 1024 * 1024;
/// Most directories between the root of a mirror and what it looks at.
pub const MIRROR_DEPTH: usize = 100;
/// Longest packet of a capture that is read; a block or record that claims to be longer ends the reading.
pub const CAPTURED_PACKET: usize = 256 * 1024;
/// TCP connections of a capture that are followed at once; the one that was silent for longest is given up for a new one.
pub const CAPTURED_CONNECTIONS: usize = 16 * 1024;
/// Bytes of one direction of a control connection that wait for others that should have come before them.
pub const CAPTURED_OUT_OF_ORDER: usize = 128 * 1024;
/// Bytes that all control connections of a capture hold together: out of order, of unfinished lines, of unanswered commands.
pub const CAPTURED_HELD: usize = 12 * 1024 * 1024;
/// Bytes of each direction of a connection that are kept until it is known whether it is a control connection.
pub const CAPTURED_UNJUDGED: usize = 2 * 1024;
/// Connections at once of which it is not known whether they are control connections; of more it is not found out.
pub const CAPTURED_UNJUDGED_CONNECTIONS: usize = 2048;
/// IP datagrams of a capture that are put together from fragments at once.
pub const CAPTURED_FRAGMENTED: usize = 64;
/// Control connections of a capture that are told about; further ones are counted.
pub const CAPTURED_CONVERSATIONS: usize = 2560;
/// Transfers of a capture that are told about, all conversations together; further ones are counted.
pub const CAPTURED_TRANSFERS: usize = 8 * 1024;
/// Data connections of a capture that are told about; those beyond are nobody's.
pub const CAPTURED_DATA_CONNECTIONS: usize = 2 * CAPTURED_TRANSFERS;
/// Agreements on data connections that a capture's connections are compared with; older ones are forgotten.
pub const CAPTURED_AGREEMENTS: usize = 8 * 1024;
/// Lines of dialogue of a capture that are shown, all conversations together; further ones are counted.
pub const CAPTURED_LINES: usize = 32 * 1024;
/// Longest text of a captured line that is kept for showing.
pub const CAPTURED_LINE_TEXT: usize = 300;
/// Longest TLS hello that is read in a capture.
pub const CAPTURED_HELLO: usize = 4 * 1024;
/// Bytes of such hellos that are not whole yet, all data connections of a capture together.
pub const CAPTURED_HELLOS: usize = 2 * 1024 * 1024;
/// Attempts to open one connection that a capture keeps apart; further ones are counted.
pub const CAPTURED_ATTEMPTS: usize = 8;
