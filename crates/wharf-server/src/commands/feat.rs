//! FEAT (RFC 2389 §3): what goes beyond RFC 959. A mode that is not on offer is not named.

use wharf_proto::Reply;
use wharf_proto::dialogue::SecurityState;

use crate::listing::FACTS;
use crate::session::Session;
use crate::tls::ServerTls;
use wharf_storage::digest::Algorithm;

/// The algorithms of HASH, the chosen one marked (draft-ietf-ftpext2-hash §3.2).
fn hashes(chosen: Algorithm) -> String {
    let name = |algorithm: Algorithm| {
        let mark = if algorithm == chosen { "*" } else { "" };
        format!("{}{mark}", algorithm.name())
    };
    format!("HASH {}", Algorithm::ALL.map(name).join(";"))
}

/// The list, one a line.
pub(crate) fn run(session: &Session) -> Reply {
    let modes = session.modes();
    let mut features = Vec::new();
    let tls = session.tls();
    let is_protected = session.pi.dialogue().state().security == SecurityState::Protected;
    let has_auth = tls.is_some_and(ServerTls::offers_auth);
    if has_auth {
        features.push("AUTH TLS".to_owned()); // RFC 4217 §6
    }
    if tls.is_some_and(|tls| tls.settings.clear_control) {
        features.push("CCC".to_owned());
    }
    features.push("AVBL".to_owned());
    if modes.active {
        features.push("EPRT".to_owned());
    }
    if modes.passive {
        features.push("EPSV".to_owned());
    }
    features.push(hashes(session.hash));
    features.extend(["HOST", "LANG EN*", "MDTM", "MFMT"].map(str::to_owned));
    features.push(FACTS.feature_text(session.facts));
    if modes.passive {
        features.push("PASV".to_owned());
    }
    if has_auth || is_protected {
        features.extend(["PBSZ", "PROT"].map(str::to_owned));
    }
    features.push("REST STREAM".to_owned());
    if session.shared.config.canary {
        features.push("SITE CANARY".to_owned());
    }
    features
        .extend(["SIZE", "TVFS", "UTF8", "XCRC", "XMD5", "XSHA1", "XSHA256", "XSHA512"].map(str::to_owned));
    Reply::feature_list(features.into_iter().map(String::into_bytes))
}
