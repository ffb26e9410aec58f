//! Load shedding, hedges, bulkhead, limits on waits, advice; and the order of all.

use super::{MS, SECOND};
use regatta::bulkhead::Bulkhead;
use regatta::cancel::CancelToken;
use regatta::circuit_breaker::{CircuitBreaker, OnDrop, State};
use regatta::load_shed::LoadShed;
use regatta::policy::{Advice, Cause, Layer, Policy};
use regatta::rate_limit::{Quota, RateLimiter};
use regatta::retry::Backoff;
use regatta::testing::now;
use regatta::{cancel, task, time};
use std::convert::Infallible;
use std::future::{Future, pending};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// Calls that take so long, one after the other; notes when each began.
fn script<'a>(
    takes: &'a [Duration],
    began: &'a Mutex<Vec<Duration>>,
) -> impl FnMut() -> futures_util::future::BoxFuture<'a, Result<usize, &'static str>> {
    move || {
        let mut began = began.lock().unwrap();
        let n = began.len();
        began.push(now());
        let takes = takes[n.min(takes.len() - 1)];
        Box::pin(async move {
            time::sleep(takes).await;
            Ok(n + 1)
        })
    }
}

async fn too_much_to_do_is_refused_at_the_door() {
    let shed = LoadShed::builder().max_in_flight(1).build();
    let policy = Policy::new()
        .load_shed(shed.clone())
        .retry(Backoff::constant(Duration::ZERO))
        .timeout(60 * SECOND);
    let calls = AtomicU32::new(0);
    let call = || async {
        calls.fetch_add(1, SeqCst);
        Ok::<_, Infallible>(())
    };
    let pass = shed.try_enter().unwrap();
    let failure = policy.run(call).await.unwrap_err();
    assert_eq!(
        (failure.attempts, failure.layer()),
        (0, Some(Layer::LoadShed))
    );
    assert!(failure.is_refused() && failure.retry_after().is_none());
    assert_eq!(failure.to_string(), "refused by the load shed");
    assert_eq!(calls.load(SeqCst), 0);
    drop(pass);
    policy.run(call).await.unwrap();
    assert_eq!(shed.stats().in_flight, 0);
}

