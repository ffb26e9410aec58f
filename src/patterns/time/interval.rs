//! Ticks.

use crate::internal::label;
use crate::runtime::Instant;
use crate::runtime::{Runtime, Sleep, coop};
use futures_core::Stream;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// What [`Interval`] does when ticks were missed: when no call was waiting for a whole period or more after one was due. A shorter
/// delay changes nothing under any rule.
///
/// # Examples
///
/// ```
/// use regatta::{testing, time::{self, MissedTicks}};
/// use std::time::Duration;
///
/// testing::run(async || {
///     let mut ticks = time::interval(Duration::from_secs(10)).missed_ticks(MissedTicks::Delay);
///     ticks.tick().await;
///     time::sleep(Duration::from_secs(35)).await;
///     ticks.tick().await; // at once: it was due at 10
///     ticks.tick().await;
///     assert_eq!(testing::now(), Duration::from_secs(45));
/// });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissedTicks {
    /// Drops them and keeps to the schedule: the next tick comes at the next multiple of the period.
    #[default]
    Skip,
    /// Makes up for them, one right after the other.
    Burst,
    /// Starts the schedule anew: the next tick comes a whole period after the late one.
    Delay,
}

/// Ticks with a fixed period; made by [`interval`] and [`interval_at`]. Also an endless [`Stream`].
pub struct Interval {
    runtime: Runtime,
    period: Duration,
    missed: MissedTicks,
    /// When the next tick is due; `None` is never.
    next: Option<Instant>,
    skipped: u64,
    /// It gave way before a tick that was due, which goes out at the next poll.
    has_paid: bool,
    timer: Pin<Box<Sleep>>,
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval")
            .field("period", &self.period)
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}

/// A tick now, and every `period` from now on, on the current runtime.
///
/// # Panics
///
/// When `period` is zero; on a tokio runtime that was built without `enable_time`, at the first wait.
///
/// # Examples
///
/// ```
/// use regatta::{Runtime, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let start = Runtime::current().now();
///     let mut ticks = time::interval(Duration::from_secs(10));
///     for n in 0..3 {
///         assert_eq!(ticks.tick().await - start, Duration::from_secs(10) * n);
///     }
/// });
/// ```
pub fn interval(period: Duration) -> Interval {
    interval_at(Runtime::current().now(), period)
}

/// A tick at `start`, and every `period` after it, on the current runtime. A start in the past has missed its ticks.
///
/// # Panics
///
/// As [`interval`].
///
/// # Examples
///
/// ```
/// use regatta::{Runtime, testing, time};
/// use std::time::Duration;
///
/// testing::run(async || {
///     let minute = Duration::from_secs(60);
///     let mut ticks = time::interval_at(Runtime::current().now() + minute, minute);
///     ticks.tick().await;
///     assert_eq!(testing::now(), minute);
/// });
/// ```
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(
        !period.is_zero(),
        "an interval of {period:?} would tick without end: use a period above zero, or a loop with `sleep`"
    );
    let runtime = Runtime::current();
    let timer = Box::pin(runtime.sleep_until(start));
    Interval {
        runtime,
        period,
        missed: MissedTicks::default(),
        next: Some(start),
        skipped: 0,
        has_paid: false,
        timer,
    }
}

impl Interval {
    /// What to do about ticks that no call waited for.
    pub fn missed_ticks(mut self, rule: MissedTicks) -> Self {
        self.missed = rule;
        self
    }

    /// The period.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// How many ticks [`MissedTicks::Skip`] and [`MissedTicks::Delay`] have dropped so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Waits for the next tick; gives the moment it was due.
    ///
    /// # Panics
    ///
    /// When it has to wait, on a tokio runtime that was built without `enable_time`.
    ///
    /// # Cancel safety
    ///
    /// A tick that was not delivered is delivered next time.
    pub fn tick(&mut self) -> Tick<'_> {
        Tick { interval: self }
    }

    fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        let Some(due) = self.next else {
            return Poll::Pending;
        };
        let mut now = self.runtime.now();
        if due > now {
            label::set("a tick");
            ready!(self.timer.as_mut().poll(cx));
            now = self.runtime.now().max(due);
        } else if !std::mem::replace(&mut self.has_paid, true) {
            // Ticks that were missed come one right after the other, and let others run in between.
            ready!(coop::poll_spend(cx));
        }
        self.has_paid = false;
        self.schedule(due, now);
        self.timer.as_mut().reset(self.next);
        Poll::Ready(due)
    }

    /// Decides when the next tick is due, after the one of `due` was delivered at `now`.
    fn schedule(&mut self, due: Instant, now: Instant) {
        let late =
            u64::try_from((now - due).as_nanos() / self.period.as_nanos()).unwrap_or(u64::MAX);
        self.next = match self.missed {
            MissedTicks::Burst => due.checked_add(self.period),
            MissedTicks::Delay if late > 0 => {
                self.skipped = self.skipped.saturating_add(late);
                now.checked_add(self.period)
            }
            MissedTicks::Skip if late > 0 => {
                self.skipped = self.skipped.saturating_add(late);
                now.checked_add(self.period - remainder(now - due, self.period))
            }
            MissedTicks::Delay | MissedTicks::Skip => due.checked_add(self.period),
        };
    }
}

/// How far `elapsed` is into its last period.
fn remainder(elapsed: Duration, period: Duration) -> Duration {
    let nanos = elapsed.as_nanos() % period.as_nanos();
    const SECOND: u128 = 1_000_000_000;
    // Less than the period, so both parts fit.
    Duration::new((nanos / SECOND) as u64, (nanos % SECOND) as u32)
}

/// Waits for one tick; made by [`Interval::tick`].
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Tick<'a> {
    interval: &'a mut Interval,
}

impl Future for Tick<'_> {
    type Output = Instant;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Instant> {
        self.get_mut().interval.poll_tick(cx)
    }
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.get_mut().poll_tick(cx).map(Some)
    }
}
