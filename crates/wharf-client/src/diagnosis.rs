//! From failed attempts to root causes: what the message of exit code 7 says, and what a doctor builds on.

mod compare;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wharf_findings::{Cause, Confidence, Evidence, Finding, Side, candidates};
use wharf_net::tls::{HandshakeError, Secured};
use wharf_proto::dialogue::{DataMode, Endpoints, NegotiationCommand, is_private};
use wharf_proto::pathname::escaped;
use wharf_proto::{Command, Reply, ReplyCode};

use crate::attempt::{Attempt, Outcome};
use crate::error::{ClientError, ControlFailure};
use crate::options::ModeChoice;
use crate::{passed_by, tls_failure};

/// The root causes that the attempts prove or point to, the surest first, each once. Attempts that worked may be among
/// them: what works tells why the rest does not.
#[must_use]
pub fn findings(attempts: &[Attempt], control: Endpoints, choice: ModeChoice) -> Vec<Finding> {
    let mut found = Findings(Vec::new());
    if attempts.is_empty() {
        // Every rung was left out: IPv6, and only PASV or PORT allowed.
        let verb = if choice == ModeChoice::Only(NegotiationCommand::Port) { "PORT" } else { "PASV" };
        let evidence = Evidence::FamilyDiffers { verb: verb.to_owned(), control_peer: control.server.ip() };
        found.add(Cause::FamilyMismatch, Confidence::Certain, vec![evidence]);
    }
    behind_epsv_all(attempts, &mut found);
    for mode in [DataMode::Passive, DataMode::Active] {
        refused_mode(attempts, mode, &mut found);
    }
    compare::together(attempts, control, &mut found);
    for attempt in attempts.iter().filter(|attempt| !compare::is_explained(attempt, attempts)) {
        judge(attempt, attempts, control, &mut found);
    }
    let names = |cause| found.0.iter().any(|finding| finding.cause() == cause);
    if names(Cause::Nat64) {
        // The families differ because of it.
        found.0.retain(|finding| finding.cause() != Cause::FamilyMismatch);
    }
    found.0.sort_by_key(|finding| std::cmp::Reverse(finding.confidence()));
    found.0
}

/// The root causes for which the words of a reply are known to stand, none more than possible: `verb` is what it answers,
/// empty where nothing was asked.
#[must_use]
pub fn of_reply(verb: &str, reply: &Reply) -> Vec<Finding> {
    let mut found = Findings(Vec::new());
    known_text(verb, reply, &mut found);
    found.0
}

/// The passive ports of a container are not published: possible where the server's own `address` is one of a container, and
/// no connection to its passive ports comes up.
#[must_use]
pub fn of_container(attempts: &[Attempt], address: IpAddr, control: Endpoints) -> Option<Finding> {
    let evidence = compare::unpublished(attempts, address, control)?;
    Finding::new(Cause::PortsUnpublished, Confidence::Possible, evidence).ok()
}

/// Silence of the control connection behind which a NAT may have forgotten it; many do so within a minute.
const LONG_SILENCE: Duration = Duration::from_secs(20);

/// What silence behind a transfer means that left the control connection idle for so long.
pub(crate) fn forgotten(failure: ControlFailure, idle: Duration) -> ControlFailure {
    let ControlFailure::Silent(waited) = failure else { return failure };
    let evidence = vec![Evidence::CompletionMissing { idle }];
    match Finding::new(Cause::ControlCutIdle, Confidence::Possible, evidence) {
        Ok(finding) if idle >= LONG_SILENCE => {
            ControlFailure::SilentBehindData { waited, finding: Box::new(finding) }
        }
        _ => failure,
    }
}

/// What silence behind data means that are all over, where nothing else explains it. Of a transfer without a byte nobody knows
/// that it was one.
pub(crate) fn unfinished(failure: ControlFailure, verb: &str, bytes: u64) -> ControlFailure {
    let ControlFailure::Silent(waited) = failure else { return failure };
    let evidence = vec![Evidence::SilenceAfter { verb: verb.to_owned(), waited }];
    match Finding::new(Cause::SlowCompletion, Confidence::Possible, evidence) {
        Ok(finding) if bytes > 0 => ControlFailure::SilentBehindData { waited, finding: Box::new(finding) },
        _ => failure,
    }
}

