//! `hedge`: when attempts begin, who wins, what becomes of the losers, percentiles.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

use futures_util::FutureExt;
use regatta::cancel::{self, CancelToken};
use regatta::hedge::{Delay, Latencies, hedge};
use regatta::testing::now;
use regatta::time;
use std::future::{Future, pending, ready};
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

type Answer = Result<u32, &'static str>;

/// Attempts that take so long each and end like this; notes when each began.
fn script<'a>(
    attempts: &'a [(Duration, Answer)],
    began: &'a Mutex<Vec<Duration>>,
) -> impl FnMut() -> futures_util::future::BoxFuture<'a, Answer> {
    let mut next = 0;
    move || {
        let (takes, answer) = attempts[next];
        next += 1;
        began.lock().unwrap().push(now());
        async move {
            time::sleep(takes).await;
            answer
        }
        .boxed()
    }
}

async fn a_quick_answer_is_not_hedged() {
    let calls = AtomicU32::new(0);
    for _ in 0..100 {
        let call = || {
            calls.fetch_add(1, SeqCst);
            async {
                futures_lite::future::yield_now().await;
                Ok::<_, &str>(5)
            }
        };
        assert_eq!(hedge(60 * SECOND, call).await, Ok(5));
    }
    assert_eq!(calls.into_inner(), 100);
}

async fn attempts_begin_one_delay_after_the_other_and_the_first_success_wins() {
    let (began, hooks) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let attempts = [(9 * SECOND, Ok(1)), (9 * SECOND, Ok(2)), (SECOND, Ok(3))];
    let answer = hedge(2 * SECOND, script(&attempts, &began))
        .max_attempts(3)
        .on_hedge(|n| hooks.lock().unwrap().push(n));
    assert_eq!(answer.await, Ok(3));
    assert_eq!(now(), 5 * SECOND);
    assert_eq!(
        *began.lock().unwrap(),
        [Duration::ZERO, 2 * SECOND, 4 * SECOND]
    );
    assert_eq!(*hooks.lock().unwrap(), [2, 3]);
}

async fn the_first_may_still_win() {
    let began = Mutex::new(Vec::new());
    let attempts = [(3 * SECOND, Ok(1)), (9 * SECOND, Ok(2))];
    let answer = hedge(SECOND, script(&attempts, &began)).await;
    assert_eq!((answer, now()), (Ok(1), 3 * SECOND));
}

async fn a_failure_while_another_runs_is_not_the_end() {
    let began = Mutex::new(Vec::new());
    let attempts = [(2 * SECOND, Err("a")), (5 * SECOND, Ok(2))];
    let answer = hedge(SECOND, script(&attempts, &began)).await;
    assert_eq!((answer, now()), (Ok(2), 6 * SECOND));
}

async fn when_all_that_began_have_failed_the_last_error_comes_back_at_once() {
    let began = Mutex::new(Vec::new());
    let attempts = [(2 * SECOND, Err("a")), (5 * SECOND, Err("b"))];
    let answer = hedge(SECOND, script(&attempts, &began)).await;
    assert_eq!((answer, now()), (Err("b"), 6 * SECOND));
    let attempts = [(SECOND / 2, Err("quick"))];
    let answer = hedge(SECOND, script(&attempts, &began)).await;
    assert_eq!((answer, began.lock().unwrap().len()), (Err("quick"), 3));
}

async fn the_losers_are_cancelled_and_their_cleanup_is_waited_for() {
    let cleaned = AtomicU32::new(0);
    let calls = AtomicU32::new(0);
    let answer = hedge(SECOND, || {
        let n = calls.fetch_add(1, SeqCst);
        let cleaned = &cleaned;
        let work = async move {
            if n < 2 {
                pending::<()>().await;
            }
            Ok::<_, &str>(n)
        };
        cancel::on_cancel(work, async move {
            time::sleep(10 * SECOND).await;
            cleaned.fetch_add(1, SeqCst);
        })
    });
    assert_eq!(answer.max_attempts(3).await, Ok(2));
    assert_eq!((cleaned.into_inner(), now()), (2, 12 * SECOND));
}

