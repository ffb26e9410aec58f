//! What the user chooses when a breaker is built.

use super::CircuitBreaker;
use super::observer::{Event, Observer};
use super::shared::Shared;
use crate::internal::timeline::TimeSource;
use crate::runtime::Runtime;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Which calls decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The last so many.
    Calls(u32),
    /// Those that ended in the last so much time, counted in ten slices: each counts for this long, or up to a tenth
    /// less. [`Duration::MAX`] forgets nothing.
    Time(Duration),
}

/// What a call counts as that was dropped before it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDrop {
    /// Nothing: a caller that lost interest says nothing about the service.
    #[default]
    Ignore,
    /// A failure: for callers that have their timeout around the breaker, so that being dropped mostly means that it
    /// took too long.
    Failure,
    /// A success.
    Success,
}

/// The rules of a breaker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) window: Window,
    /// `None`: 20, or as many as the window holds.
    pub(super) min_calls: Option<u32>,
    pub(super) failure_rate: f64,
    pub(super) slow: Option<(Duration, f64)>,
    pub(super) open_for: Duration,
    pub(super) growth: f64,
    pub(super) open_at_most: Duration,
    pub(super) probes: u32,
    pub(super) successes: u32,
    pub(super) max_probe: Duration,
    pub(super) on_drop: OnDrop,
}

impl Rules {
    pub(super) fn min_calls(&self) -> u64 {
        let most = match self.window {
            Window::Calls(n) => n,
            Window::Time(_) => u32::MAX,
        };
        self.min_calls.unwrap_or(20.min(most)).into()
    }
}

/// A breaker that is being set up; see [`CircuitBreaker::builder`].
///
/// # Examples
///
/// ```
/// use regatta::circuit_breaker::{Builder, Window};
/// use std::time::Duration;
///
/// static CAREFUL: Builder = Builder::new()
///     .window(Window::Time(Duration::from_secs(30)))
///     .min_calls(10)
///     .failure_rate(0.2)
///     .slow_calls(Duration::from_secs(2), 0.8)
///     .open_for(Duration::from_secs(5))
///     .growing(2.0, Duration::from_secs(60))
///     .probes(2, 4);
///
/// let breaker = CAREFUL.clone().build();
/// # drop(breaker);
/// ```
#[derive(Clone)]
#[must_use = "it protects nothing until it is built"]
pub struct Builder {
    pub(super) rules: Rules,
    observer: Option<Arc<Observer>>,
    runtime: Option<Runtime>,
}

impl Default for Builder {
    fn default() -> Self {
        Builder::new()
    }
}

const fn is_rate(rate: f64) -> bool {
    rate > 0.0 && rate <= 1.0
}

impl Builder {
    /// Opens for 30 seconds when half of the last 100 calls failed, and at least 20 were made; one probe decides.
    pub const fn new() -> Self {
        Builder {
            rules: Rules {
                window: Window::Calls(100),
                min_calls: None,
                failure_rate: 0.5,
                slow: None,
                open_for: Duration::from_secs(30),
                growth: 1.0,
                open_at_most: Duration::MAX,
                probes: 1,
                successes: 1,
                max_probe: Duration::MAX,
                on_drop: OnDrop::Ignore,
            },
            observer: None,
            runtime: None,
        }
    }

    /// Which calls decide. Default: the last 100.
    ///
    /// # Panics
    ///
    /// When it is empty.
    #[track_caller]
    pub const fn window(mut self, window: Window) -> Self {
        match window {
            Window::Calls(n) => assert!(
                n > 0,
                "a window of 0 calls would never open the breaker: use at least 1"
            ),
            Window::Time(length) => assert!(
                !length.is_zero(),
                "a window of 0s would never open the breaker: use more than zero"
            ),
        }
        self.rules.window = window;
        self
    }

    /// With fewer calls in the window it stays closed, however they ended. Default: 20, or as many as the window holds.
    ///
    /// # Panics
    ///
    /// When it is 0; when it is built, if the window cannot hold so many.
    #[track_caller]
    pub const fn min_calls(mut self, calls: u32) -> Self {
        assert!(
            calls > 0,
            "a minimum of 0 calls is none: use at least 1, which opens at the first failure"
        );
        self.rules.min_calls = Some(calls);
        self
    }

    /// Opens when so large a part of the calls failed, up to 1.0 for all. Default: 0.5.
    ///
    /// # Panics
    ///
    /// When it is not above 0.0 and at most 1.0.
    #[track_caller]
    pub const fn failure_rate(mut self, rate: f64) -> Self {
        assert!(
            is_rate(rate),
            "a failure rate must be above 0.0 and at most 1.0: 0.5 opens when half of the calls failed"
        );
        self.rules.failure_rate = rate;
        self
    }

