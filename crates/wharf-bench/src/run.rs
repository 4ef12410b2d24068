//! The sessions of a run, and the window in which they are measured.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use wharf_proto::Pathname;

use crate::content::Content;
use crate::failure::{Failure, FailureKind, Failures};
use crate::histogram::Histogram;
use crate::machine;
use crate::measured::Measured;
use crate::plan::{Plan, Work};
use crate::stop::Stop;
use crate::target::Target;
use crate::turn::{Meter, Turn, Worker};

/// A session's thread needs little: its buffers are elsewhere.
const STACK: usize = 256 * 1024;
/// Longest wait, behind the window, for what every session has still to say; those that remove files are waited for longer.
const GRACE: Duration = Duration::from_secs(5);
/// Failures one behind the other after which a session gives up.
const MOST_FAILURES: u32 = 8;
/// Pause behind the first failure; each further one doubles it.
const PAUSE: Duration = Duration::from_millis(5);
/// Longest pause behind a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What the sessions of a run share.
struct Shared {
    target: Target,
    plan: Plan,
    content: Option<Content>,
    stop: Stop,
    /// Everybody has a session.
    ready: Barrier,
    /// When the first of them noticed.
    begun_at: OnceLock<Instant>,
    is_over: AtomicBool,
    is_measured: AtomicBool,
    /// Operations that were begun.
    begun: AtomicU64,
    counters: Box<[Counter]>,
}

/// One session's, on a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Counter {
    bytes: AtomicU64,
    operations: AtomicU64,
}

/// What a session says when it is done.
struct Report {
    latency: Histogram,
    first_byte: Histogram,
    failures: Failures,
    left_behind: Vec<(Pathname, Failure)>,
    was_ready: bool,
    congestion_control: Option<String>,
}

/// Something that a session says.
enum Said {
    /// It removes what it uploaded, and is alive.
    Alive,
    Done(Box<Report>),
}

/// The counters at one moment.
struct Snapshot {
    at: Instant,
    bytes: u64,
    operations: u64,
    processor_time: Duration,
}

/// Runs `plan` against `target`, until its time is over, its count reached, or `stop` requested. Blocks.
///
/// # Errors
/// When this machine cannot do it: no memory for what is uploaded, no threads. What the server does wrong stands among the
/// [failures](Measured::failures).
pub fn run(target: &Target, plan: &Plan, stop: &Stop) -> Result<Measured, Failure> {
    if matches!(plan.work, Work::Idle) {
        return Ok(crate::idle::run(target, plan, stop));
    }
    let content = match &plan.work {
        Work::Upload { size, .. } => Some(
            Content::new(*size)
                .map_err(|error| Failure::of_io(FailureKind::Local, "the content of uploads", &error))?,
        ),
        _ => None,
    };
    let shared = Arc::new(Shared {
        target: target.clone(),
        plan: plan.clone(),
        content,
        stop: stop.clone(),
        ready: Barrier::new(plan.parallel + 1),
        begun_at: OnceLock::new(),
        is_over: AtomicBool::new(false),
        is_measured: AtomicBool::new(false),
        begun: AtomicU64::new(0),
        counters: (0..plan.parallel).map(|_| Counter::default()).collect(),
    });
    let (sender, reports) = mpsc::channel();
    for number in 0..plan.parallel {
        let (shared, sender) = (shared.clone(), sender.clone());
        let thread = thread::Builder::new().name(format!("session {number}")).stack_size(STACK);
        let started = thread.spawn(move || shared.work(number, &sender));
        // Those that have started wait for the others, and end with the program.
        started.map_err(|error| Failure::of_io(FailureKind::Local, "a thread for each session", &error))?;
    }
    drop(sender);
    let mut measured = shared.watch();
    measured.stuck = collect(&reports, plan.parallel, &mut measured);
    let at_end = shared.snapshot();
    (measured.all_operations, measured.all_bytes) = (at_end.operations, at_end.bytes);
    Ok(measured)
}

impl Shared {
    /// Measures what the sessions do.
    fn watch(&self) -> Measured {
        let from = if self.plan.count.is_some() {
            // All of them are measured: a count that is reached in the warm-up would leave nothing.
            self.is_measured.store(true, Ordering::Relaxed);
            let nothing = self.snapshot();
            self.ready.wait();
            Snapshot { at: *self.begun_at.get_or_init(Instant::now), ..nothing }
        } else {
            self.ready.wait();
            self.stop.wait(self.plan.warm_up, self.plan.parallel);
            self.is_measured.store(true, Ordering::Relaxed);
            self.snapshot()
        };
        self.stop.wait(self.plan.time, self.plan.parallel);
        let to = self.snapshot();
        self.is_measured.store(false, Ordering::Relaxed);
        self.is_over.store(true, Ordering::Relaxed);
        Measured {
            time: to.at - from.at,
            operations: to.operations - from.operations,
            bytes: to.bytes - from.bytes,
            processor_time: to.processor_time.saturating_sub(from.processor_time),
            sessions: self.plan.parallel,
            interrupted: self.stop.is_requested(),
            remembered: machine::remembered_connections(),
            ..Measured::default()
        }
    }

