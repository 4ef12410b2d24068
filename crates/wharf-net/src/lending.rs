//! Sessions that are lent to a thread while their transfers follow each other closely.
//!
//! An idle session is a task: it costs nothing but its state, and the reactor wakes it. A busy one pays for that with every
//! file: one thread hears of the bytes and wakes another. So a busy session is lent to a thread of its own, which waits for the
//! session's own sockets with poll(2), and may wait for the disk too. When nothing comes for a moment the session is a
//! task again. What it waits for is the same all the time, and nothing in a session knows where it runs but what asks
//! [`is_lent`].

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

/// Longest wait for the next bytes on a lent thread; transfers that follow each other faster are worth one.
pub const MOMENT: Duration = Duration::from_millis(10);

/// Threads that may be lent at once, for each core. More would be in each other's way, where a reactor serves many.
const THREADS_OF_A_CORE: usize = 8;

thread_local! {
    /// What the session that is polled on this lent thread waits for.
    static HERE: RefCell<Option<Sockets>> = const { RefCell::new(None) };
    /// Whether the session that is being polled has asked for a thread.
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// The sockets of a lent session. They are the session's: what it lets go of is closed then, and not when the thread waits
/// next. A listener that stayed open here would keep its port from the session that draws it meanwhile.
#[derive(Debug, Default)]
struct Sockets {
    /// Those that it waits for, noted while it is polled.
    wanted: Vec<(Weak<OwnedFd>, PollFlags)>,
    /// Those of them that are ready.
    ready: Vec<(Weak<OwnedFd>, PollFlags)>,
}

/// Whether whoever asks runs on a lent thread, and so may wait there for the disk.
#[must_use]
pub fn is_lent() -> bool {
    HERE.with_borrow(Option::is_some)
}

/// Asks for a thread for the session that is being polled. It gets one, when there is one, as soon as it has to wait.
pub fn ask_for_thread() {
    ASKED.set(true);
}

/// Tells whether `socket` is ready, on a lent thread; if not, the thread waits for it when the session has nothing
/// more to do. `None` where the reactor has to be asked.
pub(crate) fn poll_lent(socket: &Arc<OwnedFd>, flags: PollFlags) -> Option<Poll<()>> {
    HERE.with_borrow_mut(|here| {
        let Sockets { wanted, ready } = here.as_mut()?;
        let is_it = |other: &Weak<OwnedFd>| std::ptr::eq(other.as_ptr(), Arc::as_ptr(socket));
        let found = ready.iter().position(|(other, got)| is_it(other) && got.intersects(flags));
        Some(match found {
            Some(index) => {
                ready.swap_remove(index);
                Poll::Ready(())
            }
            None => {
                if !wanted.iter().any(|(other, wanted)| is_it(other) && wanted.contains(flags)) {
                    wanted.push((Arc::downgrade(socket), flags));
                }
                Poll::Pending
            }
        })
    })
}

/// A session that can be moved from thread to thread.
type Session = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a session to its end: as a task, and on a lent thread whenever it asks for one.
pub(crate) async fn run(mut session: Session) {
    let threads = threads();
    loop {
        let asked = Asking { session: session.as_mut() }.await;
        if asked == Asked::Nothing {
            return;
        }
        let Some(place) = Place::take(threads) else { continue };
        let lent = tokio::task::spawn_blocking(move || {
            let back = run_lent(session);
            drop(place);
            back
        });
        match lent.await {
            Ok(Some(back)) => session = back,
            Ok(None) => return,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return, // the runtime ends
            },
        }
    }
}

/// What a session wants when its task has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// It has ended.
    Nothing,
    /// A thread.
    Thread,
}

/// Polls a session until it ends or asks for a thread.
struct Asking<'a> {
    session: Pin<&'a mut (dyn Future<Output = ()> + Send)>,
}

impl Future for Asking<'_> {
    type Output = Asked;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Asked> {
        ASKED.set(false);
        match self.session.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Asked::Nothing),
            Poll::Pending if ASKED.get() => Poll::Ready(Asked::Thread),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// One of the threads that may be lent.
struct Place;

/// How many are.
static LENT: AtomicUsize = AtomicUsize::new(0);

impl Place {
    fn take(most: usize) -> Option<Self> {
        let more = |lent| (lent < most).then_some(lent + 1);
        LENT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        LENT.fetch_sub(1, Ordering::Relaxed);
    }
}