/// What it may be that a data connection came up, and not a byte came over it.
pub(crate) fn nothing_came(problem: &str) -> Option<Box<Finding>> {
    let evidence = vec![Evidence::DataCut { bytes: 0, error: problem.to_owned() }];
    Finding::new(Cause::MtuBlackHole, Confidence::Possible, evidence).ok().map(Box::new)
}

struct Findings(Vec<Finding>);

impl Findings {
    /// Adds a cause, unless it is there.
    fn add(&mut self, cause: Cause, confidence: Confidence, evidence: Vec<Evidence>) {
        if self.0.iter().any(|finding| finding.cause() == cause) {
            return;
        }
        match Finding::new(cause, confidence, evidence) {
            Ok(finding) => self.0.push(finding),
            Err(unfounded) => tracing::error!(%unfounded, "a cause without its evidence"),
        }
    }
}

/// Somebody sent EPSV ALL in this session (RFC 2428 §4): the server says so; or it lets EPSV through, and neither PASV nor PORT,
/// which every server has that has EPSV.
fn behind_epsv_all(attempts: &[Attempt], found: &mut Findings) {
    let refused: Vec<&Attempt> = attempts.iter().filter(|attempt| refusal(attempt).is_some()).collect();
    let says_so = |attempt: &&&Attempt| refusal(attempt).is_some_and(says_epsv_all);
    let told: Vec<_> =
        refused.iter().filter(says_so).filter_map(|attempt| negotiation_reply(attempt)).collect();
    if !told.is_empty() {
        return found.add(Cause::EpsvAll, Confidence::Likely, told);
    }
    let classic = [NegotiationCommand::Pasv, NegotiationCommand::Port].map(|command| {
        let silent = |reply: &Reply| texts_of(reply).is_empty();
        refused.iter().find(|attempt| attempt.command == command && refusal(attempt).is_some_and(silent))
    });
    let works = |command| attempts.iter().any(|attempt| attempt.command == command && attempt.is_open());
    if let [Some(pasv), Some(port)] = classic
        && works(NegotiationCommand::Epsv)
    {
        let evidence = [pasv, port].into_iter().filter_map(|attempt| negotiation_reply(attempt)).collect();
        found.add(Cause::EpsvAll, Confidence::Possible, evidence);
    }
}

/// Whether a refusal's words tell of EPSV ALL.
fn says_epsv_all(reply: &Reply) -> bool {
    texts_of(reply) == [Cause::EpsvAll]
}

/// All commands of a mode refused as unknown or not implemented: the mode seems to be off, and is if the server says so.
/// One of them only, and that the extended one: it is not known. A refusal whose words tell another reason (the address in
/// PORT, the family, no free port) says nothing about the mode.
fn refused_mode(attempts: &[Attempt], mode: DataMode, found: &mut Findings) {
    let of_mode: Vec<_> = attempts.iter().filter(|attempt| attempt.mode() == mode).collect();
    let says_off = |attempt: &&&Attempt| {
        refusal(attempt).is_some_and(|reply| texts_of(reply).contains(&Cause::ModeDisabled))
    };
    let off: Vec<_> =
        of_mode.iter().filter(says_off).filter_map(|attempt| negotiation_reply(attempt)).collect();
    if !off.is_empty() {
        found.add(Cause::ModeDisabled, Confidence::Certain, off);
        return;
    }
    let unknown = |attempt: &&&Attempt| {
        refusal(attempt).is_some_and(|reply| {
            // vsftpd says 550 of what is switched off.
            matches!(
                reply.code(),
                ReplyCode::SYNTAX_ERROR | ReplyCode::NOT_IMPLEMENTED | ReplyCode::FILE_UNAVAILABLE
            ) && texts_of(reply).is_empty()
        })
    };
    let refused: Vec<_> = of_mode.iter().filter(unknown).collect();
    let evidence: Vec<_> = refused.iter().filter_map(|attempt| negotiation_reply(attempt)).collect();
    if refused.is_empty() {
        return;
    }
    if refused.len() == of_mode.len() {
        found.add(Cause::ModeDisabled, Confidence::Likely, evidence);
    } else if refused
        .iter()
        .all(|attempt| matches!(attempt.command, NegotiationCommand::Epsv | NegotiationCommand::Eprt))
    {
        found.add(Cause::ExtendedUnsupported, Confidence::Likely, evidence);
    }
}

