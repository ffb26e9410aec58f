//! What workers know of each other: the jobs that run, the counts, and whether panics are still borne.

use super::error::JobError;
use super::policy::Restart;
use super::report::{Counts, Stuck};
use crate::runtime::Instant;
use slab::Slab;
use std::collections::VecDeque;
use std::time::Duration;

/// A job that a worker has.
pub(super) struct Running {
    pub(super) job: u64,
    pub(super) since: Instant,
    /// A report has named it as still here, and it is counted with that, whatever becomes of it.
    left: bool,
}

pub(super) struct State<J> {
    /// Workers that live.
    pub(super) live: usize,
    /// Nothing more is taken.
    pub(super) closed: bool,
    /// The runtime ended before the workers were closed.
    pub(super) lost: bool,
    pub(super) running: Slab<Running>,
    pub(super) stuck: Vec<Stuck>,
    pub(super) ended: Counts,
    pub(super) retries: u64,
    pub(super) gave_up: bool,
    /// Jobs that never ran, until a report takes them.
    pub(super) dropped: Vec<J>,
    panics: Panics,
}

impl<J> State<J> {
    pub(super) fn new(restart: Restart) -> Self {
        State {
            live: 0,
            closed: false,
            lost: false,
            running: Slab::new(),
            stuck: Vec::new(),
            ended: Counts::default(),
            retries: 0,
            gave_up: false,
            dropped: Vec::new(),
            panics: Panics::new(restart),
        }
    }

    pub(super) fn are_all_gone(&self) -> bool {
        self.closed && self.live == 0
    }

    pub(super) fn begun(&mut self, job: u64, since: Instant) -> usize {
        self.running.insert(Running {
            job,
            since,
            left: false,
        })
    }

    /// The job of this key has ended.
    pub(super) fn ended<T, E>(&mut self, key: usize, end: &Result<T, JobError<E>>) {
        if self.running.try_remove(key).is_some_and(|job| !job.left) {
            self.count(end);
        }
    }

    /// Names the jobs that are still here when the time is over.
    pub(super) fn leave_behind(&mut self, now: Instant) {
        for (_, running) in &mut self.running {
            if !std::mem::replace(&mut running.left, true) {
                self.stuck.push(Stuck {
                    job: running.job,
                    running: now.saturating_duration_since(running.since),
                });
            }
        }
    }

    fn count<T, E>(&mut self, end: &Result<T, JobError<E>>) {
        let ended = &mut self.ended;
        *match end {
            Ok(_) => &mut ended.completed,
            Err(JobError::Failed(_)) => &mut ended.failed,
            Err(JobError::TimedOut(_)) => &mut ended.timed_out,
            Err(JobError::Panicked(_)) => &mut ended.panicked,
            Err(JobError::Cancelled(_)) => &mut ended.cancelled,
            Err(JobError::NeverRan) => &mut ended.never_ran,
        } += 1;
    }

    /// A job panicked. True: that was one too many, and the first such.
    pub(super) fn panicked(&mut self, now: Instant) -> bool {
        let too_many = self.panics.is_one_too_many(now);
        let first = too_many && !self.gave_up;
        self.gave_up |= too_many;
        first
    }
}

/// The panics that still count, oldest first; never more than are borne.
struct Panics {
    restart: Restart,
    recent: VecDeque<Instant>,
}

impl Panics {
    fn new(restart: Restart) -> Self {
        let recent = VecDeque::new();
        Panics { restart, recent }
    }

    fn is_one_too_many(&mut self, now: Instant) -> bool {
        let Restart::AtMost { panics, within } = self.restart else {
            return false;
        };
        let counts = |at: &Instant, within: Duration| now.saturating_duration_since(*at) < within;
        while self.recent.front().is_some_and(|at| !counts(at, within)) {
            self.recent.pop_front();
        }
        if self.recent.len() >= panics as usize {
            return true;
        }
        self.recent.push_back(now);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether each of the panics at these milliseconds is one too many.
    fn verdicts(panics: u32, within: u64, at: &[u64]) -> Vec<bool> {
        let start = crate::runtime::Runtime::neutral().now();
        let within = Duration::from_millis(within);
        let mut counted = Panics::new(Restart::AtMost { panics, within });
        at.iter()
            .map(|ms| counted.is_one_too_many(start + Duration::from_millis(*ms)))
            .collect()
    }

    #[test]
    fn panics_count_for_as_long_as_they_are_told_to() {
        assert_eq!(verdicts(2, 10, &[0, 9, 10, 20]), [false; 4]);
        assert_eq!(verdicts(2, 10, &[0, 5, 9]), [false, false, true]);
        assert_eq!(verdicts(0, 10, &[0]), [true]);
        assert_eq!(verdicts(1, 0, &[0, 0, 0]), [false; 3]);
    }

    #[test]
    fn what_is_kept_of_panics_does_not_grow() {
        let mut counted = Panics::new(Restart::AtMost {
            panics: 3,
            within: Duration::MAX,
        });
        let now = crate::runtime::Runtime::neutral().now();
        let too_many = (0..1000).filter(|_| counted.is_one_too_many(now)).count();
        assert_eq!((too_many, counted.recent.len()), (997, 3));
    }
}
