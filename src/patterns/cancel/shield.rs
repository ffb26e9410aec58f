//! Work that finishes although the scopes around it are cancelled.

use crate::internal::reason::Elapsed;
use crate::internal::scope;
use crate::internal::timed::Timed;
use pin_project_lite::pin_project;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

pin_project! {
    /// A future that the scopes around it do not cancel; made by [`shield`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct Shielded<F> {
        #[pin]
        inner: scope::Shield<F>,
    }
}

impl<F: Future> Future for Shielded<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().inner.poll(cx)
    }
}

/// Runs `future` to its end although the scopes around it are cancelled or past their deadlines; they wait for it.
///
/// The value is delivered; the next suspension after it is where the cancellation takes hold. Inside, the scopes outside are
/// invisible: [`check`](super::check) says nothing and [`deadline`](super::deadline) is that of the scopes inside.
/// Nothing is orphaned: the future stays where it is, unlike `asyncio.shield`, which leaves a task behind.
///
/// A shield without an end blocks its scope for ever; [`shield_for`] sets one.
///
/// # Cancel safety
///
/// A scope of regatta waits. Dropped from outside, the future is dropped at once.
///
/// # Examples
///
/// ```
/// use regatta::{cancel, time};
/// use std::{cell::Cell, time::Duration};
///
/// regatta::testing::run(async || {
///     let saved = Cell::new(false);
///     let save = async {
///         time::sleep(Duration::from_secs(3)).await;
///         saved.set(true);
///     };
///     let late = time::timeout(Duration::from_secs(1), async {
///         cancel::shield(save).await;
///         time::sleep(Duration::from_secs(1)).await; // never gets this far
///     });
///     assert!(late.await.is_err());
///     assert!(saved.get());
/// });
/// ```
pub fn shield<F: IntoFuture>(future: F) -> Shielded<F::IntoFuture> {
    Shielded {
        inner: scope::Shield::new(future.into_future()),
    }
}

pin_project! {
    /// A shielded future with an end; made by [`shield_for`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct ShieldedFor<F> {
        #[pin]
        inner: scope::Shield<Timed<F>>,
    }
}

impl<F: Future> Future for ShieldedFor<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}

/// [`shield`] for at most `limit`, counted from the first poll, whether or not anything is cancelled.
///
/// # Errors
///
/// [`Elapsed`] when the future did not end in time; it was dropped then, after its own cleanup.
///
/// # Panics
///
/// On a tokio runtime that was built without `enable_time`, at the first suspension.
///
/// # Cancel safety
///
/// As [`shield`].
///
/// # Examples
///
/// ```
/// use regatta::cancel::{self, CancelToken};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let token = CancelToken::new();
///     token.cancel();
///     // Says goodbye although everything around is cancelled, but not for longer than a second.
///     let farewell = std::future::pending::<()>();
///     let ended = token.run(async { cancel::shield_for(Duration::from_secs(1), farewell).await.is_err() });
///     assert_eq!(ended.await, Ok(true));
/// });
/// ```
pub fn shield_for<F: IntoFuture>(limit: Duration, future: F) -> ShieldedFor<F::IntoFuture> {
    ShieldedFor {
        inner: scope::Shield::new(Timed::after(limit, future.into_future())),
    }
}
