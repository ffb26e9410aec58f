//! A limiter that remembers all it let through, and looks at all of it each time.

use regatta::rate_limit::Algorithm;
use std::collections::VecDeque;
use std::time::Duration;

pub(crate) struct Naive {
    pub(crate) algorithm: Algorithm,
    pub(crate) permits: u128,
    pub(crate) burst: u128,
    /// Nanoseconds.
    pub(crate) per: u128,
    /// What went through, and when, as far back as a window goes.
    log: VecDeque<(u128, u128)>,
    /// How full a bucket is into which each permit pours `per`, and out of which `permits` flow in a nanosecond; and when it was looked at.
    bucket: (u128, u128),
}

impl Naive {
    pub(crate) fn new(algorithm: Algorithm, permits: u32, burst: u32, per: Duration) -> Self {
        Naive {
            algorithm,
            permits: permits.into(),
            burst: burst.into(),
            per: per.as_nanos(),
            log: VecDeque::new(),
            bucket: (0, 0),
        }
    }

    fn level(&self, at: u128) -> u128 {
        let (level, since) = self.bucket;
        level.saturating_sub((at - since) * self.permits)
    }

    fn used(&self, counts: impl Fn(u128) -> bool) -> u128 {
        let inside = self.log.iter().filter(|(then, _)| counts(*then));
        inside.map(|(_, n)| n).sum()
    }

    /// The earliest moment from `at` on when `n` keep to the promise.
    pub(crate) fn earliest(&self, mut at: u128, n: u128) -> u128 {
        match self.algorithm {
            Algorithm::Gcra => {
                let room = self.burst * self.per;
                let too_full = (self.level(at) + n * self.per).saturating_sub(room);
                at + too_full.div_ceil(self.permits)
            }
            Algorithm::SlidingWindow => {
                while self.used(|then| then + self.per > at) + n > self.permits {
                    let ends = self.log.iter().map(|(then, _)| then + self.per);
                    at = ends.filter(|end| *end > at).min().unwrap_or(at);
                }
                at
            }
            Algorithm::FixedWindow => {
                while self.used(|then| then / self.per == at / self.per) + n > self.permits {
                    at = (at / self.per + 1) * self.per;
                }
                at
            }
            other => panic!("no model of {other:?}"),
        }
    }

    /// Whether `n` at this moment keep to the promise in every window there is.
    pub(crate) fn allows(&self, at: u128, n: u128) -> bool {
        self.earliest(at, n) == at
    }

    pub(crate) fn take(&mut self, at: u128, n: u128) {
        self.bucket = (self.level(at) + n * self.per, at);
        while (self.log.front()).is_some_and(|(then, _)| then + 2 * self.per <= at) {
            self.log.pop_front();
        }
        self.log.push_back((at, n));
    }
}
