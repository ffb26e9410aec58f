//! What is promised of a policy beside code of the user's that panics, of hedges that wait, and of cancellation in
//! the midst of it.

use super::{MS, SECOND};
use futures_util::FutureExt;
use regatta::bulkhead::Bulkhead;
use regatta::cancel::{self, CancelToken};
use regatta::circuit_breaker::CircuitBreaker;
use regatta::policy::{Advice, Cause, Event, Policy};
use regatta::rate_limit::{Quota, RateLimiter};
use regatta::retry::{Backoff, Jitter};
use regatta::testing::now;
use regatta::time;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::{pending, ready};
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

/// Fails after half a second.
async fn fails_late() -> Result<(), &'static str> {
    time::sleep(SECOND / 2).await;
    Err("down")
}

async fn a_hedge_that_waits_for_a_permit_does_not_hold_up_the_error() {
    let limiter = RateLimiter::new(Quota::new(1, 3600 * SECOND));
    let policy = Policy::new()
        .hedge_up_to(SECOND / 10, 3)
        .rate_limit(limiter.clone());
    let failure = policy.run(fails_late).await.unwrap_err();
    assert_eq!((failure.attempts, now()), (1, SECOND / 2));
    assert_eq!(failure.into_error(), Some("down"));
    // Nobody is left in line.
    assert_eq!(limiter.check(1), Ok(3600 * SECOND - SECOND / 2));
}

async fn a_hedge_that_waits_for_a_place_does_not_hold_up_the_error() {
    let bulkhead = Bulkhead::new(2, 10);
    let policy = Policy::new()
        .hedge_up_to(SECOND / 10, 4)
        .bulkhead(bulkhead.clone());
    let calls = AtomicU32::new(0);
    // The first fails, the second fails later, and two wait for their places.
    let call = || {
        let call = calls.fetch_add(1, SeqCst);
        async move {
            time::sleep(SECOND * (call + 1)).await;
            Err::<(), _>(call)
        }
    };
    let start = now();
    let other = bulkhead.clone();
    let hold = async move {
        other
            .call(time::sleep(3600 * SECOND).map(Ok::<_, Infallible>))
            .await
    };
    let run = async {
        futures_lite::future::yield_now().await;
        policy.run(call).await.unwrap_err()
    };
    let failure = futures_lite::future::or(run, async {
        hold.await.unwrap();
        unreachable!("an hour is long")
    })
    .await;
    assert_eq!((failure.into_error(), now() - start), (Some(0), SECOND));
    assert_eq!((bulkhead.stats().running, bulkhead.stats().waiting), (0, 0));
}

/// It was let through, so it may still save the call.
async fn a_hedge_that_runs_is_waited_for() {
    let calls = AtomicU32::new(0);
    let call = || {
        let call = calls.fetch_add(1, SeqCst);
        async move {
            match call {
                0 => fails_late().await.map(|()| 0),
                _ => {
                    time::sleep(9 * SECOND).await;
                    Ok(call)
                }
            }
        }
    };
    // The third waits; the second runs.
    let limiter = RateLimiter::new(Quota::new(2, 3600 * SECOND));
    let policy = Policy::new()
        .hedge_up_to(SECOND / 10, 3)
        .rate_limit(limiter);
    assert_eq!(policy.run(call).await, Ok(1));
    assert_eq!(now(), 9 * SECOND + SECOND / 10);
}

async fn callers_who_were_told_the_same_do_not_come_back_together() {
    let backoff = Backoff::exponential(SECOND).jitter(Jitter::Full);
    let policy = Policy::new().retry(backoff);
    let came = Mutex::new(Vec::new());
    futures_util::future::join_all((0..50).map(|_| async {
        let mut calls = 0;
        let call = || {
            calls += 1;
            if calls > 1 {
                came.lock().unwrap().push(now());
            }
            ready(if calls == 1 { Err("busy") } else { Ok(()) })
        };
        let asks = |_: &&str| Advice::RetryAfter(7 * SECOND);
        policy.run_when(call, asks).await.unwrap();
    }))
    .await;
    let came = came.into_inner().unwrap();
    let distinct: BTreeSet<_> = came.iter().map(Duration::as_millis).collect();
    assert!(distinct.len() >= 40, "{distinct:?}");
    assert!(came.iter().all(|at| *at >= 7 * SECOND && *at <= 8 * SECOND));
}

