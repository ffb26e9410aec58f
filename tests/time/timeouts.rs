//! `timeout`, `timeout_at`, `timeout_or`.

use crate::ground::{Count, HOUR, MS, Watch, now, spawn};
use regatta::testing::{in_simulation, yield_now};
use regatta::{cancel, time};
use std::future::{pending, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

async fn slow_work_times_out_after_its_cleanup_ran() {
    // 54
    let (watch, cleaned, dropped) = (Watch::start(), Count::new(), Count::new());
    let body = {
        let guard = dropped.on_drop();
        async move {
            let _guard = guard;
            pending::<()>().await
        }
    };
    let (in_cleanup, gone) = (cleaned.clone(), dropped.clone());
    let work = cancel::finally(body, async move {
        assert_eq!(
            gone.get(),
            1,
            "the body is dropped before its cleanup starts"
        );
        time::sleep(2 * MS).await;
        in_cleanup.up();
    });
    let late = time::timeout(3 * MS, work).await.unwrap_err();
    watch.shows(5 * MS);
    assert_eq!(cleaned.get(), 1);
    assert_eq!(late.limit(), Some(3 * MS));
    assert_eq!(late.to_string(), "deadline of 3ms passed");
}

async fn work_in_time_gives_its_value() {
    // 55
    let watch = Watch::start();
    let quick = time::timeout(HOUR, async {
        time::sleep(MS).await;
        "in time"
    });
    assert_eq!(quick.await, Ok("in time"));
    watch.shows(MS);
}

async fn a_deadline_in_the_past_lets_work_run_to_its_first_suspension() {
    // 57
    let past = now().checked_sub(HOUR).unwrap();
    let reached = AtomicUsize::new(0);
    let work = async || {
        reached.store(1, SeqCst);
        yield_now().await;
        // It was woken already when it was dropped.
        reached.store(2, SeqCst);
    };
    assert!(time::timeout_at(past, work()).await.is_err());
    assert_eq!(reached.load(SeqCst), 1);
    assert!(
        time::timeout(Duration::ZERO, time::sleep(Duration::ZERO))
            .await
            .is_err()
    );
}

async fn a_deadline_in_the_past_keeps_a_value_that_needs_no_suspension() {
    // 58
    let past = now().checked_sub(HOUR).unwrap();
    assert_eq!(time::timeout_at(past, ready(1)).await, Ok(1));
    assert_eq!(time::timeout(Duration::ZERO, ready(2)).await, Ok(2));
    assert_eq!(time::timeout_or(Duration::ZERO, ready(3), || 0).await, 3);
}

async fn no_time_at_all_for_a_job() {
    // 59, DIV: asyncio never starts an unstarted job; here it runs to its first suspension, as in Trio.
    let mut done = spawn(async { "result" });
    while !done.is_finished() {
        yield_now().await;
    }
    assert_eq!(
        time::timeout(Duration::ZERO, &mut done)
            .await
            .unwrap()
            .unwrap(),
        "result"
    );

    let (started, dropped) = (Count::new(), Count::new());
    let unstarted = {
        let (started, guard) = (started.clone(), dropped.on_drop());
        async move {
            let _guard = guard;
            started.up();
            pending::<()>().await
        }
    };
    assert!(time::timeout(Duration::ZERO, unstarted).await.is_err());
    assert_eq!((started.get(), dropped.get()), (1, 1));

    let dropped = Count::new();
    let guard = dropped.on_drop();
    let mut running = Box::pin(async move {
        let _guard = guard;
        pending::<()>().await
    });
    assert!(futures::poll!(&mut running).is_pending());
    assert!(time::timeout(Duration::ZERO, running).await.is_err());
    assert_eq!(dropped.get(), 1, "dropped before the error comes");
}

async fn an_error_in_time_passes_unchanged() {
    // 71
    let work = time::timeout(HOUR, async {
        time::sleep(MS).await;
        Err::<(), _>("disk full")
    });
    assert_eq!(work.await, Ok(Err("disk full")));
}

async fn a_cancelled_waiter_cancels_its_work() {
    // 63
    let (token, dropped) = (cancel::CancelToken::new(), Count::new());
    let guard = dropped.on_drop();
    let waiter = token.run(time::timeout(HOUR, async move {
        let _guard = guard;
        pending::<()>().await
    }));
    let canceller = token.clone();
    drop(spawn(async move {
        time::sleep(MS).await;
        canceller.cancel_with("enough");
    }));
    assert_eq!(waiter.await.unwrap_err().to_string(), "cancelled: enough");
    assert_eq!(dropped.get(), 1);
}

async fn the_clock_starts_at_the_first_poll() {
    // 75, DIV: as in Trio; AnyIO's starts when the scope is made.
    let early = time::timeout(3 * MS, time::sleep(2 * MS));
    time::sleep(5 * MS).await;
    let watch = Watch::start();
    let ended = early.await;
    watch.shows(2 * MS);
    if in_simulation() {
        assert_eq!(ended, Ok(()));
    }
}

#[test]
fn numbers_that_are_no_time_are_refused() {
    // 76, DIV: refused as in Trio, and before there is a timeout.
    for bad in [
        f64::NAN,
        -1.0,
        -1e-300,
        f64::NEG_INFINITY,
        f64::INFINITY,
        1e300,
    ] {
        let error = time::seconds(bad).unwrap_err();
        assert_eq!(error.value().to_bits(), bad.to_bits());
        let text = error.to_string();
        assert!(text.contains("use"), "{text}");
    }
    for (good, duration) in [(0.0, 0), (-0.0, 0), (0.001, 1), (2.5, 2500)] {
        assert_eq!(time::seconds(good), Ok(Duration::from_millis(duration)));
    }
    assert!(
        time::seconds(f64::NAN)
            .unwrap_err()
            .to_string()
            .starts_with("NaN is no number")
    );
    assert!(
        time::seconds(f64::INFINITY)
            .unwrap_err()
            .to_string()
            .contains("Duration::MAX")
    );
}

async fn lent_work_survives_its_timeout() {
    let started = Arc::new(AtomicUsize::new(0));
    let count = started.clone();
    let mut work = pin!(async move {
        count.fetch_add(1, SeqCst);
        time::sleep(6 * MS).await;
        "done"
    });
    let watch = Watch::start();
    let first = time::timeout(2 * MS, work.as_mut()).await;
    if in_simulation() {
        assert!(first.is_err());
    }
    if first.is_err() {
        assert_eq!(time::timeout(HOUR, work).await, Ok("done"));
    }
    watch.shows(6 * MS);
    assert_eq!(started.load(SeqCst), 1);
}

async fn a_shield_in_the_body_holds_the_timeout_back() {
    let (watch, after) = (Watch::start(), Count::new());
    let passed = after.clone();
    let late = time::timeout(MS, async {
        cancel::shield(time::sleep(4 * MS)).await;
        pending::<()>().await;
        passed.up();
    });
    assert!(late.await.is_err());
    watch.shows(4 * MS);
    assert_eq!(after.get(), 0);
}

async fn a_fallback_is_called_only_when_it_is_too_late() {
    let calls = Count::new();
    let fallback = || {
        calls.up();
        "old"
    };
    let fresh = async {
        yield_now().await;
        "new"
    };
    assert_eq!(time::timeout_or(HOUR, fresh, fallback).await, "new");
    assert_eq!(calls.get(), 0);
    let late = cancel::finally(pending(), time::sleep(MS));
    assert_eq!(time::timeout_or(MS, late, fallback).await, "old");
    assert_eq!(calls.get(), 1);
}

#[test]
fn an_elapsed_deadline_is_an_io_error_too() {
    let late = regatta::testing::run(async || time::timeout(MS, pending::<()>()).await);
    let io = std::io::Error::from(late.unwrap_err());
    assert_eq!(io.kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(io.to_string(), "deadline of 1ms passed");
}

regatta::matrix! {
    slow_work_times_out_after_its_cleanup_ran;
    work_in_time_gives_its_value;
    a_deadline_in_the_past_lets_work_run_to_its_first_suspension;
    a_deadline_in_the_past_keeps_a_value_that_needs_no_suspension;
    no_time_at_all_for_a_job;
    an_error_in_time_passes_unchanged;
    a_cancelled_waiter_cancels_its_work;
    the_clock_starts_at_the_first_poll;
    lent_work_survives_its_timeout;
    a_shield_in_the_body_holds_the_timeout_back;
    a_fallback_is_called_only_when_it_is_too_late;
}
