//! What takes longer: many passive ports, several sessions at once, a session that is left idle.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};
use wharf_client::attempt::Outcome;
use wharf_client::error::ControlFailure;
use wharf_client::{Attempt, ClientError, Session, diagnosis};
use wharf_findings::{Cause, Confidence, Evidence, Finding};
use wharf_proto::Command;
use wharf_proto::command::EpsvArgument;
use wharf_proto::dialogue::DataMode;

use super::column::{self, Column, sure};
use super::{Plan, Progress, found};

/// Listings, one after another, each over a passive port of its own.
const LISTINGS: u32 = 16;
/// Sessions at once.
const SESSIONS: u32 = 6;

/// All of it; `idle` is how long a session is left alone.
pub(super) async fn examine(
    column: &mut Column,
    plan: &Plan,
    idle: Duration,
    progress: &mut dyn Progress,
) -> Vec<Finding> {
    let left_alone = column::another(plan, column).await;
    if let Ok(session) = &left_alone {
        session.stay_silent();
    }
    let until = Instant::now() + idle;
    let mut findings = Vec::new();
    if column.working.is_some_and(|command| command.mode() == DataMode::Passive) {
        progress.step("passive ports, one after another");
        findings.extend(sample_ports(column, plan).await);
    }
    progress.step("several sessions at once");
    findings.extend(at_once(column, plan).await);
    if let Ok(mut session) = left_alone {
        progress.step(&format!("a session that idles for {} s", idle.as_secs()));
        sleep_until(until).await;
        findings.extend(is_dead(&mut session, plan, idle).await);
    }
    findings
}

/// Lists again and again: some ports may be shut, or belong to another machine behind a balancer.
async fn sample_ports(column: &mut Column, plan: &Plan) -> Option<Finding> {
    let command = column.working?;
    let mut failed: Vec<Attempt> = Vec::new();
    let mut open = HashSet::new();
    column.watching.take();
    for _ in 0..LISTINGS {
        column.choose(command);
        let listed = column.session.list(plan.directory.as_ref(), |_| {}).await;
        for attempt in column.watching.take().attempts {
            let is_of_network = matches!(
                attempt.outcome,
                Outcome::ConnectRefused { .. } | Outcome::ConnectUnanswered | Outcome::ClosedAtOnce
            );
            if attempt.is_open() {
                open.extend(attempt.endpoint.map(|endpoint| endpoint.port()));
            } else if is_of_network {
                failed.push(attempt);
            }
        }
        if matches!(listed, Err(ClientError::ControlLost(_) | ClientError::NotConnected { .. })) {
            break;
        }
    }
    if failed.is_empty() {
        return None;
    }
    let ports: HashSet<u16> = failed.iter().filter_map(|attempt| Some(attempt.endpoint?.port())).collect();
    let count = u32::try_from(failed.len()).unwrap_or(u32::MAX);
    let intermittent = Evidence::FailsIntermittently { failed: count, tried: LISTINGS };
    match ports.iter().next() {
        Some(&port) if ports.len() == 1 && count > 1 && !open.contains(&port) => found(
            Cause::PortTakenByOtherAlg,
            Confidence::Possible,
            vec![Evidence::SamePortFails { port, failures: count }, intermittent],
        ),
        _ => found(Cause::WrongBackend, Confidence::Likely, vec![intermittent]),
    }
}

/// Several sessions, each holding a passive port: too many for the server, or for its range.
async fn at_once(column: &mut Column, plan: &Plan) -> Vec<Finding> {
    let mut sessions = Vec::new();
    let mut findings = Vec::new();
    for _ in 1..SESSIONS {
        match column::another(plan, column).await {
            Ok(session) => sessions.push(session),
            Err(error) => {
                findings.extend(of_refused_session(&error));
                break;
            }
        }
    }
    for session in &mut sessions {
        if let Ok(reply) = session.execute(&Command::Epsv(EpsvArgument::Same)).await
            && reply.code().is_negative()
        {
            let told = sure(diagnosis::of_reply("EPSV", &reply));
            findings.extend(told.into_iter().filter(|finding| finding.cause() == Cause::RangeExhausted));
        }
    }
    for session in sessions {
        session.quit().await;
    }
    findings
}

/// A session more than the server gives.
fn of_refused_session(error: &ClientError) -> Vec<Finding> {
    let (ClientError::NotGreeted { failure: ControlFailure::Dismissed(reply), .. }
    | ClientError::LoginRefused { reply, .. }
    | ClientError::ControlLost(ControlFailure::Dismissed(reply))) = error
    else {
        return Vec::new();
    };
    let told = sure(diagnosis::of_reply("", reply));
    told.into_iter().filter(|finding| finding.cause() == Cause::SessionLimit).collect()
}

/// A server that says 421 has ended the session in order; what says nothing was cut off on the way.
async fn is_dead(session: &mut Session, plan: &Plan, idle: Duration) -> Option<Finding> {
    let answer = timeout(2 * plan.patience, session.answers()).await;
    let is_dead = !matches!(answer, Ok(true));
    let evidence = vec![Evidence::DeadAfterIdle { idle }];
    is_dead.then(|| found(Cause::ControlCutIdle, Confidence::Likely, evidence)).flatten()
}