async fn no_delay_begins_all_at_once_and_an_endless_one_no_second() {
    let began = Mutex::new(Vec::new());
    let attempts = [(3 * SECOND, Ok(1)), (2 * SECOND, Ok(2)), (SECOND, Ok(3))];
    let answer = hedge(Duration::ZERO, script(&attempts, &began)).max_attempts(3);
    assert_eq!((answer.await, now()), (Ok(3), SECOND));
    let attempts = [(1000 * SECOND, Ok(1))];
    let answer = hedge(Duration::MAX, script(&attempts, &began)).max_attempts(u32::MAX);
    assert_eq!((answer.await, now()), (Ok(1), 1001 * SECOND));
}

async fn cancelled_it_sends_nobody_after() {
    let token = CancelToken::new();
    let calls = AtomicU32::new(0);
    let call = || {
        calls.fetch_add(1, SeqCst);
        async {
            time::sleep(3 * SECOND).await;
            Ok::<_, &str>(1)
        }
    };
    let stop = async {
        time::sleep(SECOND / 2).await;
        token.cancel();
    };
    let run = token.run_graceful(10 * SECOND, hedge(SECOND, call));
    let (answer, ()) = futures_lite::future::zip(run, stop).await;
    assert_eq!((answer.unwrap(), calls.into_inner()), (Ok(1), 1));
}

/// It takes longer to clean up than until the next attempt would begin.
async fn nobody_is_sent_after_a_cancelled_attempt_that_cleans_up() {
    let token = CancelToken::new();
    let calls = AtomicU32::new(0);
    let call = || {
        calls.fetch_add(1, SeqCst);
        cancel::on_cancel(pending::<Answer>(), time::sleep(SECOND))
    };
    let stop = async {
        time::sleep(100 * MS).await;
        token.cancel();
    };
    let run = token.run(hedge(250 * MS, call).max_attempts(9));
    let (answer, ()) = futures_lite::future::zip(run, stop).await;
    assert!(answer.is_err());
    assert_eq!((calls.into_inner(), now()), (1, 1100 * MS));
}

async fn a_hook_that_panics_ends_nothing() {
    let began = Mutex::new(Vec::new());
    let attempts = [(9 * SECOND, Ok(1)), (SECOND, Ok(2))];
    let answer = hedge(SECOND, script(&attempts, &began)).on_hedge(|_| panic!("in the log"));
    assert_eq!((answer.await, now()), (Ok(2), 2 * SECOND));
}

async fn a_loop_of_calls_that_answer_at_once_lets_others_run() {
    let endless = async {
        loop {
            hedge(SECOND, || ready(Ok::<_, ()>(1))).await.unwrap();
        }
    };
    let others = async {
        for _ in 0..3 {
            futures_lite::future::yield_now().await;
        }
    };
    futures_lite::future::or(endless, others).await;
}

async fn a_panic_goes_on_in_the_caller() {
    let call = || async { std::panic::panic_any("oh no") };
    let hedged = hedge::<_>(SECOND, || async {
        let () = call().await;
        Ok::<u32, &str>(1)
    });
    assert!(AssertUnwindSafe(hedged).catch_unwind().await.is_err());
}

async fn a_percentile_hedges_the_slow_few() {
    let latencies = Latencies::new(100);
    let delay = Delay::percentile(&latencies, 0.9);
    let (calls, hedged) = (AtomicU32::new(0), AtomicU32::new(0));
    let start = now();
    for _ in 0..1000 {
        let call = || {
            // Every twentieth attempt hangs for long.
            let n = calls.fetch_add(1, SeqCst);
            let takes = if n % 20 == 19 { SECOND } else { 10 * MS };
            async move {
                time::sleep(takes).await;
                Ok::<_, &str>(n)
            }
        };
        let hook = |_| {
            hedged.fetch_add(1, SeqCst);
        };
        hedge(delay.clone(), call).on_hedge(hook).await.unwrap();
    }
    let hedged = hedged.into_inner();
    assert!((30..=60).contains(&hedged), "{hedged}");
    assert_eq!(latencies.percentile(0.9), Some(10 * MS));
    assert!(now() - start < 12 * SECOND, "{:?}", now());
}