/// The reply that refused the negotiation.
fn refusal(attempt: &Attempt) -> Option<&Reply> {
    attempt.reply.as_ref().filter(|_| attempt.outcome == Outcome::NegotiationRefused)
}

/// A negotiation refused for what it said: the address that PORT or EPRT told, or its family. Whether that is the cause.
fn refused_endpoint(attempt: &Attempt, reply: &Reply, control: Endpoints, found: &mut Findings) -> bool {
    let texts = texts_of(reply);
    let (client, server) = (control.client.ip(), control.server.ip());
    let verb = attempt.command.to_string();
    let told = attempt.told.or(attempt.endpoint).filter(|_| attempt.mode() == DataMode::Active);
    let is_of_other_family = told.is_some_and(|told| told.is_ipv4() != client.is_ipv4());
    let says_so = reply.code() == ReplyCode::NETWORK_PROTOCOL_NOT_SUPPORTED && texts.is_empty();
    if is_of_other_family || says_so || texts.contains(&Cause::FamilyMismatch) {
        let evidence = Evidence::FamilyDiffers { verb: verb.clone(), control_peer: server };
        found.add(Cause::FamilyMismatch, Confidence::Likely, vec![evidence, said(&verb, reply)]);
        return true;
    }
    let is_about_address =
        matches!(reply.code(), ReplyCode::PARAMETER_SYNTAX_ERROR | ReplyCode::PARAMETER_NOT_IMPLEMENTED)
            || texts.iter().any(|cause| matches!(cause, Cause::PortUnroutable | Cause::BounceRefused));
    let Some(told) = told.filter(|_| is_about_address) else { return false };
    if is_private(told.ip()) && !is_private(server) {
        let evidence = Evidence::UnroutableAddressSent { told, control_source: client };
        found.add(Cause::PortUnroutable, Confidence::Likely, vec![evidence, said(&verb, reply)]);
        if let Some(control_source) = compare::seen_as(reply, told.ip()) {
            let evidence = Evidence::AddressNotRewritten { verb: verb.clone(), told, control_source };
            found.add(Cause::AlgNotAttached, Confidence::Certain, vec![evidence, said(&verb, reply)]);
        }
        return true;
    } else if told.ip() != client {
        let evidence = Evidence::IllegalEndpoint { told, control_peer: client };
        found.add(Cause::BounceRefused, Confidence::Likely, vec![evidence, said(&verb, reply)]);
        return true;
    }
    false
}

fn judge(attempt: &Attempt, attempts: &[Attempt], control: Endpoints, found: &mut Findings) {
    let verb = attempt.command.to_string();
    let peer = control.server.ip();
    if let Some(told) = attempt.told
        && attempt.command == NegotiationCommand::Pasv
        && is_private(told.ip())
        && !is_private(peer)
    {
        let evidence = Evidence::PrivateAddressTold { told, control_peer: peer };
        found.add(Cause::PasvPrivateAddress, Confidence::Certain, vec![evidence]);
    }
    match &attempt.outcome {
        Outcome::Open => {}
        Outcome::NegotiationRefused => {
            if let Some(reply) = &attempt.reply {
                // A cause that is known leaves nothing for the words to say.
                if !says_epsv_all(reply) && !refused_endpoint(attempt, reply, control, found) {
                    known_text(&verb, reply, found);
                }
            }
        }
        Outcome::NegotiationUnanswered { .. } => {
            let evidence = Evidence::SilenceAfter { verb, waited: attempt.took };
            let confidence = if compare::classic_works(attempt, attempts) {
                Confidence::Likely
            } else {
                Confidence::Possible
            };
            if matches!(attempt.command, NegotiationCommand::Epsv | NegotiationCommand::Eprt) {
                found.add(Cause::ExtendedUnsupported, confidence, vec![evidence]);
            } else {
                found.add(Cause::AlgDrops, Confidence::Possible, vec![evidence]);
            }
        }
        Outcome::ReplyUnreadable { problem } => {
            let reply = attempt.reply.as_ref().map_or_else(String::new, ToString::to_string);
            let evidence = Evidence::ReplyUnreadable { reply, problem: problem.clone() };
            found.add(Cause::MalformedReply, Confidence::Certain, vec![evidence]);
        }
        Outcome::ConnectRefused { error } => {
            if let Some(endpoint) = attempt.endpoint {
                let evidence = Evidence::ConnectRefused { endpoint, error: error.clone() };
                found.add(Cause::PassivePortRefused, Confidence::Likely, vec![evidence]);
            }
        }
        Outcome::ConnectUnanswered => {
            if let Some(endpoint) = attempt.endpoint {
                let evidence = Evidence::SynUnanswered { endpoint, waited: attempt.took };
                found.add(Cause::PassivePortFiltered, Confidence::Likely, vec![evidence]);
            }
        }
        Outcome::ClosedAtOnce => {
            if let Some(endpoint) = attempt.endpoint {
                let evidence = Evidence::ClosedWithoutReply { endpoint, waited: attempt.took };
                found.add(Cause::DataPeerMismatch, Confidence::Possible, vec![evidence]);
            }
        }
        Outcome::PassedBy { .. } => {
            if let Some(finding) = passed_by::finding(attempts) {
                found.add(finding.cause(), finding.confidence(), finding.evidence().to_vec());
            }
        }
        Outcome::CannotListen { .. } => {}
        Outcome::HandshakeFailed { error, reply } => handshake_failed(attempt, error, reply.as_ref(), found),
        Outcome::NothingConnected { last: Some(data_peer), .. } => {
            let evidence = Evidence::PeerDiffers { control_peer: peer, data_peer: *data_peer };
            found.add(Cause::DataPeerMismatch, Confidence::Likely, vec![evidence]);
        }
        Outcome::NothingConnected { last: None, .. } => not_connected_to_us(attempt, control, None, found),
        Outcome::GivenUp { reply } => {
            if let Some(secured) = attempt.secured {
                return given_up_under_tls(attempt, secured, reply, found);
            }
            if was_forbidden(attempt, reply, found) || was_lost(attempt, reply, found) {
                return;
            }
            if attempt.mode() == DataMode::Active {
                not_connected_to_us(attempt, control, Some(reply), found);
            }
            if !is_unroutable(attempt, control) {
                known_text(&verb, reply, found);
            }
        }
    }
}

