//! The doctor: tries every way to a data connection against a server, and names what is wrong.
//!
//! ```text
//! control: name, connect, greeting, AUTH TLS, login, FEAT      column.rs
//!   └─ for each address family, in clear and under TLS: one column
//!        EPSV, PASV, EPRT, PORT, each with a real listing      cell.rs      one after another: some servers stall
//!        who takes what came out empty                         strangers.rs
//!        who has to begin under TLS                            order.rs
//!        what failed is looked at once more                    closer.rs    ICMP, resets
//!        what a gateway makes of PORT and 227                  canary.rs    with our own server
//! the prefix of a NAT64                                         translation.rs
//! segments of full size against small ones                     segments.rs
//! a small file up and down                                     written.rs   --write
//! many sessions, many ports, an idle one                       deep.rs      --deep
//! the causes                                                   judge.rs
//! ```
//! What a failed attempt proves is said by `wharf_client::diagnosis`, as in the messages of the client; here it is made
//! surer by what else was seen, and compared over the columns. What passes the wire is looked at where the system
//! allows it (`wire.rs`), and never needed.

mod canary;
mod cell;
mod closer;
mod column;
mod deep;
mod icmp;
mod judge;
mod listening;
mod order;
mod report;
mod segments;
mod strangers;
mod translation;
mod watching;
mod wire;
mod written;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use wharf_client::options::{Options, TlsMode};
use wharf_client::{Login, ServerAddress};
use wharf_findings::{Cause, Confidence, Finding, Text};
use wharf_proto::dialogue::NegotiationCommand;
use wharf_proto::pathname::Pathname;

pub use cell::{Cell, CellOutcome, Family};
use column::Column;
pub use column::Control;
pub use report::{InJson, InWords};

/// Longest wait for a reply, and for the control connection: some servers say only after 10 s that nobody connected to them.
const REPLY_TIME: Duration = Duration::from_secs(12);

/// Longest wait for the end of a transfer whose data are over: a server that is late, in the eyes of clients with the patience of
/// [`REPLY_TIME`], is told from one that says nothing.
const COMPLETION_TIME: Duration = Duration::from_secs(20);

/// What is to be examined, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub server: ServerAddress,
    /// Who logs in.
    pub login: Login,
    /// The directory that is listed; none: the login directory.
    pub directory: Option<Pathname>,
    /// How sessions are set up. The modes and the times in it do not count.
    pub options: Options,
    /// How long each data connection may take to come up.
    pub patience: Duration,
    /// The ports that the server's firewall or NAT lets in, where the user knows them.
    pub exposed: Option<RangeInclusive<u16>>,
    /// A small file may be uploaded, fetched back and deleted.
    pub write: bool,
    /// The checks that take longer, with the time for which a session is left idle.
    pub deep: Option<Duration>,
}

/// Is told what is being done.
pub trait Progress {
    /// One step begins.
    fn step(&mut self, words: &str);
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Examination {
    /// The URL without user and password.
    pub target: String,
    /// The control connection that came up first, or why none did.
    pub control: Control,
    /// Each way that was tried.
    pub cells: Vec<Cell>,
    /// What is wrong, the surest first. None in a healthy situation.
    pub findings: Vec<Finding>,
    /// What is worth knowing and no fault.
    pub notes: Vec<Note>,
    /// The exit code: 0 healthy, 1 findings, 3 to 5 as the client's.
    pub exit_code: u8,
}

/// Something that a person may want to know, and that is no fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What, in words.
    pub text: Text,
    /// In whose words, or which; shown behind the text.
    pub detail: Option<String>,
}

impl Examination {
    /// The commands that brought about a data connection somewhere.
    #[must_use]
    pub fn works(&self) -> Vec<NegotiationCommand> {
        let works = |command: &NegotiationCommand| {
            self.cells.iter().any(|cell| cell.command == *command && cell.outcome == CellOutcome::Ok)
        };
        NegotiationCommand::ALL.into_iter().filter(works).collect()
    }
}

