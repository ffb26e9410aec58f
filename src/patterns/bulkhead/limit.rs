//! How many may run at once, as a plain machine that learns from how calls ended.
//!
//! The gradient is `Gradient2Limit` behind `WindowedLimit` in Netflix' concurrency-limits: the formula is applied once
//! a window, to the mean of the calls in it. What is not as there: a window with few calls goes on instead of being
//! thrown away; and the long average leaves out the wait that the headroom causes by design, or it would follow the
//! very queue that the limit lets stand: four places more every five minutes, for ever. A call that took no time at
//! all, as in virtual time, counts as one of a nanosecond.
//!
//! The other one is that of TCP: one more for each round of successes, and a part less once a round.

use super::policy::{Aimd, Gradient, Limit};

/// How it was when a call began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Start {
    /// How many ran, with it.
    pub(super) running: usize,
    /// How often the limit had been lowered.
    pub(super) lowered: u64,
}

/// A call that ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) start: Start,
    /// How long it took.
    pub(super) nanos: u64,
    /// When it ended, on the bulkhead's timeline.
    pub(super) ended: u64,
    pub(super) failed: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Rule {
    Fixed(usize),
    Aimd {
        rule: Aimd,
        limit: usize,
        /// Successes since it last changed.
        good: usize,
        lowered: u64,
    },
    Gradient {
        rule: Gradient,
        limit: f64,
        long: Average,
        window: Window,
    },
}

impl Rule {
    pub(super) fn new(limit: Limit) -> Self {
        match limit {
            Limit::Fixed(limit) => Rule::Fixed(limit),
            Limit::Aimd(rule) => Rule::Aimd {
                limit: rule.range.initial,
                good: 0,
                lowered: 0,
                rule,
            },
            Limit::Gradient(rule) => Rule::Gradient {
                limit: rule.range.initial as f64,
                long: Average::default(),
                window: Window::default(),
                rule,
            },
        }
    }

    /// Whether it wants to know how calls end, and how long they take.
    pub(super) fn is_adaptive(&self) -> bool {
        !matches!(self, Rule::Fixed(_))
    }

    pub(super) fn limit(&self) -> usize {
        match self {
            Rule::Fixed(limit) | Rule::Aimd { limit, .. } => *limit,
            Rule::Gradient { limit, .. } => *limit as usize,
        }
    }

    /// For a call that begins, with which so many run.
    pub(super) fn start(&self, running: usize) -> Start {
        let lowered = match self {
            Rule::Aimd { lowered, .. } => *lowered,
            _ => 0,
        };
        Start { running, lowered }
    }

    pub(super) fn learn(&mut self, sample: Sample) {
        match self {
            Rule::Fixed(_) => {}
            Rule::Aimd {
                rule,
                limit,
                good,
                lowered,
            } => {
                let range = rule.range;
                if sample.failed || u128::from(sample.nanos) > rule.too_slow.as_nanos() {
                    // Thirty calls that fail together would take away all of it.
                    if sample.start.lowered == *lowered {
                        *lowered += 1;
                        let less = (*limit as f64 * rule.backoff) as usize;
                        *limit = less.min(*limit - 1).max(range.least);
                        *good = 0;
                    }
                } else if sample.start.running.saturating_mul(2) >= *limit {
                    *good += 1;
                    if *good >= *limit {
                        *limit = limit.saturating_add(1).min(range.most);
                        *good = 0;
                    }
                }
            }
            Rule::Gradient {
                rule,
                limit,
                long,
                window,
            } => {
                if let Some(seen) = window.add(sample) {
                    *limit = rule.next(*limit, long, seen);
                }
            }
        }
    }
}

/// A window lasts at least so long,
const NANOS: u64 = 1_000_000_000;
/// and holds at least so many calls.
const CALLS: u32 = 10;

/// Calls that ended since the limit was last computed.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    /// `None`: when the first of them ends.
    began: Option<u64>,
    calls: u32,
    nanos: f64,
    running: usize,
}

/// What a window came to.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// How long its calls took.
    mean: f64,
    /// The most that ran at once.
    running: f64,
}

impl Window {
    /// Gives what the window came to, if that is over; the next one begins.
    fn add(&mut self, sample: Sample) -> Option<Seen> {
        let began = *self.began.get_or_insert(sample.ended);
        self.calls += 1;
        self.nanos += sample.nanos.max(1) as f64;
        self.running = self.running.max(sample.start.running);
        if self.calls < CALLS || sample.ended.saturating_sub(began) < NANOS {
            return None;
        }
        let seen = Seen {
            mean: self.nanos / f64::from(self.calls),
            running: self.running as f64,
        };
        *self = Window {
            began: Some(sample.ended),
            ..Window::default()
        };
        Some(seen)
    }
}

impl Gradient {
    fn next(&self, limit: f64, long: &mut Average, Seen { mean, running }: Seen) -> f64 {
        let headroom = self.headroom as f64;
        let waits = mean > self.tolerance * long.value && !long.warms_up();
        let unloaded = if waits {
            // By Little's law, what the calls of the headroom wait is this part of it.
            mean * (1.0 - (headroom / limit).min(0.5)) / self.tolerance
        } else {
            mean
        };
        let known = long.add(unloaded);
        if known / mean > 2.0 {
            // It was slow for long, and is quick again: the average follows sooner.
            long.value *= 0.95;
        }
        if running < limit / 2.0 {
            // The limit is not what holds calls back.
            return limit;
        }
        let gradient = (self.tolerance * known / mean).clamp(0.5, 1.0);
        let wanted = limit * gradient + headroom;
        let next = limit * (1.0 - self.smoothing) + wanted * self.smoothing;
        next.clamp(self.range.least as f64, self.range.most as f64)
    }
}

/// How many windows the average looks back, roughly.
const LONG: f64 = 600.0;
/// So many first windows count alike.
const WARMUP: u32 = 10;

/// An exponential moving average; of the first windows, the plain one.
#[derive(Clone, Debug, Default)]
pub(super) struct Average {
    value: f64,
    sum: f64,
    count: u32,
}

impl Average {
    fn warms_up(&self) -> bool {
        self.count < WARMUP
    }

    fn add(&mut self, sample: f64) -> f64 {
        if self.warms_up() {
            self.count += 1;
            self.sum += sample;
            self.value = self.sum / f64::from(self.count);
        } else {
            let weight = 2.0 / (LONG + 1.0);
            self.value = self.value * (1.0 - weight) + sample * weight;
        }
        self.value
    }
}

#[cfg(test)]
mod tests;
