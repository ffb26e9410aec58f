//! `policy`: the layers together, their order, and what each reports.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "policy/events.rs"]
mod events;
#[path = "policy/layers.rs"]
mod layers;
#[path = "policy/promises.rs"]
mod promises;
#[path = "policy/robust.rs"]
mod robust;
#[path = "policy/statics.rs"]
mod statics;

use regatta::circuit_breaker::{CircuitBreaker, State};
use regatta::policy::{Cause, Layer, Policy};
use regatta::rate_limit::{Quota, RateLimiter};
use regatta::retry::{Backoff, Budget};
use regatta::testing::now;
use regatta::{task, time};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

async fn no_layers_change_nothing() {
    let policy = Policy::new();
    assert_eq!(policy.run(|| async { Ok::<_, ()>(7) }).await.unwrap(), 7);
    let failure = policy
        .run(|| async { Err::<(), _>("no") })
        .await
        .unwrap_err();
    assert_eq!((failure.attempts, failure.layer()), (1, None));
    assert_eq!(failure.into_error(), Some("no"));
}

async fn each_attempt_takes_a_permit_and_the_limit_is_on_the_attempt_alone() {
    let policy = Policy::new()
        .attempt_timeout(100 * MS)
        .rate_limit(RateLimiter::new(Quota::per_second(1)))
        .retry(Backoff::constant(Duration::ZERO).max_attempts(3));
    let times = Mutex::new(Vec::new());
    let failure = policy
        .run(|| async {
            times.lock().unwrap().push(now());
            std::future::pending::<Result<(), Infallible>>().await
        })
        .await
        .unwrap_err();
    assert_eq!(*times.lock().unwrap(), [Duration::ZERO, SECOND, 2 * SECOND]);
    assert_eq!(
        (failure.attempts, failure.layer()),
        (3, Some(Layer::AttemptTimeout))
    );
    assert_eq!(
        failure.to_string(),
        "attempt timeout: deadline of 100ms passed (after 3 attempts)"
    );
}

async fn the_timeout_spans_all_of_it() {
    let policy = Policy::new()
        .timeout(SECOND)
        .retry(Backoff::constant(400 * MS).max_attempts(99));
    let failure = policy
        .run(|| async {
            time::sleep(300 * MS).await;
            Err::<(), _>("down")
        })
        .await
        .unwrap_err();
    // A third attempt would begin too late; the error comes at once.
    assert_eq!((failure.attempts, now()), (2, SECOND));
    assert_eq!(failure.into_error(), Some("down"));
    let hangs = policy
        .run(std::future::pending::<Result<(), &str>>)
        .await
        .unwrap_err();
    assert_eq!(hangs.layer(), Some(Layer::Timeout));
}

async fn an_open_breaker_refuses_at_once_and_is_not_retried() {
    let breaker = CircuitBreaker::builder().min_calls(4).build();
    let policy = Policy::new()
        .retry(Backoff::constant(MS).max_attempts(100))
        .rate_limit(RateLimiter::new(Quota::new(10, 3600 * SECOND)))
        .circuit_breaker(breaker.clone());
    let failure = policy
        .run(|| async { Err::<(), _>("down") })
        .await
        .unwrap_err();
    assert_eq!(failure.layer(), Some(Layer::CircuitBreaker));
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(failure.attempts, 5, "four fail, the fifth is refused");
    let Cause::Refused { retry_after, .. } = failure.cause else {
        panic!("it was refused");
    };
    assert!(retry_after.is_some_and(|wait| !wait.is_zero()));
    // No permit was spent on the refused ones.
    for _ in 0..50 {
        assert!(policy.run(|| async { Ok::<_, ()>(()) }).await.is_err());
    }
    breaker.reset();
    assert_eq!(policy.run(|| async { Ok::<_, ()>(1) }).await.unwrap(), 1);
}

async fn a_dropped_call_leaves_no_probe_behind() {
    let breaker = CircuitBreaker::builder().min_calls(1).build();
    let policy = Policy::new().circuit_breaker(breaker.clone());
    assert!(policy.run(|| async { Err::<(), _>(()) }).await.is_err());
    while breaker.state() != State::HalfOpen {
        time::sleep(SECOND).await;
    }
    for _ in 0..20 {
        let probe = policy.run(std::future::pending::<Result<(), ()>>);
        let _ = time::timeout(MS, probe).await;
    }
    while breaker.state() != State::Closed {
        let _ = policy.run(|| async { Ok::<_, ()>(()) }).await;
        time::sleep(SECOND).await;
    }
}

async fn errors_that_stay_are_not_retried_and_a_budget_is_shared() {
    let policy = Policy::new()
        .retry(Backoff::constant(Duration::ZERO).max_attempts(3))
        .retry_budget(Budget::new(0.5, 0.0));
    let worth = |status: &u16| *status >= 500;
    let stays = policy
        .run_when(|| async { Err::<(), u16>(404) }, worth)
        .await;
    assert_eq!(stays.unwrap_err().attempts, 1);
    let mut attempts = 0;
    for _ in 0..40 {
        let down = policy
            .run_when(|| async { Err::<(), u16>(503) }, worth)
            .await;
        attempts += down.unwrap_err().attempts;
    }
    assert_eq!(attempts, 60, "40 calls, and one retry for two");
}

async fn clones_share_their_limits_and_run_in_parallel() {
    let policy = Policy::new().rate_limit(RateLimiter::new(Quota::new(3, 2 * MS)));
    let calls = Arc::new(AtomicU32::new(0));
    task::task_group(async |g| {
        for _ in 0..30 {
            let (policy, calls) = (policy.clone(), calls.clone());
            g.spawn(async move {
                let call = || async { Ok::<_, Infallible>(calls.fetch_add(1, Ordering::Relaxed)) };
                policy.run(call).await.unwrap();
            });
        }
        Ok::<_, Infallible>(())
    })
    .await
    .unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 30);
}

static SHARED: LazyLock<Policy> = LazyLock::new(|| Policy::new().timeout(SECOND));
static NONE: Policy = Policy::new();

async fn a_policy_lives_in_a_static() {
    assert_eq!(SHARED.run(|| async { Ok::<_, ()>(1) }).await.unwrap(), 1);
    assert_eq!(NONE.run(|| async { Ok::<_, ()>(2) }).await.unwrap(), 2);
}

regatta::matrix! {
    no_layers_change_nothing;
    each_attempt_takes_a_permit_and_the_limit_is_on_the_attempt_alone [sim];
    the_timeout_spans_all_of_it [sim];
    an_open_breaker_refuses_at_once_and_is_not_retried;
    a_dropped_call_leaves_no_probe_behind [sim];
    errors_that_stay_are_not_retried_and_a_budget_is_shared;
    clones_share_their_limits_and_run_in_parallel;
    a_policy_lives_in_a_static;
}
