//! The machines against naive models, which remember everything.

use super::*;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

fn rule(algorithm: Algorithm, quota: Quota) -> Rule {
    Rule::new(algorithm, quota, u32::MAX)
}

/// Drives a rule with random arrivals for an hour. Each arrival waits until it can go, as the limiter does; gives when
/// each went.
fn arrivals(algorithm: Algorithm, quota: Quota, seed: u64, gap: u64) -> Vec<(u64, u32)> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut rule = rule(algorithm, quota);
    let most = rule.most();
    let (mut came, mut last, mut went) = (0, 0, Vec::new());
    while came < 3600 * SECOND {
        came += rng.u64(0..=gap);
        let n = rng.u32(1..=most.min(4));
        let at = rule.at(came.max(last), 0, n);
        assert!(rule.fits(at, n) && (at == came.max(last) || !rule.fits(at - 1, n)));
        rule.take(at, at, n);
        last = at;
        went.push((at, n));
    }
    went
}

/// The most in any half-open window of this length.
fn most_in_any(went: &[(u64, u32)], window: u64) -> u64 {
    let (mut first, mut sum, mut most) = (0, 0, 0);
    for (at, n) in went {
        sum += u64::from(*n);
        while went[first].0 + window <= *at {
            sum -= u64::from(went[first].1);
            first += 1;
        }
        most = most.max(sum);
    }
    most
}

const QUOTAS: [Quota; 5] = [
    Quota::per_second(3),
    Quota::new(7, Duration::from_millis(1300)),
    Quota::per_minute(100).burst(10),
    Quota::per_second(50).burst(4),
    Quota::new(1, Duration::from_nanos(333_333_337)),
];

#[test]
fn gcra_never_lets_through_more_than_burst_and_flow() {
    for (quota, seed) in QUOTAS.into_iter().zip(0..) {
        for gap in [SECOND / 100, 2 * SECOND] {
            let went = arrivals(Algorithm::Gcra, quota, seed, gap);
            for window in [1, SECOND / 7, SECOND, 60 * SECOND] {
                let flow = u128::from(window) * u128::from(quota.permits);
                let flow = flow.div_ceil(quota.per.as_nanos()) as u64;
                let most = most_in_any(&went, window);
                assert!(most <= u64::from(quota.burst) + flow, "{quota}: {most}");
            }
        }
    }
}

#[test]
fn no_window_of_a_sliding_log_holds_more_than_the_quota() {
    for (quota, seed) in QUOTAS.into_iter().zip(0..) {
        for gap in [SECOND / 100, 2 * SECOND] {
            let went = arrivals(Algorithm::SlidingWindow, quota, seed, gap);
            let most = most_in_any(&went, nanos(quota));
            assert!(most <= u64::from(quota.permits), "{quota}: {most}");
        }
    }
}

#[test]
fn no_fixed_window_holds_more_than_the_quota() {
    for (quota, seed) in QUOTAS.into_iter().zip(0..) {
        let went = arrivals(Algorithm::FixedWindow, quota, seed, SECOND / 100);
        let mut windows = std::collections::HashMap::<u64, u64>::new();
        for (at, n) in went {
            *windows.entry(at / nanos(quota)).or_default() += u64::from(n);
        }
        assert!(windows.values().all(|n| *n <= u64::from(quota.permits)));
    }
}

/// Single permits, all at once: nothing is given away.
#[test]
fn saturated_they_give_the_whole_quota() {
    for algorithm in [
        Algorithm::Gcra,
        Algorithm::SlidingWindow,
        Algorithm::FixedWindow,
    ] {
        for quota in QUOTAS {
            let mut rule = rule(algorithm, quota);
            let (mut now, mut count) = (0, 0_u64);
            while now < 3600 * SECOND {
                now = rule.at(now, 0, 1);
                rule.take(now, now, 1);
                count += 1;
            }
            let hour = u128::from(3600 * SECOND) * u128::from(quota.permits);
            let hour = (hour / quota.per.as_nanos()) as u64;
            assert!(count >= hour, "{algorithm:?}, {quota}: {count} of {hour}");
            let more = u64::from(quota.burst.max(quota.permits)) + 1;
            assert!(
                count <= hour + more,
                "{algorithm:?}, {quota}: {count} of {hour}"
            );
        }
    }
}

