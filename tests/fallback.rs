//! `fallback`: when the other is called, and what comes back.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

use regatta::cancel::{self, CancelToken};
use regatta::fallback::{fallback, fallback_when};
use regatta::time;
use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

async fn a_success_calls_nothing_else() {
    let other = |_: &str| async { unreachable!("it is not called") };
    assert_eq!(fallback(ready(Ok(1)), other).await, Ok(1));
}

async fn a_failure_is_what_the_other_makes_of_it() {
    let good = fallback(ready(Err::<usize, _>("down")), |e| ready(Ok(e.len())));
    assert_eq!(good.await, Ok(4));
    let bad = fallback(ready(Err::<(), _>("down")), |_| ready(Err("down, too")));
    assert_eq!(bad.await, Err("down, too"));
}

async fn other_errors_come_back_as_they_are() {
    for (error, answer) in [("down", Ok(7)), ("forbidden", Err("forbidden"))] {
        let call = fallback_when(ready(Err(error)), |e| *e == "down", |_| ready(Ok(7)));
        assert_eq!(call.await, answer);
    }
}

async fn a_cancelled_call_has_no_fallback() {
    let token = CancelToken::new();
    let call = async {
        token.cancel();
        cancel::check().map_err(|_| "stopped")
    };
    let call = fallback(call, |_| async { unreachable!("it is not called") });
    let ended = token.run_graceful(MS, call).await;
    assert_eq!(ended.unwrap(), Err("stopped"));
}

async fn the_call_is_dropped_before_the_other_begins() {
    let held = Arc::new(());
    let mine = held.clone();
    let call = async move {
        let _mine = mine;
        time::sleep(MS).await;
        Err::<usize, _>("down")
    };
    let others = fallback(call, |_| async { Ok(Arc::strong_count(&held)) }).await;
    assert_eq!(others, Ok(1));
}

async fn a_loop_of_calls_that_are_ready_lets_others_run() {
    let endless = async {
        loop {
            let call = fallback(ready(Err::<u32, _>("down")), |_| ready(Ok::<_, &str>(1)));
            call.await.unwrap();
        }
    };
    let others = async {
        for _ in 0..3 {
            futures_lite::future::yield_now().await;
        }
    };
    futures_lite::future::or(endless, others).await;
}

/// With borrows on all sides, inside a future that must be `Send`.
async fn a_fallback_can_be_spawned() {
    fn spawnable<F: Future + Send + 'static>(future: F) -> F {
        future
    }
    async fn parse(text: &str) -> Result<usize, &str> {
        time::sleep(MS).await;
        text.parse().map_err(|_| text)
    }
    async fn job(text: &str, seen: &mut u32) -> usize {
        let other = |e: &str| {
            *seen += 1;
            let n = e.len();
            async move { Ok(n) }
        };
        fallback_when(parse(text), |e| !e.is_empty(), other)
            .await
            .unwrap()
    }
    let job = spawnable(async { job("four", &mut 0).await });
    assert_eq!(job.await, 4);
}

regatta::matrix! {
    a_success_calls_nothing_else;
    a_failure_is_what_the_other_makes_of_it;
    other_errors_come_back_as_they_are;
    a_cancelled_call_has_no_fallback;
    the_call_is_dropped_before_the_other_begins;
    a_loop_of_calls_that_are_ready_lets_others_run;
    a_fallback_can_be_spawned;
}
