//! How many may run at once, as a plain machine that learns from how calls ended.
//!
//! The formulas are those of `AIMDLimit` and `Gradient2Limit` in Netflix' concurrency-limits, applied to every call, with two differences. A failure lowers an AIMD limit only
//! when the call began after the last time it was lowered, as in TCP: otherwise thirty calls that fail together would take away all of it. And a call that took no time at
//! all, as in virtual time, counts as one of a nanosecond.

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
    pub(super) nanos: u64,
    pub(super) failed: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Rule {
    Fixed(usize),
    Aimd {
        rule: Aimd,
        limit: usize,
        lowered: u64,
    },
    Gradient {
        rule: Gradient,
        limit: f64,
        average: Average,
    },
}

impl Rule {
    pub(super) fn new(limit: Limit) -> Self {
        match limit {
            Limit::Fixed(limit) => Rule::Fixed(limit),
            Limit::Aimd(rule) => Rule::Aimd {
                limit: rule.range.initial,
                lowered: 0,
                rule,
            },
            Limit::Gradient(rule) => Rule::Gradient {
                limit: rule.range.initial as f64,
                average: Average::default(),
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
                lowered,
            } => {
                let range = rule.range;
                if sample.failed || u128::from(sample.nanos) > rule.too_slow.as_nanos() {
                    if sample.start.lowered != *lowered {
                        return;
                    }
                    *lowered += 1;
                    let less = (*limit as f64 * rule.backoff) as usize;
                    *limit = less.min(*limit - 1).max(range.least);
                } else if sample.start.running.saturating_mul(2) >= *limit {
                    *limit = limit.saturating_add(1).min(range.most);
                }
            }
            Rule::Gradient {
                rule,
                limit,
                average,
            } => {
                let short = sample.nanos.max(1) as f64;
                let long = average.add(short);
                if long / short > 2.0 {
                    // It was slow for long, and is quick again: the average follows sooner.
                    average.value *= 0.95;
                }
                if (sample.start.running as f64) < *limit / 2.0 {
                    // The limit is not what holds anybody back.
                    return;
                }
                let gradient = (rule.tolerance * long / short).clamp(0.5, 1.0);
                let wanted = *limit * gradient + rule.headroom as f64;
                let next = *limit * (1.0 - rule.smoothing) + wanted * rule.smoothing;
                *limit = next.clamp(rule.range.least as f64, rule.range.most as f64);
            }
        }
    }
}

/// How many calls the average looks back, roughly.
const WINDOW: f64 = 600.0;
/// So many first calls count alike.
const WARMUP: u32 = 10;

/// An exponential moving average; of the first calls, the plain one.
#[derive(Clone, Debug, Default)]
pub(super) struct Average {
    value: f64,
    sum: f64,
    count: u32,
}

