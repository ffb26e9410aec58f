//! `CancelToken::run` and `run_graceful`.

use crate::ground::{Count, HOUR, Hand, MS, Watch, panic_of, spawn};
use regatta::cancel::{self, CancelToken, Cancelled, Reason};
use regatta::testing::{in_simulation, yield_now};
use regatta::{Runtime, time};
use std::future::pending;
use std::pin::pin;
use std::time::Duration;

/// Cancels `token` after `after`.
fn cancel_in(after: Duration, token: &CancelToken) {
    let token = token.clone();
    drop(spawn(async move {
        time::sleep(after).await;
        token.cancel();
    }));
}

async fn work_that_is_not_cancelled_gives_its_value() {
    let token = CancelToken::new();
    assert_eq!(token.run(async { 1 }).await, Ok(1));
    let slow = token.run_graceful(HOUR, async {
        time::sleep(MS).await;
        2
    });
    assert_eq!(slow.await, Ok(2));
    // The same token may run many things, one after the other and at once.
    let (a, b) = futures::future::join(token.run(yield_now()), token.run(yield_now())).await;
    assert_eq!((a, b), (Ok(()), Ok(())));
}

async fn cancelled_work_is_dropped_and_says_why() {
    let (token, gone) = (CancelToken::new(), Count::new());
    let guard = gone.on_drop();
    let mut run = pin!(token.run(async move {
        let _guard = guard;
        pending::<()>().await
    }));
    assert!(futures::poll!(run.as_mut()).is_pending());
    token.cancel_with("no longer needed");
    assert_eq!(gone.get(), 0, "dropped by its owner, not by the canceller");
    assert_eq!(run.await, Err(Cancelled::new("no longer needed")));
    assert_eq!(gone.get(), 1);
}

async fn a_value_that_is_ready_comes_before_the_cancellation() {
    // 89, DIV: asyncio loses the value.
    let (tx, rx) = async_channel::bounded(1);
    let token = CancelToken::new();
    let after = Count::new();
    let passed = after.clone();
    let work = token.run(async {
        let value = rx.recv().await.unwrap();
        assert_eq!(value, "delivered");
        passed.up();
        yield_now().await;
        passed.up();
    });
    let mut work = pin!(work);
    assert!(futures::poll!(work.as_mut()).is_pending());
    tx.send("delivered").await.unwrap();
    token.cancel();
    assert!(work.await.is_err());
    assert_eq!(after.get(), 1, "cancelled at the next suspension");
}

async fn a_result_that_is_ready_comes_before_the_cancellation() {
    // 64, 89
    let token = CancelToken::new();
    let (tx, rx) = async_channel::bounded(1);
    let mut work = pin!(token.run(rx.recv()));
    assert!(futures::poll!(work.as_mut()).is_pending());
    tx.send(7).await.unwrap();
    token.cancel();
    assert_eq!(work.await, Ok(Ok(7)));
}

async fn a_cancelled_token_lets_work_run_to_its_first_suspension() {
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(
        token.run(async { "no suspension" }).await,
        Ok("no suspension")
    );
    let steps = Count::new();
    let work = token.run(async {
        steps.up();
        yield_now().await;
        steps.up();
    });
    assert!(work.await.is_err());
    assert_eq!(steps.get(), 1);
}

async fn a_loop_that_computes_can_ask() {
    let token = CancelToken::new();
    let mut rounds = 0;
    let stopped = token.run(async {
        loop {
            rounds += 1;
            if rounds == 3 {
                token.cancel_with("three are enough");
            }
            cancel::check()?;
        }
        #[expect(unreachable_code, reason = "the type of the block")]
        Ok::<(), Cancelled>(())
    });
    // It left by itself: a value, which comes first.
    assert_eq!(stopped.await, Ok(Err(Cancelled::new("three are enough"))));
    assert_eq!(rounds, 3);
}

async fn work_may_end_by_itself_within_its_grace() {
    let (watch, token) = (Watch::start(), CancelToken::new());
    let server = token.run_graceful(HOUR, async {
        assert_eq!(cancel::cancelled().await, Reason::Requested);
        time::sleep(2 * MS).await;
        "drained"
    });
    cancel_in(MS, &token);
    assert_eq!(server.await, Ok("drained"));
    watch.shows(3 * MS);
}

async fn work_that_outlives_its_grace_is_dropped() {
    let (watch, token, gone) = (Watch::start(), CancelToken::new(), Count::new());
    let guard = gone.on_drop();
    let stubborn = token.run_graceful(3 * MS, async move {
        let _guard = guard;
        pending::<()>().await
    });
    cancel_in(MS, &token);
    assert_eq!(stubborn.await, Err(Cancelled::new(Reason::Requested)));
    assert_eq!(gone.get(), 1);
    watch.shows(4 * MS);
}