async fn no_more_run_than_the_bulkhead_has_room_for() {
    let policy = Policy::new().bulkhead(Bulkhead::new(3, 100));
    let (running, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
    task::scope(async |g| {
        for _ in 0..60 {
            g.spawn(async {
                let call = || async {
                    peak.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    time::sleep(MS / 10).await;
                    running.fetch_sub(1, SeqCst);
                    Ok::<_, Infallible>(())
                };
                policy.run(call).await.unwrap();
            });
        }
        Ok::<_, Infallible>(())
    })
    .await
    .unwrap();
    assert_eq!((running.load(SeqCst), peak.load(SeqCst)), (0, 3));
}

async fn a_full_bulkhead_refuses_and_is_not_retried() {
    let bulkhead = Bulkhead::new(1, 0);
    let limiter = RateLimiter::new(Quota::new(2, 3600 * SECOND));
    let policy = Policy::new()
        .retry(Backoff::constant(Duration::ZERO).max_attempts(9))
        .bulkhead(bulkhead.clone())
        .rate_limit(limiter.clone());
    let place = bulkhead.try_enter().unwrap();
    for _ in 0..9 {
        let failure = policy
            .run(|| async { Ok::<_, Infallible>(()) })
            .await
            .unwrap_err();
        assert_eq!(
            (failure.attempts, failure.layer()),
            (1, Some(Layer::Bulkhead))
        );
    }
    assert_eq!(limiter.stats().granted, 0, "no permit was spent");
    drop(place);
    policy
        .run(|| async { Ok::<_, Infallible>(()) })
        .await
        .unwrap();
    assert_eq!(bulkhead.stats().running, 0);
}

async fn the_place_is_held_while_the_permit_is_waited_for() {
    let bulkhead = Bulkhead::new(2, 0);
    let policy = Policy::new()
        .bulkhead(bulkhead.clone())
        .rate_limit(RateLimiter::new(Quota::per_second(1)));
    let call = || async { Ok::<_, Infallible>(now()) };
    assert_eq!(policy.run(call).await.unwrap(), Duration::ZERO);
    let both = futures_lite::future::zip(policy.run(call), policy.run(call));
    let third = async {
        futures_lite::future::yield_now().await;
        policy.run(call).await
    };
    let ((first, second), third) = futures_lite::future::zip(both, third).await;
    assert_eq!((first.unwrap(), second.unwrap()), (SECOND, 2 * SECOND));
    assert_eq!(third.unwrap_err().layer(), Some(Layer::Bulkhead));
    assert_eq!(bulkhead.stats().running, 0);
}

async fn an_answer_that_is_late_is_hedged_and_each_call_takes_its_permit() {
    let limiter = RateLimiter::new(Quota::new(10, 3600 * SECOND));
    let breaker = CircuitBreaker::builder().on_drop(OnDrop::Ignore).build();
    let policy = Policy::new()
        .hedge_up_to(SECOND, 3)
        .rate_limit(limiter.clone())
        .circuit_breaker(breaker.clone());
    let began = Mutex::new(Vec::new());
    let takes = [9 * SECOND, 9 * SECOND, SECOND];
    assert_eq!(policy.run(script(&takes, &began)).await.unwrap(), 3);
    assert_eq!(now(), 3 * SECOND);
    assert_eq!(*began.lock().unwrap(), [Duration::ZERO, SECOND, 2 * SECOND]);
    assert_eq!(limiter.stats().granted, 3);
    let stats = breaker.stats();
    assert_eq!((stats.succeeded, stats.ignored, stats.running), (1, 2, 0));
}

async fn a_hedge_that_is_refused_leaves_the_first_call_alone() {
    let policy = Policy::new()
        .hedge(SECOND)
        .bulkhead(Bulkhead::new(1, 0))
        .retry(Backoff::constant(SECOND));
    let began = Mutex::new(Vec::new());
    assert_eq!(policy.run(script(&[5 * SECOND], &began)).await.unwrap(), 1);
    assert_eq!(now(), 5 * SECOND);
}

async fn each_attempt_is_hedged_anew() {
    let policy = Policy::new()
        .hedge(SECOND)
        .retry(Backoff::constant(10 * SECOND).max_attempts(2))
        .attempt_timeout(3 * SECOND);
    let began = Mutex::new(Vec::new());
    let failure = policy
        .run(script(&[100 * SECOND], &began))
        .await
        .unwrap_err();
    assert_eq!(failure.layer(), Some(Layer::AttemptTimeout));
    let began: Vec<_> = began
        .lock()
        .unwrap()
        .iter()
        .map(Duration::as_secs)
        .collect();
    // The second call of an attempt is cut a second after the first.
    assert_eq!(began, [0, 1, 14, 15]);
    assert_eq!(now(), 18 * SECOND);
}

async fn who_would_wait_too_long_for_a_permit_is_told_when_to_come_back() {
    let policy = Policy::new()
        .rate_limit(RateLimiter::new(Quota::per_second(1)))
        .max_rate_wait(1500 * MS)
        .retry(Backoff::constant(MS));
    let call = || async { Ok::<_, Infallible>(()) };
    policy.run(call).await.unwrap();
    let waits = futures_lite::future::zip(policy.run(call), policy.run(call));
    let (first, second) = waits.await;
    assert!(first.is_ok(), "it waits for a second");
    let refused = second.unwrap_err();
    assert_eq!(
        (refused.attempts, refused.layer(), refused.retry_after()),
        (1, Some(Layer::RateLimit), Some(2 * SECOND))
    );
    assert_eq!(
        refused.to_string(),
        "refused by the rate limit: try again in 2s"
    );
    assert_eq!(now(), SECOND);
}

async fn a_breaker_that_opens_during_the_wait_refuses_after_it() {
    let breaker = CircuitBreaker::builder().consecutive_failures(1).build();
    let policy = Policy::new()
        .rate_limit(RateLimiter::new(Quota::per_second(1)))
        .circuit_breaker(breaker.clone());
    let call = || async { Ok::<_, Infallible>(()) };
    policy.run(call).await.unwrap();
    let opens = async {
        futures_lite::future::yield_now().await;
        breaker.try_enter().unwrap().failed();
    };
    let (ended, ()) = futures_lite::future::zip(policy.run(call), opens).await;
    assert_eq!(ended.unwrap_err().layer(), Some(Layer::CircuitBreaker));
    let stats = breaker.stats();
    assert_eq!((stats.running, stats.dropped, stats.ignored), (0, 0, 0));
}

async fn waiting_for_a_permit_takes_no_place_of_a_probe() {
    let breaker = CircuitBreaker::builder()
        .consecutive_failures(1)
        .open_for(SECOND)
        .build();
    let limiter = RateLimiter::new(Quota::new(1, 10 * SECOND));
    let policy = Policy::new()
        .rate_limit(limiter.clone())
        .circuit_breaker(breaker.clone());
    breaker.try_enter().unwrap().failed();
    limiter.try_acquire(1).unwrap();
    time::sleep(SECOND).await;
    let waits = policy.run(|| async { Ok::<_, Infallible>(()) });
    let probes = async {
        futures_lite::future::yield_now().await;
        assert_eq!(breaker.state(), State::HalfOpen);
        breaker
            .try_enter()
            .expect("nobody probes meanwhile")
            .succeeded();
    };
    let (ended, ()) = futures_lite::future::zip(waits, probes).await;
    ended.unwrap();
    assert_eq!(breaker.state(), State::Closed);
}

async fn errors_call_for_what_they_say() {
    let breaker = CircuitBreaker::builder().consecutive_failures(3).build();
    let policy = Policy::new()
        .retry(Backoff::constant(SECOND).max_attempts(3))
        .circuit_breaker(breaker.clone());
    let judge = |status: &u16| match status {
        404 => Advice::Answer,
        429 => Advice::RetryAfter(7 * SECOND),
        500 => Advice::GiveUp,
        _ => Advice::Retry,
    };
    let run = async |statuses: &[u16]| {
        let calls = AtomicUsize::new(0);
        let call = || async { Err::<(), _>(statuses[calls.fetch_add(1, SeqCst)]) };
        let failure = policy.run_when(call, judge).await.unwrap_err();
        (failure.attempts, failure.into_error().unwrap())
    };
    assert_eq!(run(&[404]).await, (1, 404));
    assert_eq!((breaker.stats().succeeded, now()), (1, Duration::ZERO));
    assert_eq!(run(&[500]).await, (1, 500));
    assert_eq!(run(&[429, 404]).await, (2, 404));
    assert_eq!(now(), 7 * SECOND);
    assert_eq!(breaker.stats().failed, 2);
    assert_eq!(run(&[503, 503, 503]).await, (3, 503));
    assert_eq!(breaker.state(), State::Open);
}

async fn an_error_of_a_call_that_is_cancelled_is_nobodys_failure() {
    let breaker = CircuitBreaker::builder().consecutive_failures(1).build();
    let policy = Policy::new()
        .retry(Backoff::constant(Duration::ZERO))
        .bulkhead(Bulkhead::new(1, 0))
        .circuit_breaker(breaker.clone());
    let token = CancelToken::new();
    let call = || async {
        token.cancel();
        cancel::check().map_err(|_| "stopped")
    };
    let ended = token.run_graceful(SECOND, policy.run(call)).await;
    let failure = ended.unwrap().unwrap_err();
    assert_eq!(failure.attempts, 1);
    assert_eq!(failure.into_error(), Some("stopped"));
    assert_eq!(
        (breaker.state(), breaker.stats().dropped),
        (State::Closed, 1)
    );
}

async fn a_panic_of_a_call_is_a_failure_and_frees_its_place() {
    use futures_util::FutureExt;
    let breaker = CircuitBreaker::builder().consecutive_failures(1).build();
    let bulkhead = Bulkhead::new(1, 0);
    let policy = Policy::new()
        .bulkhead(bulkhead.clone())
        .circuit_breaker(breaker.clone());
    let call = policy.run(|| async {
        if now() < SECOND {
            std::panic::panic_any("oh no");
        }
        Ok::<_, Infallible>(())
    });
    let ended = std::panic::AssertUnwindSafe(call).catch_unwind().await;
    assert!(ended.is_err());
    assert_eq!(
        (breaker.state(), bulkhead.stats().running),
        (State::Open, 0)
    );
}

fn all_layers() -> Policy {
    Policy::new()
        .attempt_timeout(SECOND)
        .circuit_breaker(CircuitBreaker::new())
        .rate_limit(RateLimiter::new(Quota::per_second(1000)))
        .bulkhead(Bulkhead::new(5, 5))
        .hedge(SECOND / 2)
        .retry(Backoff::constant(MS))
        .timeout(9 * SECOND)
        .load_shed(LoadShed::builder().max_in_flight(10).build())
}

async fn with_all_layers_a_call_that_works_works() {
    let policy = all_layers();
    for n in 0..20 {
        assert_eq!(policy.run(|| async { Ok::<_, Infallible>(n) }).await, Ok(n));
    }
    let text = policy.to_string();
    let hangs = policy.run(pending::<Result<(), Infallible>>);
    let failure = time::timeout(50 * MS, hangs).await;
    assert!(failure.is_err());
    assert_eq!(policy.to_string(), text, "nothing is left");
}

/// With borrows on all sides, inside a future that must be `Send`.
async fn a_call_can_be_spawned() {
    fn spawnable<F: Future + Send + 'static>(future: F) -> F {
        future
    }
    async fn job(policy: &Policy, text: &str) -> usize {
        let (mut calls, not) = (0, text.to_owned());
        let call = || {
            calls += 1;
            let calls = calls;
            async move {
                time::sleep(MS / 10).await;
                if calls < 2 {
                    Err(text.to_owned())
                } else {
                    Ok(text.len() + calls)
                }
            }
        };
        policy.run_when(call, |e| *e == not).await.unwrap()
    }
    let job = spawnable(async { job(&all_layers(), "four").await });
    assert_eq!(job.await, 6);
}

