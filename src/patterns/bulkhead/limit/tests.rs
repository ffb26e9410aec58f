//! The machine: its formulas against naive ones, and against servers whose right limit is known.

use super::*;
use fastrand::Rng;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

fn sample(nanos: u64, running: usize, failed: bool) -> Sample {
    let start = Start {
        running,
        lowered: 0,
    };
    Sample {
        start,
        nanos,
        ended: 0,
        failed,
    }
}

/// Of a call that begins and ends now.
fn learn(rule: &mut Rule, mut sample: Sample) {
    sample.start = rule.start(sample.start.running);
    rule.learn(sample);
}

#[test]
fn aimd_adds_one_with_each_round_and_takes_off_a_part_once_a_round() {
    let slow = Duration::from_nanos(100);
    let mut rule = Rule::new(Aimd::new(2, 10, 14).backoff(0.5).too_slow(slow).into());
    learn(&mut rule, sample(100, 4, false));
    for _ in 0..9 {
        learn(&mut rule, sample(100, 5, false));
    }
    assert_eq!(rule.limit(), 10, "one had fewer than half of the places");
    learn(&mut rule, sample(100, 5, false));
    assert_eq!(rule.limit(), 11);
    for (sample, limit) in [
        (sample(101, 11, false), 5), // too slow
        (sample(1, 1, true), 2),
        (sample(1, 1, true), 2), // the least
        (sample(1, 1, false), 2),
        (sample(1, 1, false), 3),
    ] {
        learn(&mut rule, sample);
        assert_eq!(rule.limit(), limit, "{sample:?}");
    }
    for _ in 0..1000 {
        learn(&mut rule, sample(1, 100, false));
    }
    assert_eq!(rule.limit(), 14);
    // A call that began before it was lowered does not lower it again.
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

/// Written down again, from all windows there ever were: means, and the most that ran.
fn naive_gradient(rule: Gradient, windows: &[(f64, usize)]) -> f64 {
    let (mut limit, mut long) = (rule.range.initial as f64, 0.0);
    let headroom = rule.headroom as f64;
    for (n, (mean, running)) in windows.iter().enumerate() {
        if n < 10 {
            let first: f64 = windows[..=n].iter().map(|w| w.0).sum();
            long = first / (n + 1) as f64;
        } else {
            let mut unloaded = *mean;
            if *mean > rule.tolerance * long {
                unloaded = (mean - mean * headroom / limit).max(mean / 2.0) / rule.tolerance;
            }
            long += (unloaded - long) * 2.0 / 601.0;
        }
        let known = long;
        if known > 2.0 * mean {
            long *= 0.95;
        }
        if 2.0 * *running as f64 >= limit {
            let gradient = (rule.tolerance * known / mean).clamp(0.5, 1.0);
            let wanted = limit * gradient + headroom;
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
        let policy = Gradient::new(3, 20, 120)
            .headroom(rng.usize(1..6))
            .tolerance(1.0 + rng.f64());
        let mut rule = Rule::new(policy.into());
        let mut windows = Vec::new();
        let mut ended = 0;
        for step in 0..300 {
            let slower = if step / 50 % 2 == 0 { 1 } else { 20 };
            let calls = rng.u64(10..15);
            let (mut sum, mut most) = (0, 0);
            for call in 0..calls {
                let mut sample = sample(rng.u64(900..1100) * slower, rng.usize(1..100), false);
                sum += sample.nanos;
                most = most.max(sample.start.running);
                if call + 1 == calls {
                    ended += SECOND;
                }
                sample.ended = ended;
                rule.learn(sample);
            }
            windows.push((sum as f64 / calls as f64, most));
            let Rule::Gradient { limit, .. } = rule else {
                unreachable!("it stays one")
            };
            let naive = naive_gradient(policy, &windows);
            assert!(
                (limit - naive).abs() < 1e-6,
                "{seed} {step}: {limit} {naive}"
            );
        }
    }
}

#[test]
fn a_window_lasts_a_second_and_holds_ten_calls() {
    let mut window = Window::default();
    for n in 0..100 {
        let mut sample = sample(10, n, false);
        sample.ended = n as u64 * 10 * MS;
        assert!(window.add(sample).is_none(), "{n}");
    }
    let mut last = sample(111, 7, false);
    last.ended = SECOND;
    let seen = window.add(last).expect("a second is over");
    assert_eq!((seen.mean, seen.running), (11.0, 99.0));
    for n in 1..10 {
        last.ended += 3600 * SECOND;
        assert!(window.add(last).is_none(), "{n}");
    }
    last.ended += 1;
    let seen = window.add(last).expect("there are ten");
    assert_eq!((seen.mean, seen.running), (111.0, 7.0));
}

/// A server that works on so many calls at once, each for so long; further ones wait for each other in it. Clients
/// without end: everything that may run does. Gives the mean of the limit over the last third of the time, and the
/// highest that there was.
struct Server {
    workers: usize,
    works: u64,
    /// Calls that came while so many were there fail.
    refuses_above: usize,
}

impl Server {
    fn of(workers: usize) -> Self {
        Server {
            workers,
            works: 10 * MS,
            refuses_above: usize::MAX,
        }
    }

    fn saturate(&self, limit: Limit, seconds: u64) -> (f64, usize) {
        let mut rule = Rule::new(limit);
        let mut rng = Rng::with_seed(9);
        let mut running = BinaryHeap::new();
        let mut free: BinaryHeap<_> = (0..self.workers).map(|_| Reverse(0_u64)).collect();
        let (mut now, mut highest, mut calls) = (0, 0, 0_u64);
        let (mut sum, mut seen) = (0.0, 0.0);
        while now < seconds * SECOND {
            while running.len() < rule.limit() {
                let start = rule.start(running.len() + 1);
                let ends = if start.running > self.refuses_above {
                    now + MS
                } else {
                    let Reverse(begins) = free.pop().expect("there are workers");
                    // A twentieth more or less.
                    let ends = begins.max(now) + self.works * rng.u64(95..106) / 100;
                    free.push(Reverse(ends));
                    ends
                };
                calls += 1;
                running.push(Reverse((ends, calls, now, start.running, start.lowered)));
            }
            highest = highest.max(rule.limit());
            let Some(Reverse((ends, _, began, place, lowered))) = running.pop() else {
                break;
            };
            now = ends;
            rule.learn(Sample {
                start: Start {
                    running: place,
                    lowered,
                },
                nanos: now - began,
                ended: now,
                failed: place > self.refuses_above,
            });
            if now > seconds * SECOND * 2 / 3 {
                sum += rule.limit() as f64;
                seen += 1.0;
            }
        }
        (sum / seen, highest)
    }
}

#[track_caller]
fn within_a_quarter(found: f64, right: f64, what: &str) {
    let off = (found / right - 1.0).abs();
    assert!(off <= 0.25, "{what}: {found} where {right} are right");
}

/// By Little's law: so many calls are in the server when each takes as long as it works on it, and it is never idle.
#[test]
fn a_gradient_limit_settles_at_what_the_server_works_on() {
    for (workers, initial) in [(32, 20), (32, 32), (48, 30), (24, 10)] {
        let policy = Gradient::new(1, initial, 400);
        let (found, highest) = Server::of(workers).saturate(policy.into(), 60);
        within_a_quarter(found, workers as f64, "gradient");
        assert!(highest < 2 * workers, "{highest}");
    }
}

#[test]
fn a_gradient_limit_is_right_after_thirty_seconds_and_still_after_hours() {
    for seconds in [30, 3600] {
        let (found, _) = Server {
            works: 200 * MS,
            ..Server::of(32)
        }
        .saturate(Gradient::new(1, 20, 400).into(), seconds);
        within_a_quarter(found, 32.0, &format!("after {seconds} s"));
    }
}

#[test]
fn an_aimd_limit_settles_where_calls_become_too_slow() {
    // 10 workers: 20 at once take twice 10 ms.
    for (workers, too_slow, right) in [(10, 20, 20.0), (10, 40, 40.0), (32, 20, 64.0)] {
        for initial in [1, 20, 200] {
            let policy = Aimd::new(1, initial, 500).too_slow(Duration::from_millis(too_slow));
            let (found, _) = Server::of(workers).saturate(policy.into(), 30);
            within_a_quarter(found, right, &format!("aimd from {initial}"));
        }
    }
}

#[test]
fn an_aimd_limit_settles_where_calls_are_refused() {
    let server = Server {
        refuses_above: 20,
        ..Server::of(64)
    };
    let (found, highest) = server.saturate(Aimd::new(1, 4, 500).into(), 30);
    within_a_quarter(found, 20.0, "aimd");
    assert!(highest <= 25, "{highest}");
}

#[test]
fn calls_that_take_no_time_or_for_ever_are_borne() {
    let mut rule = Rule::new(Gradient::new(1, 10, 50).into());
    for (n, nanos) in [0, 0, u64::MAX, 0, u64::MAX]
        .into_iter()
        .cycle()
        .take(500)
        .enumerate()
    {
        let mut sample = sample(nanos, 50, false);
        sample.ended = if n % 7 == 0 { 0 } else { n as u64 * SECOND };
        rule.learn(sample);
        assert!((1..=50).contains(&rule.limit()));
    }
}
