//! Where on the way the capture was taken, as the packets' times to live show.

use wharf_proto::dialogue::Side;

use crate::capture::conversation::Conversation;

/// What is known of the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vantage {
    client_is_near: bool,
    server_is_near: bool,
}

/// What systems begin with: no router has counted yet.
const FRESH: [u8; 3] = [64, 128, 255];

impl Vantage {
    pub(super) fn of(conversation: &Conversation) -> Self {
        let is_near = |side: Side| {
            let sent = &conversation.control.sent[conversation.control_end(side)];
            sent.ttl.is_some_and(|ttl| FRESH.contains(&ttl))
        };
        Self { client_is_near: is_near(Side::Client), server_is_near: is_near(Side::Server) }
    }

    /// Whether it was taken at the host of this side and not at the other, or in its network.
    pub(super) fn is_at(self, side: Side) -> bool {
        match side {
            Side::Client => self.client_is_near && !self.server_is_near,
            Side::Server => self.server_is_near && !self.client_is_near,
        }
    }
}
