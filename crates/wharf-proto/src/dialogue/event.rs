//! What a [`Dialogue`](super::Dialogue) tells whoever drives it.

use super::deviation::Deviation;
use super::negotiation::DataConnectionPlan;
use super::transfer::TransferEnd;
use crate::reply::ReplyCode;
use crate::verb::Verb;

/// One thing that became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server greeted, or refused to with 4yz or 5yz.
    Greeted {
        /// 220, 421, …
        code: ReplyCode,
    },
    /// 230 came.
    LoggedIn,
    /// A login was refused, or ended by REIN, AUTH or another USER.
    LoggedOut,
    /// 234 was said: the I/O layer has to do the TLS handshake, then tell it to `tls_established`.
    HandshakeDue,
    /// 200 to CCC, or 220 to REIN under TLS, was said: the I/O layer has to end TLS on the control connection.
    ClearDue,
    /// PORT, PASV, EPRT or EPSV was accepted.
    PlanAgreed(DataConnectionPlan),
    /// A transfer was refused before it began: no 1yz had come.
    TransferRefused {
        /// RETR, STOR, LIST, …
        verb: Verb,
        /// The refusing code.
        code: ReplyCode,
    },
    /// 1yz came.
    TransferStarted {
        /// RETR, STOR, LIST, …
        verb: Verb,
    },
    /// The final reply of a transfer that had been started came.
    TransferEnded(TransferEnd),
    /// 421 or the reply to QUIT: the server is going to close.
    Closing {
        /// 221 or 421.
        code: ReplyCode,
    },
    /// A time that was set in [`Deadlines`](super::Deadlines) is over.
    TimedOut(Timer),
    /// A peer did what no RFC says.
    Deviation(Deviation),
}

/// Which time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// The login was not complete in time.
    Login,
    /// Nothing was sent either way, and nothing is under way.
    Idle,
    /// A command got no reply.
    Reply,
}