impl Average {
    fn add(&mut self, sample: f64) -> f64 {
        if self.count < WARMUP {
            self.count += 1;
            self.sum += sample;
            self.value = self.sum / f64::from(self.count);
        } else {
            let weight = 2.0 / (WINDOW + 1.0);
            self.value = self.value * (1.0 - weight) + sample * weight;
        }
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastrand::Rng;
    use std::collections::VecDeque;
    use std::time::Duration;

    fn sample(nanos: u64, running: usize, failed: bool) -> Sample {
        let start = Start {
            running,
            lowered: 0,
        };
        Sample {
            start,
            nanos,
            failed,
        }
    }

    /// Of a call that begins and ends now.
    fn learn(rule: &mut Rule, mut sample: Sample) {
        sample.start = rule.start(sample.start.running);
        rule.learn(sample);
    }

    #[test]
    fn aimd_follows_its_formula() {
        let slow = Duration::from_nanos(100);
        let mut rule = Rule::new(Aimd::new(2, 10, 14).backoff(0.5).too_slow(slow).into());
        for (sample, limit) in [
            (sample(100, 4, false), 10), // fewer than half of the places
            (sample(100, 5, false), 11),
            (sample(101, 11, false), 5), // too slow
            (sample(1, 1, true), 2),
            (sample(1, 1, true), 2), // the least
            (sample(1, 1, false), 3),
        ] {
            learn(&mut rule, sample);
            assert_eq!(rule.limit(), limit, "{sample:?}");
        }
        for _ in 0..100 {
            learn(&mut rule, sample(1, 100, false));
        }
        assert_eq!(rule.limit(), 14);
        // Who began before it was lowered does not lower it again.
        let began = sample(1, 100, true);
        for limit in [7, 7, 7] {
            rule.learn(Sample {
                start: Start {
                    lowered: 3,
                    ..began.start
                },
                ..began
            });
            assert_eq!(rule.limit(), limit);
        }
        // However little a part is, it is at least one.
        let mut rule = Rule::new(Aimd::new(1, 3, 3).backoff(0.99).into());
        learn(&mut rule, sample(u64::MAX, 1, true));
        assert_eq!(rule.limit(), 2);
    }

    /// Written down again, from all samples there ever were.
    fn naive_gradient(rule: Gradient, samples: &[Sample]) -> f64 {
        let (mut limit, mut long) = (rule.range.initial as f64, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            let short = sample.nanos as f64;
            if n < 10 {
                let first: f64 = samples[..=n].iter().map(|s| s.nanos as f64).sum();
                long = first / (n + 1) as f64;
            } else {
                long += (short - long) * 2.0 / 601.0;
            }
            let known = long;
            if known > 2.0 * short {
                long *= 0.95;
            }
            if 2.0 * sample.start.running as f64 >= limit {
                let gradient = (rule.tolerance * known / short).clamp(0.5, 1.0);
                let wanted = limit * gradient + rule.headroom as f64;
                limit = (limit * (1.0 - rule.smoothing) + wanted * rule.smoothing)
                    .max(rule.range.least as f64)
                    .min(rule.range.most as f64);
            }
        }
        limit
    }

    #[test]
    fn gradient_follows_its_formula() {
        for seed in 0..20 {
            let mut rng = Rng::with_seed(seed);
            let policy = Gradient::new(3, 20, 120).headroom(rng.usize(1..6));
            let mut rule = Rule::new(policy.into());
            let mut samples = Vec::new();
            for step in 0..300 {
                let slower = if step / 50 % 2 == 0 { 1 } else { 20 };
                let nanos = rng.u64(900..1100) * slower;
                samples.push(sample(nanos, rng.usize(1..100), false));
                rule.learn(samples[step]);
                let Rule::Gradient { limit, .. } = rule else {
                    unreachable!("it stays one")
                };
                let naive = naive_gradient(policy, &samples);
                assert!(
                    (limit - naive).abs() < 1e-6,
                    "{seed} {step}: {limit} {naive}"
                );
            }
        }
    }

    /// A server that works on eight calls at once; further ones wait for each other in it. Everything that may run does. Gives the limit at the end.
    fn saturate(limit: Limit, fails_above: usize) -> (usize, usize) {
        let mut rule = Rule::new(limit);
        let (mut now, mut running, mut highest) = (0_u64, VecDeque::new(), 0);
        let mut free = [0_u64; 8];
        for _ in 0..5_000 {
            while running.len() < rule.limit() {
                let place = (0..8).min_by_key(|i| free[*i]).unwrap_or_default();
                free[place] = free[place].max(now) + 1_000_000;
                let start = rule.start(running.len() + 1);
                running.push_back((now, free[place], start));
            }
            highest = highest.max(rule.limit());
            if let Some((began, ends, start)) = running.pop_front() {
                now = now.max(ends);
                rule.learn(Sample {
                    start,
                    nanos: now - began,
                    failed: start.running > fails_above,
                });
            }
        }
        (rule.limit(), highest)
    }

    #[test]
    fn adaptive_limits_settle_near_what_the_server_bears() {
        let (aimd, highest) = saturate(Aimd::new(1, 4, 1000).into(), 32);
        assert!(
            (16..=80).contains(&aimd) && highest <= 80,
            "{aimd}, {highest}"
        );
        let (slow, _) = saturate(
            Aimd::new(1, 4, 1000)
                .too_slow(Duration::from_millis(4))
                .into(),
            usize::MAX,
        );
        assert!((8..=80).contains(&slow), "{slow}");
        let (gradient, _) = saturate(Gradient::new(1, 8, 1000).into(), usize::MAX);
        assert!((8..1000).contains(&gradient), "{gradient}");
    }

    #[test]
    fn calls_that_take_no_time_or_for_ever_are_borne() {
        let mut rule = Rule::new(Gradient::new(1, 10, 50).into());
        for nanos in [0, 0, u64::MAX, 0, u64::MAX] {
            rule.learn(sample(nanos, 50, false));
            assert!((1..=50).contains(&rule.limit()));
        }
    }
}
