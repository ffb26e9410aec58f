//! [`CancelToken`]: a handle that can cancel, and tell.

use super::run::Run;
use crate::internal::deadline::{DeadlineCell, When};
use crate::internal::label;
use crate::internal::node::{Node, Waiter};
use crate::internal::reason::{Cancelled, Reason};
use crate::runtime::Instant;
use crate::runtime::{Runtime, Sleep, coop};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Cancels work, and tells work that it is cancelled, and why.
///
/// Clones are cheap and are the same token. A [`child`](CancelToken::child) is cancelled with its parent, not the other way round.
/// Cancelling is level-triggered: a cancelled token stays cancelled. The first [`Reason`] wins.
///
/// Use it where the canceller and the work do not share a scope (a shutdown handler, a user's button). Inside a scope, work asks the
/// [ambient functions](super) instead; a [task group](crate::task::task_group) cancels its own children.
///
/// # Examples
///
/// ```
/// use regatta::cancel::CancelToken;
///
/// regatta::testing::run(async || {
///     let token = CancelToken::new();
///     let work = token.run(std::future::pending::<()>());
///     token.cancel_with("no longer needed");
///     let stopped = work.await.expect_err("it was cancelled");
///     assert_eq!(stopped.to_string(), "cancelled: no longer needed");
/// });
/// ```
#[derive(Clone)]
pub struct CancelToken {
    pub(super) node: Arc<Node>,
}

impl CancelToken {
    /// A token that nothing cancels but itself.
    pub fn new() -> Self {
        CancelToken { node: Node::root() }
    }

    /// A token that is also cancelled when this one is, with the same reason. Costs nothing to the parent once it is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::cancel::CancelToken;
    ///
    /// let server = CancelToken::new();
    /// let request = server.child();
    /// request.cancel();
    /// assert!(!server.is_cancelled());
    /// server.cancel();
    /// assert!(server.child().is_cancelled());
    /// ```
    pub fn child(&self) -> Self {
        CancelToken {
            node: Node::child_of(std::slice::from_ref(&self.node), None),
        }
    }

    /// A [`child`](CancelToken::child) that is cancelled at `deadline` too, on the clock of the current runtime.
    ///
    /// The deadline fires by itself for code that waits ([`run`](CancelToken::run), [`cancelled`](CancelToken::cancelled)), and is looked
    /// up by code that asks ([`is_cancelled`](CancelToken::is_cancelled), [`check`](CancelToken::check)).
    pub fn child_until(&self, deadline: Instant) -> Self {
        self.timed_child(When::At(deadline), None)
    }

    /// A [`child`](CancelToken::child) that is cancelled `limit` from now. [`Duration::MAX`] is never.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::{cancel::CancelToken, time};
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let request = CancelToken::new().child_for(Duration::from_secs(5));
    ///     time::sleep(Duration::from_secs(6)).await;
    ///     assert_eq!(request.check().expect_err("late").to_string(), "cancelled: deadline of 5s passed");
    /// });
    /// ```
    pub fn child_for(&self, limit: Duration) -> Self {
        let when = When::from_now(Runtime::current().now(), limit);
        self.timed_child(when, Some(limit))
    }

    fn timed_child(&self, when: When, limit: Option<Duration>) -> Self {
        let cell = DeadlineCell::fixed(Runtime::current(), when, limit, None);
        CancelToken {
            node: Node::child_of(std::slice::from_ref(&self.node), Some(cell)),
        }
    }

    /// Cancels this token and its children, because it was [`Requested`](Reason::Requested).
    pub fn cancel(&self) {
        self.node.cancel(Reason::Requested);
    }

    /// Cancels this token and its children, and says why. Does nothing when it is cancelled already: the first reason stays.
    pub fn cancel_with(&self, reason: impl Into<Reason>) {
        self.node.cancel(reason.into());
    }

