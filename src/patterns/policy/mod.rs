//! One value that says how a call is protected.
//!
//! Use it where several patterns guard the same calls: state them once, in one place, and hand the [`Policy`] on. For one pattern alone, use that one.
//!
//! # Example
//!
//! ```
//! use regatta::{circuit_breaker::CircuitBreaker, policy::Policy, rate_limit::{Quota, RateLimiter}, retry::{Backoff, Jitter}};
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use std::time::Duration;
//!
//! regatta::testing::run(async || {
//!     let search = Policy::new()
//!         .timeout(Duration::from_secs(10))
//!         .retry(Backoff::exponential(Duration::from_millis(100)).jitter(Jitter::Full))
//!         .rate_limit(RateLimiter::new(Quota::per_second(50)))
//!         .circuit_breaker(CircuitBreaker::new())
//!         .attempt_timeout(Duration::from_secs(2));
//!
//!     let calls = AtomicU32::new(0);
//!     let found = search.run(|| async {
//!         match calls.fetch_add(1, Ordering::Relaxed) {
//!             0 => Err("connection reset"),
//!             _ => Ok("found"),
//!         }
//!     });
//!     assert_eq!(found.await.expect("the second attempt works"), "found");
//! });
//! ```
//!
//! # How it behaves
//!
//! **The order is fixed**, from the outside in, whatever the order of the setters:
//!
//! | layer | spans |
//! |---|---|
//! | [`load_shed`](Policy::load_shed) | all of it: what is refused at the door costs nothing |
//! | [`timeout`](Policy::timeout) | all attempts, delays and waits |
//! | [`retry`](Policy::retry) | attempts, one after the other |
//! | [`hedge`](Policy::hedge) | calls of one attempt, beside each other; each goes through the layers below |
//! | [`bulkhead`](Policy::bulkhead) | the wait for a permit and the call: the line in front of the rate limit is bounded, too |
//! | [`rate_limit`](Policy::rate_limit) | nothing: the call begins when its permit is given |
//! | [`circuit_breaker`](Policy::circuit_breaker) | the call as it is, without its waits |
//! | [`attempt_timeout`](Policy::attempt_timeout) | the call |
//!
//! Where the breaker is open, it refuses before anybody waits, and no permit is spent. A [`fallback`](crate::fallback) stands around all of it: its closure sees the [`Failure`].
//!
//! **Refused is not failed.** [`Failure`] tells which layer ended the call, and when to come back. What a layer refuses is not retried: it would be refused again.
//!
//! **What an error means** says [`run_when`](Policy::run_when): worth a retry or not, not before such a time, or an answer like "not found", which speaks for the service.
//! An error that a call gives while a scope around it is cancelled means nothing: it is not retried, and counts as a
//! dropped call. A call that is cancelled while it waits, for a layer or for
//! its next attempt, calls nothing any more: it is dropped, or, where the scope gives it time, comes back at once
//! with [`Cause::Cancelled`].
//!
//! **Shared state is shared.** Clones of a policy have the same limiter, breaker and bulkhead, and each of them may be in several policies.
//!
//! **A failure is not hedged.** Where a call has failed, and a hedge has not yet got its place or permit, the hedge
//! is given up, and the error comes back at once.
//!
//! **One observer** sees what the layers do: [`Policy::observer`]. [`Policy::measured`] counts it, with latencies; see [`Stats`].
//!
//! **What it costs.** A policy with nothing in it adds nothing to the call but one look, and a count
//! for the turns of other tasks. With all layers on, a call that works at once allocates nothing, makes no timer,
//! takes no lock, and reads the clock once, for the rate limit; what is observed needs two looks more. (A retry budget, a hedge at a percentile, an adaptive bulkhead, a breaker with
//! slow calls or a window of time, and a load shedder that measures need the clock and a lock of their own.)
//!
//! # A limit for each host
//!
//! Setting a layer of a clone changes that clone alone, so what is [keyed](crate::circuit_breaker::Keyed) is set for each call:
//!
//! ```
//! use regatta::circuit_breaker::{self, CircuitBreaker};
//! use regatta::policy::Policy;
//! use std::time::Duration;
//!
//! # async fn get(_: &str) -> Result<u32, std::io::Error> { Ok(200) }
//! regatta::testing::run(async || {
//!     let every_call = Policy::new().timeout(Duration::from_secs(5)).measured();
//!     let breakers = circuit_breaker::Keyed::new(1000, CircuitBreaker::builder());
//!     for host in ["one.example", "two.example"] {
//!         let breaker = breakers.get(&host).expect("there is room for a thousand");
//!         let policy = every_call.clone().circuit_breaker(breaker);
//!         policy.run(|| get(host)).await.expect("it answers");
//!     }
//!     assert_eq!(every_call.stats().expect("it is measured").succeeded, 2);
//! });
//! ```