fn threads() -> usize {
    THREADS_OF_A_CORE * tokio::runtime::Handle::current().metrics().num_workers()
}

/// What wakes a lent thread from its wait.
#[derive(Debug)]
struct Bell {
    /// Rung since the session was polled last.
    is_rung: AtomicBool,
    /// The thread waits, or is about to: whoever rings has to write to `event`.
    is_waiting: AtomicBool,
    event: Arc<OwnedFd>,
}

impl Bell {
    fn new() -> io::Result<Arc<Self>> {
        let event = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        Ok(Arc::new(Self { is_rung: AtomicBool::new(false), is_waiting: AtomicBool::new(false), event }))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_rung.store(true, Ordering::SeqCst);
        if self.is_waiting.load(Ordering::SeqCst) {
            // Fails only where it was rung before.
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }
}

/// Runs a session on this thread until it ends, or nothing comes for a moment: then it is given back.
fn run_lent(mut session: Session) -> Option<Session> {
    let Ok(bell) = Bell::new() else { return Some(session) };
    let waker = Waker::from(bell.clone());
    let mut context = Context::from_waker(&waker);
    // Gone with the thread's turn, also where the session panics.
    let _turn = Turn::begin();
    loop {
        bell.is_rung.store(false, Ordering::SeqCst);
        if session.as_mut().poll(&mut context).is_ready() {
            return None;
        }
        if !wait(&bell) {
            return Some(session);
        }
    }
}

/// While it lives, this thread is lent.
struct Turn;

impl Turn {
    fn begin() -> Self {
        HERE.set(Some(Sockets::default()));
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        HERE.set(None);
    }
}

/// Waits a moment for one of the wanted sockets, or for somebody who rings. Tells whether it is worth going on.
fn wait(bell: &Bell) -> bool {
    HERE.with_borrow_mut(|here| {
        let Some(Sockets { wanted, ready }) = here else { return false };
        ready.clear();
        let waited_for: Vec<(Arc<OwnedFd>, PollFlags)> =
            wanted.drain(..).filter_map(|(socket, flags)| Some((socket.upgrade()?, flags))).collect();
        if waited_for.is_empty() {
            // It waits for something that is no socket: the reactor's business.
            return bell.is_rung.load(Ordering::SeqCst);
        }
        bell.is_waiting.store(true, Ordering::SeqCst);
        let rung = bell.is_rung.load(Ordering::SeqCst);
        let moment = if rung { Timespec::default() } else { MOMENT_AS_TIMESPEC };
        let mut descriptors: Vec<PollFd<'_>> =
            waited_for.iter().map(|(socket, flags)| PollFd::new(&**socket, *flags)).collect();
        descriptors.push(PollFd::new(&*bell.event, PollFlags::IN));
        let polled = poll(&mut descriptors, Some(&moment));
        bell.is_waiting.store(false, Ordering::SeqCst);
        let count = match polled {
            Ok(count) => count,
            Err(Errno::INTR) => 0,
            Err(_) => return false,
        };
        let happened: Vec<PollFlags> = descriptors.iter().map(PollFd::revents).collect();
        if happened.last().is_some_and(|flags| !flags.is_empty()) {
            let _ = rustix::io::read(&bell.event, &mut [0; 8]);
        }
        for ((socket, flags), happened) in waited_for.iter().zip(happened) {
            // An error or a hang-up shows in whatever was wanted.
            if !happened.is_empty() {
                ready.push((Arc::downgrade(socket), *flags));
            }
        }
        count > 0 || bell.is_rung.load(Ordering::SeqCst)
    })
}

/// [`MOMENT`], as poll(2) has it.
const MOMENT_AS_TIMESPEC: Timespec = Timespec { tv_sec: 0, tv_nsec: MOMENT.subsec_nanos() as _ };

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::os::unix::net::UnixStream;

    use tokio::io::Interest;

    use super::*;
    use crate::watched::Watched;

    fn run_to_its_end(session: impl Future<Output = ()> + Send + 'static) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async { tokio::spawn(run(Box::pin(session))).await }).unwrap();
    }

