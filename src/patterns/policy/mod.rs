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
//! **The order is fixed**, from the outside in, whatever the order of the setters: total timeout → retry → rate limit → circuit breaker → attempt timeout → the call. So the
//! timeout spans all attempts; each attempt takes a permit of its own; and the breaker sees each attempt as it was, without the wait for a permit. An open breaker refuses before that
//! wait, not after it.
//!
//! **Refused is not failed.** [`Failure`] tells which layer ended the call, and when to come back. What a layer refuses is not retried: it would be refused again.
//!
//! **Shared state is shared.** Clones of a policy have the same limiter and the same breaker, and a limiter may be in several policies.
//!
//! **What it costs.** A policy with nothing in it adds nothing to the call but one look.

mod error;
mod observer;
mod run;

pub use error::{Cause, Failure, Layer};
pub use observer::Event;

use crate::circuit_breaker::CircuitBreaker;
use crate::rate_limit::RateLimiter;
use crate::retry::{Backoff, Budget, Call};
use crate::runtime::Runtime;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

type Observer = dyn Fn(&Event) + Send + Sync;

#[derive(Clone, Default)]
struct Layers {
    timeout: Option<Duration>,
    backoff: Option<Backoff>,
    budget: Option<Budget>,
    rate: Option<RateLimiter>,
    breaker: Option<CircuitBreaker>,
    attempt_timeout: Option<Duration>,
    observer: Option<Arc<Observer>>,
}

impl Layers {
    fn tell(&self, event: &Event) {
        if let Some(observer) = &self.observer {
            observer(event);
        }
    }

    fn now(&self) -> Instant {
        Runtime::current().now()
    }
}

impl Policy {
    /// No protection yet.
    pub const fn new() -> Self {
        Policy { layers: None }
    }

    fn set(mut self, set: impl FnOnce(&mut Layers)) -> Self {
        set(Arc::make_mut(self.layers.get_or_insert_default()));
        self
    }

    /// How long all of it may take: attempts, delays and waits.
    pub fn timeout(self, limit: Duration) -> Self {
        self.set(|layers| layers.timeout = Some(limit))
    }

    /// Tries again. Which errors are worth it says [`run_when`](Policy::run_when); attempts that took too long are, refused ones are not.
    pub fn retry(self, backoff: Backoff) -> Self {
        self.set(|layers| layers.backoff = Some(backoff))
    }

    /// Retries only as far as a budget allows that other calls share. Without [`retry`](Policy::retry) it does nothing.
    pub fn retry_budget(self, budget: Budget) -> Self {
        self.set(|layers| layers.budget = Some(budget))
    }

    /// Every attempt waits for a permit.
    pub fn rate_limit(self, limiter: RateLimiter) -> Self {
        self.set(|layers| layers.rate = Some(limiter))
    }

    /// Every attempt asks the breaker, and tells it how it ended. An error of the call and a timeout count as failures.
    pub fn circuit_breaker(self, breaker: CircuitBreaker) -> Self {
        self.set(|layers| layers.breaker = Some(breaker))
    }

    /// How long each attempt may take, without its wait for a permit.
    pub fn attempt_timeout(self, limit: Duration) -> Self {
        self.set(|layers| layers.attempt_timeout = Some(limit))
    }

    /// Is told what happens; called where it happens, so it should be quick.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::policy::{Event, Policy};
    /// use std::sync::{Arc, Mutex};
    ///
    /// regatta::testing::run(async || {
    ///     let seen = Arc::new(Mutex::new(Vec::new()));
    ///     let log = seen.clone();
    ///     let policy = Policy::new().observer(move |event| log.lock().expect("nobody panics with it").push(*event));
    ///     policy.run(|| async { Ok::<_, ()>(()) }).await.expect("it works");
    ///     assert!(matches!(seen.lock().expect("nobody panics with it")[..], [Event::Succeeded { attempts: 1, .. }]));
    /// });
    /// ```
    pub fn observer(self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.set(|layers| layers.observer = Some(Arc::new(observer)))
    }

    /// Makes a call under this policy. `call` is called for every attempt.
    ///
    /// # Errors
    ///
    /// [`Failure`]: the call failed, a layer refused it, or it took too long.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the attempt that is running; a permit it waited for goes to the next, and the breaker counts it by its rule for dropped calls.
    pub async fn run<C: Call>(&self, call: C) -> Result<C::Value, Failure<C::Error>> {
        self.run_when(call, |_| true).await
    }

    /// [`run`](Policy::run), retrying only errors that are worth it.
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
    /// use regatta::{policy::Policy, retry::Backoff};
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let policy = Policy::new().retry(Backoff::constant(Duration::from_secs(1)));
    ///     let failed = policy.run_when(|| async { Err::<(), _>(404) }, |status| *status >= 500).await;
    ///     let failure = failed.expect_err("there is no such page");
    ///     assert_eq!((failure.attempts, failure.into_error()), (1, Some(404)));
    /// });
    /// ```
    pub async fn run_when<C: Call>(
        &self,
        mut call: C,
        worth_a_retry: impl FnMut(&C::Error) -> bool + Send,
    ) -> Result<C::Value, Failure<C::Error>> {
        match self.layers() {
            Some(layers) => run::run(layers, call, worth_a_retry).await,
            None => call().await.map_err(|error| Failure {
                attempts: 1,
                cause: Cause::Failed(error),
            }),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(layers) = self.layers() else {
            return f.write_str("no protection");
        };
        let shown = [
            layers.timeout.map(|limit| format!("timeout {limit:?}")),
            layers.backoff.as_ref().map(|b| match b.attempts() {
                u32::MAX => "retry".to_owned(),
                n => format!("retry {n} attempts"),
            }),
            layers
                .rate
                .as_ref()
                .map(|rate| format!("rate limit {}", rate.quota())),
            layers
                .breaker
                .as_ref()
                .map(|breaker| format!("circuit breaker {}", breaker.state())),
            layers
                .attempt_timeout
                .map(|limit| format!("attempt timeout {limit:?}")),
        ];
        let shown: Vec<_> = shown.into_iter().flatten().collect();
        if shown.is_empty() {
            return f.write_str("no protection");
        }
        f.write_str(&shown.join(" > "))
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Policy({self})")
    }
}
