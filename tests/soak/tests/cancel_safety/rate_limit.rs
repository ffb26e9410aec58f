//! Drops waiting for a rate limit at every await, 100,000 times each, and counts what is left: every permit once, and no waiter.

use regatta::rate_limit::{Algorithm, ConcurrencyAndRate, Quota, RateLimiter};
use regatta::testing::{Outcome, cancel_safety_drops};
use regatta::{Runtime, time};
use regatta_soak::{DROPS, MS, passed};

#[test]
fn a_dropped_acquire_did_not_happen() {
    for algorithm in [
        Algorithm::Gcra,
        Algorithm::SlidingWindow,
        Algorithm::FixedWindow,
    ] {
        // Used up; a rival waits before us, and another behind.
        let setup = move || async move {
            let limiter = RateLimiter::builder(Quota::new(3, 10 * MS))
                .algorithm(algorithm)
                .build();
            limiter.acquire(3).await.unwrap();
            for n in [2, 1] {
                let rival = limiter.clone();
                let waits = async move {
                    time::sleep(MS * (3 - n)).await;
                    rival.acquire(n).await.unwrap();
                };
                drop(Runtime::current().try_spawn(waits).unwrap());
            }
            limiter
        };
        let op = |limiter: RateLimiter| async move {
            time::sleep(MS + MS / 2).await;
            limiter.acquire(2).await
        };
        let verify = |limiter: RateLimiter, outcome: Outcome<_>| async move {
            time::sleep(50 * MS).await;
            let ours = 2 * u64::from(matches!(outcome, Outcome::Completed(Ok(()))));
            let stats = limiter.stats();
            if (stats.granted, stats.waiting) != (6 + ours, 0) {
                return Err(format!("expected {} permits: {stats:?}", 6 + ours));
            }
            limiter
                .try_acquire(3)
                .map_err(|e| format!("permits were lost: {e}"))
        };
        let report = cancel_safety_drops(DROPS, setup, op, verify);
        passed(&report);
    }
}

#[test]
fn a_dropped_turn_goes_to_the_next() {
    let setup = || async {
        let limiter = ConcurrencyAndRate::new(Quota::new(100, MS), 1);
        let rival = limiter.clone();
        let holds = async move {
            let _in_flight = rival.acquire().await;
            time::sleep(2 * MS).await;
        };
        drop(Runtime::current().try_spawn(holds).unwrap());
        limiter
    };
    let op = |limiter: ConcurrencyAndRate| async move {
        let _in_flight = limiter.acquire().await;
        time::sleep(MS).await;
    };
    let verify = |limiter: ConcurrencyAndRate, _: Outcome<()>| async move {
        time::sleep(10 * MS).await;
        match (
            limiter.in_flight(),
            limiter.waiting(),
            limiter.try_acquire(),
        ) {
            (0, 0, Ok(_)) => Ok(()),
            left => Err(format!("{left:?}")),
        }
    };
    let report = cancel_safety_drops(DROPS, setup, op, verify);
    passed(&report);
}
