//! A limit on one call.

use crate::internal::reason::Elapsed;
use crate::internal::timed::Timed;
use crate::runtime::Instant;
use crate::runtime::coop;
use pin_project_lite::pin_project;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

pin_project! {
    /// A future with a deadline; made by [`timeout`] and [`timeout_at`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct Timeout<F> {
        #[pin]
        timed: Timed<F>,
    }
}

impl<F> Timeout<F> {
    /// Names the deadline, in [`Elapsed`] and in the reason that cancelled work sees.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.timed.name(name.into());
        self
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().timed.poll(cx)
    }
}

/// Gives `future` at most `limit`, counted from the first poll; then cancels it and waits for its cleanup.
///
/// Timeouts in each other cost a few steps for each level. One that passes asks the scopes around it, from the nearest on, whether one of them
/// passes too and comes first.
///
/// # Errors
///
/// [`Elapsed`], after the future was dropped. A value that is ready in the tick of the deadline is kept. When a deadline
/// further out has passed too, this one does not return: the outer one reports.
///
/// # Panics
///
/// On a tokio runtime that was built without `enable_time`, at the first suspension.
///
/// # Cancel safety
///
/// Dropping it drops `future` at once, without its async cleanup. To keep the work for a later try, lend it: `timeout(limit, &mut work)`.
///
/// # Examples
///
/// ```
/// use regatta::time;
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let reply = time::timeout(Duration::from_millis(250), time::sleep(Duration::from_secs(2)));
///     match reply.named("ask the oracle").await {
///         Ok(()) => unreachable!("it takes two seconds"),
///         Err(late) => assert_eq!(late.name(), Some("ask the oracle")),
///     }
/// });
/// ```
#[inline]
pub fn timeout<F: IntoFuture>(limit: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        timed: Timed::after(limit, future.into_future()),
    }
}

/// Gives `future` until `deadline` on the runtime's clock. A deadline in the past lets it run to its first suspension, so a job that
/// has ended already gives its value, and one that never started starts. (asyncio does not start it.)
///
/// # Errors
///
/// As [`timeout`].
///
/// # Panics
///
/// As [`timeout`].
///
/// # Cancel safety
///
/// As [`timeout`].
///
/// # Examples
///
/// ```
/// use regatta::{Runtime, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     // One deadline for two steps.
///     let deadline = Runtime::current().now() + Duration::from_secs(3);
///     let step = || time::timeout_at(deadline, time::sleep(Duration::from_secs(2)));
///     assert!(step().await.is_ok());
///     assert!(step().await.is_err());
/// });
/// ```
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        timed: Timed::at(deadline, future.into_future()),
    }
}

/// [`timeout`] with a value in place of the error: `fallback` is called when `future` was too slow.
///
/// # Panics
///
/// As [`timeout`].
///
/// # Cancel safety
///
/// As [`timeout`].
///
/// # Examples
///
/// ```
/// use regatta::time;
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let slow = async {
///         time::sleep(Duration::from_secs(2)).await;
///         "fresh"
///     };
///     assert_eq!(time::timeout_or(Duration::from_secs(1), slow, || "from the cache").await, "from the cache");
/// });
/// ```
pub fn timeout_or<F, D>(limit: Duration, future: F, fallback: D) -> TimeoutOr<F::IntoFuture, D>
where
    F: IntoFuture,
    D: FnOnce() -> F::Output,
{
    TimeoutOr {
        timeout: timeout(limit, future),
        fallback: Some(fallback),
    }
}

pin_project! {
    /// A future with a deadline and a value in its place; made by [`timeout_or`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct TimeoutOr<F, D> {
        #[pin]
        timeout: Timeout<F>,
        fallback: Option<D>,
    }
}

impl<F, D> Future for TimeoutOr<F, D>
where
    F: Future,
    D: FnOnce() -> F::Output,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match ready!(this.timeout.poll(cx)) {
            Ok(value) => Poll::Ready(value),
            Err(Elapsed { .. }) => match this.fallback.take() {
                Some(fallback) => Poll::Ready(fallback()),
                None => panic!("`timeout_or` polled after it ended"),
            },
        }
    }
}

/// [`timeout`], for an operation that stands in line, and pays for itself: it gets its place before the timeout can
/// give way.
pub(crate) async fn timeout_in_line<F: Future + Unpin>(
    limit: Duration,
    future: &mut F,
) -> Result<F::Output, Elapsed> {
    let mut gave_way = false;
    let first = poll_fn(|cx| {
        coop::forget_gave_way();
        let polled = Pin::new(&mut *future).poll(cx);
        if polled.is_pending() && !std::mem::replace(&mut gave_way, true) && coop::grant_a_poll(cx)
        {
            // It has its place, or what it wants. Or it waits, and does not know of the limit yet.
            return Poll::Pending;
        }
        Poll::Ready(polled)
    });
    match first.await {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => timeout(limit, future).await,
    }
}
