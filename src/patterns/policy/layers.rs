//! The layers of a policy: the setters, and how they are shown.

use super::Policy;
use super::meter::{Meter, Stats};
use super::observer::Event;
use crate::bulkhead::Bulkhead;
use crate::circuit_breaker::CircuitBreaker;
use crate::hedge::Delay;
use crate::internal::caught::quietly;
use crate::load_shed::LoadShed;
use crate::rate_limit::RateLimiter;
use crate::retry::{Backoff, Budget};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

type Observer = dyn Fn(&Event) + Send + Sync;

/// From the outside in.
#[derive(Clone, Default)]
pub(super) struct Layers {
    pub(super) shed: Option<LoadShed>,
    pub(super) timeout: Option<Duration>,
    pub(super) backoff: Option<Backoff>,
    pub(super) budget: Option<Budget>,
    pub(super) hedge: Option<(Delay, u32)>,
    pub(super) bulkhead: Option<Bulkhead>,
    pub(super) rate: Option<RateLimiter>,
    pub(super) max_rate_wait: Option<Duration>,
    pub(super) breaker: Option<CircuitBreaker>,
    pub(super) attempt_timeout: Option<Duration>,
    meter: Option<Arc<Meter>>,
    observer: Option<Arc<Observer>>,
}

impl Layers {
    pub(super) fn is_observed(&self) -> bool {
        self.meter.is_some() || self.observer.is_some()
    }

    #[inline]
    pub(super) fn tell(&self, event: &Event) {
        if let Some(meter) = &self.meter {
            meter.record(event);
        }
        if let Some(observer) = &self.observer {
            // It may be told from a destructor, and it only looks on.
            quietly(|| observer(event));
        }
    }
}

impl Policy {
    /// Whether it makes each call once at most: it neither retries nor hedges.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::{policy::Policy, retry::Backoff};
    /// use std::time::Duration;
    ///
    /// let policy = Policy::new().timeout(Duration::from_secs(5));
    /// assert!(policy.calls_once());
    /// assert!(!policy.retry(Backoff::constant(Duration::ZERO)).calls_once());
    /// ```
    pub fn calls_once(&self) -> bool {
        self.layers.as_ref().is_none_or(|layers| {
            layers.backoff.as_ref().is_none_or(|b| b.attempts() == 1)
                && layers.hedge.as_ref().is_none_or(|(_, calls)| *calls == 1)
        })
    }

    fn set(mut self, set: impl FnOnce(&mut Layers)) -> Self {
        set(Arc::make_mut(self.layers.get_or_insert_default()));
        self
    }