/// Given time to end, it calls nothing more: not after a delay, nor after a wait for a place or a permit.
/// Without a delay between the attempts there is no wait that a cancellation could break off.
async fn cancelled_between_two_attempts_it_calls_nothing_more() {
    let (calls, token) = (AtomicU32::new(0), CancelToken::new());
    let stop = token.clone();
    let policy = Policy::new()
        .retry(Backoff::constant(Duration::ZERO).max_attempts(9))
        .observer(move |event| {
            if matches!(event, Event::Retrying { .. }) {
                stop.cancel();
            }
        });
    let call = || {
        calls.fetch_add(1, SeqCst);
        ready(Err::<(), _>("down"))
    };
    let ended = token.run_graceful(3600 * SECOND, policy.run(call)).await;
    assert!(ended.unwrap().is_err());
    assert_eq!(calls.load(SeqCst), 1);
}

async fn cancelled_while_it_waits_it_calls_nothing_more() {
    let limiter = || RateLimiter::new(Quota::new(1, 10 * SECOND));
    let bulkhead = Bulkhead::new(1, 9);
    let (spent, full) = (limiter(), bulkhead.clone());
    spent.acquire(1).await.unwrap();
    let policies = [
        (Policy::new().retry(Backoff::constant(10 * SECOND)), 1),
        (Policy::new().rate_limit(spent), 0),
        (Policy::new().bulkhead(bulkhead), 0),
        (
            Policy::new()
                .retry(Backoff::constant(MS))
                .rate_limit(limiter()),
            1,
        ),
        (
            Policy::new()
                .hedge(SECOND)
                .retry(Backoff::constant(10 * SECOND)),
            1,
        ),
    ];
    let body = async {
        for (policy, expected) in policies {
            let (calls, token) = (AtomicU32::new(0), CancelToken::new());
            let call = || {
                calls.fetch_add(1, SeqCst);
                ready(Err::<(), _>("down"))
            };
            let start = now();
            let run = token.run_graceful(3600 * SECOND, policy.run(call));
            let stop = async {
                time::sleep(SECOND).await;
                token.cancel();
            };
            let (ended, ()) = futures_lite::future::zip(run, stop).await;
            let failure = ended.expect("there was time").unwrap_err();
            assert_eq!(failure.cause, Cause::Cancelled, "{policy}");
            let text = failure.to_string();
            assert!(text.starts_with("cancelled while it waited to be called"));
            assert_eq!(
                (calls.load(SeqCst), now() - start),
                (expected, SECOND),
                "{policy}"
            );
        }
    };
    let hold = full.call(async {
        body.await;
        Ok::<_, Infallible>(())
    });
    hold.await.unwrap();
}

/// Where there is no time, the scope reports itself, as for every other future.
async fn cancelled_without_grace_it_is_the_scope_that_says_so() {
    let policies = [
        Policy::new().retry(Backoff::constant(10 * SECOND)),
        Policy::new()
            .hedge(SECOND)
            .retry(Backoff::constant(10 * SECOND)),
    ];
    for policy in policies {
        let token = CancelToken::new();
        let stop = async {
            time::sleep(MS).await;
            token.cancel_with("shutting down");
        };
        let run = token.run(policy.run(|| ready(Err::<(), _>("down"))));
        let (ended, ()) = futures_lite::future::zip(run, stop).await;
        assert_eq!(ended.unwrap_err().reason(), &"shutting down".into());
    }
    let limiter = RateLimiter::new(Quota::new(1, 3600 * SECOND));
    limiter.acquire(1).await.unwrap();
    let policy = Policy::new().rate_limit(limiter);
    let within = policy.clone().timeout(2 * MS);
    let works = || ready(Ok::<_, Infallible>(()));
    // Timers are not exact, and none of them may be taken for a cancellation.
    for _ in 0..20 {
        assert!(time::timeout(2 * MS, policy.run(works)).await.is_err());
        let failure = within.run(works).await.unwrap_err();
        assert!(matches!(failure.cause, Cause::TimedOut { .. }), "{failure}");
    }
}

