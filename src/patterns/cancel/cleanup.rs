//! Async cleanup that runs when its future ends, and when it is cancelled.

use crate::internal::label;
use crate::internal::scope::{DropWatch, Mark, Scoped, Shield, Step};
use pin_project_lite::pin_project;
use std::any::Any;
use std::future::{Future, IntoFuture};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

static SKIPPED: AtomicU64 = AtomicU64::new(0);

/// How many cleanups of [`finally`] and [`on_cancel`] were skipped in this process so far, because the future
/// was dropped from outside (`select!`, another library's timeout, an aborted task) after it had started.
///
/// A drop cannot wait, so it cannot run async code. A count that grows shows that a foreign drop should become a cancel scope.
/// One that was cut half way counts too.
///
/// # Examples
///
/// ```
/// use regatta::cancel;
/// use futures::FutureExt;
///
/// let before = cancel::skipped_cleanups();
/// let mut work = Box::pin(cancel::finally(std::future::pending::<()>(), async {}));
/// assert!((&mut work).now_or_never().is_none()); // started
/// drop(work);
/// assert_eq!(cancel::skipped_cleanups(), before + 1);
/// ```
pub fn skipped_cleanups() -> u64 {
    SKIPPED.load(Ordering::Relaxed)
}

enum Outcome<T> {
    Value(T),
    // Never locked: a payload is `Send` only, and would keep the future from being `Sync`.
    Panic(Mutex<Box<dyn Any + Send>>),
    Cancelled,
}

/// Notices that a future was dropped before its cleanup was over.
#[derive(Debug)]
struct Owed(bool);