    /// Refuses calls at the door while there is too much to do.
    pub fn load_shed(self, shed: LoadShed) -> Self {
        self.set(|layers| layers.shed = Some(shed))
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

    /// When an attempt gives no answer for so long, the call is made once more beside it, and the first success counts. Only for calls that may happen twice.
    ///
    /// The time counts from when the attempt began, with what it waits for. Each further call takes a place and a permit of its own, as a retry does.
    pub fn hedge(self, delay: impl Into<Delay>) -> Self {
        self.hedge_up_to(delay, 2)
    }

    /// [`hedge`](Policy::hedge) with so many calls in an attempt, the first included; each begins as long after the one before.
    ///
    /// # Panics
    ///
    /// When it is 0.
    #[track_caller]
    pub fn hedge_up_to(self, delay: impl Into<Delay>, calls: u32) -> Self {
        assert!(
            calls > 0,
            "a hedge with 0 calls would never call anything: use at least 1"
        );
        let delay = delay.into();
        self.set(|layers| layers.hedge = Some((delay, calls)))
    }

    /// At most so many at once, and so many waiting. An attempt has its place while it waits for its permit, so that the line in front of the rate limit is bounded, too.
    pub fn bulkhead(self, bulkhead: Bulkhead) -> Self {
        self.set(|layers| layers.bulkhead = Some(bulkhead))
    }

    /// Every attempt waits for a permit.
    pub fn rate_limit(self, limiter: RateLimiter) -> Self {
        self.set(|layers| layers.rate = Some(limiter))
    }

    /// Refuses attempts that would have to wait for longer than this for their permit, and says when to come back. Zero: nobody waits. Default: all wait. Without
    /// [`rate_limit`](Policy::rate_limit) it does nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::policy::{Layer, Policy};
    /// use regatta::rate_limit::{Quota, RateLimiter};
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let policy = Policy::new().rate_limit(RateLimiter::new(Quota::per_minute(1))).max_rate_wait(Duration::from_secs(5));
    ///     policy.run(|| async { Ok::<_, ()>(()) }).await.expect("there is a permit");
    ///     let refused = policy.run(|| async { Ok::<_, ()>(()) }).await.expect_err("the next comes in a minute");
    ///     assert_eq!((refused.layer(), refused.retry_after()), (Some(Layer::RateLimit), Some(Duration::from_secs(60))));
    /// });
    /// ```
    pub fn max_rate_wait(self, limit: Duration) -> Self {
        self.set(|layers| layers.max_rate_wait = Some(limit))
    }

    /// Every attempt asks the breaker, and tells it how it ended. A timeout counts as a failure, and so does an error, unless it is an [`Answer`](super::Advice::Answer).
    pub fn circuit_breaker(self, breaker: CircuitBreaker) -> Self {
        self.set(|layers| layers.breaker = Some(breaker))
    }

    /// How long each call may take, without its waits.
    pub fn attempt_timeout(self, limit: Duration) -> Self {
        self.set(|layers| layers.attempt_timeout = Some(limit))
    }

    /// Keeps figures, which [`stats`](Policy::stats) reads. Clones, and policies made from this one, count together.
    pub fn measured(self) -> Self {
        self.set(|layers| {
            layers.meter.get_or_insert_with(|| Arc::new(Meter::new()));
        })
    }

    /// What has happened so far; `None` when it is not [`measured`](Policy::measured).
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::policy::{Layer, Policy};
    /// use regatta::retry::Backoff;
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let policy = Policy::new().retry(Backoff::constant(Duration::from_secs(1)).max_attempts(3)).measured();
    ///     policy.run(|| async { Err::<(), _>("down") }).await.expect_err("it is down");
    ///     let stats = policy.stats().expect("it is measured");
    ///     assert_eq!((stats.failed, stats.retries, stats.failed_attempts), (1, 2, 3));
    ///     assert_eq!(stats.refused.of(Layer::CircuitBreaker), 0);
    /// });
    /// ```
    pub fn stats(&self) -> Option<Stats> {
        let meter = self.layers.as_ref()?.meter.as_ref()?;
        Some(meter.read())
    }

    /// Is told what happens; called where it happens, so it should be quick. What it panics with goes no further.
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
    ///     let seen = seen.lock().expect("nobody panics with it");
    ///     assert!(matches!(seen[..], [Event::Attempted { attempt: 1, .. }, Event::Succeeded { attempts: 1, .. }]));
    /// });
    /// ```
    pub fn observer(self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.set(|layers| layers.observer = Some(Arc::new(observer)))
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(layers) = &self.layers else {
            return f.write_str("no protection");
        };
        let shown = [
            layers.shed.as_ref().map(|_| "load shed".to_owned()),
            layers.timeout.map(|limit| format!("timeout {limit:?}")),
            layers.backoff.as_ref().map(|b| match b.attempts() {
                u32::MAX => "retry".to_owned(),
                n => format!("retry {n} attempts"),
            }),
            layers
                .hedge
                .as_ref()
                .map(|(delay, calls)| format!("hedge {delay}, up to {calls} calls")),
            layers
                .bulkhead
                .as_ref()
                .map(|bulkhead| format!("bulkhead {} at once", bulkhead.stats().limit)),
            layers.rate.as_ref().map(|rate| match layers.max_rate_wait {
                None => format!("rate limit {}", rate.quota()),
                Some(most) => format!("rate limit {}, waiting at most {most:?}", rate.quota()),
            }),
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
