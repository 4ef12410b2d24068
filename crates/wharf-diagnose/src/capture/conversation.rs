//! What was understood of one control connection and of the data connections that belong to it.

use std::net::SocketAddr;

use wharf_findings::Finding;
use wharf_proto::ReplyCode;
use wharf_proto::dialogue::{DataMode, Deviation, NegotiationCommand, Side};
use wharf_proto::tls_records::Record;
use wharf_proto::verb::Verb;

use super::facts::{End, Facts};
use super::stream::Sight;

/// One control connection, and what belongs to it.
#[derive(Debug)]
pub struct Conversation {
    /// Who sent the commands.
    pub client: SocketAddr,
    /// Who answered them.
    pub server: SocketAddr,
    /// Whether TLS was spoken.
    pub tls: TlsUse,
    /// The user that was named last.
    pub user: Option<String>,
    /// Whether TLS hid some of the dialogue.
    pub is_hidden: bool,
    /// What was said, in order.
    pub lines: Vec<Line>,
    /// Lines that are not kept.
    pub lines_left_out: u64,
    /// PORT, PASV, EPRT and EPSV.
    pub negotiations: Vec<Negotiation>,
    /// RETR, STOR, LIST and the like.
    pub transfers: Vec<Transfer>,
    /// Transfers that are not kept.
    pub transfers_left_out: u64,
    /// The data connections.
    pub data: Vec<DataConnection>,
    /// The control connection itself.
    pub control: Facts,
    /// Which of its ends is the client.
    pub client_end: End,
    /// Bytes of dialogue that the capture lacks.
    pub gaps: u64,
    /// What no RFC says, and where.
    pub deviations: Vec<(Sight, Deviation)>,
    /// Root causes.
    pub findings: Vec<Finding>,
}

/// Whether TLS was spoken on a control connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsUse {
    /// No.
    #[default]
    None,
    /// After AUTH.
    Explicit,
    /// From the first byte on.
    Implicit,
}

/// One thing that was said.
#[derive(Clone, Debug)]
pub struct Line {
    /// The packet in which it ended, and when.
    pub sight: Sight,
    /// Who said it.
    pub by: Side,
    /// What it is.
    pub kind: LineKind,
    /// The text, escaped and without secrets; several lines of a reply stay several.
    pub text: String,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// A command; of an unknown verb where there is none.
    Command(Option<Verb>),
    /// A reply.
    Reply(ReplyCode),
    /// Neither.
    Unreadable,
    /// A TLS record that tells something.
    Tls(Record),
    /// The first record of hidden talk of this side.
    Hidden,
    /// The dialogue can be read again.
    ClearAgain,
    /// Bytes that the capture lacks.
    Gap(u64),
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Where.
    pub sight: Sight,
    /// Its code.
    pub code: ReplyCode,
    /// Code and text; of several lines the last.
    pub text: String,
}

/// An exchange that agrees on a data connection, or fails to.
#[derive(Clone, Debug)]
pub struct Negotiation {
    /// Which command.
    pub command: NegotiationCommand,
    /// The command, if it was seen.
    pub asked: Option<Sight>,
    /// The command as it was sent.
    pub text: String,
    /// The endpoint that PORT and EPRT name, or that 227 and 229 do.
    pub told: Option<SocketAddr>,
    /// The answer.
    pub reply: Option<Said>,
    /// Whether a plan came of it.
    pub agreed: bool,
    /// The connections that were made for it.
    pub data: Vec<usize>,
    /// The transfer that used it.
    pub transfer: Option<usize>,
}

/// A transfer that was asked for.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// RETR, STOR, LIST, …; not known where TLS or a gap hides it.
    pub verb: Option<Verb>,
    /// What stands behind the verb, escaped.
    pub path: Option<String>,
    /// The command.
    pub asked: Sight,
    /// What it used.
    pub negotiation: Option<usize>,
    /// The data connections, the one that carried the data last.
    pub data: Vec<usize>,
    /// 1yz.
    pub begun: Option<Said>,
    /// The final reply.
    pub reply: Option<Said>,
    /// Whether TYPE I was in effect.
    pub is_binary: bool,
    /// Whether the answer is known to be missing in the capture.
    pub is_answer_missed: bool,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The data went over, and the server confirmed it.
    Complete,
    /// The server said no before any data.
    Refused,
    /// Nobody tried to open the data connection.
    NoSyn,
    /// The attempt to open it got no answer.
    NoAnswer,
    /// The attempt to open it was refused, by RST or ICMP.
    Reset,
    /// The data connection came up, and the transfer broke.
    Cut,
    /// The capture does not tell.
    Unknown,
    /// The server confirmed it; its data connection is not in the capture.
    NotCaptured,
}

/// A data connection.
#[derive(Debug)]
pub struct DataConnection {
    /// What was seen of it.
    pub facts: Facts,
    /// Which of its ends is the FTP client.
    pub client_end: End,
    /// How it was found.
    pub found_by: FoundBy,
}

