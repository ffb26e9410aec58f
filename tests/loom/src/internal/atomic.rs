//! `src/internal/atomic.rs`, on loom's atomics.

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

const WAITING: usize = 0;
const REGISTERING: usize = 1;
const WAKING: usize = 2;

/// The `AtomicWaker` of futures-util, with its operations and orderings. loom's own is a mutex and orders more than that.
#[derive(Debug)]
pub(crate) struct AtomicWaker {
    state: AtomicUsize,
    // Who may touch it says the state; the mutex is only there because nothing here is `unsafe`.
    waker: Mutex<Option<Waker>>,
}

impl Default for AtomicWaker {
    fn default() -> Self {
        AtomicWaker::new()
    }
}

impl AtomicWaker {
    pub(crate) fn new() -> Self {
        AtomicWaker {
            state: AtomicUsize::new(WAITING),
            waker: Mutex::new(None),
        }
    }

    fn replace(&self, waker: Option<Waker>) -> Option<Waker> {
        let mut slot = self.waker.try_lock().unwrap_or_else(|e| match e {
            std::sync::TryLockError::Poisoned(e) => PoisonError::into_inner(e),
            std::sync::TryLockError::WouldBlock => panic!("two threads in the slot at once"),
        });
        std::mem::replace(&mut *slot, waker)
    }

    pub(crate) fn register(&self, waker: &Waker) {
        use Ordering::{AcqRel, Acquire};
        let was = self
            .state
            .compare_exchange(WAITING, REGISTERING, Acquire, Acquire)
            .unwrap_or_else(|was| was);
        if was == WAITING {
            let old = self.replace(Some(waker.clone()));
            let done = self
                .state
                .compare_exchange(REGISTERING, WAITING, AcqRel, Acquire);
            if done.is_err() {
                // Woken meanwhile: the waker is still ours to wake.
                let waker = self.replace(None);
                self.state.swap(WAITING, AcqRel);
                waker.into_iter().for_each(Waker::wake);
            }
            drop(old);
        } else if was == WAKING {
            waker.wake_by_ref();
            loom::thread::yield_now();
        }
    }

    pub(crate) fn wake(&self) {
        use Ordering::{AcqRel, Release};
        if self.state.fetch_or(WAKING, AcqRel) == WAITING {
            let waker = self.replace(None);
            self.state.fetch_and(!WAKING, Release);
            waker.into_iter().for_each(Waker::wake);
        }
    }
}
