//! What the last calls came to: the last so many, or those of the last so much time.

use super::policy::Window;
use std::collections::VecDeque;

/// Sums over a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls that counted.
    pub calls: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Those of them that were slow, whether they failed or not.
    pub slow: u64,
}

impl Counts {
    fn add(&mut self, call: One) {
        self.calls += 1;
        self.failed += u64::from(call.failed);
        self.slow += u64::from(call.slow);
    }

    fn subtract(&mut self, gone: Counts) {
        self.calls -= gone.calls;
        self.failed -= gone.failed;
        self.slow -= gone.slow;
    }
}

/// What one call came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct One {
    pub(super) failed: bool,
    pub(super) slow: bool,
}

impl From<One> for Counts {
    fn from(call: One) -> Self {
        let mut counts = Counts::default();
        counts.add(call);
        counts
    }
}

/// A window of time is counted in so many slices.
pub(super) const SLICES: u64 = 10;

/// Keeps the sums up to date: what falls out is subtracted.
#[derive(Clone, Debug)]
pub(super) enum Log {
    Last {
        most: usize,
        calls: VecDeque<One>,
        sum: Counts,
    },
    Since {
        /// Nanoseconds of a slice.
        slice: u64,
        /// Slices that hold calls, by their number.
        slices: VecDeque<(u64, Counts)>,
        sum: Counts,
    },
}

impl Log {
    pub(super) fn new(window: Window) -> Self {
        let sum = Counts::default();
        match window {
            Window::Calls(n) => Log::Last {
                most: n as usize,
                calls: VecDeque::new(),
                sum,
            },
            Window::Time(length) => {
                let nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
                Log::Since {
                    slice: (nanos / SLICES).max(1),
                    slices: VecDeque::new(),
                    sum,
                }
            }
        }
    }

    pub(super) fn is_timed(&self) -> bool {
        matches!(self, Log::Since { .. })
    }

    pub(super) fn clear(&mut self) {
        match self {
            Log::Last { calls, sum, .. } => {
                calls.clear();
                *sum = Counts::default();
            }
            Log::Since { slices, sum, .. } => {
                slices.clear();
                *sum = Counts::default();
            }
        }
    }

    pub(super) fn add(&mut self, now: u64, call: One) {
        self.forget(now);
        match self {
            Log::Last { most, calls, sum } => {
                if calls.len() == *most
                    && let Some(gone) = calls.pop_front()
                {
                    sum.subtract(gone.into());
                }
                calls.push_back(call);
                sum.add(call);
            }
            Log::Since { slice, slices, sum } => {
                let number = now / *slice;
                match slices.back_mut() {
                    Some((last, counts)) if *last >= number => counts.add(call),
                    _ => slices.push_back((number, call.into())),
                }
                sum.add(call);
            }
        }
    }

    /// So many successes at once, of a window that counts calls: what it would have come to one by one.
    pub(super) fn add_successes(&mut self, n: u64) {
        if let Log::Last { most, .. } = self {
            for _ in 0..n.min(*most as u64) {
                self.add(0, One::default());
            }
        }
    }

    fn forget(&mut self, now: u64) {
        if let Log::Since { slice, slices, sum } = self {
            let number = now / *slice;
            while let Some((_, gone)) = slices.front().filter(|(old, _)| is_out(*old, number)) {
                sum.subtract(*gone);
                slices.pop_front();
            }
        }
    }

    /// The sums as of `now`.
    pub(super) fn counts(&self, now: u64) -> Counts {
        match self {
            Log::Last { sum, .. } => *sum,
            Log::Since { slice, slices, sum } => {
                let (number, mut sum) = (now / *slice, *sum);
                for (old, gone) in slices {
                    if is_out(*old, number) {
                        sum.subtract(*gone);
                    }
                }
                sum
            }
        }
    }
}

/// Whether a slice has left the window when the running one is `now`.
fn is_out(slice: u64, now: u64) -> bool {
    slice.saturating_add(SLICES) <= now
}
