//! A deadline that can be moved.

use crate::internal::deadline::{DeadlineCell, When};
use crate::internal::reason::Elapsed;
use crate::internal::timed::Timed;
use crate::runtime::Instant;
use crate::runtime::Runtime;
use pin_project_lite::pin_project;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A deadline that can be moved while work runs under it, by the work itself or from elsewhere.
///
/// Clones are the same deadline, and several tasks may work under it. It may be moved at any time, also before the work starts and after it
/// ended, until it has passed; what has passed stays passed, and moving it is refused. It has passed when its moment has come *and* that was
/// noticed (its work was suspended then, or code asked [`has_passed`](Deadline::has_passed) or [`check`](crate::cancel::check)), so work that
/// runs in the tick of its deadline can still move it. Resolves its runtime when it is made.
///
/// asyncio's `Timeout.reschedule` refuses a deadline that has not been entered or was left; AnyIO and Trio move one that has passed, to no effect.
///
/// # Examples
///
/// ```
/// use regatta::time::{self, Deadline};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     // At most a second between two parts, as long as the whole may take.
///     let idle = Deadline::after(Duration::from_secs(1));
///     let download = idle.run(async {
///         for _part in 0..10 {
///             time::sleep(Duration::from_millis(900)).await;
///             idle.move_to_after(Duration::from_secs(1)).expect("we are in time");
///         }
///         "all parts"
///     });
///     assert_eq!(download.await, Ok("all parts"));
/// });
/// ```
#[derive(Clone, Debug)]
pub struct Deadline {
    cell: Arc<DeadlineCell>,
}

impl Deadline {
    fn new(when: When, limit: Option<Duration>, name: Option<Arc<str>>) -> Self {
        Deadline {
            cell: DeadlineCell::new(Runtime::current(), when, limit, name),
        }
    }

    /// `limit` after the work is polled for the first time.
    pub fn after(limit: Duration) -> Self {
        Deadline::new(When::After(limit), Some(limit), None)
    }

    /// [`after`](Deadline::after), with a name for [`Elapsed`].
    pub fn named(limit: Duration, name: impl Into<Arc<str>>) -> Self {
        Deadline::new(When::After(limit), Some(limit), Some(name.into()))
    }

    /// At a given moment.
    pub fn at(moment: Instant) -> Self {
        Deadline::new(When::At(moment), None, None)
    }

    /// Not until it is moved.
    pub fn never() -> Self {
        Deadline::new(When::Never, None, None)
    }

    /// Runs `future` under this deadline. Of several that run under it the first starts its clock.
    ///
    /// # Errors
    ///
    /// [`Elapsed`], when the deadline passed first. As for [`timeout`](super::timeout), a value that is ready is kept, and of nested deadlines
    /// the outermost that passed reports.
    ///
    /// # Panics
    ///
    /// As [`timeout`](super::timeout).
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops `future` at once, without its async cleanup.
    pub fn run<F: IntoFuture>(&self, future: F) -> Bounded<F::IntoFuture> {
        Bounded {
            timed: Timed::under(self.cell.clone(), future.into_future()),
        }
    }

    /// When it passes. `None`: never, or the clock has not started.
    pub fn moment(&self) -> Option<Instant> {
        self.cell.at()
    }

    /// Whether it has passed. Once seen to have, by the first that asks, it cannot be moved any more.
    pub fn has_passed(&self) -> bool {
        self.cell.pass()
    }

    /// Moves it to `moment`, for all work under it. A moment in the past lets the work run to its next suspension.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] when it has passed already.
    pub fn move_to(&self, moment: Instant) -> Result<(), Elapsed> {
        self.set(When::At(moment), None)
    }

    /// Moves it to `limit` from now. [`Duration::MAX`] is never.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] when it has passed already.
    pub fn move_to_after(&self, limit: Duration) -> Result<(), Elapsed> {
        let when = When::from_now(self.cell.runtime.now(), limit);
        self.set(when, Some(limit))
    }

    /// Takes it away: the work may go on for ever.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] when it has passed already.
    pub fn lift(&self) -> Result<(), Elapsed> {
        self.set(When::Never, None)
    }

    fn set(&self, when: When, limit: Option<Duration>) -> Result<(), Elapsed> {
        self.cell.set(when, limit).map_err(|_| self.cell.elapsed())
    }
}

pin_project! {
    /// A future under a [`Deadline`]; made by [`Deadline::run`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct Bounded<F> {
        #[pin]
        timed: Timed<F>,
    }
}

impl<F: Future> Future for Bounded<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().timed.poll(cx)
    }
}
