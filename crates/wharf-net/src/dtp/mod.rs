//! The data transfer process (DTP of RFC 959 §2.2): the data connection, from its opening to its end.

mod destination;
mod open;
mod progress;
mod pump;
mod secured;
mod stream;
mod throttle;
mod transfer;

pub use destination::Destination;
pub use open::{
    ActiveTarget, ConnectError, DataListener, ExpectedPeer, ExpectedSession, PassivePool, PeerVerified,
    PooledListener, SourcePort, Stranger, ThirdParties, connect_active, connect_passive,
    connect_passive_with, connect_through,
};
pub use progress::Progress;
pub use pump::PumpError;
pub use stream::DataStream;
pub use throttle::Throttle;
pub use transfer::Transfer;