async fn cleanup_runs_after_the_grace() {
    let (watch, token, cleaned) = (Watch::start(), CancelToken::new(), Count::new());
    let work = cancel::finally(pending::<()>(), async {
        time::sleep(2 * MS).await;
        cleaned.up();
    });
    let run = token.run_graceful(3 * MS, work);
    token.cancel();
    assert!(run.await.is_err());
    assert_eq!(cleaned.get(), 1);
    watch.shows(5 * MS);
}

async fn a_grace_without_end_waits_for_ever() {
    let token = CancelToken::new();
    token.cancel();
    let watch = Watch::start();
    let patient = token.run_graceful(Duration::MAX, async {
        time::sleep(4 * MS).await;
        "in its own time"
    });
    assert_eq!(patient.await, Ok("in its own time"));
    watch.shows(4 * MS);
    let never = token.run_graceful(Duration::MAX, pending::<()>());
    assert!(time::timeout(MS, never).await.is_err());
}

async fn a_grace_of_nothing_is_no_grace() {
    let token = CancelToken::new();
    token.cancel();
    let steps = Count::new();
    let work = token.run_graceful(Duration::ZERO, async {
        steps.up();
        yield_now().await;
        steps.up();
    });
    assert!(work.await.is_err());
    assert_eq!(steps.get(), 1);
}

async fn the_grace_starts_at_a_deadline_too() {
    let watch = Watch::start();
    let token = CancelToken::new().child_for(2 * MS);
    let run = token.run_graceful(2 * MS, pending::<()>());
    assert_eq!(
        run.await.unwrap_err().to_string(),
        "cancelled: deadline of 2ms passed"
    );
    watch.shows(4 * MS);
}

async fn a_second_cancellation_does_not_cut_the_grace() {
    let (watch, token) = (Watch::start(), CancelToken::new());
    let work = token.run_graceful(HOUR, async {
        time::sleep(3 * MS).await;
        "finished"
    });
    token.cancel();
    cancel_in(MS, &token);
    assert_eq!(work.await, Ok("finished"));
    watch.shows(3 * MS);
}

async fn nested_runs_end_with_the_first_that_is_cancelled() {
    let (outer, inner) = (CancelToken::new(), CancelToken::new());
    inner.cancel_with("inner");
    let both = outer.run(async {
        let first = inner.run(pending::<()>()).await.unwrap_err();
        assert_eq!(first.reason(), &"inner".into());
        outer.cancel_with("outer");
        inner.run(async { "ready" }).await.unwrap()
    });
    assert_eq!(both.await, Ok("ready"));
    let both = outer.run(inner.run(pending::<()>()));
    // Both are cancelled: whoever asks hears of the outer one.
    assert!(both.await.is_ok_and(|inner| inner.is_err()) || in_simulation());
}

async fn a_panic_passes_a_run() {
    CancelToken::new()
        .run(async {
            yield_now().await;
            panic!("in the work");
        })
        .await
        .unwrap()
}

#[test]
fn a_panicking_destructor_of_cancelled_work_passes_too() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in the destructor");
        }
    }
    let token = CancelToken::new();
    let said = panic_of(|| {
        let mut run = pin!(token.run(async {
            let _bomb = Bomb;
            pending::<()>().await
        }));
        assert!(Hand::new().poll(run.as_mut()).is_pending());
        token.cancel();
        let _ = Hand::new().poll(run.as_mut());
    });
    assert_eq!(said, "in the destructor");
    assert!(cancel::check().is_ok());
}

#[test]
fn a_run_needs_no_runtime_until_there_is_a_deadline() {
    let token = CancelToken::new();
    let mut run = pin!(Runtime::neutral().within(token.run(pending::<()>())));
    let hand = Hand::new();
    assert!(hand.poll(run.as_mut()).is_pending());
    token.cancel();
    assert_eq!(hand.wakes.get(), 1);
    assert!(hand.poll(run.as_mut()).is_ready());
}

regatta::matrix! {
    work_that_is_not_cancelled_gives_its_value;
    cancelled_work_is_dropped_and_says_why;
    a_value_that_is_ready_comes_before_the_cancellation;
    a_result_that_is_ready_comes_before_the_cancellation;
    a_cancelled_token_lets_work_run_to_its_first_suspension;
    a_loop_that_computes_can_ask;
    work_may_end_by_itself_within_its_grace;
    work_that_outlives_its_grace_is_dropped;
    cleanup_runs_after_the_grace;
    a_grace_without_end_waits_for_ever;
    a_grace_of_nothing_is_no_grace;
    the_grace_starts_at_a_deadline_too;
    a_second_cancellation_does_not_cut_the_grace;
    nested_runs_end_with_the_first_that_is_cancelled;
    #[should_panic(expected = "in the work")] a_panic_passes_a_run;
}
