//! NAT64 with a prefix of the network's own: found by the name that has IPv4 addresses only (RFC 7050).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::time::timeout;
use wharf_client::attempt::Outcome;
use wharf_findings::{Cause, Confidence, Evidence, Finding};

use super::cell::Family;
use super::found;
use super::judge::Verdict;

/// The name, and all that IPv4 has for it (RFC 7050 §2.2): an IPv6 address of it was made by a translator.
const NAME: &str = "ipv4only.arpa";
const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)];
/// Longest wait for its addresses: most networks have no NAT64, and some no resolver that answers.
const TIME: Duration = Duration::from_secs(2);
/// Where an IPv4 address lies in 128 bits behind a prefix of 96 (RFC 6052 §2.2), the only length that is looked for: in
/// the others its bits are split.
const OF_IPV4: u128 = 0xffff_ffff;

/// That the server is behind a NAT64, where something failed over IPv6 and its address has the network's prefix.
pub(super) async fn examine(verdicts: &[Verdict]) -> Option<Finding> {
    let (failed, server) =
        verdicts.iter().filter(|it| it.place.family == Family::Ipv6).find_map(|verdict| {
            let IpAddr::V6(server) = verdict.place.endpoints.server.ip() else { return None };
            // The server refused what names an address: on the other side of the translator there is none of this family.
            let failed = verdict.tried.iter().flat_map(|tried| &tried.attempts);
            let failed = failed.into_iter().find(|attempt| attempt.outcome == Outcome::NegotiationRefused)?;
            Some((failed, server))
        })?;
    let found_here = timeout(TIME, tokio::net::lookup_host((NAME, 0))).await.ok()?.ok()?;
    let is_translated = found_here.into_iter().any(|address| is_behind(server, address.ip()));
    let mut evidence = vec![Evidence::TranslatedPeer { control_peer: server }];
    evidence.extend(
        failed.reply.as_ref().map(|reply| Evidence::ReplyReceived {
            verb: failed.command.to_string(),
            reply: reply.to_string(),
        }),
    );
    is_translated.then(|| found(Cause::Nat64, Confidence::Certain, evidence)).flatten()
}

/// Whether `server` has the prefix of a translator that made `well_known`, an address of the name.
fn is_behind(server: Ipv6Addr, well_known: IpAddr) -> bool {
    let IpAddr::V6(well_known) = well_known else { return false };
    let (server, well_known) = (u128::from(server), u128::from(well_known));
    let is_made = ADDRESSES.iter().any(|address| well_known & OF_IPV4 == u128::from(u32::from(*address)));
    is_made && server & !OF_IPV4 == well_known & !OF_IPV4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_behind_the_prefix_of_the_well_known_name_is_translated() {
        let behind =
            |server: &str, well_known: &str| is_behind(server.parse().unwrap(), well_known.parse().unwrap());
        assert!(behind("2001:db8:64::cb00:7115", "2001:db8:64::c000:aa"));
        assert!(behind("2001:db8:64::cb00:7115", "2001:db8:64::192.0.0.171"));
        assert!(!behind("2001:db8:65::cb00:7115", "2001:db8:64::c000:aa"), "another prefix");
        assert!(!behind("2001:db8:64::cb00:7115", "2001:db8:64::c000:ac"), "somebody else's address");
        assert!(!behind("2001:db8:64::cb00:7115", "192.0.0.170"), "IPv4 is not translated");
    }
}
