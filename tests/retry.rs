//! `retry`: row P18 of the guides and their bugs; exact delays, deadlines, cancellation, budgets, hooks.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "retry/guides.rs"]
mod guides;
#[path = "retry/promises.rs"]
mod promises;

use regatta::cancel::{self, CancelToken, Reason};
use regatta::retry::{Backoff, Budget, Failed, GaveUp, Jitter, retry, retry_with};
use regatta::testing::{self, now};
use regatta::time;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Fails so many times, then works.
fn flaky(failures: u32) -> impl FnMut() -> std::future::Ready<Result<u32, &'static str>> {
    let mut calls = 0;
    move || {
        calls += 1;
        std::future::ready(if calls > failures {
            Ok(calls)
        } else {
            Err("down")
        })
    }
}

async fn it_is_tried_until_it_works() {
    let backoff = Backoff::constant(Duration::ZERO);
    assert_eq!(retry(backoff.clone(), flaky(0)).await, Ok(1));
    assert_eq!(retry(backoff.clone(), flaky(4)).await, Ok(5));
    let error = retry(backoff, flaky(5)).await.unwrap_err();
    assert_eq!((error.attempts, error.gave_up), (5, GaveUp::Attempts));
    assert_eq!(error.last, Failed::With("down"));
    assert_eq!(error.to_string(), "5 attempts failed: down");
}

async fn delays_are_exact_and_none_follows_the_last_attempt() {
    let seen = Mutex::new(Vec::new());
    let backoff = Backoff::exponential(SECOND)
        .max_attempts(5)
        .max_delay(3 * SECOND);
    let failed = retry(backoff, || {
        seen.lock().unwrap().push(now().as_secs());
        std::future::ready(Err::<(), _>("down"))
    });
    assert!(failed.await.is_err());
    assert_eq!(*seen.lock().unwrap(), [0, 1, 3, 6, 9]);
    assert_eq!(now(), 9 * SECOND);
}

async fn on_a_real_clock_no_attempt_comes_early() {
    let start = regatta::Runtime::current().now();
    let backoff = Backoff::exponential(2 * MS).max_attempts(3);
    assert_eq!(retry(backoff, flaky(2)).await, Ok(3));
    assert!(regatta::Runtime::current().now() - start >= 6 * MS);
}

async fn errors_that_stay_are_not_retried() {
    let calls = AtomicU32::new(0);
    let call = || {
        calls.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Err::<(), _>(calls.load(Ordering::Relaxed)))
    };
    let error = retry(Backoff::constant(MS), call)
        .when(|e| *e < 2)
        .await
        .unwrap_err();
    assert_eq!((error.attempts, error.gave_up), (2, GaveUp::NotRetryable));
    assert_eq!(error.into_error(), Some(2));
}

async fn an_error_may_say_when_to_come_back() {
    let backoff = Backoff::constant(SECOND).max_delay(SECOND).max_attempts(3);
    let mut waits = vec![None, Some(7 * SECOND)];
    let call = retry(backoff, flaky(2)).retry_after(move |_| waits.pop().unwrap());
    assert_eq!(call.await, Ok(3));
    assert_eq!(now(), 8 * SECOND);
}

async fn an_attempt_that_takes_too_long_is_cancelled_and_retried() {
    let cleaned = AtomicU32::new(0);
    let calls = AtomicU32::new(0);
    let call = || async {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        let hangs = async {
            if call < 2 {
                std::future::pending().await
            } else {
                Ok::<_, &str>(call)
            }
        };
        let cleanup = async {
            futures_lite::future::yield_now().await;
            cleaned.fetch_add(1, Ordering::Relaxed);
        };
        cancel::on_cancel(hangs, cleanup).await
    };
    let backoff = Backoff::constant(Duration::ZERO);
    assert_eq!(retry(backoff, call).attempt_timeout(5 * MS).await, Ok(2));
    assert_eq!(cleaned.load(Ordering::Relaxed), 2);
}

async fn the_total_limit_cuts_attempts_and_delays() {
    let hangs = std::future::pending::<Result<(), &str>>;
    let call = retry(Backoff::constant(SECOND).max_attempts(99), hangs)
        .attempt_timeout(3 * SECOND)
        .total_timeout(10 * SECOND);
    let error = call.await.unwrap_err();
    assert_eq!((error.attempts, error.gave_up), (3, GaveUp::Deadline));
    assert_eq!(now(), 10 * SECOND);
    // A delay that would end too late is not begun.
    let call = retry(Backoff::constant(4 * SECOND).max_attempts(99), flaky(99));
    let error = call.total_timeout(10 * SECOND).await.unwrap_err();
    assert_eq!((error.attempts, error.gave_up), (3, GaveUp::Deadline));
    assert_eq!(now(), 18 * SECOND);
}

async fn no_delay_outlives_the_deadline_around_the_call() {
    let call = retry(Backoff::constant(4 * SECOND).max_attempts(99), flaky(99));
    let error = time::timeout(10 * SECOND, call)
        .await
        .expect("it gave up by itself")
        .unwrap_err();
    assert_eq!((error.attempts, error.gave_up), (3, GaveUp::Deadline));
    assert_eq!(now(), 8 * SECOND);
}

// A bug of the guides: they retried the cancellation itself.
async fn a_cancellation_is_not_retried() {
    let token = CancelToken::new();
    let calls = AtomicU32::new(0);
    let call = || async {
        calls.fetch_add(1, Ordering::Relaxed);
        token.cancel_with("shutting down");
        Err::<(), _>("interrupted")
    };
    let call = retry(Backoff::constant(Duration::ZERO), call);
    // It gives its error without another suspension, so the error wins.
    let ended = token.run(call).await.unwrap().unwrap_err();
    assert_eq!((ended.attempts, ended.gave_up), (1, GaveUp::Cancelled));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    let waits = retry(Backoff::constant(SECOND), flaky(9));
    let token = CancelToken::new();
    let cancels = async {
        futures_lite::future::yield_now().await;
        token.cancel();
    };
    let (ended, ()) = futures_lite::future::zip(token.run(waits), cancels).await;
    assert_eq!(ended.unwrap_err().reason(), &Reason::Requested);
}

