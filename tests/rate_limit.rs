//! `rate_limit`: case 139 of the conformance cases, row P19 of the guides and their bugs; order, refunds, rates, keys.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "rate_limit/guides.rs"]
mod guides;
#[path = "support/in_a_row.rs"]
mod in_a_row;
#[path = "rate_limit/keys.rs"]
mod keys;
#[path = "rate_limit/models.rs"]
mod models;
#[path = "rate_limit/naive.rs"]
mod naive;
#[path = "rate_limit/statics.rs"]
mod statics;
#[path = "rate_limit/yields.rs"]
mod yields;

use futures_lite::future::poll_once;
use regatta::rate_limit::{
    AcquireError, Algorithm, ConcurrencyAndRate, Keyed, Quota, RateLimiter, TryAcquireError,
};
use regatta::testing::now;
use regatta::{task, time};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const ALGORITHMS: [Algorithm; 3] = [
    Algorithm::Gcra,
    Algorithm::SlidingWindow,
    Algorithm::FixedWindow,
];

fn limiter(algorithm: Algorithm, quota: Quota) -> RateLimiter {
    RateLimiter::builder(quota).algorithm(algorithm).build()
}

// 139
async fn a_burst_up_to_the_quota_then_the_rate() {
    for algorithm in ALGORITHMS {
        let (limiter, start) = (limiter(algorithm, Quota::per_second(5)), now());
        for _ in 0..5 {
            limiter.acquire(1).await.unwrap();
        }
        assert_eq!(now(), start, "the burst");
        for _ in 0..50 {
            limiter.acquire(1).await.unwrap();
        }
        assert_eq!(now() - start, 10 * SECOND, "{algorithm:?}");
    }
}

// 139
async fn more_than_there_can_be_is_an_error_at_once() {
    let limiter = RateLimiter::new(Quota::per_second(100).burst(3));
    let error = limiter.acquire(4).await.unwrap_err();
    assert_eq!(error, AcquireError::TooMany { asked: 4, most: 3 });
    assert!(error.to_string().contains("ask for fewer"), "{error}");
    assert_eq!(limiter.acquire(0).await, Err(AcquireError::NoneAsked));
    assert_eq!(limiter.try_acquire(4), Err(TryAcquireError::Never(error)));
    assert_eq!(limiter.check(4), Err(error));
    limiter.acquire(3).await.unwrap();
}

// 139: also in the middle of the line, and when it was granted and has not seen it.
async fn a_dropped_waiter_frees_its_place() {
    for algorithm in ALGORITHMS {
        let limiter = limiter(algorithm, Quota::new(2, SECOND));
        limiter.acquire(2).await.unwrap();
        let start = now();
        let (mut first, mut second) = (Box::pin(limiter.acquire(2)), Box::pin(limiter.acquire(2)));
        let mut third = pin!(limiter.acquire(1));
        assert!(poll_once(&mut first).await.is_none());
        assert!(poll_once(&mut second).await.is_none());
        assert!(poll_once(&mut third).await.is_none());
        assert_eq!(limiter.stats().waiting, 3);
        drop(first);
        drop(second);
        third.await.unwrap();
        assert!(now() - start <= SECOND, "{algorithm:?}");
        assert_eq!(limiter.stats().waiting, 0);
        assert_eq!(limiter.stats().granted, 3);
    }
}

// 139
async fn what_a_dropped_waiter_was_granted_and_never_saw_goes_back() {
    for algorithm in ALGORITHMS {
        let limiter = limiter(algorithm, Quota::new(2, SECOND));
        limiter.acquire(2).await.unwrap();
        let (mut first, mut second) = (Box::pin(limiter.acquire(1)), Box::pin(limiter.acquire(1)));
        assert!(poll_once(&mut first).await.is_none());
        assert!(poll_once(&mut second).await.is_none());
        time::sleep(SECOND).await;
        // The first in line serves all whose moment has come.
        assert!(poll_once(&mut first).await.is_some());
        assert_eq!((limiter.stats().granted, limiter.stats().waiting), (4, 0));
        drop(second);
        assert_eq!((limiter.stats().granted, limiter.stats().refunded), (3, 1));
        assert!(limiter.try_acquire(1).is_ok(), "{algorithm:?}");
        assert!(limiter.try_acquire(1).is_err(), "{algorithm:?}");
    }
}

// 139, and aiolimiter's bug: large requests starve.
async fn who_wants_many_is_not_passed_by_who_wants_few() {
    let limiter = RateLimiter::new(Quota::per_second(10));
    limiter.acquire(10).await.unwrap();
    let order = Mutex::new(Vec::new());
    task::scope(async |g| {
        for (name, n) in [("many", 10), ("few", 1), ("few", 1)] {
            let (limiter, order) = (&limiter, &order);
            g.spawn(async move {
                limiter.acquire(n).await.unwrap();
                order.lock().unwrap().push(name);
            });
        }
        futures_lite::future::yield_now().await;
        assert!(limiter.try_acquire(1).is_err(), "newcomers pass nobody");
        Ok::<_, Infallible>(())
    })
    .await
    .unwrap();
    assert_eq!(*order.lock().unwrap(), ["many", "few", "few"]);
}