/// The first cleans up for longer than until a hedge, or another attempt, would begin.
async fn nothing_begins_while_a_cancelled_call_cleans_up() {
    let policy = Policy::new()
        .hedge_up_to(50 * MS, 9)
        .attempt_timeout(100 * MS)
        .retry(Backoff::constant(MS));
    let (calls, token) = (AtomicU32::new(0), CancelToken::new());
    let call = || {
        calls.fetch_add(1, SeqCst);
        cancel::on_cancel(pending::<Result<(), &str>>(), time::sleep(SECOND))
    };
    let stop = async {
        time::sleep(10 * MS).await;
        token.cancel();
    };
    let (ended, ()) = futures_lite::future::zip(token.run(policy.run(call)), stop).await;
    assert!(ended.is_err());
    assert_eq!((calls.into_inner(), now()), (1, 1010 * MS));
}

async fn an_observer_that_panics_ends_nothing() {
    let seen = std::sync::Arc::new(AtomicU32::new(0));
    let count = seen.clone();
    let breaker = CircuitBreaker::builder().consecutive_failures(9).build();
    let policy = Policy::new()
        .retry(Backoff::constant(MS).max_attempts(3))
        .bulkhead(Bulkhead::new(1, 0))
        .circuit_breaker(breaker.clone())
        .measured()
        .observer(move |event: &Event| {
            count.fetch_add(1, SeqCst);
            panic!("cannot log {event:?}");
        });
    let failure = policy
        .run(|| ready(Err::<(), _>("down")))
        .await
        .unwrap_err();
    assert_eq!((failure.attempts, failure.into_error()), (3, Some("down")));
    assert_eq!((seen.load(SeqCst), breaker.stats().failed), (6, 3));
    assert_eq!(policy.run(|| ready(Ok::<_, Infallible>(1))).await, Ok(1));
    let stats = policy.stats().unwrap();
    assert_eq!((stats.succeeded, stats.failed, stats.retries), (1, 1, 2));
}

/// Told from a destructor, while another panic unwinds: two at once would end the process.
async fn an_observer_that_panics_while_a_panic_unwinds_ends_nothing() {
    let bulkhead = Bulkhead::new(1, 0);
    let policy = Policy::new()
        .bulkhead(bulkhead.clone())
        .circuit_breaker(CircuitBreaker::new())
        .hedge(SECOND)
        .measured()
        .observer(|event| panic!("cannot log {event:?}"));
    let call = || async { std::panic::panic_any("the first") };
    let run = policy.run(|| async {
        let () = call().await;
        Ok::<(), Infallible>(())
    });
    let panic = AssertUnwindSafe(run).catch_unwind().await.unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"the first"));
    assert_eq!(bulkhead.stats().running, 0);
    assert_eq!(policy.stats().unwrap().dropped, 1);
    // A closure that judges has no answer to give; its panic is the caller's, and nothing is kept.
    let judged = policy.run_when(|| ready(Err::<(), _>("down")), |_| -> bool { panic!("hm") });
    assert!(AssertUnwindSafe(judged).catch_unwind().await.is_err());
    assert_eq!(bulkhead.stats().running, 0);
}

async fn a_loop_of_calls_that_work_at_once_lets_others_run() {
    let layered = Policy::new()
        .timeout(3600 * SECOND)
        .retry(Backoff::constant(MS))
        .hedge(SECOND)
        .bulkhead(Bulkhead::new(9, 9))
        .circuit_breaker(CircuitBreaker::new())
        .attempt_timeout(60 * SECOND);
    for policy in [Policy::new(), layered] {
        let endless = async {
            loop {
                policy.run(|| ready(Ok::<_, Infallible>(1))).await.unwrap();
                let judged = policy.run_when(|| ready(Ok::<_, Infallible>(1)), |_| true);
                judged.await.unwrap();
            }
        };
        let others = async {
            for _ in 0..3 {
                futures_lite::future::yield_now().await;
            }
        };
        futures_lite::future::or(endless, others).await;
    }
}

regatta::matrix! {
    a_hedge_that_waits_for_a_permit_does_not_hold_up_the_error [sim];
    a_hedge_that_waits_for_a_place_does_not_hold_up_the_error [sim];
    a_hedge_that_runs_is_waited_for [sim];
    callers_who_were_told_the_same_do_not_come_back_together [sim];
    cancelled_between_two_attempts_it_calls_nothing_more;
    cancelled_while_it_waits_it_calls_nothing_more [sim];
    cancelled_without_grace_it_is_the_scope_that_says_so;
    nothing_begins_while_a_cancelled_call_cleans_up [sim];
    an_observer_that_panics_ends_nothing;
    an_observer_that_panics_while_a_panic_unwinds_ends_nothing;
    a_loop_of_calls_that_work_at_once_lets_others_run;
}