mod advice;
mod error;
mod histogram;
mod layers;
mod meter;
mod observer;
mod run;
mod watch;

pub use advice::Advice;
pub use error::{Cause, Failure, Layer};
pub use histogram::Histogram;
pub use meter::{Counts, Stats};
pub use observer::{Ended, Event};

use crate::retry::Call;
use crate::runtime::coop;
use layers::Layers;
use std::fmt;
use std::sync::Arc;

/// How calls are protected; see the [module](self). A cheap clone has the same limiter and breaker; a policy can stand in a `static` (in a `LazyLock`, once it has layers).
///
/// # Examples
///
/// ```
/// use regatta::{policy::Policy, retry::Backoff};
/// use std::sync::LazyLock;
/// use std::time::Duration;
///
/// static DATABASE: LazyLock<Policy> = LazyLock::new(|| {
///     Policy::new().timeout(Duration::from_secs(5)).retry(Backoff::constant(Duration::from_millis(50)).max_attempts(3))
/// });
/// assert_eq!(DATABASE.to_string(), "timeout 5s > retry 3 attempts");
/// assert_eq!(Policy::new().to_string(), "no protection");
/// ```
#[derive(Clone, Default)]
#[must_use = "it protects nothing until a call is run under it"]
pub struct Policy {
    layers: Option<Arc<Layers>>,
}

impl Policy {
    /// No protection yet.
    pub const fn new() -> Self {
        Policy { layers: None }
    }

    /// Makes a call under this policy. `call` is called for every attempt, and for every hedge. All errors are worth a retry.
    ///
    /// # Errors
    ///
    /// [`Failure`]: the call failed, a layer refused it, or it took too long.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the calls that are running. A permit or a place it waited for goes to the next; circuit breaker and bulkhead count it by their rules for dropped calls.
    #[inline]
    pub async fn run<C: Call>(&self, mut call: C) -> Result<C::Value, Failure<C::Error>> {
        // Before anything has happened; a call that is ready would never let other tasks run.
        coop::spend().await;
        match &self.layers {
            Some(layers) => run::run(layers, call, |_| Advice::Retry).await,
            None => call().await.map_err(unprotected),
        }
    }

    /// [`run`](Policy::run), with a closure that says what an error calls for: an [`Advice`], or whether it is worth a retry.
    ///
    /// # Errors
    ///
    /// As [`run`](Policy::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Policy::run).
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::{circuit_breaker::CircuitBreaker, policy::{Advice, Policy}, retry::Backoff};
    /// use std::time::Duration;
    ///
    /// fn judge(status: &u16) -> Advice {
    ///     match status {
    ///         429 => Advice::RetryAfter(Duration::from_secs(30)),
    ///         500.. => Advice::Retry,
    ///         _ => Advice::Answer,
    ///     }
    /// }
    ///
    /// regatta::testing::run(async || {
    ///     let breaker = CircuitBreaker::builder().consecutive_failures(1).build();
    ///     let policy = Policy::new().retry(Backoff::constant(Duration::from_secs(1))).circuit_breaker(breaker.clone());
    ///     let failed = policy.run_when(|| async { Err::<(), _>(404) }, judge).await;
    ///     let failure = failed.expect_err("there is no such page");
    ///     assert_eq!((failure.attempts, failure.into_error()), (1, Some(404)));
    ///     assert_eq!(breaker.stats().succeeded, 1);
    /// });
    /// ```
    #[inline]
    pub async fn run_when<C: Call, A: Into<Advice>>(
        &self,
        mut call: C,
        judge: impl Fn(&C::Error) -> A + Send + Sync,
    ) -> Result<C::Value, Failure<C::Error>> {
        coop::spend().await;
        match &self.layers {
            Some(layers) => run::run(layers, call, |error| judge(error).into()).await,
            None => call().await.map_err(unprotected),
        }
    }
}

fn unprotected<E>(error: E) -> Failure<E> {
    Failure {
        attempts: 1,
        cause: Cause::Failed(error),
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Policy({self})")
    }
}
