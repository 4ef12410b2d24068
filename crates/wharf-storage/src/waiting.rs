//! Threads that may wait for a disk.

use std::cell::Cell;

thread_local! {
    static MAY_WAIT: Cell<bool> = const { Cell::new(false) };
}

/// Does `work` on a thread of its own, one that may wait for a disk: what a storage asks of the kernel meanwhile is asked
/// here, and handed to no other thread.
pub fn may_wait_here<T>(work: impl FnOnce() -> T) -> T {
    /// Also where the work panics.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            MAY_WAIT.set(self.0);
        }
    }
    let _before = Before(MAY_WAIT.replace(true));
    work()
}

/// Whether this is such a thread.
pub(crate) fn may_wait() -> bool {
    MAY_WAIT.get()
}
