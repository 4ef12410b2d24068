//! What came of a run.

use std::time::Duration;

use wharf_proto::Pathname;

use crate::failure::Failures;
use crate::histogram::Histogram;
use crate::machine;

/// Share of the time of its threads, or of the machine's, from which the generator may be what holds the figures down.
const BUSY: f64 = 0.85;
/// Share of the local ports that are remembered from which new connections begin to wait for one.
const CROWDED: f64 = 0.7;

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// The length of the window.
    pub time: Duration,
    /// Operations that ended in it.
    pub operations: u64,
    /// Bytes of payload that were moved in it.
    pub bytes: u64,
    /// Operations of the whole run, warm-up and those that ended behind the window included.
    pub all_operations: u64,
    /// Bytes of the whole run.
    pub all_bytes: u64,
    /// How long each operation of the window took; of sessions that idle, a NOOP beside them.
    pub latency: Histogram,
    /// From the first command of a download or listing to its first byte.
    pub first_byte: Histogram,
    /// The processor time of this program in the window.
    pub processor_time: Duration,
    /// Sessions that were to work, or to be held.
    pub sessions: usize,
    /// How many of them came up.
    pub sessions_up: usize,
    /// Of sessions that idle: those that the server had dropped in the end.
    pub sessions_lost: usize,
    /// Of sessions that idle: how long it took to open them.
    pub opening: Duration,
    /// Of how many sessions nothing was heard at the end.
    pub stuck: usize,
    /// What went wrong in the whole run.
    pub failures: Failures,
    /// What could not be removed from the server, with why.
    pub left_behind: Vec<(Pathname, String)>,
    /// Whether it was stopped early.
    pub interrupted: bool,
    /// What the control connections are paced with.
    pub congestion_control: Option<String>,
    /// Connections that are remembered, and ports, at the end.
    pub remembered: Option<(u64, u64)>,
}

/// Why the figures may not be the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Its name in JSON.
    pub id: &'static str,
    /// What it is, and what to do.
    pub text: String,
}

impl Measured {
    /// Bytes a second.
    #[must_use]
    pub fn bytes_per_second(&self) -> f64 {
        per_second(self.bytes as f64, self.time)
    }

    /// Operations a second.
    #[must_use]
    pub fn operations_per_second(&self) -> f64 {
        per_second(self.operations as f64, self.time)
    }

    /// How many cores this program kept busy.
    #[must_use]
    pub fn cores_used(&self) -> f64 {
        per_second(self.processor_time.as_secs_f64(), self.time)
    }

    /// Why the figures may not be the server's; `same_machine`: the server runs here as well.
    #[must_use]
    pub fn warnings(&self, same_machine: bool) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let cores = machine::cores();
        let threads = self.sessions.clamp(1, cores) as f64;
        if self.cores_used() > BUSY * threads {
            let text = format!(
                "this program used {:.2} of the {threads} cores that its sessions can use: it may be what holds the figures \
                 down, not the server; run it on a faster machine, or on several",
                self.cores_used()
            );
            warnings.push(Warning { id: "generator-is-the-bottleneck", text });
        } else if same_machine && self.cores_used() > cores as f64 / 2.0 {
            let text = format!(
                "the server shares {cores} cores with this program, which used {:.2} of them: compare the figures only with \
                 others from this machine",
                self.cores_used()
            );
            warnings.push(Warning { id: "generator-shares-the-processor", text });
        }
        if let Some((remembered, ports)) = self.remembered
            && remembered as f64 > CROWDED * ports as f64
        {
            let text = format!(
                "{remembered} ended connections are remembered (TIME_WAIT), of {ports} local ports: new ones soon wait for a port. \
                 A network namespace with a low net.ipv4.tcp_max_tw_buckets avoids that; a pause of a minute ends it"
            );
            warnings.push(Warning { id: "time-wait", text });
        }
        if same_machine && self.congestion_control.as_deref() == Some("bbr") {
            let text = "the congestion control is bbr, which paces what is sent and hides differences on loopback: \
                        compare servers with `sysctl net.ipv4.tcp_congestion_control=reno`, in a network namespace of their own"
                .to_owned();
            warnings.push(Warning { id: "congestion-control", text });
        }
        warnings
    }
}

fn per_second(count: f64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count / time.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(measured: &Measured, same_machine: bool) -> Vec<&'static str> {
        measured.warnings(same_machine).into_iter().map(|warning| warning.id).collect()
    }

    #[test]
    fn what_distorts_the_figures_is_said() {
        let second = Duration::from_secs(1);
        let calm = Measured { time: second, sessions: 1, ..Measured::default() };
        assert_eq!(ids(&calm, true), [""; 0]);
        let busy = Measured { processor_time: Duration::from_millis(950), ..calm.clone() };
        assert_eq!(ids(&busy, false), ["generator-is-the-bottleneck"]);
        let crowded = Measured { remembered: Some((90, 100)), ..calm.clone() };
        assert_eq!(ids(&crowded, false), ["time-wait"]);
        let paced = Measured { congestion_control: Some("bbr".to_owned()), ..calm };
        assert_eq!(
            (ids(&paced, true).as_slice(), ids(&paced, false).len()),
            (&["congestion-control"][..], 0)
        );
    }

    #[test]
    fn nothing_in_no_time_is_nothing() {
        assert_eq!(Measured::default().operations_per_second(), 0.0);
    }
}
