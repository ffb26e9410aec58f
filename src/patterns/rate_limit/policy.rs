//! What the user chooses when a limiter is built.

use super::RateLimiter;
use super::in_flight::ConcurrencyAndRate;
use super::quota::Quota;
use super::rule::{Algorithm, Rule};
use super::shared::Shared;
use crate::internal::timeline::TimeSource;
use crate::runtime::Runtime;

/// A limiter that is being set up; see [`RateLimiter::builder`].
#[derive(Clone, Debug)]
#[must_use = "it limits nothing until it is built"]
pub struct Builder {
    quota: Quota,
    algorithm: Algorithm,
    initial: u32,
    runtime: Option<Runtime>,
}

impl Builder {
    pub(super) fn new(quota: Quota) -> Self {
        Builder {
            quota,
            algorithm: Algorithm::default(),
            initial: u32::MAX,
            runtime: None,
        }
    }

    /// How permits are counted. Default: [`Algorithm::Gcra`].
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// How many permits are there at the start. Default: as many as there can be. Zero makes a restart no way around
    /// the limit.
    pub fn initial(mut self, permits: u32) -> Self {
        self.initial = permits;
        self
    }

    /// The runtime whose clock and timers it uses. Default: whichever is current at use; see [how time goes
    /// on](super#how-it-behaves).
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = Some(runtime);
        self
    }

    fn shared(self, max_in_flight: usize) -> Shared {
        let rule = Rule::new(self.algorithm, self.quota, self.initial);
        Shared::new(TimeSource::new(self.runtime), rule, max_in_flight)
    }

    /// The limiter.
    pub fn build(self) -> RateLimiter {
        RateLimiter::of(self.shared(usize::MAX))
    }

    /// A limiter of this rate that lets at most so many run at once.
    ///
    /// # Panics
    ///
    /// When `in_flight` is 0.
    #[track_caller]
    pub fn max_in_flight(self, in_flight: usize) -> ConcurrencyAndRate {
        assert!(
            in_flight > 0,
            "a limiter for 0 at once would never let anybody begin: use at least 1"
        );
        // The largest number stands for a limiter that counts nobody.
        ConcurrencyAndRate::of(self.shared(in_flight.min(usize::MAX - 1)))
    }
}
