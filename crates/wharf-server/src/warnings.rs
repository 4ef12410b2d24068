//! What a configuration will probably lead to, said at the start in the words in which it would be explained later.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use wharf_findings::{Cause, Language};
use wharf_net::dtp::SourcePort;
use wharf_net::passive_ports::PassivePorts;
use wharf_proto::dialogue::is_private;

use crate::config::{ActiveSourcePort, ServerConfig};
use crate::machine;

/// TCP ports by which firewalls and NAT devices know other protocols, whose gateways then read and rewrite the data.
const OTHER_ALG_PORTS: [(u16, &str); 9] = [
    (554, "RTSP"),
    (1720, "H.323"),
    (1723, "PPTP"),
    (2000, "SCCP"),
    (5060, "SIP"),
    (5061, "SIP"),
    (6566, "SANE"),
    (6667, "IRC"),
    (10080, "Amanda"),
];

/// Something that will probably go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Warning {
    /// The id under which it would show up.
    pub cause: Cause,
    /// What was seen, and what the catalogue says about it.
    pub text: String,
}

impl Warning {
    /// What was seen, and the fix that everything else names for this cause.
    fn new(cause: Cause, seen: String) -> Self {
        let fix = cause.fix().server.map(|fix| fix.in_language(Language::English)).unwrap_or_default();
        Self { cause, text: format!("{seen} {fix}").trim_end().to_owned() }
    }
}

/// Looks at the configuration of a server that listens on `control`.
pub(crate) fn find(config: &ServerConfig, control: &[SocketAddr]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if config.modes.passive {
        if let PassivePorts::Range(range) = &config.passive.ports {
            let kernel = machine::ephemeral_ports();
            warnings
                .extend(kernel.and_then(|kernel| in_the_kernels(range, &kernel, &machine::reserved_ports())));
            warnings.extend(config.passive.expected_sessions.and_then(|expected| too_few(range, expected)));
            warnings.extend(others_ports(range));
        }
        if config.passive.advertise.is_empty() {
            warnings.extend(private_only(&reached(control)));
        }
    }
    if config.modes.active {
        // Beside a port that the kernel chose, anything may be in use; whoever asks for port 0 is trying something out.
        let implicit = config.tls.as_ref().map_or(&[][..], |tls| &tls.implicit_listen);
        let chosen: Vec<SocketAddr> =
            config.listen.iter().chain(implicit).filter(|address| address.port() > 0).copied().collect();
        warnings.extend(no_source_port(config.active.source_port, &chosen));
    }
    warnings
}

fn in_the_kernels(
    range: &RangeInclusive<u16>,
    kernel: &RangeInclusive<u16>,
    reserved: &[RangeInclusive<u16>],
) -> Option<Warning> {
    let is_lent =
        |port: &u16| kernel.contains(port) && !reserved.iter().any(|reserved| reserved.contains(port));
    let lent = range.clone().filter(is_lent).count();
    (lent > 0).then(|| {
        Warning {
            cause: Cause::RangeExhausted,
            text: format!(
                "{lent} of the passive ports {}-{} lie among {}-{}, which the kernel gives to outgoing connections: each of those \
                 may hold one. Choose a range outside, or reserve it: sysctl net.ipv4.ip_local_reserved_ports={}-{}.",
                range.start(),
                range.end(),
                kernel.start(),
                kernel.end(),
                range.start(),
                range.end()
            ),
        }
    })
}

fn too_few(range: &RangeInclusive<u16>, expected: u32) -> Option<Warning> {
    let ports = range.len();
    (u64::from(expected) > ports as u64).then(|| {
        let seen = format!(
            "{expected} sessions are expected, and there are {ports} passive ports {}-{}.",
            range.start(),
            range.end()
        );
        Warning::new(Cause::RangeExhausted, seen)
    })
}