/// The server said that it was its own system that let nothing out.
fn was_forbidden(attempt: &Attempt, reply: &Reply, found: &mut Findings) -> bool {
    let is_told = texts_of(reply) == [Cause::ServerEgressBlocked];
    if let Some(endpoint) = attempt.endpoint.filter(|_| is_told) {
        let error = reply.to_string();
        let evidence = Evidence::ConnectForbidden { endpoint, error };
        found.add(Cause::ServerEgressBlocked, Confidence::Likely, vec![evidence]);
    }
    is_told
}

/// The server said yes to the negotiation, and behind it that there was none.
fn was_lost(attempt: &Attempt, reply: &Reply, found: &mut Findings) -> bool {
    let is_told = texts_of(reply) == [Cause::NoNegotiation];
    if let Some(agreed) = attempt.reply.as_ref().filter(|_| is_told) {
        let (verb, agreed, reply) = (attempt.command.to_string(), agreed.to_string(), reply.to_string());
        let evidence = Evidence::AgreementLost { verb, agreed, reply };
        found.add(Cause::NoNegotiation, Confidence::Likely, vec![evidence]);
    }
    is_told
}

/// A public server was told a private address.
fn is_unroutable(attempt: &Attempt, control: Endpoints) -> bool {
    let told = attempt.told.or(attempt.endpoint).filter(|_| attempt.mode() == DataMode::Active);
    told.is_some_and(|told| is_private(told.ip())) && !is_private(control.server.ip())
}

/// The server was told where we listen, and did not get there. From here nobody can tell a SYN that was never sent from
/// one that was dropped on the way, so the causes stay possible; what tells them apart is a capture on either side.
fn not_connected_to_us(attempt: &Attempt, control: Endpoints, reply: Option<&Reply>, found: &mut Findings) {
    let Some(endpoint) = attempt.endpoint else { return };
    let told: SocketAddr = attempt.told.unwrap_or(endpoint);
    let client = control.client.ip();
    let mut evidence = Vec::new();
    if is_unroutable(attempt, control) {
        // A private address that reaches a public server was translated on the way: it needs no other cause.
        evidence.push(Evidence::UnroutableAddressSent { told, control_source: client });
        evidence.extend(reply.map(|reply| said(&attempt.command.to_string(), reply)));
        found.add(Cause::PortUnroutable, Confidence::Likely, evidence);
        return;
    }
    match reply {
        Some(reply) => evidence.push(said(&attempt.command.to_string(), reply)),
        None => evidence.push(Evidence::NoSynArrived { endpoint, waited: attempt.took }),
    }
    evidence.extend(negotiation_reply(attempt));
    found.add(Cause::ClientRefusesInbound, Confidence::Possible, evidence.clone());
    found.add(Cause::ServerEgressBlocked, Confidence::Possible, evidence);
}

