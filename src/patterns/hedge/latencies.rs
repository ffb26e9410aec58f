//! [`Latencies`]: how long the last calls took.

use crate::internal::lock::Lock;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long the last calls took, for a [delay at a percentile](super::Delay::percentile). Clones are the same; share one among all calls of a kind.
///
/// It is fed by the calls that are hedged with it, and only by their first attempts: how long those took that gave a value, and for those that lost, when
/// they lost. (Without the losers it would learn from the quick ones alone, and hedge more and more.)
///
/// # Examples
///
/// ```
/// use regatta::hedge::Latencies;
/// use std::time::Duration;
///
/// let latencies = Latencies::new(100);
/// assert_eq!(latencies.percentile(0.9), None);
/// for ms in 1..=200 {
///     latencies.record(Duration::from_millis(ms));
/// }
/// assert_eq!(latencies.percentile(0.9), Some(Duration::from_millis(190)));
/// ```
#[derive(Clone)]
pub struct Latencies {
    inner: Arc<Inner>,
}

struct Inner {
    most: usize,
    ring: Lock<Ring>,
}

/// The same latencies twice: in the order they came, and by size.
#[derive(Debug, Default)]
struct Ring {
    came: VecDeque<Duration>,
    sorted: Vec<Duration>,
}

impl Ring {
    fn add(&mut self, most: usize, latency: Duration) {
        if self.came.len() == most
            && let Some(oldest) = self.came.pop_front()
            && let Ok(place) = self.sorted.binary_search(&oldest)
        {
            self.sorted.remove(place);
        }
        self.came.push_back(latency);
        let place = self.sorted.partition_point(|known| *known <= latency);
        self.sorted.insert(place, latency);
    }
}

/// The least with which a percentile means something: at least ten, and one above it.
pub(super) fn least(percentile: f64) -> usize {
    // 1 - 0.9 is a little less than a tenth.
    let one_above = (1.0 / (1.0 - percentile) - 1e-6).ceil() as usize;
    one_above.max(10)
}

pub(super) fn is_percentile(p: f64) -> bool {
    p > 0.0 && p < 1.0
}

impl Latencies {
    /// Keeps the last `most`; 100 to 1000 are good numbers.
    ///
    /// # Panics
    ///
    /// When it is below 10.
    #[track_caller]
    pub fn new(most: usize) -> Self {
        assert!(
            most >= 10,
            "{most} latencies say nothing about the next: keep at least 10"
        );
        Latencies {
            inner: Arc::new(Inner {
                most,
                ring: Lock::default(),
            }),
        }
    }

    /// Adds one by hand, such as from calls that are not hedged.
    pub fn record(&self, latency: Duration) {
        self.inner.ring.lock().add(self.inner.most, latency);
    }

    /// So large a part of the last calls took as long or less. `None` while too few are known: below ten, and below 1 ÷ (1 − `p`); and where `p` is not between 0.0 and 1.0.
    pub fn percentile(&self, p: f64) -> Option<Duration> {
        if !is_percentile(p) {
            return None;
        }
        let ring = self.inner.ring.lock();
        let n = ring.sorted.len();
        if n < least(p) {
            return None;
        }
        let rank = (p * n as f64 - 1e-6).ceil() as usize;
        ring.sorted.get(rank.max(1) - 1).copied()
    }

    /// How many it keeps at most.
    pub(super) fn most(&self) -> usize {
        self.inner.most
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.inner.ring.lock().came.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latencies")
            .field("len", &self.len())
            .field("median", &self.percentile(0.5))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_last_latencies() {
        let mut rng = fastrand::Rng::with_seed(5);
        for most in [10, 37, 200] {
            let (latencies, mut all) = (Latencies::new(most), Vec::new());
            for _ in 0..600 {
                let latency = Duration::from_nanos(rng.u64(0..50));
                latencies.record(latency);
                all.push(latency);
                let mut last: Vec<_> = all.iter().rev().take(most).copied().collect();
                last.sort();
                for (p, hundredths) in [(0.5, 50), (0.9, 90), (0.95, 95), (0.99, 99)] {
                    let enough = last.len() >= 10 && last.len() * (100 - hundredths) >= 100;
                    let rank = (last.len() * hundredths).div_ceil(100);
                    let want = enough.then(|| last[rank - 1]);
                    assert_eq!(latencies.percentile(p), want, "{p} of {}", last.len());
                }
            }
            assert_eq!(latencies.len(), most);
        }
        assert_eq!(Latencies::new(10).percentile(f64::NAN), None);
    }
}
