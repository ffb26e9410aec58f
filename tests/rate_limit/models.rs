//! An hour of random arrivals through the limiters themselves, in virtual time, against naive models that remember everything; and their clocks.

use super::naive::Naive;
use super::{ALGORITHMS, MS, SECOND, limiter};
use regatta::rate_limit::{Algorithm, Quota, RateLimiter, TryAcquireError};
use regatta::testing::{self, now};
use regatta::{Runtime, task, time};
use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Permits, the time, the burst.
const QUOTAS: [(u32, Duration, u32); 4] = [
    (3, SECOND, 3),
    (100, Duration::from_secs(60), 10),
    (7, Duration::from_millis(1300), 7),
    (1, Duration::from_nanos(1_333_333_337), 1),
];

/// When who comes, and for how many permits.
fn arrivals(until: Duration, most: u32, gap: Duration, seed: u64) -> Vec<(Duration, u32)> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut at, mut all) = (Duration::ZERO, Vec::new());
    while at < until {
        all.push((at, rng.u32(1..=most.min(3))));
        at += gap.mul_f64(2.0 * rng.f64()) + Duration::from_nanos(1);
    }
    all
}

/// When they were let through.
async fn let_through(limiter: &RateLimiter, arrivals: &[(Duration, u32)]) -> Vec<(Duration, u32)> {
    let went = Mutex::new(Vec::new());
    let start = Runtime::current().now();
    task::scope(async |g| {
        for (came, n) in arrivals {
            let went = &went;
            g.spawn(async move {
                time::sleep_until(start + *came).await;
                limiter.acquire(*n).await.unwrap();
                went.lock().unwrap().push((now(), *n));
            });
        }
        Ok::<_, Infallible>(())
    })
    .await
    .unwrap();
    went.into_inner().unwrap()
}

/// Neither above the quota in any window that the algorithm speaks of, nor a nanosecond later than it allows: fewer come than may, as many, and twice as many.
#[test]
fn an_hour_of_arrivals_goes_through_when_a_naive_model_says() {
    for algorithm in ALGORITHMS {
        for ((permits, per, burst), seed) in QUOTAS.into_iter().zip(7..) {
            for share in [3.0, 1.0, 0.5] {
                let most = match algorithm {
                    Algorithm::Gcra => burst,
                    _ => permits,
                };
                let came = arrivals(HOUR, most, (per / permits).mul_f64(2.0 * share), seed);
                let quota = Quota::new(permits, per).burst(burst);
                let (went, stats) = testing::run(async || {
                    let limiter = limiter(algorithm, quota);
                    (let_through(&limiter, &came).await, limiter.stats())
                });
                let sum: u64 = came.iter().map(|(_, n)| u64::from(*n)).sum();
                assert_eq!((stats.granted, stats.waiting), (sum, 0));
                let mut naive = Naive::new(algorithm, permits, burst, per);
                let mut at = 0;
                for (place, ((came, n), went)) in came.into_iter().zip(went).enumerate() {
                    let n = n.into();
                    assert!(naive.allows(went.0.as_nanos(), n), "{algorithm:?}, {quota}");
                    at = naive.earliest(at.max(came.as_nanos()), n);
                    assert_eq!(
                        (went.0.as_nanos(), u128::from(went.1)),
                        (at, n),
                        "{algorithm:?}, {quota}, number {place}"
                    );
                    naive.take(at, n);
                }
            }
        }
    }
}

