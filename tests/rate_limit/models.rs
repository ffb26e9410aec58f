//! An hour of random arrivals through the limiters themselves, in virtual time, against naive models that remember everything; and their clocks.

use super::{ALGORITHMS, MS, SECOND, limiter};
use regatta::rate_limit::{Algorithm, Quota, RateLimiter, TryAcquireError};
use regatta::testing::{self, now};
use regatta::{Runtime, task, time};
use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

const QUOTAS: [Quota; 4] = [
    Quota::per_second(3),
    Quota::per_minute(100).burst(10),
    Quota::new(7, Duration::from_millis(1300)),
    Quota::new(1, Duration::from_nanos(1_333_333_337)),
];

/// Comes at random for an hour, once in `gap` on average, for one to three permits; gives when each was let through.
async fn an_hour(
    limiter: &RateLimiter,
    most: u32,
    gap: Duration,
    seed: u64,
) -> Vec<(Duration, u32)> {
    let went = Mutex::new(Vec::new());
    let mut rng = fastrand::Rng::with_seed(seed);
    task::scope(async |g| {
        let mut at = Duration::ZERO;
        while at < HOUR {
            let (n, went, came) = (rng.u32(1..=most.min(3)), &went, at);
            g.spawn(async move {
                time::sleep_until(Runtime::current().now() + came).await;
                limiter.acquire(n).await.unwrap();
                went.lock().unwrap().push((now(), n));
            });
            at += gap.mul_f64(2.0 * rng.f64());
        }
        Ok::<_, Infallible>(())
    })
    .await
    .unwrap();
    went.into_inner().unwrap()
}

/// What an algorithm promises, looked at for every pair of grants there is.
fn check(algorithm: Algorithm, quota: Quota, per: Duration, went: &[(Duration, u32)]) {
    let (permits, burst) = (quota_permits(quota), quota_burst(quota));
    assert!(went.is_sorted_by_key(|(at, _)| *at));
    for (first, (from, _)) in went.iter().enumerate() {
        let mut sum = 0;
        // As far as a few windows: what holds for them holds for longer ones.
        for (at, n) in went[first..].iter().take(64) {
            sum += u64::from(*n);
            let passed = *at - *from;
            let most = match algorithm {
                Algorithm::Gcra => {
                    let flow = passed.as_nanos() * u128::from(permits) / per.as_nanos();
                    u128::from(burst) + flow
                }
                Algorithm::SlidingWindow if passed < per => permits.into(),
                Algorithm::FixedWindow if same_window(*from, *at, per) => permits.into(),
                _ => u128::MAX,
            };
            assert!(
                u128::from(sum) <= most,
                "{algorithm:?}, {quota}: {sum} from {from:?} to {at:?}"
            );
        }
    }
}

fn same_window(a: Duration, b: Duration, per: Duration) -> bool {
    a.as_nanos() / per.as_nanos() == b.as_nanos() / per.as_nanos()
}

/// As they are shown: "7 in 1.3s, at most 2 at once".
fn quota_permits(quota: Quota) -> u32 {
    let text = quota.to_string();
    text.split(' ').next().and_then(|n| n.parse().ok()).unwrap()
}

fn quota_burst(quota: Quota) -> u32 {
    let text = quota.to_string();
    match text.split_once("at most ") {
        Some((_, rest)) => rest.split(' ').next().and_then(|n| n.parse().ok()).unwrap(),
        None => quota_permits(quota),
    }
}

fn quota_per(quota: Quota) -> Duration {
    [
        (QUOTAS[0], SECOND),
        (QUOTAS[1], 60 * SECOND),
        (QUOTAS[2], 1300 * MS),
        (QUOTAS[3], Duration::from_nanos(1_333_333_337)),
    ]
    .into_iter()
    .find_map(|(q, per)| (q == quota).then_some(per))
    .unwrap()
}

