//! Keeps tasks cooperative.
//!
//! A task that only ever meets free permits and unlocked locks would never give its thread back. So each object counts how often in a
//! row it answered at once, and lets the task go round once in 128, as tokio's own primitives do. The count belongs to the object: one per
//! task or thread would need a runtime to reset it, and would make runs in virtual time depend on those before.

use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Waker};

/// Answers at once until the task has to go round.
const TURNS: u8 = 128;

/// Only a heuristic: threads may overwrite each other's counts.
#[derive(Debug, Default)]
pub(super) struct Turns(AtomicU8);

impl Turns {
    pub(super) const fn new() -> Self {
        Turns(AtomicU8::new(0))
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
