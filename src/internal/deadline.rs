//! A deadline that can be moved while work runs under it.
//!
//! Invariants:
//! * The lock is held alone; no waker is cloned, woken or dropped under it.
//! * Once noticed, a passed deadline stays passed: from then on moving it is refused.
//! * Every keeper of the deadline is woken when it is moved: several tasks may work under one deadline.

use super::line::wake;
use super::lock::Lock;
use super::node::release;
use super::reason::Elapsed;
use crate::runtime::Instant;
use crate::runtime::Runtime;
use slab::Slab;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct DeadlineCell {
    pub(crate) runtime: Runtime,
    /// Whether it may ever be moved.
    pub(super) moves: bool,
    name: Option<Arc<str>>,
    state: Lock<State>,
}

struct State {
    when: When,
    limit: Option<Duration>,
    passed: bool,
    /// `None`: woken already, and on its way to give a new one.
    keepers: Slab<Option<Waker>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// This long after the work starts.
    After(Duration),
    At(Instant),
    Never,
}

impl When {
    /// `limit` from `now`; never, when the clock cannot name that moment.
    pub(crate) fn from_now(now: Instant, limit: Duration) -> When {
        now.checked_add(limit).map_or(When::Never, When::At)
    }
}

/// The deadline has passed already: too late to move it.
pub(crate) struct TooLate;

impl DeadlineCell {
    /// One that can be moved.
    pub(crate) fn new(
        runtime: Runtime,
        when: When,
        limit: Option<Duration>,
        name: Option<Arc<str>>,
    ) -> Arc<Self> {
        DeadlineCell::make(true, runtime, when, limit, name)
    }

    /// One that has started, or never passes, and stays as it is.
    pub(crate) fn fixed(
        runtime: Runtime,
        when: When,
        limit: Option<Duration>,
        name: Option<Arc<str>>,
    ) -> Arc<Self> {
        DeadlineCell::make(false, runtime, when, limit, name)
    }

    fn make(
        moves: bool,
        runtime: Runtime,
        when: When,
        limit: Option<Duration>,
        name: Option<Arc<str>>,
    ) -> Arc<Self> {
        let state = Lock::new(State {
            when,
            limit,
            passed: false,
            keepers: Slab::new(),
        });
        Arc::new(DeadlineCell {
            runtime,
            moves,
            name,
            state,
        })
    }

    /// The moment it passes; `None` when that is never, or when the work has not started.
    pub(crate) fn at(&self) -> Option<Instant> {
        match self.state.lock().when {
            When::At(at) => Some(at),
            When::After(_) | When::Never => None,
        }
    }

    pub(crate) fn is_unstarted(&self) -> bool {
        matches!(self.state.lock().when, When::After(_))
    }

    /// The work starts now.
    pub(crate) fn start(&self, now: Instant) {
        let mut state = self.state.lock();
        if let When::After(d) = state.when {
            state.when = When::from_now(now, d);
        }
    }

    /// Moves it; `limit` is what [`Elapsed`] will tell.
    pub(crate) fn set(&self, when: When, limit: Option<Duration>) -> Result<(), TooLate> {
        let mut state = self.state.lock();
        if state.passed {
            return Err(TooLate);
        }
        (state.when, state.limit) = (when, limit);
        let keepers = state.keepers.iter_mut();
        let woken: Vec<Waker> = keepers.filter_map(|(_, waker)| waker.take()).collect();
        drop(state);
        woken.into_iter().for_each(wake);
        Ok(())
    }

    /// Looks whether it has passed. Once seen to have, it has for good.
    pub(crate) fn pass(&self) -> bool {
        // The clock is a runtime's code: read outside the lock. A move in between is a move from here.
        let now = self.runtime.now();
        let mut state = self.state.lock();
        state.passed |= matches!(state.when, When::At(at) if at <= now);
        state.passed
    }

    pub(crate) fn elapsed(&self) -> Elapsed {
        Elapsed::new(self.name.clone(), self.state.lock().limit)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("when", &self.when)
            .finish_non_exhaustive()
    }
}

/// One task that works under a deadline; gives up its place when dropped.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) cell: Arc<DeadlineCell>,
    key: Option<usize>,
}

impl Keeper {
    pub(crate) fn new(cell: Arc<DeadlineCell>) -> Self {
        Keeper { cell, key: None }
    }

    /// Has `waker` woken whenever the deadline is moved.
    pub(crate) fn keep(&mut self, waker: &Waker) {
        let copy = Some(waker.clone());
        let mut state = self.cell.state.lock();
        let old = match self.key.and_then(|key| state.keepers.get_mut(key)) {
            Some(slot) => std::mem::replace(slot, copy),
            None => {
                self.key = Some(state.keepers.insert(copy));
                return;
            }
        };
        drop(state);
        drop(old);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let mut state = self.cell.state.lock();
            let old = state.keepers.try_remove(key);
            release(&mut state.keepers);
            drop(state);
            drop(old);
        }
    }
}