#[test]
fn an_hour_of_arrivals_keeps_every_promise() {
    for algorithm in ALGORITHMS {
        for (quota, seed) in QUOTAS.into_iter().zip(7..) {
            let (permits, per) = (quota_permits(quota), quota_per(quota));
            // Fewer than may, and twice as many.
            for share in [3.0, 0.25] {
                let went = testing::run(async || {
                    let limiter = limiter(algorithm, quota);
                    let gap = (per / permits).mul_f64(share);
                    let most = match algorithm {
                        Algorithm::Gcra => quota_burst(quota),
                        _ => permits,
                    };
                    let went = an_hour(&limiter, most, gap, seed).await;
                    let stats = limiter.stats();
                    let sum: u64 = went.iter().map(|(_, n)| u64::from(*n)).sum();
                    assert_eq!((stats.granted, stats.waiting), (sum, 0));
                    went
                });
                check(algorithm, quota, per, &went);
                if share < 1.0 {
                    saturated(algorithm, quota, per, &went);
                }
            }
        }
    }
}

/// Never below the quota while somebody waits: what an hour gives, but for what a window cannot use because the next wants more than is left.
fn saturated(algorithm: Algorithm, quota: Quota, per: Duration, went: &[(Duration, u32)]) {
    let permits = u128::from(quota_permits(quota));
    let given: u64 = went
        .iter()
        .filter(|(at, _)| *at <= HOUR)
        .map(|(_, n)| u64::from(*n))
        .sum();
    let whole = HOUR.as_nanos() * permits / per.as_nanos();
    let usable = match algorithm {
        // To the permit: one that wants three may stand there at the end.
        Algorithm::Gcra => whole - 3,
        _ if permits <= 1 => whole - 1,
        // Up to two of each window.
        _ => whole * permits.saturating_sub(2).max(1) / permits - permits,
    };
    assert!(
        u128::from(given) >= usable,
        "{algorithm:?}, {quota}: {given} of {whole}"
    );
}

#[test]
fn a_clock_that_jumps_ahead_gives_the_burst_and_no_more() {
    for algorithm in ALGORITHMS {
        testing::run(async || {
            let limiter = limiter(algorithm, Quota::per_second(5));
            limiter.try_acquire(5).unwrap();
            for jump in [HOUR, 24 * HOUR, 24 * 300 * HOUR] {
                testing::advance(jump).await;
                limiter.try_acquire(5).unwrap();
                assert!(limiter.try_acquire(1).is_err(), "{algorithm:?}, {jump:?}");
            }
        });
    }
}

/// The word before the lock and the rule behind it are one limiter: taking now through the one and now through the other gives as much as a model that knows one number.
#[test]
fn the_quick_way_and_the_way_by_the_lock_give_the_same() {
    for seed in 0..40 {
        testing::run(async || {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (permits, burst) = (rng.u32(1..2000), rng.u32(1..50));
            let per = MS * rng.u32(1..3_000_000);
            let limiter = RateLimiter::new(Quota::new(permits, per).burst(burst));
            // When all is paid for, in nanoseconds times permits.
            let mut due = 0_u128;
            let mut granted = 0;
            for _ in 0..3000 {
                if rng.u8(0..4) == 0 {
                    testing::advance((per / permits).mul_f64(4.0 * rng.f64())).await;
                }
                let n = rng.u32(1..=burst.min(5));
                let moment = now().as_nanos() * u128::from(permits);
                let cost = |n: u32| u128::from(n) * per.as_nanos();
                let after = due.max(moment) + cost(n);
                let fits = after <= moment + cost(burst);
                match limiter.try_acquire(n) {
                    Ok(()) => {
                        assert!(fits, "{seed}");
                        due = after;
                        granted += u64::from(n);
                    }
                    Err(TryAcquireError::NotYet { retry_after }) => {
                        let early = after - cost(burst) - moment;
                        let wait = early.div_ceil(u128::from(permits));
                        assert_eq!((fits, retry_after.as_nanos()), (false, wait), "{seed}");
                    }
                    Err(never) => panic!("{never}"),
                }
                if rng.u8(0..8) == 0 {
                    assert_eq!(limiter.stats().granted, granted);
                }
            }
        });
    }
}
