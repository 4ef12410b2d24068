//! What only several transfers together show.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use wharf_findings::{Cause, Confidence, Evidence};
use wharf_proto::dialogue::{DataMode, NegotiationCommand};

use super::Findings;
use crate::capture::conversation::Outcome;
use crate::capture::explainer::Reading;

/// Fewer failures than this are a coincidence.
const SEVERAL: u32 = 3;

/// Passive attempts of one kind at one server.
#[derive(Default)]
struct Attempts {
    failed: u32,
    worked: u32,
    failed_ports: BTreeMap<u16, (u32, Vec<u64>)>,
    worked_ports: Vec<u16>,
    frames: Vec<u64>,
}

/// Ports that boxes on the way know from other protocols: SIP, H.323, PPTP, RTSP, SCCP, MMS.
const OTHER_PROTOCOLS: [u16; 7] = [1720, 1723, 1755, 2000, 5060, 5061, 554];

pub(super) fn judge(reading: &Reading, findings: &mut Findings) {
    let mut all: BTreeMap<(SocketAddr, &'static str), Attempts> = BTreeMap::new();
    for conversation in &reading.conversations {
        for transfer in &conversation.transfers {
            let Some(negotiation) = conversation.negotiation_of(transfer) else { continue };
            let Some(told) = negotiation.told.filter(|_| negotiation.command.mode() == DataMode::Passive)
            else {
                continue;
            };
            let command = if negotiation.command == NegotiationCommand::Epsv { "EPSV" } else { "PASV" };
            let attempts = all.entry((conversation.server, command)).or_default();
            match transfer.outcome {
                Outcome::Complete => {
                    attempts.worked += 1;
                    attempts.worked_ports.push(told.port());
                }
                Outcome::Reset | Outcome::NoAnswer => {
                    attempts.failed += 1;
                    let frame = transfer.asked.frame;
                    attempts.frames.push(frame);
                    let port = attempts.failed_ports.entry(told.port()).or_default();
                    port.0 += 1;
                    port.1.push(frame);
                }
                _ => {}
            }
        }
    }
    for attempts in all.values() {
        judge_attempts(attempts, findings);
    }
}

fn judge_attempts(attempts: &Attempts, findings: &mut Findings) {
    if attempts.worked == 0 {
        return;
    }
    for (port, (failures, frames)) in &attempts.failed_ports {
        if OTHER_PROTOCOLS.contains(port) && !attempts.worked_ports.contains(port) {
            let evidence = Evidence::SamePortFails { port: *port, failures: *failures };
            findings.add(Cause::PortTakenByOtherAlg, Confidence::Likely, vec![(evidence, frames.clone())]);
        }
    }
    let is_one_port = attempts.failed_ports.len() == 1;
    if attempts.failed >= SEVERAL && attempts.worked >= SEVERAL && !is_one_port {
        let tried = attempts.failed + attempts.worked;
        let evidence = Evidence::FailsIntermittently { failed: attempts.failed, tried };
        let frames: Vec<u64> = attempts.frames.iter().take(8).copied().collect();
        findings.add(Cause::WrongBackend, Confidence::Possible, vec![(evidence, frames)]);
    }
}
