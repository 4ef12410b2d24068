//! FEAT (RFC 2389 §3): what goes beyond RFC 959. A mode that is not on offer is not named.

use wharf_proto::Reply;

use crate::listing::FACTS;
use crate::session::Session;

/// The list, one a line.
pub(crate) fn run(session: &Session) -> Reply {
    let modes = session.shared.config.modes;
    let mut features = Vec::new();
    if modes.active {
        features.push("EPRT".to_owned());
    }
    if modes.passive {
        features.push("EPSV".to_owned());
    }
    features.extend(["HOST", "LANG EN*", "MDTM", "MFMT"].map(str::to_owned));
    features.push(FACTS.feature_text(session.facts));
    if modes.passive {
        features.push("PASV".to_owned());
    }
    features.extend(["REST STREAM", "SIZE", "TVFS", "UTF8"].map(str::to_owned));
    Reply::feature_list(features.into_iter().map(String::into_bytes))
}
