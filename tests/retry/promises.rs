//! What is promised of retries under cancellation, beside others who were told the same, and with hooks that panic.

use super::{MS, SECOND, flaky};
use futures_util::FutureExt;
use futures_util::future::join_all;
use regatta::cancel::{self, CancelToken, Reason};
use regatta::retry::{Backoff, Budget, GaveUp, Jitter, retry, retry_with};
use regatta::testing::{self, now};
use regatta::time;
use std::collections::BTreeSet;
use std::future::{pending, ready};
use std::panic::AssertUnwindSafe;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

/// When so many callers come back whom a server has told at once: in `after`.
async fn come_back(callers: usize, jitter: Jitter, after: Duration) -> Vec<Duration> {
    let start = now();
    let backoff = Backoff::exponential(SECOND).jitter(jitter);
    join_all((0..callers).map(|_| async {
        let call = retry(&backoff, flaky(1)).retry_after(|_| Some(after));
        assert_eq!(call.await, Ok(2));
        now() - start
    }))
    .await
}

async fn callers_who_were_told_the_same_do_not_come_back_together() {
    let after = 7 * SECOND;
    for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated] {
        let came = come_back(50, jitter, after).await;
        let distinct: BTreeSet<_> = came.iter().map(Duration::as_millis).collect();
        assert!(distinct.len() >= 40, "{jitter:?}: {distinct:?}");
        assert!(came.iter().all(|at| *at >= after && *at <= after + SECOND));
        let (first, last) = (came.iter().min().unwrap(), came.iter().max().unwrap());
        assert!(*last - *first > SECOND / 2, "{jitter:?}: {distinct:?}");
    }
    // Nobody has asked for more than that.
    assert!(
        come_back(5, Jitter::None, after)
            .await
            .iter()
            .all(|at| *at == after)
    );
}

/// The jitter is an extra, for which no attempt is given up.
async fn what_comes_on_top_fits_before_the_deadline() {
    for _ in 0..50 {
        let start = now();
        let backoff = Backoff::constant(SECOND).jitter(Jitter::Full);
        let call = retry(backoff, flaky(1)).retry_after(|_| Some(7 * SECOND));
        assert_eq!(call.total_timeout(7 * SECOND + 10 * MS).await, Ok(2));
        assert!(now() - start < 7 * SECOND + 10 * MS);
    }
}

/// Given time to end, a retry that sleeps has nothing to do with it.
async fn cancelled_in_a_delay_it_begins_nothing_and_says_so_at_once() {
    let calls = AtomicU32::new(0);
    let call = || {
        calls.fetch_add(1, SeqCst);
        ready(Err::<(), _>("down"))
    };
    let token = CancelToken::new();
    let start = now();
    let waits = token.run_graceful(3600 * SECOND, retry(Backoff::constant(2 * SECOND), call));
    let stops = async {
        time::sleep(3 * SECOND).await;
        token.cancel();
    };
    let (ended, ()) = futures_lite::future::zip(waits, stops).await;
    let error = ended.unwrap().unwrap_err();
    assert_eq!((error.attempts, error.gave_up), (2, GaveUp::Cancelled));
    assert_eq!((error.into_error(), calls.load(SeqCst)), (Some("down"), 2));
    assert_eq!(now() - start, 3 * SECOND);
}

async fn cancelled_in_a_hook_it_begins_nothing_and_gives_the_state_back() {
    let token = CancelToken::new();
    let backoff = Backoff::constant(Duration::ZERO);
    let call =
        retry_with(backoff, 0, |n| ready((n + 1, Err::<(), _>("down")))).on_retry_async(|_| {
            let token = token.clone();
            async move {
                token.cancel();
                futures_lite::future::yield_now().await;
            }
        });
    let (state, ended) = token.run_graceful(SECOND, call).await.unwrap();
    let error = ended.unwrap_err();
    assert_eq!(
        (state, error.attempts, error.gave_up),
        (1, 1, GaveUp::Cancelled)
    );
}