/// Examines a server. Takes less than a minute unless it is to be deep.
pub async fn examine(plan: &Plan, progress: &mut dyn Progress) -> Examination {
    let wire = wire::Wire::start();
    let mut examined = Examination {
        target: target(plan),
        control: Control::default(),
        cells: Vec::new(),
        findings: Vec::new(),
        notes: Vec::new(),
        exit_code: 0,
    };
    let families = match column::families(plan).await {
        Ok(families) => families,
        Err(problem) => {
            examined.control.problem = Some(problem);
            examined.exit_code = 3;
            return examined;
        }
    };
    let mut verdicts = Vec::new();
    let mut standing: Vec<Column> = Vec::new();
    let mut failure = None;
    let mut stolen = Vec::new();
    for family in families {
        let opened = column::open(plan, family, progress).await;
        examined.notes.extend(opened.notes);
        examined.cells.extend(opened.refused);
        if let Some(failed) = opened.failure {
            examined.findings.extend(failed.findings.iter().cloned());
            failure.get_or_insert(failed);
        }
        for mut column in opened.columns {
            if !examined.control.ok {
                examined.control = column.control.clone();
            }
            let mut tried = Vec::new();
            for command in column.commands() {
                progress.step(&format!("{command} over {}", column.described()));
                tried.push(cell::try_command(&mut column, plan, command).await);
            }
            stolen.extend(strangers::examine(&mut column, plan, &mut tried).await);
            let looks = closer::look_at_failures(&column, &tried, plan).await;
            examined.findings.extend(order::examine(&column, plan, &tried).await);
            let rewritten = canary::compare(&mut column, plan).await;
            verdicts.push(judge::Verdict { place: column.place(), tried, looks, rewritten });
            standing.push(column);
        }
    }
    examined.findings.extend(judge::findings(&verdicts, wire.as_ref(), plan.exposed.as_ref()));
    if !stolen.is_empty() {
        examined.findings.retain(|other| !strangers::is_look_alike(other));
        examined.findings.append(&mut stolen);
    }
    if let Some(finding) = translation::examine(&verdicts).await {
        // The families differ because of it.
        examined.findings.retain(|other| other.cause() != Cause::FamilyMismatch);
        examined.findings.push(finding);
    }
    examined.notes.extend(judge::notes(&verdicts));
    examined.cells.extend(verdicts.into_iter().flat_map(|verdict| verdict.tried).map(|tried| tried.cell));
    if let Some(column) = standing.iter_mut().find(|column| column.working.is_some()) {
        examined.findings.extend(segments::examine(column, plan, progress).await);
        if plan.write {
            let (findings, notes) = written::examine(column, plan, progress).await;
            examined.findings.extend(findings);
            examined.notes.extend(notes);
        }
        if let Some(idle) = plan.deep {
            examined.findings.extend(deep::examine(column, plan, idle, progress).await);
        }
    }
    for column in standing {
        examined.findings.extend(column.slow_completion());
        column.session.quit().await;
    }
    settle(&mut examined, failure);
    examined
}

/// Each cause once, in the words of the surest finding; the exit code.
fn settle(examined: &mut Examination, failure: Option<column::Failure>) {
    let mut findings = std::mem::take(&mut examined.findings);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.confidence()));
    let mut named: Vec<Cause> = Vec::new();
    for finding in findings {
        if !named.contains(&finding.cause()) {
            named.push(finding.cause());
            examined.findings.push(finding);
        }
    }
    let has_failed = |cell: &Cell| cell.outcome != CellOutcome::Ok && !cell.is_policy;
    examined.exit_code = match failure {
        Some(failed) if !examined.control.ok => {
            examined.control.problem = Some(failed.problem);
            failed.exit_code
        }
        _ => u8::from(!examined.findings.is_empty() || examined.cells.iter().any(has_failed)),
    };
}

/// `ftp://host:21/`, without user and password.
fn target(plan: &Plan) -> String {
    use wharf_client::url::Scheme;
    let scheme = match plan.server.scheme {
        Scheme::Ftp => "ftp",
        Scheme::ImplicitTls => "ftps",
        Scheme::ExplicitTls => "ftpes",
    };
    let host = match plan.server.host.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => format!("[{}]", plan.server.host),
        _ => plan.server.host.clone(),
    };
    format!("{scheme}://{host}:{}/", plan.server.port)
}

/// A name in the directory that is examined.
fn below(plan: &Plan, name: &[u8]) -> Option<Pathname> {
    let path = match &plan.directory {
        None => name.to_vec(),
        Some(directory) => {
            let directory = directory.as_bytes();
            let between: &[u8] = if directory.ends_with(b"/") { b"" } else { b"/" };
            [directory, between, name].concat()
        }
    };
    Pathname::new(path).ok()
}

/// Whether sessions in clear are part of the examination.
fn tries_in_clear(plan: &Plan) -> bool {
    plan.server.scheme == wharf_client::url::Scheme::Ftp && plan.options.tls.mode != TlsMode::Require
}

/// A finding, or a line in the log where the evidence does not carry it: that is a mistake of ours.
fn found(cause: Cause, confidence: Confidence, evidence: Vec<wharf_findings::Evidence>) -> Option<Finding> {
    match Finding::new(cause, confidence, evidence) {
        Ok(finding) => Some(finding),
        Err(unfounded) => {
            tracing::error!(%unfounded, "a cause without its evidence");
            None
        }
    }
}
