//! [`Delay`]: how long an attempt is waited for before the next begins.

use super::latencies::{Latencies, is_percentile, least};
use crate::runtime::Instant;
use crate::runtime::Runtime;
use std::fmt;
use std::time::Duration;

/// How long an attempt is waited for before the next begins.
///
/// # Examples
///
/// ```
/// use regatta::hedge::{Delay, Latencies};
/// use std::time::Duration;
///
/// const FIXED: Delay = Delay::fixed(Duration::from_millis(50));
///
/// let latencies = Latencies::new(200);
/// let adaptive = Delay::percentile(&latencies, 0.95).until_known(Duration::from_millis(50));
/// # drop((FIXED, adaptive));
/// ```
#[derive(Clone, Debug)]
pub struct Delay {
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Fixed(Duration),
    Percentile {
        latencies: Latencies,
        p: f64,
        until_known: Option<Duration>,
    },
}

impl Delay {
    /// Always so long. Zero begins all attempts at once; [`Duration::MAX`] never begins a second.
    pub const fn fixed(delay: Duration) -> Self {
        Delay {
            kind: Kind::Fixed(delay),
        }
    }

    /// As long as so large a part of the last calls took: with 0.95, about 5 of 100 calls are hedged, whatever the service does. While too few are known, none is; see [`until_known`](Delay::until_known).
    ///
    /// # Panics
    ///
    /// When it is not above 0.0 and below 1.0, or when `latencies` keeps too few to show it: 1 ÷ (1 − `p`) are needed, 20 for 0.95.
    #[track_caller]
    pub fn percentile(latencies: &Latencies, p: f64) -> Self {
        assert!(
            is_percentile(p),
            "a percentile of {p} is none: use a number above 0.0 and below 1.0, such as 0.95"
        );
        let (most, least) = (latencies.most(), least(p));
        assert!(
            least <= most,
            "{most} latencies never show the percentile {p}: keep at least {least}"
        );
        Delay {
            kind: Kind::Percentile {
                latencies: latencies.clone(),
                p,
                until_known: None,
            },
        }
    }

    /// How long to wait while the percentile is not known. Does nothing to a fixed delay.
    pub fn until_known(mut self, delay: Duration) -> Self {
        if let Kind::Percentile { until_known, .. } = &mut self.kind {
            *until_known = Some(delay);
        }
        self
    }

    /// `None`: no second attempt.
    pub(super) fn now(&self) -> Option<Duration> {
        match &self.kind {
            Kind::Fixed(delay) => Some(*delay),
            Kind::Percentile {
                latencies,
                p,
                until_known,
            } => latencies.percentile(*p).or(*until_known),
        }
    }

    pub(super) fn latencies(&self) -> Option<&Latencies> {
        match &self.kind {
            Kind::Fixed(_) => None,
            Kind::Percentile { latencies, .. } => Some(latencies),
        }
    }

    pub(super) fn record(&self, began: Option<Instant>) {
        if let (Some(latencies), Some(began)) = (self.latencies(), began) {
            let now = Runtime::current().now();
            latencies.record(now.saturating_duration_since(began));
        }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Fixed(delay) => write!(f, "after {delay:?}"),
            Kind::Percentile { p, .. } => write!(f, "at percentile {p}"),
        }
    }
}

impl From<Duration> for Delay {
    fn from(delay: Duration) -> Self {
        Delay::fixed(delay)
    }
}