/// Its cleanup takes its time; no other attempt begins meanwhile, nor after it.
async fn nothing_begins_while_a_cancelled_attempt_cleans_up() {
    let (calls, cleaned) = (AtomicU32::new(0), AtomicU32::new(0));
    let call = || async {
        calls.fetch_add(1, SeqCst);
        let cleanup = async {
            for _ in 0..20 {
                time::sleep(MS).await;
            }
            cleaned.fetch_add(1, SeqCst);
        };
        cancel::on_cancel(pending::<Result<(), &str>>(), cleanup).await
    };
    let token = CancelToken::new();
    let backoff = Backoff::constant(MS).max_attempts(99);
    let run = token.run(retry(backoff, call).attempt_timeout(10 * MS));
    let stops = async {
        while calls.load(SeqCst) < 1 {
            futures_lite::future::yield_now().await;
        }
        token.cancel();
    };
    let (ended, ()) = futures_lite::future::zip(run, stops).await;
    assert_eq!(ended.unwrap_err().reason(), &Reason::Requested);
    assert_eq!((calls.load(SeqCst), cleaned.load(SeqCst)), (1, 1));
}

async fn a_hook_that_panics_ends_nothing() {
    let call =
        retry(Backoff::constant(Duration::ZERO), flaky(3)).on_retry(|_| panic!("in the log"));
    assert_eq!(call.await, Ok(4));
}

/// What decides cannot be passed over: its panic is the caller's.
async fn a_panic_of_a_closure_that_decides_goes_on_in_the_caller() {
    let call = retry(Backoff::constant(Duration::ZERO), flaky(1)).when(|_| panic!("undecided"));
    assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
    let call = retry(Backoff::constant(Duration::ZERO), flaky(1)).retry_after(|_| panic!("when?"));
    assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
}

async fn a_loop_of_calls_that_work_at_once_lets_others_run() {
    let backoff = Backoff::constant(MS);
    let endless = async {
        loop {
            retry(&backoff, || ready(Ok::<_, ()>(1))).await.unwrap();
        }
    };
    let others = async {
        for _ in 0..3 {
            futures_lite::future::yield_now().await;
        }
    };
    futures_lite::future::or(endless, others).await;
    let endless = async {
        loop {
            let call = retry_with(backoff.clone(), 1, |n| ready((n, Ok::<_, ()>(1))));
            call.budget(&Budget::new(1.0, 1.0)).await.1.unwrap();
        }
    };
    let others = async {
        for _ in 0..3 {
            futures_lite::future::yield_now().await;
        }
    };
    futures_lite::future::or(endless, others).await;
}

/// One in a `static`, met by the clocks of several runtimes one after the other, each far from the other.
#[test]
fn a_budget_in_a_static_goes_on_under_every_clock() {
    static BUDGET: LazyLock<Budget> = LazyLock::new(|| Budget::new(1.0, 0.0));
    let retried = || async {
        let backoff = Backoff::constant(Duration::ZERO).max_attempts(2);
        let ended = retry(backoff, flaky(9)).budget(&BUDGET).await;
        ended.unwrap_err().attempts - 1
    };
    for _ in 0..2 {
        // Paid in and taken out; what is over after ten seconds of whichever clock is gone.
        testing::run(async || {
            assert_eq!(retried().await, 1);
            retry(Backoff::constant(MS), flaky(0))
                .budget(&BUDGET)
                .await
                .unwrap();
            assert_eq!(BUDGET.balance(now_of_runtime()), 1.0);
            time::sleep(3600 * SECOND).await;
            assert_eq!(BUDGET.balance(now_of_runtime()), 0.0);
        });
        let balance = futures_lite::future::block_on(async {
            retry(Backoff::constant(MS), flaky(0))
                .budget(&BUDGET)
                .await
                .unwrap();
            BUDGET.balance(now_of_runtime())
        });
        assert_eq!(balance, 1.0);
        // The next simulation takes it over with what is in it.
        testing::run(async || {
            assert_eq!(BUDGET.balance(now_of_runtime()), 1.0);
            time::sleep(11 * SECOND).await;
            assert_eq!(BUDGET.balance(now_of_runtime()), 0.0);
        });
    }
}

fn now_of_runtime() -> std::time::Instant {
    regatta::Runtime::current().now()
}

regatta::matrix! {
    callers_who_were_told_the_same_do_not_come_back_together [sim];
    what_comes_on_top_fits_before_the_deadline [sim];
    cancelled_in_a_delay_it_begins_nothing_and_says_so_at_once [sim];
    cancelled_in_a_hook_it_begins_nothing_and_gives_the_state_back;
    nothing_begins_while_a_cancelled_attempt_cleans_up;
    a_hook_that_panics_ends_nothing;
    a_panic_of_a_closure_that_decides_goes_on_in_the_caller;
    a_loop_of_calls_that_work_at_once_lets_others_run;
}