async fn hooks_see_every_failure_that_is_retried() {
    let seen = Mutex::new(Vec::new());
    let called = AtomicU32::new(0);
    let call = retry(Backoff::fibonacci(MS).max_attempts(4), flaky(9))
        .on_retry(|r| {
            seen.lock()
                .unwrap()
                .push((r.attempt, r.delay, r.error.clone()))
        })
        .on_retry_async(|r| {
            let attempt = r.attempt;
            let called = &called;
            async move {
                futures_lite::future::yield_now().await;
                called.fetch_add(attempt, Ordering::Relaxed);
            }
        });
    assert_eq!(call.await.unwrap_err().attempts, 4);
    let failed = Failed::With("down");
    let expected = [
        (1, MS, failed.clone()),
        (2, MS, failed.clone()),
        (3, 2 * MS, failed),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
    assert_eq!(called.load(Ordering::Relaxed), 6);
}

async fn the_state_goes_from_attempt_to_attempt_and_comes_back() {
    let mut log = vec![0];
    let backoff = Backoff::constant(Duration::ZERO);
    let (log, ended) = retry_with(backoff, &mut log, |log| async move {
        log.push(log.len());
        futures_lite::future::yield_now().await;
        let ended = if log.len() < 4 {
            Err("more")
        } else {
            Ok("enough")
        };
        (log, ended)
    })
    .await;
    assert_eq!((log.as_slice(), ended), (&[0, 1, 2, 3][..], Ok("enough")));
    let (state, ended) = retry_with(Backoff::constant(MS).max_attempts(2), 7, async |n| {
        (n + 1, Err::<(), _>("no"))
    })
    .await;
    assert_eq!((state, ended.unwrap_err().attempts), (9, 2));
}

async fn a_budget_is_shared_by_all_who_have_it() {
    let budget = Budget::new(0.1, 0.0);
    let mut retried = 0;
    for _ in 0..200 {
        let backoff = Backoff::constant(Duration::ZERO).max_attempts(3);
        let error = retry(backoff, flaky(9))
            .budget(&budget.clone())
            .await
            .unwrap_err();
        retried += error.attempts - 1;
    }
    assert_eq!(retried, 20);
}

async fn failing_for_ever_lets_others_run() {
    let calls = AtomicU32::new(0);
    let endless = retry(
        Backoff::constant(Duration::ZERO).max_attempts(u32::MAX),
        || {
            calls.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Err::<(), _>("down"))
        },
    );
    let others = async {
        for _ in 0..3 {
            futures_lite::future::yield_now().await;
        }
    };
    futures_lite::future::or(async { drop(endless.await) }, others).await;
    assert!(calls.load(Ordering::Relaxed) > 128);
}

async fn limits_that_are_none() {
    let call = retry(Backoff::constant(MS), flaky(2))
        .attempt_timeout(Duration::MAX)
        .total_timeout(Duration::MAX);
    assert_eq!(call.await, Ok(3));
    let never = retry(
        Backoff::constant(Duration::MAX).max_delay(Duration::MAX),
        flaky(2),
    );
    let ended = time::timeout(SECOND, never)
        .await
        .expect("it does not begin to wait");
    assert_eq!(ended.unwrap_err().gave_up, GaveUp::Deadline);
}

#[test]
fn errors_say_what_happened() {
    let texts = |gave_up| {
        let mut error = testing::run(async || {
            retry(Backoff::constant(MS).max_attempts(1), flaky(1))
                .await
                .unwrap_err()
        });
        error.gave_up = gave_up;
        error.to_string()
    };
    assert_eq!(texts(GaveUp::Attempts), "1 attempt failed: down");
    assert_eq!(
        texts(GaveUp::NotRetryable),
        "1 attempt failed, the last in a way that is not retried: down"
    );
    assert_eq!(
        texts(GaveUp::Deadline),
        "1 attempt failed, and the next would come after the deadline: down"
    );
    assert_eq!(
        texts(GaveUp::Budget),
        "1 attempt failed, and the retry budget is empty: down"
    );
    assert_eq!(
        texts(GaveUp::Cancelled),
        "1 attempt failed, and the call was cancelled meanwhile: down"
    );
}

#[test]
fn jitter_replays_with_the_seed_of_the_test() {
    let run = |seed| {
        let config = testing::Config::new(seed);
        let took = testing::run_with(config, async || {
            let backoff = Backoff::constant(SECOND).jitter(Jitter::Full);
            assert!(retry(backoff, flaky(9)).await.is_err());
            now()
        });
        took.value.unwrap()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

regatta::matrix! {
    it_is_tried_until_it_works;
    delays_are_exact_and_none_follows_the_last_attempt [sim];
    on_a_real_clock_no_attempt_comes_early;
    errors_that_stay_are_not_retried;
    an_error_may_say_when_to_come_back [sim];
    an_attempt_that_takes_too_long_is_cancelled_and_retried;
    the_total_limit_cuts_attempts_and_delays [sim];
    no_delay_outlives_the_deadline_around_the_call [sim];
    a_cancellation_is_not_retried;
    hooks_see_every_failure_that_is_retried;
    the_state_goes_from_attempt_to_attempt_and_comes_back;
    a_budget_is_shared_by_all_who_have_it;
    failing_for_ever_lets_others_run;
    limits_that_are_none;
}