#[test]
fn what_is_given_back_can_be_had_again() {
    for algorithm in [
        Algorithm::Gcra,
        Algorithm::SlidingWindow,
        Algorithm::FixedWindow,
    ] {
        let mut rule = rule(algorithm, Quota::per_second(4));
        let taken = rule.take(0, 0, 4);
        assert!(rule.at(5, 0, 1) > 5);
        rule.give_back(taken, 3);
        assert_eq!(rule.at(5, 0, 3), 5);
        assert!(rule.at(5, 0, 4) > 5);
        assert!(!rule.is_fresh(5) && rule.is_fresh(SECOND));
    }
}

#[test]
fn those_ahead_come_first() {
    for algorithm in [
        Algorithm::Gcra,
        Algorithm::SlidingWindow,
        Algorithm::FixedWindow,
    ] {
        let rule = rule(algorithm, Quota::per_second(10));
        assert_eq!(rule.at(0, 9, 1), 0);
        assert!(rule.at(0, 10, 1) > 0, "{algorithm:?}");
        assert!(rule.at(0, 95, 1) >= 8 * SECOND && rule.at(0, 95, 1) <= 9 * SECOND + SECOND);
    }
}

#[test]
fn an_empty_start_has_to_fill_first() {
    let quota = Quota::per_second(4);
    let rules = [
        Algorithm::Gcra,
        Algorithm::SlidingWindow,
        Algorithm::FixedWindow,
    ];
    let waits = rules.map(|a| Rule::new(a, quota, 0).at(0, 0, 1));
    assert_eq!(waits, [SECOND / 4, SECOND, SECOND]);
    assert_eq!(rules.map(|a| Rule::new(a, quota, 1).at(0, 0, 1)), [0; 3]);
}

#[test]
fn another_quota_keeps_what_was_taken() {
    let mut rule = rule(Algorithm::Gcra, Quota::per_second(10));
    rule.take(0, 0, 10);
    rule.change(SECOND / 2, Quota::per_second(2).burst(10));
    // Five are still to be paid for; the next is there at once, six take half a second more.
    assert_eq!(rule.at(SECOND / 2, 0, 5), SECOND / 2);
    assert_eq!(rule.at(SECOND / 2, 0, 6), SECOND);
    for algorithm in [Algorithm::SlidingWindow, Algorithm::FixedWindow] {
        let mut rule = self::rule(algorithm, Quota::per_second(10));
        rule.take(0, 0, 10);
        rule.change(SECOND / 2, Quota::per_second(12));
        assert_eq!(rule.at(SECOND / 2, 0, 2), SECOND / 2, "{algorithm:?}");
        assert!(rule.at(SECOND / 2, 0, 3) > SECOND / 2);
    }
}

#[test]
fn extreme_quotas_do_not_overflow() {
    let quotas = [
        Quota::new(u32::MAX, Duration::from_nanos(1)),
        Quota::new(u32::MAX, Duration::from_nanos(u64::MAX)).burst(u32::MAX),
        Quota::new(1, Duration::from_nanos(u64::MAX)).burst(u32::MAX),
    ];
    for algorithm in [
        Algorithm::Gcra,
        Algorithm::SlidingWindow,
        Algorithm::FixedWindow,
    ] {
        for quota in quotas {
            let mut rule = rule(algorithm, quota);
            for now in [0, 1, u64::MAX / 2, u64::MAX] {
                let most = rule.most();
                assert!(rule.at(now, u32::MAX.into(), most) >= now);
                rule.take(now, now, most);
                rule.change(now, quota);
                rule.give_back(now, 1);
            }
        }
    }
}

#[test]
fn a_clock_that_goes_back_gives_nothing_away() {
    for algorithm in [
        Algorithm::Gcra,
        Algorithm::SlidingWindow,
        Algorithm::FixedWindow,
    ] {
        let mut rule = rule(algorithm, Quota::per_second(2));
        rule.take(5 * SECOND, 5 * SECOND, 2);
        assert!(rule.at(4 * SECOND, 0, 1) > 5 * SECOND, "{algorithm:?}");
        rule.take(4 * SECOND, 4 * SECOND, 1);
        assert!(rule.at(5 * SECOND, 0, 1) > 5 * SECOND);
    }
}

#[test]
fn a_sliding_log_forgets_the_room_of_a_burst() {
    let quota = Quota::per_second(1_000_000);
    let mut rule = Sliding::new(quota, u32::MAX);
    for at in 0..100_000 {
        rule.take(at, 1);
    }
    assert!(rule.log.capacity() >= 100_000);
    for n in 1..20 {
        rule.take(n * 2 * SECOND, 1);
    }
    assert!(rule.log.capacity() <= 64, "{}", rule.log.capacity());
}
