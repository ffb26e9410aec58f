//! The uncontended way through a limiter: one compare-and-swap, no lock. `tests/loom` compiles this very file with
//! loom's atomics.
//!
//! The word holds the theoretical arrival time of [`Gcra`](super::rule::Gcra) on the clock of the machine, counted from
//! `base`, how many permits were given since, and a bit that says *go by the lock*. While the bit is clear, permits are
//! taken from the word. The bit is set and cleared under the limiter's lock only: the caller that takes the lock sets
//! it, and carries over what the word holds; the caller that leaves the lock clears it, unless there is a waiter. So no
//! caller passes a waiter.
//!
//! Each time the bit is cleared, the number of the epoch in the word grows: a caller that has computed with another
//! base finds another word, and begins again.
//!
//! Where a number does not fit, nothing is taken here, and the lock decides; that also starts a new base, which is the
//! moment of then. So it is once in a second, when the base is out of date: the limiter's timeline is to see how the
//! clock goes on.

use crate::internal::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const BY_THE_LOCK: u64 = 1 << 63;
const EPOCH: u64 = 0xff << 55;
const ONE_EPOCH: u64 = 1 << 55;
const COUNT: u64 = ((1 << 14) - 1) << 41;
const ONE: u64 = 1 << 41;
pub(super) const DUE: u64 = ONE - 1;
/// The most that can be counted.
const MOST: u32 = (1 << 14) - 1;
/// Moments from here on are left to the lock.
const FAR: u64 = 1 << 62;
const NANOS: u64 = 1_000_000_000;

/// A rate in lowest terms: a permit costs `per` units of time, of which a nanosecond has `permits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    pub(crate) permits: u64,
    pub(crate) per: u64,
    /// What the burst costs.
    pub(crate) burst: u64,
}

#[derive(Debug)]
pub(crate) struct Word {
    word: AtomicU64,
    /// Changed while the bit is set.
    base: AtomicU64,
    scale: Scale,
    /// Units of a second.
    second: u64,
    /// The first second whose units are too far away.
    far: u64,
}

/// Where the clock stands on the limiter's timeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// By how many nanoseconds the timeline is ahead of the clock, counted from the limiter's start on both.
    pub(crate) ahead: i64,
    /// What has passed on the clock.
    pub(crate) passed: Duration,
}

/// The word as it was at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    word: u64,
    base: u64,
}

/// What the word held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// When all is paid for on the timeline, in units.
    pub(crate) due: u128,
    /// Permits that were given.
    pub(crate) granted: u64,
}

impl Word {
    /// Goes by the lock until it is opened.
    pub(crate) fn new(scale: Scale) -> Self {
        let second = NANOS * scale.permits;
        Word {
            word: AtomicU64::new(BY_THE_LOCK),
            base: AtomicU64::new(0),
            scale,
            second,
            far: FAR / second,
        }
    }

    /// Looked at before the clock is, so that the processor need not wait for both, one after the other: reading a
    /// clock waits for all loads.
    #[inline]
    pub(crate) fn see(&self) -> Seen {
        let word = self.word.load(Ordering::Acquire);
        let base = self.base.load(Ordering::Relaxed);
        Seen { word, base }
    }

    /// Takes `n` permits, so long after the limiter was made by the clock of the machine. `false`: ask under the lock.
    #[inline]
    pub(crate) fn take(&self, mut seen: Seen, now: Duration, n: u32) -> bool {
        while let Some(new) = self.after(seen, now, n) {
            let swapped = self.word.compare_exchange_weak(
                seen.word,
                new,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            match swapped {
                Ok(_) => return true,
                Err(_) => seen = self.see(),
            }
        }
        false
    }

    /// The word with `n` permits taken, if they are there and it holds so much.
    ///
    /// Between reading the clock and the swap nothing else can be done, so what needs the time is kept to one product
    /// and a few sums.
    #[inline]
    fn after(&self, seen: Seen, now: Duration, n: u32) -> Option<u64> {
        let Seen { word, base } = seen;
        if word & BY_THE_LOCK != 0 || now.as_secs() >= self.far || n > MOST {
            return None;
        }
        let Scale {
            permits,
            per,
            burst,
        } = self.scale;
        // No product and no sum overflows: `far` and `open` have seen to it that all of them are small enough. From the
        // base on, which may lie ahead.
        let part = (permits * u64::from(now.subsec_nanos())).cast_signed() - base.cast_signed();
        let now = part + (self.second * now.as_secs()).cast_signed();
        if now > self.second.cast_signed() {
            return None;
        }
        let ahead = now.max((word & DUE).cast_signed()) + (per * u64::from(n)).cast_signed();
        let count = (word & COUNT) + u64::from(n) * ONE;
        if ahead > now + burst.cast_signed() || ahead > DUE.cast_signed() || count > COUNT {
            return None;
        }
        Some((word & EPOCH) | count | ahead.cast_unsigned())
    }

    /// Under the lock: from here on it goes by that. What the word held, if it was open; `anchor` is that of then.
    pub(crate) fn close(&self, anchor: Anchor) -> Option<Account> {
        let word = self.word.fetch_or(BY_THE_LOCK, Ordering::AcqRel);
        (word & BY_THE_LOCK == 0).then(|| {
            let due = self.base.load(Ordering::Relaxed) + (word & DUE);
            let due = i128::from(due) + self.ahead(anchor);
            Account {
                due: u128::try_from(due).unwrap_or_default(),
                granted: (word & COUNT) / ONE,
            }
        })
    }

    fn ahead(&self, anchor: Anchor) -> i128 {
        i128::from(anchor.ahead) * i128::from(self.scale.permits)
    }

    /// Under the lock, and closed: permits can be taken without it.
    pub(crate) fn open(&self, due: u128, anchor: Anchor) {
        let Scale {
            permits,
            per,
            burst,
        } = self.scale;
        if per > DUE || burst >= FAR || anchor.passed.as_secs() >= self.far {
            return;
        }
        let base = anchor.passed.as_nanos() * u128::from(permits);
        let due = i128::try_from(due).unwrap_or(i128::MAX) - self.ahead(anchor);
        // What was paid for before now is as good as paid for now.
        let due = u128::try_from(due).unwrap_or_default().saturating_sub(base);
        let (Ok(base), Some(due)) = (
            u64::try_from(base),
            u64::try_from(due).ok().filter(|due| *due <= DUE),
        ) else {
            return;
        };
        let epoch = self.word.load(Ordering::Relaxed).wrapping_add(ONE_EPOCH) & EPOCH;
        self.base.store(base, Ordering::Relaxed);
        // Not before the base.
        self.word.store(epoch | due, Ordering::Release);
    }
}
