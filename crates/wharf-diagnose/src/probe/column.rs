//! One column of the matrix: a session of one address family, in clear or under TLS.

use std::net::SocketAddr;

use tokio::time::timeout;
use wharf_client::error::ControlFailure;
use wharf_client::options::{ActiveOptions, Family as Wanted, ModeChoice, Options, Times, TlsMode};
use wharf_client::strategy::{WorkingMode, rungs};
use wharf_client::{ClientError, Session, diagnosis};
use wharf_findings::{Cause, Confidence, Evidence, EvidenceKind, Finding, Text};
use wharf_proto::Reply;
use wharf_proto::dialogue::{Endpoints, NegotiationCommand};
use wharf_proto::listing::ListingEntry;
use wharf_proto::pathname::escaped;

use super::cell::{Cell, CellOutcome, Family};
use super::closer::{self, Look};
use super::watching::Watching;
use super::{COMPLETION_TIME, Note, Plan, Progress, REPLY_TIME, found, tries_in_clear};

/// The control connection, as a report tells of it.
#[derive(Clone, Debug, Default)]
pub struct Control {
    /// Whether one came up, with a login.
    pub ok: bool,
    /// The server's end.
    pub peer: Option<SocketAddr>,
    /// Our end.
    pub local: Option<SocketAddr>,
    /// The greeting's text.
    pub banner: Option<String>,
    /// What SYST says.
    pub system: Option<String>,
    /// The lines of FEAT.
    pub features: Vec<String>,
    /// The version of TLS, where it is spoken, and whether the certificate was verified.
    pub tls: Option<(String, bool)>,
    /// Why there is none.
    pub problem: Option<String>,
}

/// A session that is logged in.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) family: Family,
    pub(super) tls: bool,
    pub(super) session: Session,
    pub(super) watching: Watching,
    pub(super) control: Control,
    /// What was in the directory when it was listed last.
    pub(super) entries: Vec<ListingEntry>,
    /// The first way that worked.
    pub(super) working: Option<NegotiationCommand>,
}

/// Where a column stands, which is known when its session is gone too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) family: Family,
    pub(super) tls: bool,
    pub(super) endpoints: Endpoints,
}

/// Why there is no session.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) problem: String,
    pub(super) findings: Vec<Finding>,
    pub(super) exit_code: u8,
}

/// What came of a family: a column under TLS, one in clear, or why not.
#[derive(Debug, Default)]
pub(super) struct Opened {
    pub(super) columns: Vec<Column>,
    /// Cells of a column that the server's policy leaves out.
    pub(super) refused: Vec<Cell>,
    pub(super) notes: Vec<Note>,
    pub(super) failure: Option<Failure>,
}

impl Column {
    /// The commands that can work here.
    pub(super) fn commands(&self) -> Vec<NegotiationCommand> {
        rungs(ModeChoice::Auto, self.family == Family::Ipv6, None)
    }

    /// In words.
    pub(super) fn described(&self) -> String {
        format!("{} {}", self.family, if self.tls { "under TLS" } else { "in clear" })
    }

    /// Our end of the control connection.
    pub(super) fn local(&self) -> SocketAddr {
        self.session.endpoints().client
    }

    /// That the server was longer in finishing a transfer than clients wait.
    pub(super) fn slow_completion(&self) -> Option<Finding> {
        let after = self.session.slowest_completion();
        let evidence = vec![Evidence::CompletionLate { after, patience: REPLY_TIME }];
        (after > REPLY_TIME).then(|| found(Cause::SlowCompletion, Confidence::Certain, evidence)).flatten()
    }

    pub(super) fn place(&self) -> Place {
        Place { family: self.family, tls: self.tls, endpoints: self.session.endpoints() }
    }

    /// From now on only this way is tried; a 227 is followed to where it leads first, as most clients do.
    pub(super) fn choose(&mut self, command: NegotiationCommand) {
        self.session.choose(ModeChoice::Only(command), Some(WorkingMode { command, advertised: true }));
    }
}

