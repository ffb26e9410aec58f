//! The bugs of the guides' two limiters, which cannot be written here. `seeds/000` counts in fixed windows and sleeps with its lock held; `seeds/001` keeps a log, and
//! calls itself with its lock held.

use super::{MS, SECOND};
use futures_lite::future::poll_once;
use regatta::rate_limit::{Algorithm, Quota, RateLimiter, TryAcquireError};
use regatta::testing::now;
use regatta::{task, time};
use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

fn sliding(quota: Quota) -> RateLimiter {
    let builder = RateLimiter::builder(quota);
    builder.algorithm(Algorithm::SlidingWindow).build()
}

/// 001: three calls in a second, ten calls. Its fourth hangs for ever, and all others with it.
async fn the_program_of_the_guide_ends() {
    let limiter = sliding(Quota::per_second(3));
    let limiter = &limiter;
    let calls = (0..10).map(|n| async move {
        limiter.acquire(1).await.unwrap();
        Ok::<_, Infallible>((n, now().as_secs()))
    });
    let calls = time::timeout(60 * SECOND, async { task::gather(calls).await });
    let went = calls.await.expect("none hangs").unwrap();
    let seconds = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3];
    let expected: Vec<_> = (0..10).zip(seconds).collect();
    assert_eq!(went, expected);
}

/// 000 and 001: whoever waits has the lock, so nobody can look, leave or be refused meanwhile.
async fn who_waits_keeps_nobody_from_asking() {
    for limiter in [
        RateLimiter::new(Quota::new(1, 3600 * SECOND)),
        sliding(Quota::new(1, 3600 * SECOND)),
    ] {
        limiter.acquire(1).await.unwrap();
        let mut waits = pin!(limiter.acquire(1));
        assert!(poll_once(&mut waits).await.is_none());
        let refused = limiter.try_acquire(1).unwrap_err();
        let TryAcquireError::NotYet { retry_after } = refused else {
            panic!("one can be had, later");
        };
        assert!(retry_after > 3600 * SECOND, "behind the one who waits");
        assert_eq!(limiter.stats().waiting, 1);
        assert!(time::timeout(MS, limiter.acquire(1)).await.is_err());
        assert_eq!((limiter.stats().waiting, limiter.stats().granted), (1, 1));
    }
}

/// 000: who woke up reset the count, so that each one who had waited let a whole window through once more.
async fn those_who_waited_share_one_window() {
    let limiter = RateLimiter::builder(Quota::per_second(2))
        .algorithm(Algorithm::FixedWindow)
        .build();
    let limiter = &limiter;
    let calls = (0..9).map(|_| async move {
        limiter.acquire(1).await.unwrap();
        Ok::<_, Infallible>(now().as_secs())
    });
    let went = task::gather(calls).await.unwrap();
    assert_eq!(went, [0, 0, 1, 1, 2, 2, 3, 3, 4]);
}

/// 001 reads the time of day: put back an hour, it lets nobody through for an hour.
#[test]
fn the_clock_is_the_runtimes_which_never_goes_back() {
    let nearly = Duration::from_nanos(SECOND.as_nanos() as u64 - 1);
    regatta::testing::run(async || {
        let limiter = sliding(Quota::per_second(1));
        limiter.acquire(1).await.unwrap();
        time::sleep(nearly).await;
        assert!(limiter.try_acquire(1).is_err());
        limiter.acquire(1).await.unwrap();
        assert_eq!(
            now(),
            SECOND,
            "the runtime's own clock, which never goes back"
        );
    });
}

regatta::matrix! {
    the_program_of_the_guide_ends [sim];
    who_waits_keeps_nobody_from_asking;
    those_who_waited_share_one_window [sim];
}
