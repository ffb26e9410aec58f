//! [`Quota`]: how many in which time.

use std::fmt;
use std::time::Duration;

/// So many permits in such a time, and how many of them at once.
///
/// Plain data that can stand in a `const` or a `static`.
///
/// # Examples
///
/// ```
/// use regatta::rate_limit::Quota;
/// use std::time::Duration;
///
/// const SEARCH: Quota = Quota::per_minute(30).burst(5);
/// assert_eq!(SEARCH.to_string(), "30 in 60s, at most 5 at once");
/// assert_eq!(Quota::rate(2.5).expect("a number"), Quota::new(5, Duration::from_secs(2)).burst(3));
/// assert!(Quota::rate(f64::NAN).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub(super) permits: u32,
    pub(super) per: Duration,
    pub(super) burst: u32,
}

impl Quota {
    /// `permits` in `per`, all of them at once if nothing was taken before; see [`burst`](Quota::burst).
    ///
    /// # Panics
    ///
    /// When `permits` is 0, or `per` is zero or longer than 584 years.
    #[track_caller]
    pub const fn new(permits: u32, per: Duration) -> Self {
        assert!(
            permits > 0,
            "a quota of 0 permits lets nothing through: use at least 1, or a longer time"
        );
        assert!(
            !per.is_zero(),
            "a quota in 0s is no limit: use more than zero, or no limiter"
        );
        assert!(
            per.as_nanos() <= u64::MAX as u128,
            "a quota's time is at most 584 years"
        );
        Quota {
            permits,
            per,
            burst: permits,
        }
    }

    /// So many in a second.
    ///
    /// # Panics
    ///
    /// When it is 0.
    #[track_caller]
    pub const fn per_second(permits: u32) -> Self {
        Quota::new(permits, Duration::from_secs(1))
    }

    /// So many in a minute.
    ///
    /// # Panics
    ///
    /// When it is 0.
    #[track_caller]
    pub const fn per_minute(permits: u32) -> Self {
        Quota::new(permits, Duration::from_secs(60))
    }

    /// So many in an hour.
    ///
    /// # Panics
    ///
    /// When it is 0.
    #[track_caller]
    pub const fn per_hour(permits: u32) -> Self {
        Quota::new(permits, Duration::from_secs(3600))
    }

    /// A rate that comes as a number, in permits per second: from a configuration, for instance. Kept to a millionth; the burst is what comes in a second, at least 1.
    ///
    /// # Errors
    ///
    /// [`InvalidRate`], when it is no number, not above zero, or outside one in ten years to a thousand million in a second.
    pub fn rate(per_second: f64) -> Result<Self, InvalidRate> {
        if !(3.2e-9..=1e9).contains(&per_second) {
            return Err(InvalidRate(per_second));
        }
        // The smallest numbers that say it: 2.5 is 5 in two seconds.
        for seconds in [1_u32, 2, 4, 5, 8, 10] {
            let permits = per_second * f64::from(seconds);
            if permits.fract() == 0.0 && permits <= f64::from(u32::MAX) {
                let quota = Quota::new(permits as u32, Duration::from_secs(seconds.into()));
                return Ok(quota.burst((per_second.ceil() as u32).max(1)));
            }
        }
        let (permits, nanos) = if per_second >= 1.0 {
            let permits = (per_second * 1e3).min(f64::from(u32::MAX)).floor();
            (permits, permits / per_second * 1e9)
        } else {
            (1.0, 1e9 / per_second)
        };
        let quota = Quota::new(permits as u32, Duration::from_nanos(nanos.ceil() as u64));
        Ok(quota.burst((per_second.ceil() as u32).max(1)))
    }

    /// How many may come at once after a pause. Only [`Gcra`](super::Algorithm::Gcra) knows one; in windows it is the quota itself.
    ///
    /// # Panics
    ///
    /// When it is 0.
    #[track_caller]
    pub const fn burst(mut self, permits: u32) -> Self {
        assert!(
            permits > 0,
            "a burst of 0 lets nothing through: use at least 1, which is an even flow"
        );
        self.burst = permits;
        self
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {:?}", self.permits, self.per)?;
        if self.burst != self.permits {
            write!(f, ", at most {} at once", self.burst)?;
        }
        Ok(())
    }
}

/// A rate that no limiter can keep; says which numbers can be used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InvalidRate(pub f64);

impl fmt::Display for InvalidRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a rate of {} permits a second cannot be kept: use a number from 3.2e-9 (one in ten years) to 1e9",
            self.0
        )
    }
}

impl std::error::Error for InvalidRate {}