    /// A socket that nothing comes on while the other end lives, and that end.
    fn silent() -> (Watched, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Watched::new(ours.into()), theirs)
    }

    async fn until_lent() {
        poll_fn(|_| {
            ask_for_thread();
            if is_lent() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    async fn until_a_task(socket: &mut Watched) {
        poll_fn(|context| {
            assert!(socket.poll_ready(context, Interest::READABLE).is_pending(), "nothing was sent");
            if is_lent() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    #[test]
    fn who_asks_gets_a_thread_until_nothing_comes_for_a_moment() {
        run_to_its_end(async {
            assert!(!is_lent());
            let (mut socket, _theirs) = silent();
            for _ in 0..3 {
                until_lent().await;
                until_a_task(&mut socket).await;
            }
        });
        assert!(!is_lent());
    }

    #[test]
    fn a_lent_thread_hears_of_its_sockets() {
        run_to_its_end(async {
            let (mut socket, theirs) = silent();
            until_lent().await;
            for _ in 0..3 {
                rustix::io::write(&theirs, b"x").unwrap();
                poll_fn(|context| socket.poll_ready(context, Interest::READABLE)).await.unwrap();
                assert!(is_lent(), "what was there already is no reason to give it back");
                assert_eq!(rustix::io::read(socket.socket(), &mut [0; 2]), Ok(1));
            }
            // Also of the end, and of room to write.
            poll_fn(|context| socket.poll_ready(context, Interest::WRITABLE)).await.unwrap();
            drop(theirs);
            poll_fn(|context| socket.poll_ready(context, Interest::READABLE)).await.unwrap();
            assert_eq!(rustix::io::read(socket.socket(), &mut [0; 2]), Ok(0));
            assert!(is_lent());
        });
    }

    #[test]
    fn what_a_session_lets_go_of_is_closed_at_once() {
        run_to_its_end(async {
            until_lent().await;
            // One that was waited for and became ready, but was not asked for again; and one that was asked for only.
            let (mut woke, theirs) = silent();
            rustix::io::write(&theirs, b"x").unwrap();
            let mut has_waited = false;
            poll_fn(|context| {
                if std::mem::replace(&mut has_waited, true) {
                    return Poll::Ready(());
                }
                assert!(woke.poll_ready(context, Interest::READABLE).is_pending());
                Poll::Pending
            })
            .await;
            let (mut wanted, other) = silent();
            poll_fn(|context| Poll::Ready(wanted.poll_ready(context, Interest::READABLE).is_pending())).await;
            drop((woke, wanted));
            for left in [&theirs, &other] {
                assert_eq!(
                    rustix::io::write(left, b"x"),
                    Err(Errno::PIPE),
                    "the session holds its other end open"
                );
            }
        });
    }

    #[test]
    fn a_lent_thread_hears_whoever_wakes_the_session() {
        run_to_its_end(async {
            let (mut socket, _theirs) = silent();
            until_lent().await;
            let mut is_woken = false;
            poll_fn(|context| {
                assert!(socket.poll_ready(context, Interest::READABLE).is_pending());
                if std::mem::replace(&mut is_woken, true) {
                    return Poll::Ready(());
                }
                let waker = context.waker().clone();
                std::thread::spawn(move || waker.wake());
                Poll::Pending
            })
            .await;
        });
    }

    #[test]
    fn what_waits_for_no_socket_is_given_back_at_once() {
        run_to_its_end(async {
            until_lent().await;
            let (sender, receiver) = tokio::sync::oneshot::channel();
            tokio::spawn(async move { sender.send(()) });
            receiver.await.unwrap();
            tokio::time::sleep(MOMENT).await;
            assert!(!is_lent());
        });
    }

    #[test]
    fn a_session_that_panics_on_a_lent_thread_ends_alone() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let panicking = Box::pin(async {
            until_lent().await;
            panic!("on purpose");
        });
        let ended = runtime.block_on(async { tokio::spawn(run(panicking)).await });
        assert!(ended.unwrap_err().is_panic());
        let seen = runtime.block_on(async { tokio::task::spawn_blocking(is_lent).await });
        assert!(!seen.unwrap(), "the thread is lent no more");
    }

    #[test]
    fn no_more_threads_are_lent_than_there_may_be() {
        assert!(Place::take(0).is_none());
        let all: Vec<_> = std::iter::from_fn(|| Place::take(1000)).collect();
        assert!(Place::take(1000).is_none());
        drop(all);
        assert!(Place::take(1000).is_some());
    }
}
