//! Limiters in a `static`.

use super::in_a_row::{World, at_once, in_a_row, run_in};
use regatta::rate_limit::{
    Algorithm, ConcurrencyAndRate, Keyed, Quota, RateLimiter, TryAcquireError,
};
use regatta::{Runtime, time};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
/// One in 20 ms.
const QUOTA: Quota = Quota::new(1, Duration::from_millis(20));

/// So long a wait is one that never ends.
const LONG: Duration = Duration::from_secs(20);

async fn acquires(limiter: &RateLimiter) {
    let began = Runtime::current().now();
    for _ in 0..4 {
        let waited = time::timeout(LONG, limiter.acquire(1)).await;
        waited.expect("it is there in 20 ms").unwrap();
        let _ = limiter.try_acquire(1);
        assert!(limiter.check(1).unwrap() < LONG);
    }
    assert!(Runtime::current().now() - began < LONG);
}

/// Comes again when it is told to, and stands in no line: others in it may live in another time.
async fn tries(limiter: &RateLimiter) {
    for _ in 0..4 {
        while let Err(refused) = limiter.try_acquire(1) {
            let TryAcquireError::NotYet { retry_after } = refused else {
                panic!("{refused}");
            };
            // Who has read its clock later may have taken before.
            assert!(retry_after < 25 * MS, "{retry_after:?}");
            time::sleep(retry_after).await;
        }
    }
}

#[test]
fn one_of_each_algorithm_is_used_by_all_runtimes() {
    fn of(algorithm: Algorithm) -> RateLimiter {
        RateLimiter::builder(QUOTA).algorithm(algorithm).build()
    }
    static GCRA: LazyLock<RateLimiter> = LazyLock::new(|| of(Algorithm::Gcra));
    static SLIDING: LazyLock<RateLimiter> = LazyLock::new(|| of(Algorithm::SlidingWindow));
    static FIXED: LazyLock<RateLimiter> = LazyLock::new(|| of(Algorithm::FixedWindow));
    in_a_row(|_| async {
        acquires(&GCRA).await;
        acquires(&SLIDING).await;
        acquires(&FIXED).await;
    });
    at_once(|_| async {
        tries(&GCRA).await;
        tries(&SLIDING).await;
        tries(&FIXED).await;
    });
    assert_eq!(GCRA.stats().waiting, 0);
}

#[test]
fn one_with_concurrency_is_used_by_all_runtimes() {
    static BOTH: LazyLock<ConcurrencyAndRate> = LazyLock::new(|| ConcurrencyAndRate::new(QUOTA, 1));
    in_a_row(|_| async {
        for _ in 0..4 {
            let acquired = time::timeout(LONG, BOTH.acquire()).await;
            let flight = acquired.expect("it is there in 20 ms");
            time::sleep(MS).await;
            drop(flight);
        }
    });
    at_once(|_| async {
        for _ in 0..4 {
            while BOTH.try_acquire().is_err() {
                time::sleep(MS).await;
            }
        }
    });
    assert_eq!((BOTH.in_flight(), BOTH.waiting()), (0, 0));
}

#[test]
fn a_set_of_keys_is_used_by_all_runtimes() {
    static KEYS: LazyLock<Keyed<u8>> = LazyLock::new(|| Keyed::new(2, RateLimiter::builder(QUOTA)));
    in_a_row(|_| async {
        for key in [1, 2] {
            acquires(&KEYS.get(&key).unwrap()).await;
        }
    });
    at_once(|_| async {
        for key in [1, 2] {
            tries(&KEYS.get(&key).unwrap()).await;
        }
    });
    assert_eq!(KEYS.len(), 2);
}

