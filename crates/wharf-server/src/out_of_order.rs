//! What a client does against the order of FTP, with the cause under which the doctor and the explainer tell it.

use wharf_findings::Cause;
use wharf_proto::dialogue::Deviation;

use crate::metrics::Metrics;

/// Notes it in the log, and counts the cause where it is no other.
pub(crate) fn note(session: u64, metrics: &Metrics, deviation: &Deviation) {
    const TOLD: &str = "the client asks for what cannot be";
    match deviation {
        Deviation::NegotiationAfterEpsvAll { .. } => {
            metrics.cause(Cause::EpsvAll);
            tracing::warn!(session, cause = Cause::EpsvAll.id(), ?deviation, "{TOLD}");
        }
        Deviation::FamilyDiffers { .. } | Deviation::PassiveOnIpv6 => {
            metrics.cause(Cause::FamilyMismatch);
            tracing::warn!(session, cause = Cause::FamilyMismatch.id(), ?deviation, "{TOLD}");
        }
        // It may have been refused, and the client goes on all the same.
        Deviation::TransferWithoutNegotiation { .. } => {
            tracing::warn!(session, possible_cause = Cause::NoNegotiation.id(), ?deviation, "{TOLD}");
        }
        _ => tracing::debug!(session, ?deviation, "the client does what no RFC says"),
    }
}
