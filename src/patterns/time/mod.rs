//! Sleeping, deadlines and ticks, on the clock of whatever runtime is below.
//!
//! | you want | use |
//! |---|---|
//! | to wait | [`sleep`], [`sleep_until`] |
//! | a limit on one call | [`timeout`], [`timeout_at`] |
//! | a limit, and a value instead of an error | [`timeout_or`] |
//! | a limit that moves while the work goes on | [`Deadline`] |
//! | to do something every so often | [`interval`] |
//! | durations from numbers of unknown origin | [`seconds`] |
//!
//! To stop work for other reasons than time see [`cancel`](crate::cancel).
//!
//! # Example
//!
//! ```
//! use regatta::time;
//! use std::time::Duration;
//!
//! regatta::testing::run(async || {
//!     let quick = time::timeout(Duration::from_secs(1), async { "in time" });
//!     assert_eq!(quick.await, Ok("in time"));
//!     let slow = time::timeout(Duration::from_secs(1), time::sleep(Duration::from_secs(3600)));
//!     assert!(slow.await.is_err());
//! });
//! ```
//!
//! # How it behaves
//!
//! * Clocks start at the first poll, as Trio's do, not when the future is made, as AnyIO's. That of a timeout is read when its work is suspended
//!   for the first time: work that is never suspended reads no clock.
//! * The work is polled before the clock is looked at: a value that is ready in the tick of the deadline is kept, and a deadline in the past
//!   lets the work run to its first suspension.
//! * Work that only gives way to other tasks, because the budget of its poll is used up, is not late: it has one more
//!   poll before it is dropped. A loop without an end of what is ready is cut at its deadline all the same.
//! * A timer is made when the work is pending for the first time; work that is ready at once costs no timer.
//! * Timeouts are cancel scopes: [`shield`](crate::cancel::shield) and [`finally`](crate::cancel::finally) inside are respected, so
//!   a timeout may end later than its deadline, after the cleanup. An error or value that the work makes then passes through unchanged, in place of the timeout.
//! * Of nested deadlines that have passed, the outermost reports.
//! * [`Duration::MAX`](std::time::Duration::MAX) is never. tokio's timers count in whole milliseconds, rounded up.

mod deadline;
mod error;
mod interval;
mod timeout;

pub use crate::internal::reason::Elapsed;
pub use crate::runtime::Sleep;
pub use deadline::{Bounded, Deadline};
pub use error::InvalidSeconds;
pub use interval::{Interval, MissedTicks, Tick, interval, interval_at};
pub(crate) use timeout::timeout_in_line;
pub use timeout::{Timeout, TimeoutOr, timeout, timeout_at, timeout_or};

use crate::runtime::Instant;

use std::time::Duration;

/// Waits for `duration`, counted from the first poll. A zero duration gives way to the other tasks once, without a timer.
///
/// # Panics
///
/// On a tokio runtime that was built without `enable_time`.
///
/// # Cancel safety
///
/// Dropping it removes the timer.
///
/// # Examples
///
/// ```
/// use regatta::{Runtime, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let start = Runtime::current().now();
///     time::sleep(Duration::from_secs(86_400)).await; // a day, in no time
///     assert_eq!(Runtime::current().now() - start, Duration::from_secs(86_400));
/// });
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::after(duration)
}

/// Waits until `at`, on the clock of the runtime that is current at the first poll ([`Runtime::now`](crate::Runtime::now)). A moment that
/// has come gives way to the other tasks once.
///
/// # Panics
///
/// On a tokio runtime that was built without `enable_time`.
///
/// # Cancel safety
///
/// Dropping it removes the timer.
///
/// # Examples
///
/// ```
/// use regatta::{Runtime, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let noon = Runtime::current().now() + Duration::from_secs(3600);
///     time::sleep_until(noon).await;
///     assert_eq!(Runtime::current().now(), noon);
/// });
/// ```
pub fn sleep_until(at: Instant) -> Sleep {
    Sleep::until(Some(at))
}

/// A duration from a number of seconds, for numbers of unknown origin: nothing that takes a [`Duration`] has to think of NaN. (A moment in
/// the past is no error: it has come.)
///
/// # Errors
///
/// [`InvalidSeconds`] when the number is NaN, negative, or more than a [`Duration`] can hold.
///
/// # Examples
///
/// ```
/// use regatta::time::seconds;
/// use std::time::Duration;
///
/// assert_eq!(seconds(0.25), Ok(Duration::from_millis(250)));
/// let error = seconds(-1.0).expect_err("time runs forward");
/// assert_eq!(error.to_string(), "-1 is no number of seconds: use a finite number that is zero or more");
/// ```
pub fn seconds(value: f64) -> Result<Duration, InvalidSeconds> {
    Duration::try_from_secs_f64(value).map_err(|_| InvalidSeconds::new(value))
}
