//! What is promised of delays and cancellation holds for a policy as for a `retry` alone.

use super::{MS, SECOND};
use regatta::bulkhead::{Aimd, Bulkhead};
use regatta::cancel::CancelToken;
use regatta::hedge::Delay;
use regatta::policy::{Advice, Layer, Policy};
use regatta::rate_limit::{Quota, RateLimiter};
use regatta::retry::Backoff;
use regatta::testing::now;
use regatta::time;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

fn down() -> std::future::Ready<Result<(), &'static str>> {
    std::future::ready(Err("down"))
}

async fn after_the_last_attempt_nothing_is_waited_for() {
    for hedged in [false, true] {
        let policy = Policy::new().retry(Backoff::exponential(SECOND).max_attempts(3));
        let policy = if hedged { policy.hedge(SECOND) } else { policy };
        let start = now();
        let failure = policy.run(down).await.unwrap_err();
        assert_eq!((failure.attempts, now() - start), (3, 3 * SECOND));
    }
}

async fn no_delay_outlives_the_deadline_around_the_call() {
    let policy = Policy::new().retry(Backoff::constant(4 * SECOND).max_attempts(99));
    let failure = time::timeout(10 * SECOND, policy.run(down))
        .await
        .expect("it gave up by itself")
        .unwrap_err();
    assert_eq!((failure.attempts, now()), (3, 8 * SECOND));
    // What the service asks for is no exception.
    let asks = |_: &&str| Advice::RetryAfter(3600 * SECOND);
    let failure = time::timeout(10 * SECOND, policy.run_when(down, asks))
        .await
        .expect("it gave up by itself")
        .unwrap_err();
    assert_eq!((failure.attempts, now()), (1, 8 * SECOND));
    let failure = policy
        .clone()
        .timeout(10 * SECOND)
        .run_when(down, asks)
        .await
        .unwrap_err();
    assert_eq!((failure.layer(), failure.attempts), (None, 1));
    assert_eq!(now(), 8 * SECOND);
}

async fn a_wait_for_a_permit_ends_with_the_deadline_and_takes_none() {
    let limiter = RateLimiter::new(Quota::new(1, 3600 * SECOND));
    let policy = Policy::new()
        .timeout(2 * SECOND)
        .retry(Backoff::constant(SECOND))
        .rate_limit(limiter.clone());
    let works = || async { Ok::<_, Infallible>(()) };
    policy.run(works).await.unwrap();
    let failure = policy.run(works).await.unwrap_err();
    assert_eq!((failure.layer(), now()), (Some(Layer::Timeout), 2 * SECOND));
    let ended = time::timeout(SECOND, policy.run(works)).await;
    assert!(ended.is_err());
    assert_eq!(now(), 3 * SECOND);
    assert_eq!((limiter.stats().waiting, limiter.stats().granted), (0, 1));
}

async fn an_adaptive_bulkhead_learns_nothing_from_a_wait_for_a_permit() {
    let slow = Aimd::new(1, 8, 8).too_slow(SECOND);
    let bulkhead = Bulkhead::builder(slow).build();
    let policy = Policy::new()
        .bulkhead(bulkhead.clone())
        .rate_limit(RateLimiter::new(Quota::new(1, 10 * SECOND)));
    let takes = |duration| {
        let call = move || async move {
            time::sleep(duration).await;
            Ok::<_, Infallible>(())
        };
        policy.run(call)
    };
    for _ in 0..3 {
        takes(SECOND).await.unwrap();
    }
    assert_eq!((bulkhead.stats().limit, now()), (8, 21 * SECOND));
    takes(SECOND + MS).await.unwrap();
    assert!(bulkhead.stats().limit < 8, "that call was too slow");
}

async fn cancelled_in_a_delay_it_makes_no_further_attempt() {
    let calls = AtomicU32::new(0);
    for policy in [
        Policy::new().retry(Backoff::constant(SECOND)),
        Policy::new()
            .retry(Backoff::constant(SECOND))
            .hedge(Delay::fixed(10 * MS)),
    ] {
        let token = CancelToken::new();
        let call = policy.run(|| {
            calls.fetch_add(1, SeqCst);
            down()
        });
        let cancels = async {
            futures_lite::future::yield_now().await;
            token.cancel();
        };
        let (ended, ()) = futures_lite::future::zip(token.run(call), cancels).await;
        assert!(ended.is_err());
    }
    assert_eq!(calls.into_inner(), 2);
}

regatta::matrix! {
    after_the_last_attempt_nothing_is_waited_for [sim];
    no_delay_outlives_the_deadline_around_the_call [sim];
    a_wait_for_a_permit_ends_with_the_deadline_and_takes_none [sim];
    an_adaptive_bulkhead_learns_nothing_from_a_wait_for_a_permit [sim];
    cancelled_in_a_delay_it_makes_no_further_attempt;
}
