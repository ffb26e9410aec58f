//! Whether there is another attempt, and when: what retries and policies decide by.

use super::backoff::{Backoff, Delays};
use super::budget::Budget;
use super::error::GaveUp;
use crate::internal::scope;
use crate::runtime::Runtime;
use std::time::{Duration, Instant};

/// So many failures in a row that waited for nothing, and the other tasks get a turn.
const STREAK: u32 = 128;

/// The attempts of one call. Made when it is needed: from the first failure on, or when there is a total deadline.
pub(crate) struct Tries {
    delays: Option<Delays>,
    pub(super) attempts: u32,
    /// When all has to be over.
    pub(super) end: Option<Instant>,
    /// Attempts in a row that failed without waiting.
    streak: u32,
}

impl Tries {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Tries {
            delays: None,
            attempts: 0,
            end: None,
            streak: 0,
        })
    }

    /// An attempt failed: how long until the next. `hint` says whether its error is worth one, and how long that one asks to be left alone.
    pub(crate) fn next(
        &mut self,
        backoff: &Backoff,
        budget: Option<&Budget>,
        hint: impl FnOnce() -> Option<Duration>,
    ) -> Result<Duration, GaveUp> {
        self.attempts = self.attempts.saturating_add(1);
        if scope::reason().is_some() {
            return Err(GaveUp::Cancelled);
        }
        let Some(hint) = hint() else {
            return Err(GaveUp::NotRetryable);
        };
        let delays = self.delays.get_or_insert_with(|| backoff.delays());
        let delay = delays.next().ok_or(GaveUp::Attempts)?.max(hint);
        if !delay.is_zero() || self.end.is_some() || budget.is_some() {
            let now = Runtime::current().now();
            let earliest = scope::deadline().into_iter().chain(self.end).min();
            let begins = now.checked_add(delay);
            if earliest.is_some_and(|end| begins.is_none_or(|begins| begins >= end)) {
                return Err(GaveUp::Deadline);
            }
            if budget.is_some_and(|budget| !budget.take_out(now)) {
                return Err(GaveUp::Budget);
            }
        }
        Ok(delay)
    }

    /// The next attempt begins after this delay. Whether the others should have a turn before it.
    pub(crate) fn gives_way(&mut self, delay: Duration) -> bool {
        self.streak = if delay.is_zero() { self.streak + 1 } else { 0 };
        let gives_way = self.streak == STREAK;
        if gives_way {
            self.streak = 0;
        }
        gives_way
    }
}