/// Rate and concurrency: who comes first begins first, as soon as there is room and the rate allows.
#[test]
fn with_a_bound_on_those_in_flight_it_goes_as_a_naive_model_says() {
    for algorithm in ALGORITHMS {
        for ((permits, per, burst), seed) in QUOTAS.into_iter().zip(70..) {
            for (share, at_once) in [(1.5, 1), (0.5, 1), (0.5, 4)] {
                let gap = per / permits;
                let until = if gap > SECOND / 2 { HOUR } else { 800 * gap };
                let came = arrivals(until, 1, gap.mul_f64(share), seed);
                let mut rng = fastrand::Rng::with_seed(seed);
                // Some for long, so that the rate has room and the others wait.
                let mut takes = || gap.mul_f64(f64::from(at_once) * 10.0 * rng.f64().powi(12));
                let takes: Vec<_> = came.iter().map(|_| takes()).collect();
                let went = testing::run(async || {
                    let limiter = RateLimiter::builder(Quota::new(permits, per).burst(burst))
                        .algorithm(algorithm)
                        .max_in_flight(at_once as usize);
                    let went = Mutex::new(Vec::new());
                    let start = Runtime::current().now();
                    task::scope(async |g| {
                        for (place, ((came, _), takes)) in came.iter().zip(&takes).enumerate() {
                            let (went, limiter) = (&went, &limiter);
                            g.spawn(async move {
                                time::sleep_until(start + *came).await;
                                let _in_flight = limiter.acquire().await;
                                went.lock().unwrap().push((place, now()));
                                time::sleep_until(start + now() + *takes).await;
                            });
                        }
                        Ok::<_, Infallible>(())
                    })
                    .await
                    .unwrap();
                    assert_eq!((limiter.in_flight(), limiter.waiting()), (0, 0));
                    went.into_inner().unwrap()
                });
                let mut naive = Naive::new(algorithm, permits, burst, per);
                let (mut at, mut ends) = (0, Vec::new());
                for (place, ((came, _), takes)) in came.iter().zip(takes).enumerate() {
                    at = at.max(came.as_nanos());
                    ends.retain(|end| *end > at);
                    ends.sort_unstable();
                    if ends.len() >= at_once as usize {
                        at = ends[ends.len() - at_once as usize];
                    }
                    at = naive.earliest(at, 1);
                    assert_eq!(
                        (went[place].0, went[place].1.as_nanos()),
                        (place, at),
                        "{algorithm:?}, {permits} in {per:?}, {at_once} at once, number {place}"
                    );
                    naive.take(at, 1);
                    ends.push(at + takes.as_nanos());
                }
            }
        }
    }
}

/// Whoever it is of those who wait, and whenever it goes: the others are let through as if it had only stood in their way.
#[test]
fn a_dropped_waiter_gives_its_reservation_back_wherever_it_stood() {
    let mut rng = fastrand::Rng::with_seed(4);
    for algorithm in ALGORITHMS {
        for dropped in 0..12 {
            for _ in 0..20 {
                let wanted: Vec<u32> = (0..12).map(|_| rng.u32(1..=3)).collect();
                let gives_up = Duration::from_nanos(rng.u64(1..6_000_000_000));
                let served = testing::run(async || {
                    let limiter = limiter(algorithm, Quota::new(4, SECOND));
                    limiter.try_acquire(4).unwrap();
                    let served = Mutex::new([None; 12]);
                    task::scope(async |g| {
                        for (place, n) in wanted.iter().enumerate() {
                            let (limiter, served) = (&limiter, &served);
                            g.spawn(async move {
                                let acquire = limiter.acquire(*n);
                                if place == dropped {
                                    if time::timeout(gives_up, acquire).await.is_err() {
                                        return Ok::<_, Infallible>(());
                                    }
                                } else {
                                    acquire.await.unwrap();
                                }
                                served.lock().unwrap()[place] = Some(now().as_nanos());
                                Ok(())
                            });
                        }
                        Ok::<_, Infallible>(())
                    })
                    .await
                    .unwrap();
                    assert_eq!(limiter.stats().waiting, 0);
                    served.into_inner().unwrap()
                });
                let mut naive = Naive::new(algorithm, 4, 4, SECOND);
                naive.take(0, 4);
                let mut at = 0;
                for (place, n) in wanted.iter().enumerate() {
                    let n = u128::from(*n);
                    let begins = naive.earliest(at, n);
                    let goes = place == dropped && begins > gives_up.as_nanos();
                    at = if goes {
                        at.max(gives_up.as_nanos())
                    } else {
                        begins
                    };
                    let expected = (!goes).then_some(begins);
                    assert_eq!(
                        served[place], expected,
                        "{algorithm:?}, {wanted:?}, number {place}; {dropped} went at {gives_up:?}"
                    );
                    if !goes {
                        naive.take(at, n);
                    }
                }
            }
        }
    }
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
