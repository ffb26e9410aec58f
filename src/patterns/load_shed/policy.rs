//! What the user chooses when a load shedder is built.

use super::LoadShed;
use super::shared::Shared;
use crate::internal::timeline::TimeSource;
use crate::runtime::Runtime;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) max_in_flight: Option<usize>,
    pub(super) max_lag: Option<Duration>,
    pub(super) max_age: Option<Duration>,
    pub(super) every: Duration,
}

/// A load shedder that is being set up; see [`LoadShed::builder`].
#[derive(Clone, Debug)]
#[must_use = "it sheds nothing until it is built"]
pub struct Builder {
    rules: Rules,
    runtime: Option<Runtime>,
}

impl Builder {
    pub(super) const fn new() -> Self {
        Builder {
            rules: Rules {
                max_in_flight: None,
                max_lag: None,
                max_age: None,
                every: Duration::from_millis(100),
            },
            runtime: None,
        }
    }

    /// Refuses while so many run. Default: any number may.
    ///
    /// # Panics
    ///
    /// When it is 0.
    #[track_caller]
    pub const fn max_in_flight(mut self, calls: usize) -> Self {
        assert!(
            calls > 0,
            "a limit of 0 in flight refuses everything: use at least 1"
        );
        self.rules.max_in_flight = Some(calls);
        self
    }

    /// Refuses while tasks that could run wait longer than this for their turn: the executor is late. Default: however
    /// late.
    ///
    /// # Panics
    ///
    /// When it is zero.
    #[track_caller]
    pub const fn max_lag(mut self, lag: Duration) -> Self {
        assert!(
            !lag.is_zero(),
            "every task waits a little for its turn: use more than zero"
        );
        self.rules.max_lag = Some(lag);
        self
    }

    /// How often the lag is measured, by one of those who come; a measure counts for twice as long. Default: 100 ms.
    ///
    /// # Panics
    ///
    /// When it is zero.
    #[track_caller]
    pub const fn measure_every(mut self, interval: Duration) -> Self {
        assert!(
            !interval.is_zero(),
            "measured every 0s, each call would wait for its turn twice: use more than zero"
        );
        self.rules.every = interval;
        self
    }

    /// How old work may be that [`check_age`](LoadShed::check_age) lets through: the queue it comes from is late.
    /// Default: however old.
    ///
    /// # Panics
    ///
    /// When it is zero.
    #[track_caller]
    pub const fn max_age(mut self, age: Duration) -> Self {
        assert!(
            !age.is_zero(),
            "all work is older than 0s: use more than zero"
        );
        self.rules.max_age = Some(age);
        self
    }

    /// The runtime whose clock it uses. Default: whichever is current at use; see [how time goes
    /// on](super#how-it-behaves).
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// The load shedder.
    ///
    /// # Panics
    ///
    /// When it has no limit.
    #[track_caller]
    pub fn build(self) -> LoadShed {
        let Rules {
            max_in_flight,
            max_lag,
            max_age,
            ..
        } = self.rules;
        assert!(
            max_in_flight.is_some() || max_lag.is_some() || max_age.is_some(),
            "a load shedder without a limit sheds nothing: set max_in_flight, max_lag or max_age"
        );
        LoadShed::of(Shared::new(TimeSource::new(self.runtime), self.rules))
    }
}
