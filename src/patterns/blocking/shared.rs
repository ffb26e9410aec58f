//! What a pool, its workers and the handles share, and what they do to it together.

use super::error::JobError;
use super::job::{Ended, Work};
use super::policy::Limits;
use super::state::State;
use super::worker::Crew;
use crate::cancel::{CancelToken, Reason};
use crate::internal::line::wake;
use crate::internal::lock::Lock;
use crate::runtime::{ClockHold, Runtime};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Weak};

/// See the module.
pub(super) struct Shared {
    pub(super) state: Lock<State>,
    /// Parked workers wait here.
    pub(super) bell: Condvar,
    pub(super) crew: Crew,
    /// Cancelled when the pool is closed and nothing is left in it.
    pub(super) ended: CancelToken,
    /// One for all [crews](super::crews).
    pub(super) tally: Arc<Tally>,
    pub(super) clock: ClockKeeper,
}

/// Keeps a clock that runs ahead when nothing is to be done (tokio's, paused) from doing so while a job is under way.
/// The jobs of one runtime share one hold.
#[derive(Default)]
pub(super) struct ClockKeeper(Lock<Weak<ClockHold>>);

impl ClockKeeper {
    #[inline]
    pub(super) fn hold(&self, runtime: &Runtime) -> Option<Arc<ClockHold>> {
        runtime
            .runs_ahead()
            .then(|| self.hold_on(runtime))
            .flatten()
    }

    #[cold]
    fn hold_on(&self, runtime: &Runtime) -> Option<Arc<ClockHold>> {
        let held = self.0.lock().upgrade();
        let held = held.filter(|hold| hold.runtime == runtime.id());
        if held.is_some() {
            return held;
        }
        let hold = Arc::new(runtime.hold_clock()?);
        *self.0.lock() = Arc::downgrade(&hold);
        Some(hold)
    }
}

#[derive(Default)]
pub(super) struct Tally {
    pub(super) completed: AtomicU64,
    pub(super) panicked: AtomicU64,
    pub(super) cancelled: AtomicU64,
    pub(super) dropped: AtomicU64,
}

impl Shared {
    pub(super) fn new(limits: Limits, crew: Crew, tally: Arc<Tally>) -> Self {
        Shared {
            state: Lock::new(State::new(limits, crew.at_once())),
            bell: Condvar::new(),
            crew,
            ended: CancelToken::new(),
            tally,
            clock: ClockKeeper::default(),
        }
    }

    pub(super) fn count(&self, ended: Ended) {
        match ended {
            Ended::Completed => self.tally.completed.fetch_add(1, Relaxed),
            Ended::Panicked => self.tally.panicked.fetch_add(1, Relaxed),
            // Counted by who cancelled it.
            Ended::Skipped => 0,
        };
    }

    /// Forgets a job whose handle was settled before it started.
    pub(super) fn took_back(self: &Arc<Self>, number: u64) {
        self.tally.cancelled.fetch_add(1, Relaxed);
        let removed = self.state.lock().remove(number);
        if let Some((job, after)) = removed {
            self.follow(after);
            drop(job);
        }
    }

    pub(super) fn refuse(&self, jobs: Vec<Arc<dyn Work>>, why: fn() -> JobError) {
        for job in jobs {
            if job.refuse(why()) {
                self.tally.dropped.fetch_add(1, Relaxed);
            }
        }
    }

    pub(super) fn end(&self) {
        self.ended.cancel();
    }

    /// Drops what is queued, and tells what runs.
    pub(super) fn give_up(&self) {
        let mut state = self.state.lock();
        let queued = state.drain();
        let running: Vec<_> = state.running.iter().map(|(_, r)| r.token.clone()).collect();
        let ended = state.has_ended();
        drop(state);
        self.refuse(queued, || JobError::Closed);
        for token in running {
            token.cancel_with(Reason::Shutdown);
        }
        if ended {
            self.end();
        }
    }

    /// Takes no more jobs, and tells who waits for room.
    pub(super) fn close(&self) {
        let (wakers, ended) = self.state.lock().close();
        self.bell.notify_all();
        wakers.into_iter().for_each(wake);
        if ended {
            self.end();
        }
    }
}