/// The families of which the host has addresses.
pub(super) async fn families(plan: &Plan) -> Result<Vec<Family>, String> {
    let (host, port) = (plan.server.host.as_str(), plan.server.port);
    let found = match timeout(REPLY_TIME, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => found.collect::<Vec<_>>(),
        Ok(Err(error)) => return Err(format!("{host} was not found: {error}")),
        Err(_) => return Err(format!("{host} was not found: the resolver did not answer")),
    };
    let has = |family: &Family| found.iter().any(|address| Family::of(*address) == *family);
    let wanted = |family: &Family| match plan.options.family {
        Wanted::Any => true,
        Wanted::V4 => *family == Family::Ipv4,
        Wanted::V6 => *family == Family::Ipv6,
    };
    let families: Vec<_> = [Family::Ipv4, Family::Ipv6].into_iter().filter(has).filter(wanted).collect();
    if families.is_empty() {
        Err(format!("{host} has no address of the family that was asked for"))
    } else {
        Ok(families)
    }
}

/// Logs in, under TLS where that is offered, and in clear where that is part of the examination.
pub(super) async fn open(plan: &Plan, family: Family, progress: &mut dyn Progress) -> Opened {
    let mut opened = Opened::default();
    progress.step(&format!("control connection over {family}"));
    match connect(plan, family, plan.options.tls.mode).await {
        Ok(column) => opened.columns.push(column),
        Err((error, heard)) => {
            let failure = judge(plan, family, &error, heard).await;
            if let Some(failure) = failure {
                opened.failure = Some(failure);
            } else {
                opened.notes.push(Note { text: NO_WAY, detail: Some(family.to_string()) });
            }
            return opened;
        }
    }
    let is_secured = opened.columns[0].tls;
    if is_secured && tries_in_clear(plan) {
        progress.step(&format!("control connection over {family}, in clear"));
        match connect(plan, family, TlsMode::Off).await {
            Ok(column) => opened.columns.insert(0, column),
            // Under TLS all is well: that it has to be is the server's policy, and no fault.
            Err((error, heard)) => {
                let said = heard.map(|reply| reply.to_string());
                opened
                    .notes
                    .push(Note { text: CLEAR_REFUSED, detail: said.clone().or(Some(error.to_string())) });
                let commands = opened.columns[0].commands();
                opened.refused =
                    commands.into_iter().map(|command| left_out(command, family, said.clone())).collect();
            }
        }
    }
    for column in &opened.columns {
        if let Some(problem) = column.session.certificate_problem() {
            opened.notes.push(Note { text: NOT_VERIFIED, detail: Some(problem) });
        }
    }
    opened
}

const NO_WAY: Text = Text::of(
    "The host has addresses of a family to which this machine has no route:",
    "该主机还有本机无路由可达的地址族：",
);
const CLEAR_REFUSED: Text = Text::of("The server takes no sessions in clear:", "服务器不接受明文会话：");
const NOT_VERIFIED: Text = Text::of(
    "The certificate does not prove who the server is; ftpes:// would refuse it:",
    "证书无法证明服务器的身份；使用 ftpes:// 时会被拒绝：",
);

/// A cell that the server's policy leaves out.
fn left_out(command: NegotiationCommand, family: Family, reply: Option<String>) -> Cell {
    Cell {
        command,
        family,
        tls: false,
        outcome: CellOutcome::Rejected,
        endpoint: None,
        reply,
        took: std::time::Duration::ZERO,
        problem: None,
        is_policy: true,
    }
}

async fn connect(plan: &Plan, family: Family, mode: TlsMode) -> Result<Column, (ClientError, Option<Reply>)> {
    let mut options = Options {
        mode: ModeChoice::Auto,
        active: ActiveOptions { told: plan.options.active.told, ports: plan.options.active.ports.clone() },
        family: if family == Family::Ipv4 { Wanted::V4 } else { Wanted::V6 },
        times: Times {
            connect: plan.patience.max(REPLY_TIME),
            reply: REPLY_TIME,
            completion: COMPLETION_TIME,
            stall: plan.patience,
            passive: plan.patience,
            active: plan.patience,
            last_rung: plan.patience,
        },
        remembered: Vec::new(),
        ..plan.options.clone()
    };
    options.tls.mode = mode;
    let watching = Watching::default();
    let connected =
        Session::connect(plan.server.clone(), plan.login.clone(), options, Box::new(watching.clone())).await;
    let mut session = match connected {
        Ok(session) => session,
        Err(error) => return Err((error, watching.take().refusal)),
    };
    let system = session.system().await.map(str::to_owned).unwrap_or_default();
    let heard = watching.take();
    let secured = session.secured();
    let endpoints = session.endpoints();
    let control = Control {
        ok: true,
        peer: Some(endpoints.server),
        local: Some(endpoints.client),
        banner: heard.greeting.map(|reply| escaped(reply.text()).to_string()),
        system: Some(system).filter(|system| !system.is_empty()),
        features: session.features().lines().to_vec(),
        tls: secured.map(|secured| (secured.version.to_string(), secured.is_verified)),
        problem: None,
    };
    let tls = secured.is_some();
    Ok(Column { family, tls, session, watching, control, entries: Vec::new(), working: None })
}