// A bug of the guides: the limiter called itself with its lock held, and hung at the first wait.
async fn a_thousand_waiters_are_served_in_order() {
    for algorithm in ALGORITHMS {
        let limiter = limiter(algorithm, Quota::new(50, 2 * MS));
        let order = Mutex::new(Vec::new());
        task::scope(async |g| {
            for n in 0..1000 {
                let (limiter, order) = (&limiter, &order);
                g.spawn(async move {
                    limiter.acquire(1).await.unwrap();
                    order.lock().unwrap().push(n);
                });
            }
            Ok::<_, Infallible>(())
        })
        .await
        .unwrap();
        assert_eq!(*order.lock().unwrap(), (0..1000).collect::<Vec<_>>());
    }
}

async fn a_thousand_waiters_take_exactly_their_time() {
    let limiter = RateLimiter::new(Quota::per_second(100).burst(1));
    let times = Mutex::new(Vec::new());
    task::scope(async |g| {
        for _ in 0..1000 {
            g.spawn(async {
                limiter.acquire(1).await.unwrap();
                times.lock().unwrap().push(now());
            });
        }
        Ok::<_, Infallible>(())
    })
    .await
    .unwrap();
    let expected: Vec<_> = (0..1000).map(|n| n * 10 * MS).collect();
    assert_eq!(*times.lock().unwrap(), expected);
}

// A bug of the guides: a fixed window lets twice the rate through at its border. Ours says so, and the others do not.
async fn only_a_fixed_window_lets_twice_the_quota_through_at_its_border() {
    for (algorithm, at_the_border) in ALGORITHMS.into_iter().zip([10, 10, 20]) {
        let limiter = limiter(algorithm, Quota::per_second(10));
        let start = now();
        // The windows of the limiter begin when it is made.
        time::sleep(950 * MS).await;
        let mut count = 0;
        while now() - start < 1050 * MS {
            match limiter.try_acquire(1) {
                Ok(()) => count += 1,
                Err(_) => time::sleep(MS).await,
            }
        }
        assert_eq!(count, at_the_border, "{algorithm:?}");
    }
}

async fn refused_calls_say_when_to_come_back() {
    for algorithm in ALGORITHMS {
        let limiter = limiter(algorithm, Quota::per_second(4));
        limiter.acquire(4).await.unwrap();
        time::sleep(100 * MS).await;
        let Err(TryAcquireError::NotYet { retry_after }) = limiter.try_acquire(1) else {
            panic!("the quota is used up");
        };
        assert_eq!(limiter.check(1), Ok(retry_after));
        time::sleep(retry_after - Duration::from_nanos(1)).await;
        assert!(limiter.try_acquire(1).is_err(), "{algorithm:?}: too early");
        time::sleep(Duration::from_nanos(1)).await;
        limiter.try_acquire(1).unwrap();
        assert_eq!(limiter.stats().refused, 2);
    }
}

async fn another_quota_counts_at_once_for_those_who_wait() {
    let limiter = RateLimiter::new(Quota::new(1, 3600 * SECOND));
    limiter.acquire(1).await.unwrap();
    let start = now();
    let change = async {
        time::sleep(SECOND).await;
        limiter.set_quota(Quota::per_second(10)).unwrap();
    };
    let (acquired, ()) = futures_lite::future::zip(limiter.acquire(1), change).await;
    acquired.unwrap();
    assert!(now() - start <= 2 * SECOND);
    assert_eq!(limiter.quota(), Quota::per_second(10));
}

async fn a_quota_too_small_for_who_waits_is_refused() {
    let limiter = RateLimiter::new(Quota::per_second(10));
    limiter.acquire(10).await.unwrap();
    let mut waits = pin!(limiter.acquire(5));
    assert!(poll_once(&mut waits).await.is_none());
    let refused = limiter.set_quota(Quota::per_second(3)).unwrap_err();
    assert_eq!(refused, AcquireError::TooMany { asked: 5, most: 3 });
    waits.await.unwrap();
}

async fn an_empty_start_is_no_way_around_the_limit() {
    let limiter = RateLimiter::builder(Quota::per_second(10))
        .initial(0)
        .build();
    let start = now();
    limiter.acquire(1).await.unwrap();
    assert_eq!(now() - start, 100 * MS);
}

