//! Each fact as one English sentence on one line.

use core::time::Duration;

use super::{Evidence, Side};

/// `evidence` in English; texts of a peer are quoted and escaped, so that they cannot forge a line of a log.
pub(super) fn english(evidence: &Evidence) -> String {
    use Evidence as E;
    match evidence {
        E::PrivateAddressTold { told, control_peer } => {
            format!(
                "The reply names {told}, which is a private address, while the control connection goes to {control_peer}."
            )
        }
        E::OtherAddressConnects { told, connected } => {
            format!("A connection to {told}, which the reply names, fails, while one to {connected} works.")
        }
        E::SameNetwork { client, server, told } => {
            format!(
                "Client {client} and server {server} share a network, while the reply names {told} outside of it."
            )
        }
        E::SynUnanswered { endpoint, waited } => {
            format!("A connection attempt to {endpoint} got no answer within {}.", time(*waited))
        }
        E::ConnectRefused { endpoint, error } => {
            format!("A connection attempt to {endpoint} was refused: {}.", quoted(error))
        }
        E::ResetReceived { endpoint, ttl, control_ttl } if ttl == control_ttl => {
            format!(
                "{endpoint} reset the connection attempt, and the reset (TTL {ttl}) came as far as the host's other packets."
            )
        }
        E::ResetReceived { endpoint, ttl, control_ttl } => format!(
            "A reset in the name of {endpoint} has TTL {ttl}, the host's other packets have {control_ttl}: somebody in between sent it."
        ),
        E::ProhibitedByIcmp { endpoint, sender, message } => {
            format!(
                "{sender} answered the connection attempt to {endpoint} with the ICMP message {}.",
                quoted(message)
            )
        }
        E::PortOutsideRange { told, first, last } => {
            format!("The reply names port {told}, while the ports that are exposed are {first} to {last}.")
        }
        E::PortsDiffer { told, listening } => {
            format!("The client was told port {told}, while the server listens on port {listening}.")
        }
        E::TextRewritten { sent, received } => {
            format!("The line {} was sent, and {} arrived.", quoted(sent), quoted(received))
        }
        E::FailsUnderTlsOnly { verb, endpoint } => {
            format!("{} works in clear and fails under TLS, at {endpoint}.", escape(verb))
        }
        E::AddressNotRewritten { verb, told, control_source } => format!(
            "{} arrived with {told}, while the control connection arrived from {control_source}: nothing rewrote it.",
            escape(verb)
        ),
        E::SegmentUnacknowledged { line, times } => {
            format!("The segment with {} was sent {times} times and never acknowledged.", quoted(line))
        }
        E::SamePortFails { port, failures } => {
            format!("All {failures} failures were on port {port}, while other ports work.")
        }
        E::UnroutableAddressSent { told, control_source } if told.ip() == *control_source => {
            format!("The client asked for a connection to {told}, its own address, which is private.")
        }
        E::UnroutableAddressSent { told, control_source } => format!(
            "The client asked for a connection to {told}, while its control connection comes from {control_source}."
        ),
        E::PrivateAddressSent { verb, told, control_peer } => format!(
            "{} names {told}, which is a private address, to the public server {control_peer}.",
            escape(verb)
        ),
        E::NoSynArrived { endpoint, waited } => {
            format!(
                "The client listened on {endpoint} for {} and no connection attempt arrived.",
                time(*waited)
            )
        }
        E::ConnectForbidden { endpoint, error } => {
            format!("The server's own system forbade a connection to {endpoint}: {}.", quoted(error))
        }
        E::SynDropped { source, endpoint } => {
            format!(
                "A connection attempt from {source} reached this machine, which did not let it in to {endpoint}."
            )
        }
        E::SynFromOtherPort { source, endpoint } => {
            format!("A connection attempt from {source}, which is not port 20, to {endpoint} got no answer.")
        }
        E::BindRefused { port, error } => {
            format!("The system did not give out local port {port}: {}.", quoted(error))
        }
        E::ReplyReceived { verb, reply } if verb.is_empty() => {
            format!("The server said {}.", quoted(reply))
        }
        E::ReplyReceived { verb, reply } => {
            format!("The server answered {} with {}.", escape(verb), quoted(reply))
        }
        E::SilenceAfter { verb, waited } => {
            format!("The server did not answer {} within {}.", escape(verb), time(*waited))
        }
        E::ExtendedPortDead { extended, classic } => {
            format!("A connection to {extended} from EPSV fails, while one to {classic} from PASV works.")
        }
        E::RefusedAfterEpsvAll { verb, reply } => {
            format!("After EPSV ALL the server answered {} with {}.", escape(verb), quoted(reply))
        }
        E::ReplyUnreadable { reply, problem } => {
            format!("The reply {} cannot be read: {}.", quoted(reply), escape(problem))
        }
        E::FamilyDiffers { verb, control_peer } => format!(
            "{} cannot work on a control connection with {control_peer}, which is {}.",
            escape(verb),
            if control_peer.is_ipv4() { "IPv4" } else { "IPv6" }
        ),
        E::TranslatedPeer { control_peer } => {
            format!("The server's address {control_peer} is one that NAT64 makes from an IPv4 address.")
        }
        E::NotNegotiated { verb } => {
            format!("{} was sent with no PORT, PASV, EPRT or EPSV since the last transfer.", escape(verb))
        }
        E::AgreementLost { verb, agreed, reply } => format!(
            "{} was answered with {}, and the transfer behind it with {}: the server knows nothing of what was agreed.",
            escape(verb),
            quoted(agreed),
            quoted(reply)
        ),
        E::PeerDiffers { control_peer, data_peer } => {
            format!("The data connection comes from {data_peer}, the control connection from {control_peer}.")
        }
        E::NothingSent { endpoint, waited } => {
            format!("The data connection to {endpoint} stood for {} and carried not one byte.", time(*waited))
        }
        E::ClosedWithoutReply { endpoint, waited } => format!(
            "The server took the data connection at {endpoint}, closed it at once, and did not answer in {}.",
            time(*waited)
        ),
        E::FailsIntermittently { failed, tried } => {
            format!("{failed} of {tried} attempts of the same kind failed.")
        }
        E::StrangerConnected { stranger, expected } => {
            format!("{stranger} connected to the data port that was meant for {expected}.")
        }
        E::TakenByAnother { verb, reply, endpoint } => format!(
            "Nothing of this client connected to {endpoint}, and the server answered {} with {}: somebody else did.",
            escape(verb),
            quoted(reply)
        ),
        E::EmptyTransfers { empty, tried } => {
            format!("{empty} of {tried} transfers ended well and empty.")
        }
        E::AllPortsInUse { first, last } if first == last => {
            format!("The only passive port, {first}, is in use.")
        }
        E::AllPortsInUse { first, last } => {
            format!("All passive ports from {first} to {last} are in use.")
        }
        E::NeverAccepted { listening, waited } => {
            format!("The server listened on {listening} for {} and nobody connected.", time(*waited))
        }
        E::ContainerAddress { address } => {
            format!(
                "The server's own address, {address}, is one that Docker, Podman or Kubernetes give to a container."
            )
        }
        E::IllegalEndpoint { told, control_peer } if told.ip() == *control_peer => {
            format!("The client {control_peer} asked for a connection to {told}, a port below 1024.")
        }
        E::IllegalEndpoint { told, control_peer } => {
            format!("The client {control_peer} asked for a connection to another host, {told}.")
        }
        E::SessionNotResumed { endpoint } => {
            format!(
                "The TLS handshake of the data connection with {endpoint} did not resume the control connection's session."
            )
        }
        E::ClearAgainstTls { clear } => {
            format!(
                "On the data connection the {} spoke in clear and the {} began TLS.",
                side(*clear),
                side(other(*clear))
            )
        }
        E::ClosedWithoutNotify { by, bytes } => {
            format!(
                "The {} closed the TLS data connection after {bytes} bytes without close_notify.",
                side(*by)
            )
        }
        E::NoHandshake { endpoint, waited } => format!(
            "The data connection with {endpoint} is up, yet neither a ClientHello nor a 1yz reply came within {}.",
            time(*waited)
        ),
        E::TlsAlert { by, alert } => {
            format!("The {} ended the TLS handshake with the alert {}.", side(*by), quoted(alert))
        }
        E::CertificateRejected { reason } => {
            format!("The certificate was not accepted: {}.", escape(reason))
        }
        E::CompletionMissing { idle } => format!(
            "The data connection ended on both sides and no reply came; nothing had gone over the control connection for {}.",
            time(*idle)
        ),
        E::CompletionLate { after, patience } => format!(
            "The reply came {} after the end of the data, and the client waited {}.",
            time(*after),
            time(*patience)
        ),
        E::SessionsAtLimit { open, limit } => {
            format!("{open} sessions are open and {limit} are allowed.")
        }
        E::FullSegmentsLost { size, times } => {
            format!("A segment of {size} bytes was sent {times} times in vain, while smaller ones arrived.")
        }
        E::SmallSegmentsPass { small, full_bytes, small_bytes } => format!(
            "In segments of full size {full_bytes} bytes of a file arrived, in segments of at most {small} bytes {small_bytes}."
        ),
        E::DeadAfterIdle { idle } => {
            format!("After {} without traffic the control connection was dead.", time(*idle))
        }
        E::DataCut { bytes, error } => {
            format!("The data connection broke after {bytes} bytes: {}.", quoted(error))
        }
        E::SegmentsLost { duplicates } => {
            format!("{duplicates} duplicate acknowledgements show that segments were lost.")
        }
        E::ConnectedWithoutBanner { endpoint, waited } => {
            format!("{endpoint} took the connection and said nothing within {}.", time(*waited))
        }
        E::BinaryInAscii { verb, sent, received } => format!(
            "{} moved a file with NUL bytes as text: {sent} bytes were sent and {received} stored.",
            escape(verb)
        ),
        E::StorageRefused { error } => {
            format!("The server's file system refused: {}.", quoted(error))
        }
    }
}

/// A text of a peer or of the system, in quotes, on one line.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escape(text.trim_end_matches(['\r', '\n'])))
}

pub(super) fn escape(text: &str) -> impl core::fmt::Display + '_ {
    wharf_proto::pathname::escaped(text.as_bytes())
}

/// `850 ms`, `2.5 s`, `60 s`, `5 min`: as exact as people want to know it.
fn time(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..10_000 if !millis.is_multiple_of(1_000) => {
            format!("{}.{} s", millis / 1_000, millis % 1_000 / 100)
        }
        1_000..120_000 => format!("{} s", millis / 1_000),
        _ => format!("{} min", millis / 60_000),
    }
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Server => "server",
    }
}

pub(super) const fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_tell_them() {
        let told: Vec<_> = [0, 850, 1_000, 2_500, 60_900, 300_000]
            .map(Duration::from_millis)
            .map(time)
            .into_iter()
            .collect();
        assert_eq!(told, ["0 ms", "850 ms", "1 s", "2.5 s", "60 s", "5 min"]);
    }
}
