//! What a limiter keeps: the rule, the line of the waiters, and the figures. Behind the lock of
//! [`Shared`](super::shared::Shared).

use super::error::AcquireError;
use super::rule::Rule;
use super::word::Anchor;
use crate::internal::line::{Line, Place, Wakers};
use crate::internal::timeline::{Passed, Reading};
use crate::runtime::Instant;
use crate::runtime::{ClockId, Runtime};

pub(super) struct State {
    pub(super) passed: Passed,
    /// Of the machine's clock, on which the word goes; `None`: another one was used last.
    pub(super) anchor: Option<Anchor>,
    /// Since the timeline was last asked.
    pub(super) taken_by_word: bool,
    pub(super) rule: Rule,
    pub(super) line: Line<Wait>,
    /// Permits that the line waits for.
    pub(super) wanted: u64,
    pub(super) in_flight: usize,
    pub(super) max_in_flight: usize,
    /// When there last was room again after as many were in flight as may. No waiter is planned for a moment before,
    /// however long it has waited: the rate would be made up for in a burst.
    pub(super) room_since: u64,
    pub(super) granted: u64,
    pub(super) refused: u64,
    pub(super) refunded: u64,
    /// The quota was changed: the word knows the old one, and is not used any more.
    pub(super) changed: bool,
}

pub(super) enum Wait {
    Wants { n: u32, since: u64 },
    Granted { n: u32, taken: u64 },
}

/// How a caller came in.
pub(super) enum Entered {
    /// Took them at once; what giving them back is to be told.
    Took(u64),
    Waits(Place),
}

/// How a waiter stands.
pub(super) enum Look {
    Granted,
    /// First in line: not before then. `None`: when another caller is done.
    Until(Option<Instant>),
    Behind,
}

impl State {
    pub(super) fn has_slot(&self) -> bool {
        self.in_flight < self.max_in_flight
    }

    /// What has passed on the limiter's timeline; `start` is where the word counts from.
    pub(super) fn now(&mut self, start: Instant, reading: Reading) -> u64 {
        let real = reading.0 == ClockId::REAL;
        if std::mem::take(&mut self.taken_by_word) && !real {
            self.catch_up();
        }
        let now = self.passed.now(reading);
        self.anchor = if real { self.anchored(start) } else { None };
        now
    }

    /// The machine's clock has gone on while permits were taken from the word.
    fn catch_up(&mut self) {
        let now = Runtime::neutral().now();
        if self
            .passed
            .seen(ClockId::REAL)
            .is_some_and(|(seen, _)| seen <= now)
        {
            self.passed.now((ClockId::REAL, now));
        }
    }

    fn anchored(&self, start: Instant) -> Option<Anchor> {
        let (seen, passed) = self.passed.seen(ClockId::REAL)?;
        let clock = seen.checked_duration_since(start)?;
        let ahead = i128::from(passed).checked_sub_unsigned(clock.as_nanos())?;
        Some(Anchor {
            ahead: i64::try_from(ahead).ok()?,
            passed: clock,
        })
    }

    pub(super) fn take(&mut self, planned: u64, now: u64, n: u32) -> u64 {
        self.granted += u64::from(n);
        if self.counts() {
            self.in_flight += 1;
        }
        self.rule.take(planned, now, n)
    }

    /// Whether a limit asks how many are in flight.
    pub(super) fn counts(&self) -> bool {
        self.max_in_flight < usize::MAX
    }

    /// What was taken at `taken` was not used.
    pub(super) fn give_back(&mut self, now: u64, taken: u64, n: u32) {
        self.rule.give_back(taken, n);
        self.granted -= u64::from(n);
        self.refunded += u64::from(n);
        self.make_room(now);
    }

    /// One in flight has landed.
    pub(super) fn make_room(&mut self, now: u64) {
        if !self.counts() {
            return;
        }
        if !self.has_slot() {
            self.room_since = now;
        }
        self.in_flight -= 1;
    }

    /// The moment for a waiter that has waited since then, and is the first in line.
    pub(super) fn planned(&self, since: u64, n: u32) -> u64 {
        self.rule.at(since.max(self.room_since), 0, n)
    }

    /// Serves all waiters that are planned for now or before, and rouses the one that is first then, unless it was
    /// first before.
    pub(super) fn serve(&mut self, now: u64, wakers: &mut Wakers, mut is_other: bool) {
        while let Some(&Wait::Wants { n, since }) = self.line.front() {
            let planned = self.planned(since, n);
            if planned > now || !self.has_slot() {
                break;
            }
            self.wanted -= u64::from(n);
            let taken = self.take(planned, now, n);
            let granted = Wait::Granted { n, taken };
            wakers.extend(self.line.serve_front(|wait| *wait = granted));
            is_other = true;
        }
        if is_other {
            wakers.extend(self.line.rouse_front());
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Whether `n` can be had now, and no waiter is passed by that.
    pub(super) fn is_free(&self, now: u64, n: u32) -> bool {
        self.line.is_empty() && self.has_slot() && self.rule.fits(now, n)
    }

    pub(super) fn refusal(&self, n: u32) -> Option<AcquireError> {
        let most = self.rule.most();
        if n == 0 {
            Some(AcquireError::NoneAsked)
        } else if n > most {
            Some(AcquireError::TooMany { asked: n, most })
        } else {
            None
        }
    }
}
