//! [`Budget`]: how much may be retried in all.

use crate::internal::lock::Lock;
use crate::internal::timeline::Timeline;
use crate::runtime::Instant;
use crate::runtime::{ClockId, Runtime};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Limits retries to a share of the calls, over all who share it: when everything fails, retries do not multiply the load. Clones are the same budget.
///
/// Every call pays in `ratio`, every retry takes 1 out; what was paid in counts for ten seconds. A small number of retries a second is
/// allowed whatever was paid in, so that seldom calls can be retried. Where the budget is empty, the error comes back at once
/// ([`GaveUp::Budget`](super::GaveUp::Budget)). The scheme is that of Finagle's `RetryBudget`.
///
/// A budget keeps no runtime, so it may stand in a `static`: the clock is that of the caller's runtime. Under another
/// clock it goes on from where it was left.
///
/// # Examples
///
/// ```
/// use regatta::retry::{Backoff, Budget, GaveUp, retry};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     // One retry for ten calls, and none for free.
///     let budget = Budget::new(0.1, 0.0);
///     let mut spent = 0;
///     for _ in 0..100 {
///         let failed = retry(Backoff::constant(Duration::ZERO).max_attempts(2), || async { Err::<(), _>("down") }).budget(&budget).await;
///         spent += u32::from(failed.expect_err("it is down").gave_up != GaveUp::Budget);
///     }
///     assert_eq!(spent, 10);
/// });
/// ```
#[derive(Clone)]
pub struct Budget {
    inner: Arc<Inner>,
}

struct Inner {
    ratio: f64,
    reserve: f64,
    window: Lock<Window>,
}

const SLOTS: usize = 10;
const SLOT: Duration = Duration::from_secs(1);

/// What was paid in and taken out in each of the last ten seconds.
struct Window {
    timeline: Timeline,
    start: Option<Instant>,
    /// The second, counted from the start, that the newest slot stands for.
    newest: u64,
    slots: [f64; SLOTS],
}

impl Window {
    /// Makes the slot of now, as this clock shows it, the newest one.
    fn turn(&mut self, (clock, at): (ClockId, Instant)) -> &mut f64 {
        let now = self.timeline.now(clock, at);
        let start = *self.start.get_or_insert(now);
        let second = now.saturating_duration_since(start).as_secs() / SLOT.as_secs();
        let passed = second.saturating_sub(self.newest).min(SLOTS as u64);
        for n in 1..=passed {
            self.slots[((self.newest + n) % SLOTS as u64) as usize] = 0.0;
        }
        self.newest = self.newest.max(second);
        &mut self.slots[(self.newest % SLOTS as u64) as usize]
    }
}

impl Budget {
    /// A budget of `ratio` retries for a call (0.2: one for five calls), and of `per_second` retries a second whatever was called.
    ///
    /// # Panics
    ///
    /// When either is negative, infinite or not a number.
    #[track_caller]
    pub fn new(ratio: f64, per_second: f64) -> Self {
        for (name, value) in [("ratio", ratio), ("per_second", per_second)] {
            assert!(
                value >= 0.0 && value.is_finite(),
                "Budget::new: {name} is {value}; use a finite number of at least 0"
            );
        }
        Budget {
            inner: Arc::new(Inner {
                ratio,
                reserve: per_second * SLOTS as f64,
                window: Lock::new(Window {
                    timeline: Timeline::new(),
                    start: None,
                    newest: 0,
                    slots: [0.0; SLOTS],
                }),
            }),
        }
    }

    /// How many retries it would allow now, at the time `now` of the current runtime's clock.
    pub fn balance(&self, now: Instant) -> f64 {
        self.balance_at((Runtime::current().clock(), now))
    }

    fn balance_at(&self, now: (ClockId, Instant)) -> f64 {
        let mut window = self.inner.window.lock();
        window.turn(now);
        self.balance_of(&window)
    }

    fn balance_of(&self, window: &Window) -> f64 {
        window.slots.iter().sum::<f64>() + self.inner.reserve
    }

    pub(crate) fn pay_in(&self, now: (ClockId, Instant)) {
        let ratio = self.inner.ratio;
        *self.inner.window.lock().turn(now) += ratio;
    }

    pub(super) fn take_out(&self, now: (ClockId, Instant)) -> bool {
        let mut window = self.inner.window.lock();
        window.turn(now);
        // Ten times 0.1 are a little less than 1.
        let enough = self.balance_of(&window) >= 1.0 - 1e-9;
        if enough {
            *window.turn(now) -= 1.0;
        }
        enough
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("ratio", &self.inner.ratio)
            .field("per_second", &(self.inner.reserve / SLOTS as f64))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the real clock, this long after some moment.
    fn clock() -> impl Fn(Duration) -> (ClockId, Instant) {
        let start = Runtime::neutral().now();
        move |after| (ClockId::REAL, start + after)
    }

    #[test]
    fn what_was_paid_in_counts_for_ten_seconds() {
        let (budget, at) = (Budget::new(0.5, 0.0), clock());
        assert!(!budget.take_out(at(Duration::ZERO)));
        for _ in 0..4 {
            budget.pay_in(at(Duration::ZERO));
        }
        assert!(budget.take_out(at(9 * SLOT)));
        assert!(!budget.take_out(at(10 * SLOT)));
        // The retry that was taken is forgotten, too.
        assert_eq!(budget.balance_at(at(100 * SLOT)), 0.0);
    }

    #[test]
    fn the_reserve_comes_back() {
        let (budget, at) = (Budget::new(0.0, 0.3), clock());
        let taken = |after| (0..9).filter(|_| budget.take_out(at(after))).count();
        assert_eq!(taken(Duration::ZERO), 3);
        assert_eq!(taken(9 * SLOT), 0);
        assert_eq!(taken(10 * SLOT), 3);
    }

    #[test]
    fn a_clock_that_goes_back_harms_nothing() {
        let (budget, at) = (Budget::new(1.0, 0.0), clock());
        budget.pay_in(at(20 * SLOT));
        budget.pay_in(at(Duration::ZERO));
        assert_eq!(budget.balance_at(at(Duration::ZERO)), 2.0);
    }

    #[test]
    #[should_panic(expected = "ratio is NaN; use a finite number of at least 0")]
    fn no_number() {
        let _ = Budget::new(f64::NAN, 1.0);
    }
}
