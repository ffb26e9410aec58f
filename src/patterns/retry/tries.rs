//! Whether there is another attempt, and when: what retries and policies decide by.

use super::backoff::{Backoff, Delays};
use super::budget::Budget;
use super::error::GaveUp;
use crate::cancel;
use crate::internal::scope;
use crate::internal::timeline::Timeline;
use crate::runtime::Instant;
use crate::runtime::Runtime;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// The attempts of one call. Made when it is needed: from the first failure on, or when there is a total deadline.
pub(crate) struct Tries {
    delays: Option<Delays>,
    pub(super) attempts: u32,
    /// When all has to be over.
    pub(super) end: Option<Instant>,
}

impl Tries {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Tries {
            delays: None,
            attempts: 0,
            end: None,
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
        let mut delay = delays.next().ok_or(GaveUp::Attempts)?.max(hint);
        if !delay.is_zero() || self.end.is_some() || budget.is_some() {
            let (clock, now) = Timeline::read(&Runtime::current());
            let earliest = scope::deadline().into_iter().chain(self.end).min();
            if !hint.is_zero() {
                // The service that said when to come back may have said so to many callers, which must not come back
                // together. The last of the time is not spent on it.
                let room = earliest.map_or(Duration::MAX, |end| {
                    let left = end.saturating_duration_since(now);
                    left.saturating_sub(delay.saturating_add(Duration::from_nanos(1)))
                });
                delay = delay.max(hint.saturating_add(delays.spread(room)));
            }
            let begins = now.checked_add(delay);
            if earliest.is_some_and(|end| begins.is_none_or(|begins| begins >= end)) {
                return Err(GaveUp::Deadline);
            }
            if budget.is_some_and(|budget| !budget.take_out((clock, now))) {
                return Err(GaveUp::Budget);
            }
        }
        Ok(delay)
    }
}

/// Waits on behalf of something that is to begin afterwards. `None`: a scope around the caller is cancelled, so nothing
/// begins any more, and what the wait may have been given goes back with it.
///
/// Only a scope that gives time to act hears that. One without grace drops the caller where it waits: by its
/// deadline, or at
/// the next suspension, for which this comes one poll late.
pub(crate) async fn unless_cancelled<W: Future>(wait: W) -> Option<W::Output> {
    let mut wait = pin!(wait);
    let mut cancelled = pin!(cancel::cancelled());
    let (mut told, mut late) = (false, false);
    poll_fn(|cx| {
        told = told || cancelled.as_mut().poll(cx).is_ready();
        if told || scope::dropping() {
            if scope::is_doomed(Runtime::current().now()) {
                return Poll::Pending;
            }
            if std::mem::replace(&mut late, true) {
                return Poll::Ready(None);
            }
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        wait.as_mut().poll(cx).map(Some)
    })
    .await
}