/// One session more, as that of `column`.
pub(super) async fn another(plan: &Plan, column: &Column) -> Result<Session, ClientError> {
    another_column(plan, column).await.map(|column| column.session)
}

/// The same with what is heard in it.
pub(super) async fn another_column(plan: &Plan, column: &Column) -> Result<Column, ClientError> {
    let mode = if column.tls { plan.options.tls.mode } else { TlsMode::Off };
    connect(plan, column.family, mode).await.map_err(|(error, _)| error)
}

/// The causes of a session that did not come up; none where this machine has no way there.
async fn judge(plan: &Plan, family: Family, error: &ClientError, refusal: Option<Reply>) -> Option<Failure> {
    let mut findings = error.findings().to_vec();
    match error {
        ClientError::NotConnected { tries, .. } => {
            let mut looks = Vec::new();
            for (address, _) in tries {
                looks.push((*address, closer::look(None, *address, plan.patience).await));
            }
            let is_away = |(_, look): &(SocketAddr, Look)| *look == Look::NoRoute;
            if family == Family::Ipv6 && plan.options.family == Wanted::Any && looks.iter().all(is_away) {
                return None;
            }
            let evidence: Vec<_> =
                looks.iter().filter_map(|(address, look)| told_by(*address, look, plan)).collect();
            if !evidence.is_empty() {
                findings.extend(found(Cause::ControlUnreachable, Confidence::Certain, evidence));
            }
        }
        ClientError::NotGreeted { endpoint, failure } => match failure {
            ControlFailure::Silent(waited) => {
                let evidence =
                    vec![Evidence::ConnectedWithoutBanner { endpoint: *endpoint, waited: *waited }];
                findings.extend(found(Cause::ControlUnreachable, Confidence::Certain, evidence));
            }
            ControlFailure::Dismissed(reply) => findings.extend(sure(diagnosis::of_reply("", reply))),
            _ => {}
        },
        ClientError::LoginRefused { reply, .. } => findings.extend(sure(diagnosis::of_reply("PASS", reply))),
        ClientError::ControlLost(ControlFailure::Dismissed(reply)) => {
            findings.extend(sure(diagnosis::of_reply("", reply)));
        }
        _ => {}
    }
    if findings.is_empty()
        && let Some(reply) = refusal
    {
        findings.extend(sure(diagnosis::of_reply("", &reply)));
    }
    let first_line = |error: &ClientError| error.to_string().lines().next().unwrap_or_default().to_owned();
    let exit_code = error.exit_code();
    Some(Failure {
        problem: first_line(error),
        findings,
        exit_code: if exit_code == 2 { 2 } else { exit_code.clamp(3, 5) },
    })
}

fn told_by(endpoint: SocketAddr, look: &Look, plan: &Plan) -> Option<Evidence> {
    Some(match look {
        Look::Connected | Look::NoRoute => return None,
        Look::Silent => Evidence::SynUnanswered { endpoint, waited: plan.patience },
        Look::Reset { error } => Evidence::ConnectRefused { endpoint, error: error.clone() },
        Look::Forbidden { error } => Evidence::ConnectRefused { endpoint, error: error.clone() },
        Look::Icmp(refusal) => {
            Evidence::ProhibitedByIcmp { endpoint, sender: refusal.sender, message: refusal.message.clone() }
        }
    })
}

/// A reply for which only one cause is known, and which decides that, makes it likely.
pub(super) fn sure(findings: Vec<Finding>) -> Vec<Finding> {
    match findings.as_slice() {
        [only] if only.cause().decided_by().contains(&EvidenceKind::ReplyReceived) => {
            found(only.cause(), Confidence::Likely, only.evidence().to_vec()).into_iter().collect()
        }
        _ => findings,
    }
}