async fn rate_and_concurrency_hold_together_in_one_line() {
    let limiter = ConcurrencyAndRate::new(Quota::new(100, 10 * MS), 3);
    let (running, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
    task::scope(async |g| {
        for _ in 0..60 {
            g.spawn(async {
                let _in_flight = limiter.acquire().await;
                peak.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                time::sleep(MS / 10).await;
                running.fetch_sub(1, SeqCst);
            });
        }
        Ok::<_, Infallible>(())
    })
    .await
    .unwrap();
    assert_eq!(
        (peak.load(SeqCst), limiter.in_flight(), limiter.waiting()),
        (3, 0, 0)
    );
}

#[test]
fn the_largest_number_at_once_is_counted_like_any_other() {
    let limiter = ConcurrencyAndRate::new(Quota::per_hour(10), usize::MAX);
    for _ in 0..3 {
        let flight = limiter.try_acquire().unwrap();
        assert_eq!(limiter.in_flight(), 1);
        drop(flight);
        assert_eq!(limiter.in_flight(), 0);
    }
}

async fn a_slow_rate_is_kept_although_there_is_room() {
    let limiter = ConcurrencyAndRate::new(Quota::per_second(2).burst(1), 100);
    for n in 0..5 {
        let in_flight = limiter.acquire().await;
        assert_eq!(now(), n * 500 * MS);
        drop(in_flight);
    }
}

async fn keys_are_apart_and_forgotten_when_nothing_is_lost() {
    let keyed = Keyed::new(2, RateLimiter::builder(Quota::new(1, SECOND)));
    let take = |key: &'static str| {
        keyed
            .get(&key)
            .map(|limiter| limiter.try_acquire(1).is_ok())
    };
    assert_eq!(
        (take("ann"), take("bob"), take("ann")),
        (Ok(true), Ok(true), Ok(false))
    );
    assert_eq!(
        take("eve").unwrap_err().most,
        2,
        "both would get more than their quota"
    );
    time::sleep(SECOND).await;
    assert_eq!((take("eve"), keyed.len()), (Ok(true), 2));
    let held = keyed.get(&"fay").unwrap();
    time::sleep(10 * SECOND).await;
    assert_eq!((take("gus"), keyed.len()), (Ok(true), 2));
    assert!(
        keyed.get(&"hal").is_err(),
        "one is in use, the other is not fresh"
    );
    drop(held);
    assert_eq!(take("hal"), Ok(true));
}

async fn a_hundred_thousand_keys_take_no_more_room_than_allowed() {
    let keyed = Keyed::new(100, RateLimiter::builder(Quota::per_second(5)));
    for n in 0..100_000_u32 {
        keyed.get(&n).unwrap();
    }
    assert_eq!(keyed.len(), 100);
}

async fn extreme_quotas_wait_or_go_through() {
    let slow = RateLimiter::new(Quota::new(1, Duration::from_nanos(u64::MAX)));
    slow.acquire(1).await.unwrap();
    assert!(time::timeout(5 * MS, slow.acquire(1)).await.is_err());
    assert_eq!(slow.stats().waiting, 0);
    let fast = RateLimiter::new(Quota::new(u32::MAX, Duration::from_nanos(1)));
    for _ in 0..100 {
        fast.acquire(u32::MAX).await.unwrap();
    }
}

#[test]
#[should_panic(expected = "a quota of 0 permits lets nothing through: use at least 1")]
fn a_quota_of_nothing() {
    let _ = Quota::per_second(0);
}

#[test]
#[should_panic(expected = "a quota in 0s is no limit")]
fn a_quota_in_no_time() {
    let _ = Quota::new(1, Duration::ZERO);
}

#[test]
#[should_panic(expected = "a burst of 0 lets nothing through: use at least 1")]
fn a_burst_of_nothing() {
    let _ = Quota::per_second(1).burst(0);
}

#[test]
#[should_panic(expected = "a quota's time is at most 584 years")]
fn a_quota_for_ever() {
    let _ = Quota::new(1, Duration::MAX);
}

#[test]
fn rates_as_numbers_are_kept_or_refused_with_the_range() {
    for bad in [f64::NAN, 0.0, -1.0, f64::INFINITY, 1e10, 1e-12] {
        let error = Quota::rate(bad).unwrap_err().to_string();
        assert!(
            error.contains(&bad.to_string()) && error.contains("use a number from"),
            "{error}"
        );
    }
    for (rate, quota) in [
        (10.0, Quota::per_second(10)),
        (0.5, Quota::new(1, 2 * SECOND)),
        (1e9, Quota::per_second(1_000_000_000)),
    ] {
        assert_eq!(Quota::rate(rate).unwrap(), quota);
    }
    assert_eq!(Quota::rate(0.001).unwrap().to_string(), "1 in 1000s");
}

regatta::matrix! {
    a_burst_up_to_the_quota_then_the_rate [sim];
    more_than_there_can_be_is_an_error_at_once;
    a_dropped_waiter_frees_its_place [sim];
    what_a_dropped_waiter_was_granted_and_never_saw_goes_back [sim];
    who_wants_many_is_not_passed_by_who_wants_few;
    a_thousand_waiters_are_served_in_order;
    a_thousand_waiters_take_exactly_their_time [sim];
    only_a_fixed_window_lets_twice_the_quota_through_at_its_border [sim];
    refused_calls_say_when_to_come_back [sim];
    another_quota_counts_at_once_for_those_who_wait [sim];
    a_quota_too_small_for_who_waits_is_refused;
    an_empty_start_is_no_way_around_the_limit [sim];
    rate_and_concurrency_hold_together_in_one_line;
    a_slow_rate_is_kept_although_there_is_room [sim];
    keys_are_apart_and_forgotten_when_nothing_is_lost [sim];
    a_hundred_thousand_keys_take_no_more_room_than_allowed [sim_once, tokio_current, tokio_multi, smol];
    extreme_quotas_wait_or_go_through;
}