#[test]
fn it_shows_all_its_layers_in_their_order() {
    assert_eq!(
        all_layers().max_rate_wait(SECOND).measured().to_string(),
        "load shed > timeout 9s > retry 5 attempts > hedge after 500ms, up to 2 calls > bulkhead 5 at once \
         > rate limit 1000 in 1s, waiting at most 1s > circuit breaker closed > attempt timeout 1s"
    );
    assert_eq!(Layer::ALL.map(|l| l.name())[0], "load shed");
    assert!(Layer::ALL.is_sorted());
}

#[test]
#[should_panic(expected = "a hedge with 0 calls would never call anything: use at least 1")]
fn a_hedge_of_nothing() {
    let _ = Policy::new().hedge_up_to(SECOND, 0);
}

#[test]
fn limits_without_end_are_none() {
    regatta::testing::run(async || {
        let policy = Policy::new()
            .timeout(Duration::MAX)
            .attempt_timeout(Duration::MAX)
            .hedge(Duration::MAX)
            .retry(Backoff::constant(Duration::MAX).max_delay(Duration::MAX))
            .rate_limit(RateLimiter::new(Quota::per_second(1)))
            .max_rate_wait(Duration::MAX);
        let call = || async {
            time::sleep(SECOND).await;
            Ok::<_, Infallible>(())
        };
        assert_eq!(policy.run(call).await, Ok(()));
        assert_eq!(policy.run(call).await, Ok(()));
        // A delay that would outlive the limit is not begun.
        let failure = policy
            .timeout(60 * SECOND)
            .run(|| async { Err::<(), _>("down") })
            .await;
        let failure = failure.unwrap_err();
        assert!(matches!(failure.cause, Cause::Failed("down")));
        assert_eq!(failure.attempts, 1);
    });
}

regatta::matrix! {
    too_much_to_do_is_refused_at_the_door;
    no_more_run_than_the_bulkhead_has_room_for;
    a_full_bulkhead_refuses_and_is_not_retried;
    the_place_is_held_while_the_permit_is_waited_for [sim];
    an_answer_that_is_late_is_hedged_and_each_call_takes_its_permit [sim];
    a_hedge_that_is_refused_leaves_the_first_call_alone [sim];
    each_attempt_is_hedged_anew [sim];
    who_would_wait_too_long_for_a_permit_is_told_when_to_come_back [sim];
    a_breaker_that_opens_during_the_wait_refuses_after_it [sim];
    waiting_for_a_permit_takes_no_place_of_a_probe [sim];
    errors_call_for_what_they_say [sim];
    an_error_of_a_call_that_is_cancelled_is_nobodys_failure;
    a_panic_of_a_call_is_a_failure_and_frees_its_place [sim];
    with_all_layers_a_call_that_works_works;
    a_call_can_be_spawned;
}