    /// Whether the token is cancelled, or its deadline has passed. Without a deadline this reads one flag.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.node.is_cancelled()
    }

    /// Why it was cancelled; `None` while it is not.
    pub fn reason(&self) -> Option<Reason> {
        self.node.reason()
    }

    /// The earliest deadline of this token and those above it.
    pub fn deadline(&self) -> Option<Instant> {
        self.node.effective_deadline().map(|(at, _)| at)
    }

    /// For loops that compute: leaves with `?` when cancelled.
    ///
    /// # Errors
    ///
    /// [`Cancelled`], when the token is.
    pub fn check(&self) -> Result<(), Cancelled> {
        match self.reason() {
            Some(reason) => Err(Cancelled::new(reason)),
            None => Ok(()),
        }
    }

    /// Waits until the token is cancelled, and gives the reason. The future holds the token, not the borrow.
    ///
    /// # Panics
    ///
    /// When the token has a deadline, on a tokio runtime that was built without `enable_time`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub fn cancelled(&self) -> WaitCancelled {
        WaitCancelled {
            waiter: Waiter::new(self.node.clone()),
            timer: None,
            has_paid: false,
        }
    }

    /// Runs `future` inside a cancel scope: when the token is cancelled, the future is dropped at its next suspension.
    ///
    /// The future is polled before the token is looked at, so a value that is ready is never lost; a token that is cancelled
    /// beforehand lets it run to its first suspension. [`shield`](super::shield) and the cleanup of [`finally`](super::finally) inside it run to
    /// their end first; other branches of the same future go on while they do.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] with the token's reason, when it came first.
    ///
    /// # Panics
    ///
    /// As [`cancelled`](CancelToken::cancelled). A panic of `future` goes on.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops `future` at once, without its async cleanup.
    #[inline]
    pub fn run<F: IntoFuture>(&self, future: F) -> Run<F::IntoFuture> {
        Run::new(self, Duration::ZERO, future.into_future())
    }

    /// [`run`](CancelToken::run), with time to end by itself: cancelling is observable inside `future` at once
    /// ([`cancelled`](super::cancelled()), [`check`](super::check)); it is dropped only after `grace`.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::{cancel, time};
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let token = cancel::CancelToken::new();
    ///     let server = token.run_graceful(Duration::from_secs(5), async {
    ///         cancel::cancelled().await; // stop taking work …
    ///         time::sleep(Duration::from_secs(1)).await; // … and finish what is there
    ///         "finished"
    ///     });
    ///     token.cancel();
    ///     assert_eq!(server.await, Ok("finished"));
    /// });
    /// ```
    ///
    /// # Errors
    ///
    /// [`Cancelled`], when the future did not end within `grace` (counted from the poll that sees the cancellation; [`Duration::MAX`] waits for ever).
    ///
    /// # Panics
    ///
    /// On a tokio runtime that was built without `enable_time`, when the token is cancelled.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops `future` at once, without its async cleanup.
    #[inline]
    pub fn run_graceful<F: IntoFuture>(&self, grace: Duration, future: F) -> Run<F::IntoFuture> {
        Run::new(self, grace, future.into_future())
    }

    /// Cancels the token when the guard is dropped, also by a panic.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::cancel::CancelToken;
    ///
    /// let token = CancelToken::new();
    /// drop(token.cancel_on_drop());
    /// assert!(token.is_cancelled());
    /// ```
    pub fn cancel_on_drop(&self) -> CancelOnDrop {
        CancelOnDrop {
            token: Some(self.clone()),
        }
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        CancelToken::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("reason", &self.reason())
            .finish()
    }
}

/// Cancels a token when dropped; made by [`CancelToken::cancel_on_drop`].
#[must_use = "dropping the guard cancels the token"]
#[derive(Debug)]
pub struct CancelOnDrop {
    token: Option<CancelToken>,
}

impl CancelOnDrop {
    /// Gives the token back, uncancelled by the guard.
    pub fn disarm(mut self) -> CancelToken {
        self.token.take().unwrap_or_default()
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            token.cancel_with(Reason::ScopeEnded);
        }
    }
}

pin_project! {
    /// Waits for a token to be cancelled; made by [`CancelToken::cancelled`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct WaitCancelled {
        waiter: Waiter,
        timer: Option<Pin<Box<Sleep>>>,
        // It gave way before it told, which it does at the next poll.
        has_paid: bool,
    }
}

impl WaitCancelled {
    pub(super) fn on(node: Arc<Node>) -> Self {
        WaitCancelled {
            waiter: Waiter::new(node),
            timer: None,
            has_paid: false,
        }
    }
}

impl Future for WaitCancelled {
    type Output = Reason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let this = self.project();
        loop {
            if this.waiter.register(cx.waker())
                && let Some(reason) = this.waiter.node().reason()
            {
                if !std::mem::replace(this.has_paid, true) {
                    ready!(coop::poll_spend(cx));
                }
                return Poll::Ready(reason);
            }
            label::set("a cancellation");
            if !this.waiter.node().is_timed() {
                return Poll::Pending;
            }
            ready!(poll_deadline(this.waiter.node(), this.timer, cx));
        }
    }
}

/// Ready when a deadline of `node` has passed and the node was told so.
pub(super) fn poll_deadline(
    node: &Arc<Node>,
    timer: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let deadline = node.effective_deadline();
    let at = deadline.map(|(at, _)| at);
    let armed = timer.as_ref().map(|t| t.deadline());
    if armed != Some(at) {
        // On the clock that the deadline is on, which need not be that of the waiter.
        *timer = deadline.map(|(at, rt)| Sleep::boxed(rt.clone(), at, rt.now()));
    }
    match timer {
        Some(sleep) => ready!(sleep.as_mut().poll_unbudgeted(cx)),
        None => return Poll::Pending,
    }
    // Moved meanwhile: not expired, and the next look makes a new timer.
    *timer = None;
    node.expire();
    Poll::Ready(())
}
