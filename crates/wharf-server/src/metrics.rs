//! What is counted, for Prometheus.

use std::collections::HashMap;

use metrics::{Counter, Gauge, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use wharf_findings::Cause;
use wharf_proto::dialogue::DataMode;
use wharf_proto::verb::Role;

use crate::generation::Common;

const METADATA: Metadata<'static> = Metadata::new("wharf", Level::INFO, None);

/// Why a connection got no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A limit of sessions is reached.
    Full,
    /// Too many wrong logins came from there.
    Banned,
    /// No descriptor was left.
    Descriptors,
}

/// What a login came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginOutcome {
    /// Somebody is logged in.
    Complete,
    /// Name, password or place is wrong.
    Refused,
    /// Right, but a limit of sessions is reached.
    Full,
    /// Nobody could tell.
    Unavailable,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransferOutcome {
    /// 226.
    Complete,
    /// Something broke.
    Failed,
    /// ABOR, a client that went away, or the server's end.
    Cut,
}

/// The counters, each made once: counting is an addition.
pub(crate) struct Metrics {
    handle: PrometheusHandle,
    sessions: Counter,
    refused: [Counter; 3],
    logins: [Counter; 4],
    /// By mode, direction and outcome.
    transfers: [[[Counter; 3]; 3]; 2],
    /// By direction.
    bytes: [Counter; 3],
    causes: HashMap<&'static str, Counter>,
    reloads: [Counter; 2],
    open: Gauge,
    ports: Gauge,
    hashes: Counter,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

const DIRECTIONS: [&str; 3] = ["down", "up", "listing"];

impl Metrics {
    pub(crate) fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        describe(&recorder);
        let counter = |name: &'static str, labels: &[(&'static str, &'static str)]| {
            recorder.register_counter(&key(name, labels), &METADATA)
        };
        let gauge = |name: &'static str| recorder.register_gauge(&key(name, &[]), &METADATA);
        Self {
            handle: recorder.handle(),
            sessions: counter("wharf_sessions_total", &[]),
            refused: ["full", "banned", "descriptors"]
                .map(|reason| counter("wharf_refused_total", &[("reason", reason)])),
            logins: ["complete", "refused", "full", "unavailable"]
                .map(|outcome| counter("wharf_logins_total", &[("outcome", outcome)])),
            transfers: ["active", "passive"].map(|mode| {
                DIRECTIONS.map(|direction| {
                    ["complete", "failed", "cut"].map(|outcome| {
                        let labels = [("mode", mode), ("direction", direction), ("outcome", outcome)];
                        counter("wharf_transfers_total", &labels)
                    })
                })
            }),
            bytes: DIRECTIONS.map(|direction| counter("wharf_bytes_total", &[("direction", direction)])),
            causes: Cause::ALL
                .iter()
                .map(|cause| (cause.id(), counter("wharf_causes_total", &[("cause", cause.id())])))
                .collect(),
            reloads: ["complete", "failed"]
                .map(|outcome| counter("wharf_reloads_total", &[("outcome", outcome)])),
            open: gauge("wharf_sessions"),
            ports: gauge("wharf_passive_ports_in_use"),
            hashes: counter("wharf_password_hashes_total", &[]),
        }
    }

    pub(crate) fn session_began(&self) {
        self.sessions.increment(1);
    }

    pub(crate) fn refused(&self, why: Refusal) {
        self.refused[why as usize].increment(1);
    }

    pub(crate) fn login(&self, outcome: LoginOutcome) {
        self.logins[outcome as usize].increment(1);
    }

    pub(crate) fn transfer(&self, mode: DataMode, role: Role, outcome: TransferOutcome, bytes: u64) {
        let direction = match role {
            Role::Download => 0,
            Role::Upload => 1,
            _ => 2,
        };
        self.transfers[usize::from(mode == DataMode::Passive)][direction][outcome as usize].increment(1);
        self.bytes[direction].increment(bytes);
    }

    pub(crate) fn cause(&self, cause: Cause) {
        if let Some(counter) = self.causes.get(cause.id()) {
            counter.increment(1);
        }
    }

    /// Notes how a reload went.
    pub(crate) fn reloaded(&self, is_complete: bool) {
        self.reloads[usize::from(!is_complete)].increment(1);
    }

    /// Everything, in Prometheus' text form.
    pub(crate) fn rendered(&self, common: &Common) -> String {
        self.open.set(common.occupancy.total());
        if let Some(shared) = common.present() {
            self.ports.set(u32::try_from(shared.passive_pool.ports_in_use()).unwrap_or(u32::MAX));
            self.hashes.absolute(shared.gate.hashes_computed());
        }
        self.handle.render()
    }
}

fn key(name: &'static str, labels: &[(&'static str, &'static str)]) -> Key {
    let labels: Vec<Label> =
        labels.iter().map(|(name, value)| Label::from_static_parts(name, value)).collect();
    Key::from_parts(name, labels)
}

fn describe(recorder: &PrometheusRecorder) {
    let counters = [
        ("wharf_sessions_total", "Sessions since the start."),
        ("wharf_refused_total", "Connections that got no session, by reason."),
        ("wharf_logins_total", "Logins, by outcome."),
        ("wharf_transfers_total", "Transfers that have ended, by mode, direction and outcome."),
        ("wharf_bytes_total", "Payload moved in transfers that have ended, by direction."),
        ("wharf_causes_total", "Why data connections and transfers failed, as far as this end can tell."),
        ("wharf_reloads_total", "Reloads, by outcome."),
        ("wharf_password_hashes_total", "Password hashes computed."),
    ];
    for (name, about) in counters {
        recorder.describe_counter(name.into(), None, about.into());
    }
    recorder.describe_gauge("wharf_sessions".into(), None, "Sessions at present.".into());
    let ports = "Passive ports of the range that are listened on at present.";
    recorder.describe_gauge("wharf_passive_ports_in_use".into(), None, ports.into());
}
