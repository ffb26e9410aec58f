//! Durations by size: recorded with one atomic addition, read approximately.
//!
//! The buckets are log-linear, as in Gil Tene's HdrHistogram: eight for each power of two, so what is read is at most an eighth above what was recorded.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Two to this power are the buckets of each power of two.
const BITS: u32 = 3;
const EACH: usize = 1 << BITS;
/// Longer than 2^46 nanoseconds, most of a day, is all the same.
const LONGEST: u32 = 46;
const BUCKETS: usize = (LONGEST - BITS) as usize * EACH + 2 * EACH;

fn bucket(nanos: u64) -> usize {
    let nanos = nanos.min((1 << (LONGEST + 1)) - 1);
    if nanos < EACH as u64 {
        return nanos as usize;
    }
    let power = nanos.ilog2();
    let within = (nanos >> (power - BITS)) as usize - EACH;
    (power - BITS) as usize * EACH + EACH + within
}

/// The largest number that falls into a bucket.
fn upper(bucket: usize) -> u64 {
    if bucket < EACH {
        return bucket as u64;
    }
    let (power, within) = ((bucket - EACH) / EACH, (bucket % EACH) as u64);
    ((EACH as u64 + within + 1) << power) - 1
}

/// What is recorded, by many threads at once.
pub(super) struct Recorder {
    // Counts that order nothing.
    buckets: Box<[AtomicU64; BUCKETS]>,
}

impl Recorder {
    pub(super) fn new() -> Self {
        Recorder {
            buckets: Box::new([const { AtomicU64::new(0) }; BUCKETS]),
        }
    }

    #[inline]
    pub(super) fn record(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanos)].fetch_add(1, Relaxed);
    }

    pub(super) fn read(&self) -> Histogram {
        let counts: Vec<_> = self.buckets.iter().map(|b| b.load(Relaxed)).collect();
        Histogram { counts }
    }
}

/// How long things took, as far as it was kept: what it tells is at most an eighth too long, and never too short. Above 39 hours all are the same.
///
/// # Examples
///
/// ```
/// use regatta::{policy::Policy, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let policy = Policy::new().measured();
///     for seconds in [1, 1, 1, 10] {
///         let call = || async {
///             time::sleep(Duration::from_secs(seconds)).await;
///             Ok::<_, ()>(())
///         };
///         policy.run(call).await.expect("it works");
///     }
///     let calls = policy.stats().expect("it is measured").calls;
///     assert_eq!(calls.count(), 4);
///     assert!(calls.percentile(0.5).expect("there were some") < Duration::from_millis(1125));
///     assert!(calls.percentile(1.0) >= Some(Duration::from_secs(10)));
/// });
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
}

impl Histogram {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// So large a part of them took as long or less: 0.5 for the median, 1.0 for the longest. `None` when there were none, or `p` is not from 0.0 to 1.0.
    pub fn percentile(&self, p: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 || !(0.0..=1.0).contains(&p) {
            return None;
        }
        let rank = ((p * count as f64).ceil() as u64).clamp(1, count);
        let mut sum = 0;
        let found = self.counts.iter().position(|n| {
            sum += n;
            sum >= rank
        });
        found.map(|bucket| Duration::from_nanos(upper(bucket)))
    }

    /// How many took this long or less, and how many each: the buckets that hold any, from the shortest.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let all = self.counts.iter().enumerate().filter(|(_, n)| **n > 0);
        all.map(|(bucket, n)| (Duration::from_nanos(upper(bucket)), *n))
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count())
            .field("median", &self.percentile(0.5))
            .field("p99", &self.percentile(0.99))
            .field("longest", &self.percentile(1.0))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_is_at_most_an_eighth_apart() {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut numbers: Vec<u64> = (0..40).chain((0..46).map(|p| 1 << p)).collect();
        numbers.extend((0..46).map(|p| (2 << p) - 1));
        numbers.extend((0..20_000).map(|_| rng.u64(..) >> rng.u32(18..64)));
        for nanos in numbers {
            let upper = upper(bucket(nanos));
            assert!(
                upper >= nanos && upper <= nanos + nanos / 8,
                "{nanos}: {upper}"
            );
            assert_ne!(bucket(upper + 1), bucket(nanos), "{nanos}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(upper(BUCKETS - 1), (1 << (LONGEST + 1)) - 1);
    }

    #[test]
    fn percentiles_are_those_of_a_sorted_list() {
        let mut rng = fastrand::Rng::with_seed(7);
        let recorder = Recorder::new();
        let mut all = Vec::new();
        for _ in 0..1000 {
            let nanos = rng.u64(0..5_000_000);
            recorder.record(Duration::from_nanos(nanos));
            all.push(nanos);
        }
        all.sort_unstable();
        let read = recorder.read();
        for (p, rank) in [(0.0, 1), (0.5, 500), (0.9, 900), (0.999, 999), (1.0, 1000)] {
            let exact = all[rank - 1];
            let found = read.percentile(p).expect("there are some").as_nanos() as u64;
            assert!(found >= exact && found <= exact + exact / 8, "{p}");
        }
        assert_eq!(read.count(), 1000);
        assert_eq!(read.buckets().map(|(_, n)| n).sum::<u64>(), 1000);
        for none in [f64::NAN, -0.1, 1.1] {
            assert_eq!(read.percentile(none), None);
        }
        assert_eq!(Recorder::new().read().percentile(0.5), None);
    }

    #[test]
    fn the_longest_is_not_lost() {
        let recorder = Recorder::new();
        recorder.record(Duration::MAX);
        assert_eq!(recorder.read().count(), 1);
    }
}
