//! A deadline that can be moved.

use crate::internal::node::{DeadlineCell, When};
use crate::internal::reason::Elapsed;
use crate::internal::timed::{Limit, Timed};
use crate::runtime::Runtime;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A deadline that can be moved while work runs under it, by the work itself or from elsewhere.
///
/// Clones are the same deadline. It may be moved at any time, also before the work starts, until it has passed; what has passed stays passed.
/// Resolves its runtime when it is made. `asyncio.Timeout.reschedule`, without its errors for early and late calls.
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

    /// Runs `future` under this deadline.
    ///
    /// # Errors
    ///
    /// [`Elapsed`], when the deadline passed first.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops `future` at once, without its async cleanup.
    pub fn run<F: Future>(&self, future: F) -> Bounded<F> {
        Bounded {
            timed: Timed::new(Limit::Cell(self.cell.clone()), future),
        }
    }

    /// When it passes. `None`: never, or the clock has not started.
    pub fn moment(&self) -> Option<Instant> {
        self.cell.at()
    }

    /// Whether it has passed; from then on it cannot be moved.
    pub fn has_passed(&self) -> bool {
        self.cell.has_passed()
    }

    /// Moves it to `moment`.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] when it has passed already.
    pub fn move_to(&self, moment: Instant) -> Result<(), Elapsed> {
        self.set(When::At(moment))
    }

    /// Moves it to `limit` from now. [`Duration::MAX`] is never.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] when it has passed already.
    pub fn move_to_after(&self, limit: Duration) -> Result<(), Elapsed> {
        let at = self.cell.runtime.now().checked_add(limit);
        self.set(at.map_or(When::Never, When::At))
    }

    /// Takes it away: the work may go on for ever.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] when it has passed already.
    pub fn lift(&self) -> Result<(), Elapsed> {
        self.set(When::Never)
    }

    fn set(&self, when: When) -> Result<(), Elapsed> {
        self.cell.set(when).map_err(|_| self.cell.elapsed())
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