/// How a data connection was found to belong to a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundBy {
    /// It goes where it was agreed.
    Endpoint,
    /// It goes to the agreed port at the address of the control peer, or at what a NAT made of the address.
    Port,
    /// It goes where it was agreed, and comes from somebody else.
    Stranger,
    /// It is between the same hosts at the right time, at another port than the agreed one.
    Time,
    /// TLS hides the agreement: it is between the same hosts at the right time.
    Hidden,
}

impl Conversation {
    /// The data connection that carried a transfer's data: the last one that came up, else the last one tried.
    #[must_use]
    pub fn data_of(&self, transfer: &Transfer) -> Option<&DataConnection> {
        let all = || transfer.data.iter().filter_map(|index| self.data.get(*index));
        let rightful = |data: &&DataConnection| data.found_by != FoundBy::Stranger;
        let carried = all().rfind(|data| rightful(data) && data.facts.is_established());
        carried.or_else(|| all().rfind(rightful)).or_else(|| all().next_back())
    }

    /// What a transfer's data connection was agreed with.
    #[must_use]
    pub fn negotiation_of(&self, transfer: &Transfer) -> Option<&Negotiation> {
        transfer.negotiation.and_then(|index| self.negotiations.get(index))
    }

    /// The mode of a transfer: by its agreement, or by who opened its data connection.
    #[must_use]
    pub fn mode_of(&self, transfer: &Transfer) -> Option<DataMode> {
        if let Some(negotiation) = self.negotiation_of(transfer) {
            return Some(negotiation.command.mode());
        }
        self.data_of(transfer).and_then(DataConnection::opened_by).map(|side| match side {
            Side::Client => DataMode::Passive,
            Side::Server => DataMode::Active,
        })
    }

    /// Whether the capture shows the conversation from its SYN to an end, without a gap.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.control.syns.is_empty() && self.control.is_over() && self.gaps == 0 && self.lines_left_out == 0
    }

    /// Whether the client did something else after `sight`, or hung up: it does not wait any more.
    #[must_use]
    pub fn client_gave_up(&self, sight: Sight) -> bool {
        let client = &self.control.sent[self.control_end(Side::Client)];
        let hung_up = client.fin.is_some() || client.reset.is_some();
        hung_up || self.lines.iter().any(|line| line.by == Side::Client && line.sight > sight)
    }

    /// At which side the capture was taken, if that can be told: there the packets of that side, and not the other's, have
    /// not passed any router.
    #[must_use]
    pub fn taken_at(&self) -> Option<Side> {
        // What systems begin with.
        const FRESH: [u8; 3] = [64, 128, 255];
        let is_near = |side: Side| {
            self.control.sent[self.control_end(side)].ttl.is_some_and(|ttl| FRESH.contains(&ttl))
        };
        match (is_near(Side::Client), is_near(Side::Server)) {
            (true, false) => Some(Side::Client),
            (false, true) => Some(Side::Server),
            _ => None,
        }
    }

    /// Which end of the control connection is on this side.
    #[must_use]
    pub fn control_end(&self, side: Side) -> End {
        end_on(self.client_end, side)
    }
}

/// The end on `side` of a connection whose client is `client_end`.
pub(super) fn end_on(client_end: End, side: Side) -> End {
    match side {
        Side::Client => client_end,
        Side::Server => 1 - client_end,
    }
}

impl DataConnection {
    /// Who opened it.
    #[must_use]
    pub fn opened_by(&self) -> Option<Side> {
        self.facts.opened.then_some(if self.client_end == 0 { Side::Client } else { Side::Server })
    }

    /// The end on this side.
    #[must_use]
    pub fn end(&self, side: Side) -> End {
        end_on(self.client_end, side)
    }

    /// Bytes of payload, both directions.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.facts.sent[0].bytes + self.facts.sent[1].bytes
    }

    /// Who sent most of it.
    #[must_use]
    pub fn sender(&self) -> Option<Side> {
        let client = self.facts.sent[self.client_end].bytes;
        let server = self.facts.sent[1 - self.client_end].bytes;
        match client.cmp(&server) {
            std::cmp::Ordering::Greater => Some(Side::Client),
            std::cmp::Ordering::Less => Some(Side::Server),
            std::cmp::Ordering::Equal => None,
        }
    }

    /// Whether TLS was spoken on it.
    #[must_use]
    pub fn is_under_tls(&self) -> bool {
        self.facts.sent.iter().any(|sent| sent.tls.is_some())
    }
}

impl Transfer {
    /// Who sends the data, as far as the verb tells.
    #[must_use]
    pub fn sender(&self) -> Option<Side> {
        self.verb.map(|verb| match verb.role() {
            wharf_proto::verb::Role::Upload => Side::Client,
            _ => Side::Server,
        })
    }
}