fn retry_after(limiter: &RateLimiter) -> Duration {
    match limiter.try_acquire(1) {
        Err(TryAcquireError::NotYet { retry_after }) => retry_after,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_left_of_a_wait_is_left_in_the_next_simulation() {
    for algorithm in [
        Algorithm::Gcra,
        Algorithm::SlidingWindow,
        Algorithm::FixedWindow,
    ] {
        let build = RateLimiter::builder(Quota::per_minute(1)).algorithm(algorithm);
        let limiter = run_in(World::Simulation, |_| async move {
            let limiter = build.build();
            limiter.acquire(1).await.unwrap();
            time::sleep(Duration::from_secs(20)).await;
            assert_eq!(retry_after(&limiter), Duration::from_secs(40));
            limiter
        });
        let limiter = run_in(World::Simulation, |_| async move {
            assert_eq!(retry_after(&limiter), Duration::from_secs(40));
            time::sleep(Duration::from_secs(30)).await;
            assert_eq!(retry_after(&limiter), Duration::from_secs(10));
            let began = Runtime::current().now();
            limiter.acquire(1).await.unwrap();
            assert_eq!(Runtime::current().now() - began, Duration::from_secs(10));
            limiter
        });
        // On the machine's clock, on which it goes without the lock.
        for _ in 0..2 {
            let left = retry_after(&limiter);
            assert!(
                left <= Duration::from_secs(60) && left > Duration::from_secs(50),
                "{left:?}"
            );
        }
    }
}

/// By the word, on the machine's clock, before and after others.
#[test]
fn no_clock_gives_more_than_another_has_left() {
    let limiter = RateLimiter::new(Quota::per_hour(100));
    assert!((0..40).all(|_| limiter.try_acquire(1).is_ok()));
    for world in [World::Simulation, World::Simulation] {
        let limiter = limiter.clone();
        run_in(world, move |_| async move {
            assert!((0..20).all(|_| limiter.try_acquire(1).is_ok()));
        });
    }
    assert!((0..20).all(|_| limiter.try_acquire(1).is_ok()));
    assert!(limiter.try_acquire(1).is_err());
    // An hour in one simulation is an hour for all.
    let inside = limiter.clone();
    run_in(World::Simulation, |_| async move {
        assert!(inside.try_acquire(1).is_err());
        time::sleep(Duration::from_secs(3600)).await;
        assert!(inside.try_acquire(50).is_ok());
    });
    assert!(limiter.try_acquire(50).is_ok() && limiter.try_acquire(1).is_err());
    assert_eq!(limiter.stats().granted, 200);
}

/// The machine's clock, on which permits are taken without the lock, beside two others on which no time passes.
#[test]
fn clocks_in_turns_give_no_permit_twice() {
    static LIMITER: LazyLock<RateLimiter> =
        LazyLock::new(|| RateLimiter::new(Quota::new(1000, Duration::from_secs(36_000))));
    let takes = || (0..2000).filter(|_| LIMITER.try_acquire(1).is_ok()).count();
    let threads: Vec<_> = (0..4)
        .map(|n| {
            thread::spawn(move || match n {
                0 | 1 => takes(),
                _ => regatta::testing::run(async || takes()),
            })
        })
        .collect();
    let given: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
    // One more comes in 36 seconds.
    assert!((1000..=1001).contains(&given), "{given}");
    assert_eq!(LIMITER.stats().granted, given as u64);
}

/// tokio's clock, paused in one runtime, and real in the next, which is before it.
#[cfg(feature = "tokio")]
#[test]
fn a_clock_that_was_paused_and_an_hour_ahead_holds_nobody_up() {
    static LIMITER: LazyLock<RateLimiter> =
        LazyLock::new(|| RateLimiter::new(Quota::per_second(50).burst(1)));
    let paused = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let use_it = || async {
        for _ in 0..3 {
            LIMITER.acquire(1).await.unwrap();
        }
    };
    for _ in 0..2 {
        paused().block_on(async {
            use_it().await;
            time::sleep(Duration::from_secs(3600)).await;
            use_it().await;
        });
        let real = World::Real(regatta::runtime::Flavor::TokioCurrent);
        run_in(real, move |_| async move {
            let waited = time::timeout(LONG, use_it()).await;
            waited.expect("it is there in a moment");
        });
    }
}