/// Losers that were not counted would make a service that is slow as a whole look quick, and all calls would be hedged.
async fn when_all_get_slow_few_are_hedged_in_the_long_run() {
    let latencies = Latencies::new(50);
    let delay = Delay::percentile(&latencies, 0.9);
    let mut rng = fastrand::Rng::with_seed(1);
    let hedged = AtomicU32::new(0);
    for n in 0..2000 {
        let slower = if n < 500 { 1 } else { 10 };
        if n == 1000 {
            hedged.store(0, SeqCst);
        }
        let call = || {
            let takes = rng.u32(50..150) * slower;
            async move {
                time::sleep(takes * MS).await;
                Ok::<_, &str>(())
            }
        };
        let hook = |_| {
            hedged.fetch_add(1, SeqCst);
        };
        hedge(delay.clone(), call).on_hedge(hook).await.unwrap();
    }
    let hedged = hedged.into_inner();
    assert!((50..=250).contains(&hedged), "{hedged} of 1000");
}

async fn until_enough_is_known_the_given_delay_counts_or_none() {
    let latencies = Latencies::new(20);
    let began = Mutex::new(Vec::new());
    let attempts = [(9 * SECOND, Ok(1)), (SECOND, Ok(2))];
    let delay = Delay::percentile(&latencies, 0.9);
    let first = hedge(delay.clone(), script(&attempts, &began)).await;
    assert_eq!((first, now()), (Ok(1), 9 * SECOND));
    let delay = delay.until_known(2 * SECOND);
    let second = hedge(delay, script(&attempts, &began)).await;
    assert_eq!((second, now()), (Ok(2), 12 * SECOND));
    assert_eq!(latencies.len(), 2, "9 s, and lost after 3 s");
}

/// With borrows on all sides, inside a future that must be `Send`.
async fn a_hedge_can_be_spawned() {
    fn spawnable<F: Future + Send + 'static>(future: F) -> F {
        future
    }
    async fn ask(text: &str) -> Result<usize, String> {
        time::sleep(MS).await;
        Ok(text.len())
    }
    async fn job(text: &str, count: &mut u32) -> usize {
        let call = || {
            *count += 1;
            ask(text)
        };
        hedge(SECOND, call).on_hedge(|_| ()).await.unwrap()
    }
    let job = spawnable(async { job("four", &mut 0).await });
    assert_eq!(job.await, 4);
}

#[test]
#[should_panic(expected = "a hedge with 0 attempts would never call anything: use at least 1")]
fn no_attempts() {
    drop(hedge(SECOND, || ready(Ok::<(), ()>(()))).max_attempts(0));
}

#[test]
#[should_panic(expected = "a percentile of NaN is none")]
fn a_percentile_that_is_no_number() {
    let _ = Delay::percentile(&Latencies::new(100), f64::NAN);
}

#[test]
#[should_panic(expected = "50 latencies never show the percentile 0.99: keep at least 100")]
fn a_percentile_that_is_never_known() {
    let _ = Delay::percentile(&Latencies::new(50), 0.99);
}

#[test]
#[should_panic(expected = "0 latencies say nothing about the next: keep at least 10")]
fn no_latencies() {
    let _ = Latencies::new(0);
}

regatta::matrix! {
    a_quick_answer_is_not_hedged;
    attempts_begin_one_delay_after_the_other_and_the_first_success_wins [sim];
    the_first_may_still_win [sim];
    a_failure_while_another_runs_is_not_the_end [sim];
    when_all_that_began_have_failed_the_last_error_comes_back_at_once [sim];
    the_losers_are_cancelled_and_their_cleanup_is_waited_for [sim];
    no_delay_begins_all_at_once_and_an_endless_one_no_second [sim];
    cancelled_it_sends_nobody_after [sim];
    nobody_is_sent_after_a_cancelled_attempt_that_cleans_up [sim];
    a_hook_that_panics_ends_nothing [sim];
    a_loop_of_calls_that_answer_at_once_lets_others_run;
    a_panic_goes_on_in_the_caller;
    a_percentile_hedges_the_slow_few [sim];
    when_all_get_slow_few_are_hedged_in_the_long_run [sim];
    until_enough_is_known_the_given_delay_counts_or_none [sim];
    a_hedge_can_be_spawned;
}