    fn snapshot(&self) -> Snapshot {
        let sum = |count: fn(&Counter) -> &AtomicU64| {
            self.counters.iter().map(|counter| count(counter).load(Ordering::Relaxed)).sum()
        };
        Snapshot {
            bytes: sum(|counter| &counter.bytes),
            operations: sum(|counter| &counter.operations),
            at: Instant::now(),
            processor_time: machine::processor_time(),
        }
    }

    /// One session, from its login to its end.
    fn work(&self, number: usize, sender: &Sender<Said>) {
        let Plan { work, parallel, .. } = &self.plan;
        let mut worker = Worker::new(&self.target, work, self.content.as_ref(), (number, *parallel));
        let mut report = Report {
            latency: Histogram::default(),
            first_byte: Histogram::default(),
            failures: Failures::default(),
            left_behind: Vec::new(),
            was_ready: false,
            congestion_control: None,
        };
        match worker.make_ready() {
            Ok(()) => report.was_ready = true,
            Err(failure) => report.failures.note(&failure),
        }
        report.congestion_control = worker.congestion_control();
        self.ready.wait();
        self.begun_at.get_or_init(Instant::now);
        if report.was_ready {
            self.take_turns(number, &mut worker, &mut report);
        }
        self.stop.one_finished();
        if matches!(work, Work::Upload { .. }) {
            // Removing takes as long as it takes.
            let _ = sender.send(Said::Alive);
        }
        report.left_behind = worker.clean_up();
        let _ = sender.send(Said::Done(Box::new(report)));
    }

    fn take_turns(&self, number: usize, worker: &mut Worker<'_>, report: &mut Report) {
        let counter = &self.counters[number];
        let meter = Metered { shared: self, counter };
        let mut failures_in_a_row = 0;
        while !meter.is_over() {
            if let Some(count) = self.plan.count
                && self.begun.fetch_add(1, Ordering::Relaxed) >= count
            {
                return;
            }
            worker.make_room();
            let begun = Instant::now();
            match worker.turn(&meter) {
                Ok(Turn::Cut) => return,
                Ok(Turn::Done { first_byte }) => {
                    failures_in_a_row = 0;
                    counter.operations.fetch_add(1, Ordering::Relaxed);
                    if self.is_measured.load(Ordering::Relaxed) {
                        report.latency.record(begun.elapsed());
                        if let Some(first_byte) = first_byte {
                            report.first_byte.record(first_byte);
                        }
                    }
                }
                Err(failure) => {
                    report.failures.note(&failure);
                    failures_in_a_row += 1;
                    if failures_in_a_row >= MOST_FAILURES {
                        return;
                    }
                    let pause = PAUSE * (1 << failures_in_a_row.min(8));
                    thread::sleep(pause.min(LONGEST_PAUSE));
                }
            }
        }
    }
}

/// Counts for one session.
struct Metered<'a> {
    shared: &'a Shared,
    counter: &'a Counter,
}

impl Meter for Metered<'_> {
    fn moved(&self, bytes: u64) {
        self.counter.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.shared.is_over.load(Ordering::Relaxed)
    }
}

/// Takes the sessions' reports, and tells of how many nothing is heard.
fn collect(reports: &mpsc::Receiver<Said>, sessions: usize, measured: &mut Measured) -> usize {
    let mut left = sessions;
    let mut cleaning = 0;
    let until = Instant::now() + GRACE;
    while left > 0 {
        // Those that remove files are alive, and end by themselves.
        let said = match cleaning {
            0 => reports.recv_timeout(until.saturating_duration_since(Instant::now())),
            _ => reports.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match said {
            Ok(Said::Alive) => cleaning += 1,
            Ok(Said::Done(report)) => {
                left -= 1;
                cleaning -= usize::from(cleaning > 0);
                measured.latency.merge(&report.latency);
                measured.first_byte.merge(&report.first_byte);
                measured.failures.merge(&report.failures);
                measured.sessions_up += usize::from(report.was_ready);
                measured.congestion_control =
                    measured.congestion_control.take().or(report.congestion_control);
                let told = report.left_behind.into_iter().map(|(path, failure)| (path, failure.text));
                measured.left_behind.extend(told);
            }
            Err(_) => break,
        }
    }
    left
}