fn others_ports(range: &RangeInclusive<u16>) -> Option<Warning> {
    let found = OTHER_ALG_PORTS.iter().filter(|(port, _)| range.contains(port));
    let found: Vec<String> = found.map(|(port, protocol)| format!("{port} ({protocol})")).collect();
    (!found.is_empty()).then(|| {
        let seen = format!(
            "The passive ports {}-{} hold {}, by which firewalls know other protocols.",
            range.start(),
            range.end(),
            found.join(", ")
        );
        Warning::new(Cause::PortTakenByOtherAlg, seen)
    })
}

/// The IPv4 addresses at which clients of other machines reach the server.
fn reached(control: &[SocketAddr]) -> Vec<IpAddr> {
    let everywhere = control.iter().any(|address| address.ip().is_unspecified());
    let own = if everywhere { machine::own_addresses() } else { Vec::new() };
    let all = control.iter().map(SocketAddr::ip).chain(own.into_iter().map(IpAddr::V4));
    all.filter(|address| address.is_ipv4() && !address.is_unspecified() && !address.is_loopback()).collect()
}

fn private_only(reached: &[IpAddr]) -> Option<Warning> {
    let first = reached.first()?;
    reached.iter().all(|address| is_private(*address)).then(|| {
        let seen = format!(
            "Clients are told {first}, a private address, in the 227 reply, and those outside cannot reach it (address = \"local\" \
             says that there are none)."
        );
        Warning::new(Cause::PasvPrivateAddress, seen)
    })
}

fn no_source_port(policy: ActiveSourcePort, control: &[SocketAddr]) -> Option<Warning> {
    control.iter().find_map(|address| {
        let SourcePort::Fixed(port) = policy.for_control_port(address.port()) else { return None };
        let error = machine::try_source_port(address.ip(), port).err()?;
        let instead = match policy {
            ActiveSourcePort::Fixed(_) => "there are no active data connections",
            ActiveSourcePort::ControlMinusOne | ActiveSourcePort::Any => {
                "active data connections come from any port, which a filter at the client may drop"
            }
        };
        let seen = format!("Source port {port} cannot be used ({error}): {instead}.");
        Some(Warning::new(Cause::SourcePortFiltered, seen))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_the_kernel_lends_are_named_unless_they_are_reserved() {
        let kernel = 32768..=60999;
        let found = in_the_kernels(&(32700..=32799), &kernel, &[]).unwrap();
        assert_eq!(found.cause, Cause::RangeExhausted);
        assert!(
            found.text.starts_with("32 of the passive ports 32700-32799 lie among 32768-60999"),
            "{}",
            found.text
        );
        let half = in_the_kernels(&(40000..=40099), &kernel, &[40000..=40049]).unwrap();
        assert!(half.text.starts_with("50 of"), "{}", half.text);
        assert_eq!(in_the_kernels(&(40000..=40099), &kernel, &[39000..=41000]), None);
        assert_eq!(in_the_kernels(&(20000..=20099), &kernel, &[]), None);
    }

    #[test]
    fn what_else_is_wrong_with_a_range_is_told_in_the_catalogues_words() {
        assert_eq!(too_few(&(20000..=20099), 100), None);
        let few = too_few(&(20000..=20007), 9).unwrap().text;
        assert!(
            few.starts_with("9 sessions are expected, and there are 8 passive ports 20000-20007."),
            "{few}"
        );
        assert!(few.ends_with(Cause::RangeExhausted.fix().server.unwrap().in_language(Language::English)));
        assert_eq!(others_ports(&(20000..=20099)), None);
        let others = others_ports(&(5000..=5100)).unwrap();
        assert!(others.text.contains("5060 (SIP), 5061 (SIP)"), "{}", others.text);
        assert!(others.text.ends_with("Choose a range of passive ports that leaves this port out."));
    }

    #[test]
    fn a_server_that_is_reached_at_private_addresses_only_has_to_say_for_whom() {
        let addresses =
            |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        assert!(private_only(&addresses(&["10.0.0.5", "192.168.1.1"])).unwrap().text.contains("10.0.0.5"));
        assert_eq!(private_only(&addresses(&["10.0.0.5", "203.0.113.1"])), None);
        assert_eq!(
            private_only(&reached(&["127.0.0.1:21".parse().unwrap(), "[::1]:21".parse().unwrap()])),
            None
        );
    }
}
