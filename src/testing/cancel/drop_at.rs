//! A future that is dropped at a given poll.

use super::{Point, Way};
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// When, after its k-th poll, an operation is dropped, or cancelled by
/// [`cancel_at_every_await`](super::cancel_at_every_await).
///
/// # Examples
///
/// ```
/// use regatta::testing::{self, DropMode, Outcome};
///
/// // An operation that wakes itself is there to be dropped in all three ways.
/// let report = testing::cancel_safety(0..1, async || (), |()| testing::yield_now(), |(), outcome| async move {
///     match outcome {
///         Outcome::Cancelled { mode: DropMode::Woken, polls, .. } => Err(format!("dropped after poll {polls}")),
///         _ => Ok(()),
///     }
/// });
/// assert_eq!(report.failed, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropMode {
    /// Right away: its poll said `Pending`, and it is gone.
    Pending,
    /// When it is next woken: it has been given something, and never sees it. Finds lost hand-offs.
    Woken,
    /// A few steps later, woken or not.
    Later,
}

/// How an operation ended that [`cancel_safety`](super::cancel_safety) or
/// [`cancel_at_every_await`](super::cancel_at_every_await) tests.
///
/// # Examples
///
/// ```
/// use regatta::testing::{self, Outcome};
///
/// let report = testing::cancel_safety(0..1, async || (), |()| async { 42 }, |(), outcome| async move {
///     match outcome {
///         Outcome::Completed(42) | Outcome::Cancelled { .. } => Ok(()),
///         other => Err(format!("{other:?}")),
///     }
/// });
/// report.unwrap();
/// assert_eq!(report.completions, 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome<T> {
    /// It returned this, before it could be dropped or although it was cancelled.
    Completed(T),
    /// It was dropped, or its scope ended cancelled.
    #[non_exhaustive]
    Cancelled {
        /// After this many polls.
        polls: u32,
        /// And in this way.
        mode: DropMode,
    },
}

/// Drops an operation.
pub(super) struct DropIt;

impl Way for DropIt {
    const VERB: &'static str = "dropped";
    // A future that is being polled cannot be dropped.
    const INSIDE: bool = false;

    fn take<F: Future>(
        future: F,
        point: Option<Point>,
        later: u32,
        polls: &Cell<u32>,
    ) -> impl Future<Output = Outcome<F::Output>> {
        DropAt {
            future: Some(future),
            point,
            later,
            polls,
        }
    }
}

pin_project_lite::pin_project! {
    /// Polls `future` and drops it at `point`.
    struct DropAt<'a, F> {
        #[pin]
        future: Option<F>,
        point: Option<Point>,
        // How many steps [`DropMode::Later`] waits.
        later: u32,
        polls: &'a Cell<u32>,
    }
}

impl<F: Future> Future for DropAt<'_, F> {
    type Output = Outcome<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polls = this.polls.get();
        let here = this.point.filter(|point| polls >= point.after);
        if let Some(Point { mode, .. }) = here {
            // Its time came at an earlier poll (or there was none).
            if mode == DropMode::Later && *this.later > 0 {
                *this.later -= 1;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            this.future.set(None);
            return Poll::Ready(Outcome::Cancelled { polls, mode });
        }
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        this.polls.set(polls + 1);
        if let Poll::Ready(value) = future.poll(cx) {
            this.future.set(None);
            return Poll::Ready(Outcome::Completed(value));
        }
        match *this.point {
            Some(Point { after, mode, .. }) if polls + 1 == after => match mode {
                DropMode::Pending => {
                    this.future.set(None);
                    let polls = polls + 1;
                    return Poll::Ready(Outcome::Cancelled { polls, mode });
                }
                DropMode::Woken => {}
                DropMode::Later => cx.waker().wake_by_ref(),
            },
            _ => {}
        }
        Poll::Pending
    }
}