/// TLS failed on a data connection that was up.
fn handshake_failed(attempt: &Attempt, error: &HandshakeError, reply: Option<&Reply>, found: &mut Findings) {
    let verb = attempt.command.to_string();
    if let Some(finding) = tls_failure::finding(error) {
        found.add(finding.cause(), finding.confidence(), finding.evidence().to_vec());
    }
    let Some(endpoint) = attempt.endpoint else { return };
    match error {
        HandshakeError::InClear => {
            let evidence = Evidence::ClearAgainstTls { clear: Side::Server };
            found.add(Cause::ProtMismatch, Confidence::Certain, vec![evidence]);
        }
        HandshakeError::Silent { waited } => {
            let evidence = Evidence::NoHandshake { endpoint, waited: *waited };
            found.add(Cause::TlsOrderDeadlock, Confidence::Possible, vec![evidence]);
        }
        HandshakeError::Closed if reply.is_none() => {
            let evidence = Evidence::ClosedWithoutReply { endpoint, waited: attempt.took };
            found.add(Cause::DataPeerMismatch, Confidence::Possible, vec![evidence]);
        }
        _ => {}
    }
    if let Some(reply) = reply {
        known_text(&verb, reply, found);
    }
}

/// The server did not want a data connection whose handshake had come to its end.
fn given_up_under_tls(attempt: &Attempt, secured: Secured, reply: &Reply, found: &mut Findings) {
    let verb = attempt.command.to_string();
    match attempt.endpoint.filter(|_| !secured.is_resumed) {
        Some(endpoint) => {
            let evidence = vec![Evidence::SessionNotResumed { endpoint }, said(&verb, reply)];
            found.add(Cause::TlsResumptionRequired, Confidence::Likely, evidence);
        }
        // vsftpd says so whatever went wrong.
        None => known_text_but(&verb, reply, Some(Cause::TlsResumptionRequired), found),
    }
}

/// The server takes TLS for its control connection only.
pub(crate) fn unprotected(command: &Command, reply: &Reply) -> ClientError {
    let (command, reply) = (command.to_string(), reply.clone());
    let evidence = vec![said(&command, &reply)];
    match Finding::new(Cause::ProtMismatch, Confidence::Possible, evidence) {
        Ok(finding) => ClientError::DataUnprotected { command, reply, finding: Box::new(finding) },
        Err(_) => ClientError::Refused { command, reply },
    }
}

/// What the catalogue knows of the words. A text proves nothing by itself.
fn known_text(verb: &str, reply: &Reply, found: &mut Findings) {
    known_text_but(verb, reply, None, found);
}

/// As [`known_text`], without a cause that cannot be it.
fn known_text_but(verb: &str, reply: &Reply, ruled_out: Option<Cause>, found: &mut Findings) {
    for cause in texts_of(reply).into_iter().filter(|cause| Some(*cause) != ruled_out) {
        let carries = [cause.decided_by(), cause.hinted_by()].concat();
        if carries.contains(&wharf_findings::EvidenceKind::ReplyReceived) {
            found.add(cause, Confidence::Possible, vec![said(verb, reply)]);
        }
    }
}

/// Whether a refused login says that TLS has to come first.
pub(crate) fn wants_tls(reply: &Reply) -> bool {
    texts_of(reply).contains(&Cause::TlsRequired)
}

/// The causes for which the reply's words are known to stand.
fn texts_of(reply: &Reply) -> Vec<Cause> {
    let text = reply.lines().map(|line| escaped(line).to_string()).collect::<Vec<_>>().join("\n");
    candidates(reply.code().get(), &text)
}

fn negotiation_reply(attempt: &Attempt) -> Option<Evidence> {
    attempt.reply.as_ref().map(|reply| said(&attempt.command.to_string(), reply))
}

fn said(verb: &str, reply: &Reply) -> Evidence {
    Evidence::ReplyReceived { verb: verb.to_owned(), reply: reply.to_string() }
}

#[cfg(test)]
mod tests;
