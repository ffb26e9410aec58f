//! The figures of one stage, written by its task and read by anybody.

use crate::internal::pipe::{Gauge, Level};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Steps within each doubling of a time: a quantile is off by an eighth at most.
const STEPS: usize = 8;
const STEP_BITS: u32 = STEPS.trailing_zeros();
const BUCKETS: usize = (u64::BITS as usize + 1 - STEP_BITS as usize) * STEPS;

/// How long items took, in buckets of a fixed number.
pub(super) struct Times {
    buckets: Box<[AtomicU64]>,
    total: AtomicU64,
    longest: AtomicU64,
}

impl Times {
    fn new() -> Self {
        Times {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            total: AtomicU64::new(0),
            longest: AtomicU64::new(0),
        }
    }

    fn bucket(nanos: u64) -> usize {
        let log = nanos.max(1).ilog2();
        if log < STEP_BITS {
            return nanos as usize;
        }
        let step = (nanos >> (log - STEP_BITS)) as usize - STEPS;
        (log - STEP_BITS + 1) as usize * STEPS + step
    }

    /// The longest time that falls into a bucket.
    fn end_of(bucket: usize) -> u64 {
        let (doubling, step) = (bucket / STEPS, bucket % STEPS);
        if doubling == 0 {
            return step as u64;
        }
        let width = doubling as u32 - 1;
        let next = (STEPS + step + 1) as u128;
        ((next << width) - 1).min(u128::from(u64::MAX)) as u64
    }

    pub(super) fn add(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[Self::bucket(nanos)].fetch_add(1, Relaxed);
        self.total.fetch_add(nanos, Relaxed);
        self.longest.fetch_max(nanos, Relaxed);
    }

    fn sum(&self) -> Duration {
        Duration::from_nanos(self.total.load(Relaxed))
    }

    /// The time that this share of the items did not exceed.
    fn quantile(&self, share: f64) -> Duration {
        let counts: Vec<u64> = self.buckets.iter().map(|b| b.load(Relaxed)).collect();
        let all: u64 = counts.iter().sum();
        let rank = ((all as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                let end = Self::end_of(bucket).min(self.longest.load(Relaxed));
                return Duration::from_nanos(end);
            }
        }
        Duration::ZERO
    }
}

/// One stage, as it is seen from outside.
pub(super) struct Meter {
    pub(super) name: Arc<str>,
    pub(super) width: usize,
    pub(super) taken: AtomicU64,
    pub(super) given: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) running: AtomicUsize,
    pub(super) times: Times,
    buffer: usize,
    input: Option<Arc<dyn Gauge>>,
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Meter {
    pub(super) fn new(
        name: Arc<str>,
        width: usize,
        buffer: usize,
        input: Option<Arc<dyn Gauge>>,
    ) -> Arc<Self> {
        Arc::new(Meter {
            name,
            width,
            taken: AtomicU64::new(0),
            given: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            running: AtomicUsize::new(0),
            times: Times::new(),
            buffer,
            input,
        })
    }

    pub(super) fn read(&self, elapsed: Duration) -> super::StageStats {
        let level = match &self.input {
            Some(input) => input.level(),
            None => Level::default(),
        };
        let capacity = elapsed.as_secs_f64() * self.width as f64;
        let busy = self.times.sum().as_secs_f64();
        super::StageStats {
            name: self.name.clone(),
            taken: self.taken.load(Relaxed),
            given: self.given.load(Relaxed),
            errors: self.errors.load(Relaxed),
            running: self.running.load(Relaxed),
            width: self.width,
            queued: level.queued,
            buffer: self.buffer,
            high_water: level.high_water,
            p50: self.times.quantile(0.5),
            p99: self.times.quantile(0.99),
            busy: if capacity > 0.0 {
                (busy / capacity).min(1.0)
            } else {
                0.0
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_falls_into_a_bucket_that_ends_at_most_an_eighth_later() {
        let mut random = fastrand::Rng::with_seed(1);
        let edges = (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        let drawn = (0..10_000).map(|_| random.u64(..) >> random.u32(0..64));
        let ends = [u64::MAX, u64::MAX - 1];
        for nanos in edges.chain(drawn.collect::<Vec<_>>()).chain(ends) {
            let bucket = Times::bucket(nanos);
            let end = Times::end_of(bucket);
            assert!(end >= nanos, "{nanos} in {bucket}, which ends at {end}");
            assert!(end - nanos <= nanos / 8, "{nanos} in {bucket}, up to {end}");
            assert!(bucket == 0 || Times::end_of(bucket - 1) < nanos);
        }
    }

    #[test]
    fn quantiles_are_those_of_the_items() {
        let times = Times::new();
        assert_eq!(times.quantile(0.5), Duration::ZERO);
        for ms in 1..=100 {
            times.add(Duration::from_millis(ms));
        }
        for (share, ms) in [(0.5, 50), (0.99, 99), (1.0, 100)] {
            let (found, right) = (times.quantile(share), Duration::from_millis(ms));
            assert!(found >= right && found <= right + right / 8, "{found:?}");
        }
    }
}
