//! Keeps tasks cooperative.
//!
//! A task that only ever meets free permits and unlocked locks would never give its thread back. So each object counts how often in a
//! row it answered at once, and lets the task go round once in 256: a few microseconds of locking, as much as the 128 operations after which
//! tokio's own primitives do. Going round costs up to a microsecond, where the executor looks for events first. The count belongs to the object: one per
//! task or thread would need a runtime to reset it, and would make runs in virtual time depend on those before.

use std::sync::atomic::{AtomicU16, Ordering};
use std::task::{Context, Waker};

/// Answers at once until the task has to go round.
const TURNS: u16 = 256;

/// Only a heuristic: threads may overwrite each other's counts.
#[derive(Debug, Default)]
pub(super) struct Turns(AtomicU16);

impl Turns {
    pub(super) const fn new() -> Self {
        Turns(AtomicU16::new(0))
    }

    /// One more was answered at once.
    #[inline]
    pub(super) fn count(&self) {
        let n = self.0.load(Ordering::Relaxed);
        self.0.store(n.saturating_add(1), Ordering::Relaxed);
    }

    /// Somebody has waited, so the task's thread was free meanwhile.
    pub(super) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn are_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= TURNS
    }

    /// True: the task has been woken again, and is to return `Pending` now. To be asked when it could be answered at once.
    #[inline]
    pub(super) fn go_round(&self, cx: &Context<'_>) -> bool {
        self.are_up() && self.wake_again(cx.waker())
    }

    #[cold]
    fn wake_again(&self, waker: &Waker) -> bool {
        self.reset();
        // A waker without data belongs to nobody (`Waker::noop`, `now_or_never`): there is no second poll.
        if waker.data().is_null() {
            return false;
        }
        waker.wake_by_ref();
        true
    }
}
