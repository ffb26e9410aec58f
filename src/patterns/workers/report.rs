//! Figures of workers: how they do, and how they ended.

use std::time::Duration;

/// How jobs ended, from the start. Each job counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Ended with a value.
    pub completed: u64,
    /// Ended with an error of their own.
    pub failed: u64,
    /// Took longer than their limit.
    pub timed_out: u64,
    /// Panicked.
    pub panicked: u64,
    /// Were cancelled, before they began or after.
    pub cancelled: u64,
    /// Never ran: the workers stopped first.
    pub never_ran: u64,
}

impl Counts {
    /// How many ended, in whatever way.
    pub fn total(&self) -> u64 {
        self.completed
            + self.failed
            + self.timed_out
            + self.panicked
            + self.cancelled
            + self.never_ran
    }
}

/// Figures of [`Workers`](super::Workers), of about the same moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Workers that live: those asked for, and those that still finish their last job after a [`resize`](super::Workers::resize).
    pub workers: usize,
    /// Jobs that run.
    pub running: usize,
    /// Jobs that wait for a worker.
    pub waiting: usize,
    /// The most jobs that ever waited.
    pub high_water: usize,
    /// How jobs ended.
    pub ended: Counts,
    /// Attempts after the first, by [`retry`](super::Builder::retry).
    pub retries: u64,
    /// Failures of jobs whose handle was dropped.
    pub unclaimed: u64,
    /// Whether they gave up, after too many panics.
    pub gave_up: bool,
}

/// How workers ended; returned by [`Workers::stop`](super::Workers::stop).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report<J> {
    /// How jobs ended, from the start; those that are [stuck](Report::stuck) are not among them.
    pub ended: Counts,
    /// Jobs that never ran, in order: they are yours again. Given once.
    pub dropped: Vec<J>,
    /// Jobs that were cancelled and were still there when the time was over. They are dropped as soon as they let go of
    /// their thread.
    pub stuck: Vec<Stuck>,
    /// Whether they had given up, after too many panics.
    pub gave_up: bool,
}

/// A job that did not end in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stuck {
    /// Its [number](super::Job::id).
    pub job: u64,
    /// How long it had run when the time was over.
    pub running: Duration,
}
