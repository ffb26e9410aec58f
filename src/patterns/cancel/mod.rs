//! Cancellation with reasons, shields and async cleanup.
//!
//! Rust cancels by dropping, and a drop can run no async code. Scopes add that: a scope first *asks* (observable, cleanup
//! runs), then waits for what is shielded, and drops what is left.
//!
//! | you want | use |
//! |---|---|
//! | to cancel work from elsewhere, with a reason | [`CancelToken`] |
//! | time for the work to end by itself | [`CancelToken::run_graceful`] |
//! | async cleanup in every case | [`finally`] |
//! | async cleanup on cancellation only | [`on_cancel`] |
//! | a save that must not be cut | [`shield`], [`shield_for`] |
//! | to know, deep below, whether to go on | [`check`], [`cancelled`], [`deadline`] |
//!
//! For a limit in time see [`time::timeout`](crate::time::timeout), which is such a scope too; for many tasks at once
//! [`task`](crate::task).
//!
//! # Example
//!
//! ```
//! use regatta::{cancel, time};
//! use std::time::Duration;
//!
//! regatta::testing::run(async || {
//!     let token = cancel::CancelToken::new();
//!     let download = token.run(async {
//!         cancel::finally(time::sleep(Duration::from_secs(60)), async { /* remove the partial file */ }).await
//!     });
//!     token.cancel_with("closing");
//!     assert_eq!(download.await.expect_err("cancelled").to_string(), "cancelled: closing");
//! });
//! ```
//!
//! # How it behaves
//!
//! * A future is polled before its cancellation is looked at: a value that is ready is never lost. Nor is one that
//!   only gives way to other tasks because the budget of its poll is used up: it has one more poll. A yield that was
//!   asked for ([`yield_now`](crate::task::yield_now)) is a suspension like any other, also for work that has just
//!   cancelled itself.
//! * Scopes are found through a thread-local that is set during each poll: they reach whatever is polled inside, also through other
//!   libraries' combinators, and the tasks of a [group](crate::task::task_group). They do **not** reach tasks started by a foreign
//!   spawn (`tokio::spawn`, [`Runtime::try_spawn`](crate::Runtime::try_spawn)); hand those a [`current`] token.
//! * A foreign drop (`select!`, another library's timeout) cannot wait: async cleanup is skipped, and [counted](skipped_cleanups).
//! * Cancelling is a level, not an edge: every [`check`] says so again, and code that goes on in its grace cannot miss it. asyncio tells once.
//! * Wrappers ([`finally`], [`shield`], [`CancelToken::run`] of a live token) spend nothing from the budget of the
//!   task: they are as ready as what is inside. What is inside gives way.
//! * Scopes inside each other cost their depth, not its square: to make, to poll and to end a nest takes a few steps
//!   for each level. What asks about *all* scopes around it costs their number at each call: [`check`], [`deadline`],
//!   [`current`], the first poll of [`cancelled`], and a timeout at the moment it passes; so does each poll of a shield
//!   or a cleanup that waits, as far as the next shield or group. And every poll goes from the outside through all
//!   levels, on the stack of the thread. Loop, or spawn a task, where the depth comes from data.
//! * Tokens under tokens, in a chain, know the earliest deadline above them. Under a
//!   [`time::Deadline`](crate::time::Deadline), which can be moved, a token that waits asks all above it at each poll.
//! * Some asyncio habits are unrepresentable: a scope cannot be entered twice, left in the wrong order or in another task.
//!
//! The model is Trio's (cancel scopes, level-triggered) and AnyIO's (shields, deadlines).

mod cleanup;
mod run;
mod shield;
mod token;

pub use crate::internal::reason::{Cancelled, Reason};
pub use cleanup::{Cleanup, finally, on_cancel, skipped_cleanups};
pub use run::Run;
pub use shield::{Shielded, ShieldedFor, shield, shield_for};
pub use token::{CancelOnDrop, CancelToken, WaitCancelled};

use crate::internal::scope;
use crate::runtime::Instant;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A token that follows the scopes around the calling code: cancelled when one of them is, or when its deadline passes.
///
/// For handing on to where scopes do not reach: a foreign task, a thread. Cancelling it cancels its own children only: a scope
/// is cancelled by its owner. Outside every scope it never fires by itself. It outlives the scopes: one that ended in time no longer cancels
/// it, but a deadline that they had still does.
///
/// # Examples
///
/// ```
/// use regatta::{cancel, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let mut seen = None;
///     let _ = time::timeout(Duration::from_secs(1), async {
///         seen = Some(cancel::current());
///         std::future::pending::<()>().await
///     })
///     .await;
///     assert!(seen.is_some_and(|token| token.is_cancelled()));
/// });
/// ```
pub fn current() -> CancelToken {
    CancelToken {
        node: scope::observe(),
    }
}

/// Leaves with `?` when a scope around the calling code is cancelled. For code between two awaits.
///
/// # Errors
///
/// [`Cancelled`], with the reason of the outermost cancelled scope.
///
/// # Examples
///
/// ```
/// use regatta::cancel;
///
/// # fn work() {}
/// fn crunch() -> Result<(), cancel::Cancelled> {
///     for _block in 0..1000 {
///         cancel::check()?;
///         work();
///     }
///     Ok(())
/// }
/// assert!(crunch().is_ok(), "there is no scope here");
/// ```
pub fn check() -> Result<(), Cancelled> {
    match scope::reason() {
        Some(reason) => Err(Cancelled::new(reason)),
        None => Ok(()),
    }
}

/// The earliest deadline of the scopes around the calling code, as far as the nearest shield, on their runtime's clock. The present moment
/// when one of them is cancelled; `None` when there is no deadline.
///
/// # Examples
///
/// ```
/// use regatta::{Runtime, cancel, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let start = Runtime::current().now();
///     time::timeout(Duration::from_secs(5), async {
///         // Tell the server how long we are going to wait.
///         assert_eq!(cancel::deadline(), Some(start + Duration::from_secs(5)));
///     })
///     .await
///     .expect("it is quick");
///     assert_eq!(cancel::deadline(), None);
/// });
/// ```
pub fn deadline() -> Option<Instant> {
    scope::deadline()
}

pin_project! {
    /// Waits for the cancellation of the scopes around it; made by [`cancelled`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct AmbientCancelled {
        #[pin]
        wait: Option<WaitCancelled>,
    }
}

impl Future for AmbientCancelled {
    type Output = Reason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let mut this = self.project();
        if this.wait.is_none() {
            this.wait.set(Some(WaitCancelled::on(scope::observe())));
        }
        match this.wait.as_pin_mut() {
            Some(wait) => Poll::Ready(ready!(wait.poll(cx))),
            None => Poll::Pending,
        }
    }
}

/// Waits until a scope around it is cancelled, and gives the reason. The scopes are those around its first poll.
///
/// Only a scope with [grace](CancelToken::run_graceful) leaves time to act on it: others drop the code that waits here at its next suspension.
/// Behind a [shield()] the scopes outside are invisible, and it waits for those inside only. It can be asked again: cancelling is a level.
///
/// # Panics
///
/// As [`CancelToken::cancelled`].
///
/// # Cancel safety
///
/// Dropping it leaves nothing behind.
///
/// # Examples
///
/// ```
/// use regatta::cancel::{self, CancelToken};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let token = CancelToken::new();
///     let server = token.run_graceful(Duration::from_secs(5), async { cancel::cancelled().await });
///     token.cancel_with("shutting down");
///     assert_eq!(server.await, Ok("shutting down".into()));
/// });
/// ```
pub fn cancelled() -> AmbientCancelled {
    AmbientCancelled { wait: None }
}
