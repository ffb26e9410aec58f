//! Retries: a call that failed is made again, after a while, as long as that makes sense.
//!
//! Use it for calls that fail for reasons that pass: a connection that was reset, a server that is restarting. Do not retry what will fail again
//! ([`when`](Retry::when)), nor what must not happen twice.
//!
//! | you want | use |
//! |---|---|
//! | a call tried again | [`retry()`] |
//! | the same for a call that needs `&mut` state | [`retry_with`] |
//! | how long to wait | [`Backoff`], [`Jitter`], [`retry_after`](Retry::retry_after) |
//! | to keep retries from making an outage worse | [`Budget`] |
//!
//! # Example
//!
//! ```
//! use regatta::retry::{Backoff, Jitter, retry};
//! use std::time::Duration;
//!
//! regatta::testing::run(async || {
//!     let mut calls = 0;
//!     let backoff = Backoff::exponential(Duration::from_millis(100)).jitter(Jitter::Full).max_attempts(4);
//!     let answer = retry(backoff, || {
//!         calls += 1;
//!         let call = calls;
//!         async move { if call < 3 { Err("connection reset") } else { Ok("hello") } }
//!     });
//!     assert_eq!(answer.await, Ok("hello"));
//!     assert_eq!(calls, 3);
//! });
//! ```
//!
//! # How it behaves
//!
//! **Cancellation is no failure.** When a scope around the call is cancelled, the call is dropped like every future; an attempt that gives an error
//! meanwhile is the last one ([`GaveUp::Cancelled`]). Where the scope gives it time, a delay is broken off, and the
//! last error comes back at once: no attempt
//! begins after the cancellation but the first.
//!
//! **Deadlines are looked ahead to.** A delay that would end after the deadline of a scope around the call, or after
//! [`total_timeout`](Retry::total_timeout), is not begun: the last error comes back at once, not when it is too late.
//!
//! **A hook that only looks on ends nothing.** What a hook of [`on_retry`](Retry::on_retry) panics with goes no
//! further. A panic of the call, of a closure that decides, or of a hook that is awaited, goes on in the caller.
//!
//! **The last error comes back**, with how often it was tried and why not again. There is no delay after the last attempt. Errors need not be `Clone`.
//!
//! **What it costs.** A call that works at once pays for nothing but a few moves: no clock, no timer, and no
//! allocation but for a backoff that is not borrowed. A zero delay touches no timer,
//! but every attempt spends from the budget of its task, so that others get their turns.

mod backoff;
mod budget;
mod call;
mod error;
mod jitter;
mod run;
mod tries;

pub use backoff::{Backoff, Delays};
pub use budget::Budget;
pub use call::{Call, Retry, RetryWith, StatefulFuture};
pub use error::{Failed, GaveUp, RetryError};
pub use jitter::Jitter;
pub use run::Retrying;
pub(crate) use tries::{Tries, unless_cancelled};

use std::borrow::Cow;

/// Calls `call` until it gives `Ok`, with delays from `backoff`, which may be borrowed, as from a `static`; await what it returns. See [`Retry`] for what else can be chosen.
///
/// # Errors
///
/// [`RetryError`], with the last error.
///
/// # Cancel safety
///
/// Dropping it drops the attempt that is running; nothing is left behind.
///
/// # Examples
///
/// ```
/// use regatta::retry::{Backoff, Failed, GaveUp, retry};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let hangs = retry(Backoff::constant(Duration::from_secs(1)), std::future::pending::<Result<(), &str>>)
///         .attempt_timeout(Duration::from_secs(3))
///         .total_timeout(Duration::from_secs(10));
///     let error = hangs.await.expect_err("it never answers");
///     // After 3, 7 and 10 seconds.
///     assert_eq!((error.attempts, error.gave_up), (3, GaveUp::Deadline));
///     assert!(matches!(error.last, Failed::TimedOut(_)));
/// });
/// ```
#[inline]
pub fn retry<'a, C: Call>(backoff: impl Into<Cow<'a, Backoff>>, call: C) -> Retry<'a, C> {
    Retry::new(backoff.into(), call)
}

/// [`retry()`] for a call that needs state, such as `&mut` of a connection: every attempt is given it, and gives it back. It comes back in the end, too.
///
/// There is no time limit for an attempt: cut short, it could not give the state back.
///
/// # Errors
///
/// [`RetryError`], with the last error, beside the state.
///
/// # Cancel safety
///
/// Dropping it drops the attempt that is running, and the state.
///
/// # Examples
///
/// ```
/// use regatta::retry::{Backoff, retry_with};
/// use std::time::Duration;
///
/// async fn send(connection: &mut Vec<u32>) -> Result<usize, &'static str> {
///     connection.push(1);
///     if connection.len() < 3 { Err("reset") } else { Ok(connection.len()) }
/// }
///
/// regatta::testing::run(async || {
///     let mut connection = Vec::new();
///     let backoff = Backoff::constant(Duration::from_secs(1));
///     let (_, sent) = retry_with(backoff, &mut connection, |c| async move {
///         let sent = send(c).await;
///         (c, sent)
///     })
///     .await;
///     assert_eq!(sent, Ok(3));
/// });
/// ```
pub fn retry_with<'a, S, C, F>(
    backoff: impl Into<Cow<'a, Backoff>>,
    state: S,
    call: C,
) -> RetryWith<'a, C, F>
where
    C: FnMut(S) -> F,
    F: StatefulFuture<State = S>,
{
    RetryWith::new(backoff.into(), state, call)
}