impl Drop for Owed {
    fn drop(&mut self) {
        if self.0 {
            SKIPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pin_project! {
    /// A future with async cleanup; made by [`finally`] and [`on_cancel`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Cleanup<F: Future, C> {
        // A scope of its own, so that shields inside the body are waited for before the cleanup starts.
        #[pin]
        body: Scoped<F>,
        #[pin]
        cleanup: Shield<C>,
        only_on_cancel: bool,
        watch: DropWatch,
        outcome: Option<Outcome<F::Output>>,
        owed: Owed,
        over: bool,
        cancelled: bool,
    }
}

impl<F: Future, C> std::fmt::Debug for Cleanup<F, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cleanup")
            .field("started", &self.owed.0)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

/// Runs `future`, then `cleanup`: on success, on error, on a panic, and when a scope around it is cancelled.
///
/// The cleanup is async and shielded: it runs to its end, and the scope that cancelled waits for it. Nested cleanups run
/// from the inside out. When the future was cancelled, `finally` does not return: the scope drops it after the cleanup, so
/// no code can swallow the cancellation.
///
/// Cleanups in each other, `n` deep, cost `n` steps beside their own, however they end. But a future is polled from the outside: a cleanup
/// that waits is polled through all levels around it, so `n` that wait one after the other take the square of `n` polls of a level.
///
/// Both are made at once, so `cleanup` borrows what `future` borrows only by shared reference.
/// Python's `try`/`finally`; the structure is AnyIO's shielded cleanup.
///
/// # Panics
///
/// Goes on with a panic of `future` after the cleanup, also one of its destructor; with a panic of `cleanup`; when polled after it ended.
///
/// # Cancel safety
///
/// Cancelled by a scope of regatta, the cleanup runs. Dropped from outside, it cannot: `future` and `cleanup` are dropped unfinished, which
/// [`skipped_cleanups`] counts. Never polled, neither has anything to clean up.
///
/// # Examples
///
/// ```
/// use regatta::{cancel, time};
/// use std::{cell::Cell, time::Duration};
///
/// regatta::testing::run(async || {
///     let closed = Cell::new(false);
///     let query = cancel::finally(std::future::pending::<()>(), async {
///         time::sleep(Duration::from_millis(20)).await; // say goodbye to the server
///         closed.set(true);
///     });
///     assert!(time::timeout(Duration::from_secs(1), query).await.is_err());
///     assert!(closed.get());
/// });
/// ```
pub fn finally<F, C>(future: F, cleanup: C) -> Cleanup<F::IntoFuture, C::IntoFuture>
where
    F: IntoFuture,
    C: IntoFuture<Output = ()>,
{
    Cleanup::new(future.into_future(), cleanup.into_future(), false)
}

/// Runs `future`; runs `cleanup` only when a scope around it is cancelled before it ended.
///
/// Otherwise like [`finally`]: async, shielded, and never returning from a cancellation. An error or a panic of `future` is no cancellation.
///
/// # Panics
///
/// As [`finally`].
///
/// # Cancel safety
///
/// As [`finally`].
///
/// # Examples
///
/// ```
/// use regatta::{cancel, time};
/// use std::{cell::Cell, time::Duration};
///
/// regatta::testing::run(async || {
///     let undone = Cell::new(0);
///     let undo = || async { undone.set(undone.get() + 1) };
///     cancel::on_cancel(time::sleep(Duration::from_secs(1)), undo()).await;
///     assert_eq!(undone.get(), 0);
///
///     let slow = cancel::on_cancel(time::sleep(Duration::from_secs(9)), undo());
///     assert!(time::timeout(Duration::from_secs(1), slow).await.is_err());
///     assert_eq!(undone.get(), 1);
/// });
/// ```
pub fn on_cancel<F, C>(future: F, cleanup: C) -> Cleanup<F::IntoFuture, C::IntoFuture>
where
    F: IntoFuture,
    C: IntoFuture<Output = ()>,
{
    Cleanup::new(future.into_future(), cleanup.into_future(), true)
}

impl<F: Future, C> Cleanup<F, C> {
    fn new(future: F, cleanup: C, only_on_cancel: bool) -> Self {
        Cleanup {
            body: Scoped::relaying(Mark::Plain, future),
            cleanup: Shield::new(cleanup),
            only_on_cancel,
            watch: DropWatch::default(),
            outcome: None,
            owed: Owed(false),
            over: false,
            cancelled: false,
        }
    }
}

impl<F: Future, C: Future<Output = ()>> Future for Cleanup<F, C> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.as_mut().project();
        if this.outcome.is_some() || *this.over {
            return self.clean_up(cx);
        }
        this.owed.0 = true;
        let dropping = this.watch.poll(cx);
        match catch_unwind(AssertUnwindSafe(|| this.body.step(cx, dropping))) {
            Ok(Step::Pending) => Poll::Pending,
            stepped => {
                *this.outcome = Some(match stepped {
                    Ok(Step::Ready(value)) => Outcome::Value(value),
                    Ok(Step::Gone | Step::Pending) => Outcome::Cancelled,
                    Err(payload) => Outcome::Panic(Mutex::new(payload)),
                });
                self.clean_up(cx)
            }
        }
    }
}

impl<F: Future, C: Future<Output = ()>> Cleanup<F, C> {
    /// The body has ended: the cleanup, and then what the body came to.
    // Apart from the polls of the body, which there are more of.
    #[inline(never)]
    fn clean_up(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if *this.over {
            // Cancelled and cleaned up: the scope drops us.
            assert!(
                *this.cancelled,
                "`finally` or `on_cancel` polled after it ended"
            );
            return Poll::Pending;
        }
        let wanted = !*this.only_on_cancel || matches!(this.outcome, Some(Outcome::Cancelled));
        if wanted {
            label::set("a cleanup");
            ready!(this.cleanup.poll(cx));
        }
        this.owed.0 = false;
        *this.over = true;
        match this.outcome.take() {
            Some(Outcome::Value(value)) => Poll::Ready(value),
            Some(Outcome::Panic(payload)) => {
                resume_unwind(payload.into_inner().unwrap_or_else(PoisonError::into_inner))
            }
            Some(Outcome::Cancelled) | None => {
                *this.cancelled = true;
                Poll::Pending
            }
        }
    }
}