    /// Opens after so many failures in a row: short for a [window](Builder::window) of as many calls that must all have
    /// failed.
    ///
    /// # Panics
    ///
    /// When it is 0.
    #[track_caller]
    pub const fn consecutive_failures(self, failures: u32) -> Self {
        assert!(
            failures > 0,
            "a breaker that opens after 0 failures lets nothing through: use at least 1"
        );
        self.window(Window::Calls(failures))
            .min_calls(failures)
            .failure_rate(1.0)
    }

    /// Also opens when so large a part of the calls took this long or longer; a slow probe counts as failed. Default:
    /// time does not matter.
    ///
    /// # Panics
    ///
    /// When the time is zero, or the rate is not above 0.0 and at most 1.0.
    #[track_caller]
    pub const fn slow_calls(mut self, from: Duration, rate: f64) -> Self {
        assert!(
            !from.is_zero(),
            "every call takes 0s or longer: use more than zero"
        );
        assert!(
            is_rate(rate),
            "a rate of slow calls must be above 0.0 and at most 1.0: 0.5 opens when half of the calls were slow"
        );
        self.rules.slow = Some((from, rate));
        self
    }

    /// How long it stays open before it lets a probe through. Default: 30 seconds. [`Duration::MAX`]: until the owner
    /// resets it.
    ///
    /// # Panics
    ///
    /// When it is zero.
    #[track_caller]
    pub const fn open_for(mut self, duration: Duration) -> Self {
        assert!(
            !duration.is_zero(),
            "a breaker that is open for 0s refuses nothing: use more than zero"
        );
        self.rules.open_for = duration;
        self
    }

    /// Each time the probes fail it stays open so many times longer, up to `most` (and never shorter than the first
    /// time). When it closes, the first duration counts again. Default: always as long.
    ///
    /// # Panics
    ///
    /// When the factor is not a finite number of at least 1.0.
    #[track_caller]
    pub const fn growing(mut self, factor: f64, most: Duration) -> Self {
        assert!(
            factor >= 1.0 && factor < f64::INFINITY,
            "the factor must be a finite number of at least 1.0: 2.0 doubles the time"
        );
        self.rules.growth = factor;
        self.rules.open_at_most = most;
        self
    }

    /// When the open time is over: how many probes may run at once, and how many have to succeed for it to close. One
    /// that fails opens it again. Default: 1 and 1.
    ///
    /// # Panics
    ///
    /// When one of them is 0.
    #[track_caller]
    pub const fn probes(mut self, at_once: u32, to_close: u32) -> Self {
        assert!(
            at_once > 0 && to_close > 0,
            "with 0 probes the breaker would never close, or without asking: use at least 1"
        );
        self.rules.probes = at_once;
        self.rules.successes = to_close;
        self
    }

    /// How long probes may hold every place. When the last of them began so long ago, the next call that is refused
    /// opens the breaker again: probes that hang do not keep it half open for ever. Default: without end; better is a
    /// timeout for each call.
    ///
    /// # Panics
    ///
    /// When it is zero.
    #[track_caller]
    pub const fn max_probe(mut self, duration: Duration) -> Self {
        assert!(
            !duration.is_zero(),
            "a probe that may take 0s never succeeds: use more than zero"
        );
        self.rules.max_probe = duration;
        self
    }

    /// What a dropped call counts as. Default: [`OnDrop::Ignore`].
    pub const fn on_drop(mut self, rule: OnDrop) -> Self {
        self.rules.on_drop = rule;
        self
    }

    /// Is called with every change of the state and every refused call, on the task that brought it about: for logs and
    /// counters. It must not block. A panic in it goes no further than the panic hook. Where several threads change the
    /// state at once, [`Event::Changed`] says which change it was.
    pub fn observer(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// The runtime whose clock it uses. Default: whichever is current at use; see [how time goes
    /// on](super#how-it-behaves).
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// The breaker, closed.
    ///
    /// # Panics
    ///
    /// When the [minimum of calls](Builder::min_calls) is more than the window holds.
    #[track_caller]
    pub fn build(self) -> CircuitBreaker {
        if let (Window::Calls(n), Some(least)) = (self.rules.window, self.rules.min_calls) {
            assert!(
                least <= n,
                "a window of {n} calls never holds the minimum of {least}: the breaker would never open; use a minimum of at most {n}, or a larger window"
            );
        }
        let source = TimeSource::new(self.runtime);
        CircuitBreaker::of(Shared::new(source, self.rules, self.observer))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
