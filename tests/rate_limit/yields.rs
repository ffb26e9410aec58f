//! A limiter that always has permits, or never, gives way to other tasks; nobody loses anything by that.

use futures_lite::future::{or, poll_once, yield_now};
use regatta::rate_limit::{Algorithm, ConcurrencyAndRate, Quota, RateLimiter};
use regatta::time;
use std::time::Duration;

/// Ends only if what goes on for ever lets others have their turn.
async fn gives_way(forever: impl Future<Output = ()>) {
    or(forever, async {
        for _ in 0..3 {
            yield_now().await;
        }
    })
    .await;
}

const PLENTY: Quota = Quota::per_second(1_000_000);

async fn a_loop_around_it_gives_way() {
    for algorithm in [
        Algorithm::Gcra,
        Algorithm::SlidingWindow,
        Algorithm::FixedWindow,
    ] {
        let limiter = RateLimiter::builder(PLENTY).algorithm(algorithm).build();
        gives_way(async {
            loop {
                limiter.acquire(1).await.unwrap();
            }
        })
        .await;
        gives_way(async {
            loop {
                assert!(limiter.acquire(0).await.is_err());
            }
        })
        .await;
    }
    let both = ConcurrencyAndRate::new(PLENTY, 1);
    gives_way(async {
        loop {
            drop(both.acquire().await);
        }
    })
    .await;
    assert_eq!(both.in_flight(), 0);
}

async fn who_gives_way_keeps_its_permits_and_gives_them_back_when_dropped() {
    for algorithm in [
        Algorithm::Gcra,
        Algorithm::SlidingWindow,
        Algorithm::FixedWindow,
    ] {
        let limiter = RateLimiter::builder(PLENTY).algorithm(algorithm).build();
        let (mut taken, mut dropped) = (0, 0);
        for n in 0..3000 {
            let mut acquire = Box::pin(limiter.acquire(2));
            match poll_once(&mut acquire).await {
                None if n % 2 == 0 => dropped += 1,
                None => {
                    assert_eq!(limiter.stats().waiting, 0, "it has them");
                    acquire.await.unwrap();
                    taken += 1;
                }
                Some(acquired) => {
                    acquired.unwrap();
                    taken += 1;
                }
            }
        }
        let stats = limiter.stats();
        assert!(dropped > 2, "{dropped}");
        assert_eq!((stats.granted, stats.refunded), (2 * taken, 2 * dropped));
    }
}

async fn who_gives_way_and_is_dropped_is_not_in_flight() {
    let both = ConcurrencyAndRate::new(PLENTY, 1);
    let mut dropped = 0;
    for _ in 0..3000 {
        let mut acquire = Box::pin(both.acquire());
        if poll_once(&mut acquire).await.is_none() {
            dropped += 1;
            assert_eq!(both.in_flight(), 1);
        }
        drop(acquire);
        assert_eq!(both.in_flight(), 0);
    }
    assert!(dropped > 2, "{dropped}");
}

/// A yield is no refusal: what can be had at once can be had in no time.
async fn what_is_free_can_be_had_in_no_time() {
    let limiter = RateLimiter::new(PLENTY);
    let both = ConcurrencyAndRate::new(PLENTY, 1);
    for n in 0..3000 {
        let acquired = time::timeout(Duration::ZERO, limiter.acquire(1)).await;
        assert!(acquired.is_ok(), "{n}");
        let flight = time::timeout(Duration::ZERO, both.acquire()).await;
        assert!(flight.is_ok(), "{n}");
    }
}

regatta::matrix! {
    a_loop_around_it_gives_way;
    who_gives_way_keeps_its_permits_and_gives_them_back_when_dropped;
    who_gives_way_and_is_dropped_is_not_in_flight;
    what_is_free_can_be_had_in_no_time;
}
