//! Sessions that are only held, and how quick the server stays beside them.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use wharf_proto::Command;

use crate::failure::{Failure, Failures};
use crate::machine;
use crate::measured::Measured;
use crate::plan::Plan;
use crate::session::Session;
use crate::stop::Stop;
use crate::target::Target;

/// Sessions that are opened at the same time.
const OPENERS: usize = 8;
/// Failures to open after which no more are tried: the server has no room.
const MOST_FAILURES: u64 = 50;
/// NOOPs between two looks at the clock.
const NOOPS: usize = 16;

/// Opens the sessions, sends NOOP on one more for as long as the plan says, and looks how many are left.
pub(crate) fn run(target: &Target, plan: &Plan, stop: &Stop) -> Measured {
    let mut measured = Measured { sessions: plan.parallel, ..Measured::default() };
    let begun = Instant::now();
    let (mut held, failures) = open(target, plan.parallel, stop);
    measured.opening = begun.elapsed();
    measured.failures = failures;
    measured.sessions_up = held.len();
    match Session::open(target) {
        Ok(mut prober) => {
            measured.congestion_control = prober.congestion_control();
            if let Err(failure) = probe(&mut prober, plan, stop, &mut measured) {
                measured.failures.note(&failure);
            }
            let _ = prober.quit();
        }
        Err(failure) => measured.failures.note(&failure),
    }
    // What the server has dropped meanwhile shows only when something is asked.
    for session in &mut held {
        if let Err(failure) = session.require(&Command::Noop) {
            measured.sessions_lost += 1;
            measured.failures.note(&failure);
        }
    }
    (measured.all_operations, measured.all_bytes) = (measured.operations, 0);
    measured.interrupted = stop.is_requested();
    measured.remembered = machine::remembered_connections();
    measured
}

fn open<'a>(target: &'a Target, count: usize, stop: &Stop) -> (Vec<Session<'a>>, Failures) {
    let next = AtomicUsize::new(0);
    let opened = Mutex::new((Vec::with_capacity(count), Failures::default()));
    let locked = || opened.lock().unwrap_or_else(PoisonError::into_inner);
    thread::scope(|scope| {
        for _ in 0..OPENERS.min(count) {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::Relaxed) < count && !stop.is_requested() {
                    match Session::open(target) {
                        Ok(session) => locked().0.push(session),
                        Err(failure) => {
                            let mut opened = locked();
                            opened.1.note(&failure);
                            if opened.1.count() >= MOST_FAILURES {
                                return;
                            }
                        }
                    }
                }
            });
        }
    });
    opened.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Sends NOOP, one behind the other.
fn probe(
    session: &mut Session<'_>,
    plan: &Plan,
    stop: &Stop,
    measured: &mut Measured,
) -> Result<(), Failure> {
    noops(session, plan.warm_up, None, stop, |_| {})?;
    let (begun, processor_time) = (Instant::now(), machine::processor_time());
    let latency = &mut measured.latency;
    let outcome = noops(session, plan.time, plan.count, stop, |time| latency.record(time));
    measured.time = begun.elapsed();
    measured.processor_time = machine::processor_time().saturating_sub(processor_time);
    measured.operations = measured.latency.count();
    outcome
}

fn noops(
    session: &mut Session<'_>,
    time: Duration,
    count: Option<u64>,
    stop: &Stop,
    mut took: impl FnMut(Duration),
) -> Result<(), Failure> {
    let (begun, mut sent) = (Instant::now(), 0);
    while begun.elapsed() < time && !stop.is_requested() {
        for _ in 0..NOOPS {
            if count.is_some_and(|count| sent >= count) {
                return Ok(());
            }
            let at = Instant::now();
            session.require(&Command::Noop)?;
            took(at.elapsed());
            sent += 1;
        }
    }
    Ok(())
}
