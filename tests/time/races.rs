//! What comes in the tick of the deadline or after it, and what the work is told.

use crate::ground::{HOUR, MS, Watch, now, spawn};
use regatta::testing::in_simulation;
use regatta::{cancel, time};
use std::future::pending;

async fn a_value_made_after_the_deadline_is_kept() {
    // 60
    let watch = Watch::start();
    let stubborn = time::timeout(
        MS,
        cancel::shield(async {
            time::sleep(3 * MS).await;
            7
        }),
    );
    assert_eq!(stubborn.await, Ok(7));
    watch.shows(3 * MS);
}

async fn an_error_made_after_the_deadline_is_kept() {
    // 61, 72: the other error passes; the timeout is not reported beside it (asyncio keeps it as the cause).
    let rollback = time::timeout(MS, async {
        cancel::shield(time::sleep(3 * MS)).await;
        Err::<(), _>("rollback failed")
    });
    assert_eq!(rollback.await, Ok(Err("rollback failed")));
}

async fn a_panicking_cleanup_panics_through_the_timeout() {
    // 72
    let work = cancel::finally(pending::<()>(), async {
        time::sleep(MS).await;
        panic!("cleanup went wrong");
    });
    let _ = time::timeout(MS, work).await;
}

async fn a_result_that_comes_with_the_cancellation_stays_on_its_handle() {
    // 64
    let token = cancel::CancelToken::new();
    let mut job = spawn(time::sleep(2 * MS));
    let canceller = token.clone();
    drop(spawn(async move {
        time::sleep(2 * MS).await;
        canceller.cancel();
    }));
    // Whichever came first: nothing is lost.
    if token.run(time::timeout(HOUR, &mut job)).await.is_err() {
        job.await.unwrap();
    }
}

async fn a_value_in_the_tick_of_the_deadline_is_kept() {
    let at = now() + 2 * MS;
    let work = time::timeout_at(at, async {
        time::sleep_until(at).await;
        "just in time"
    });
    let ended = work.await;
    if in_simulation() {
        assert_eq!(ended, Ok("just in time"));
    }
}

async fn explicit_cancellation_before_the_deadline_is_no_timeout() {
    // 74, also when the deadline passes during the cleanup.
    for cleanup in [MS, 8 * MS] {
        let token = cancel::CancelToken::new();
        let timed = time::timeout(
            4 * MS,
            cancel::finally(pending::<()>(), time::sleep(cleanup)),
        );
        let both = token.run(timed);
        let canceller = token.clone();
        drop(spawn(async move {
            time::sleep(MS).await;
            canceller.cancel_with("by hand");
        }));
        assert_eq!(both.await.unwrap_err().reason(), &"by hand".into());
    }
}

async fn a_name_is_told_to_whoever_asks() {
    let at = now() + 2 * MS;
    let mut inside = None;
    let mut token = None;
    let body = async {
        token = Some(cancel::current());
        time::sleep_until(at).await;
        inside = Some(cancel::check());
        pending::<()>().await
    };
    let late = time::timeout_at(at, body)
        .named("fetch page")
        .await
        .unwrap_err();
    assert_eq!(late.name(), Some("fetch page"));
    assert_eq!(late.limit(), None);
    assert_eq!(late.to_string(), "deadline `fetch page` passed");
    let told = token.unwrap().reason().unwrap();
    assert_eq!(told.to_string(), late.to_string());
    // On a real clock it may have been dropped before it asked.
    if let Some(asked) = inside {
        assert_eq!(asked.unwrap_err().reason(), &told);
    }
}

async fn a_name_is_told_by_the_clock_too() {
    // Asked in the tick of the deadline, before the timer has fired.
    for named in [true, false] {
        let mut asked = None;
        let body = async {
            time::sleep(2 * MS).await;
            asked = Some(cancel::check());
        };
        let mut work = time::timeout(2 * MS, body);
        if named {
            work = work.named("page");
        }
        assert_eq!(work.await, Ok(()));
        let told = asked.unwrap().unwrap_err().to_string();
        let want = if named {
            "cancelled: deadline `page` of 2ms passed"
        } else {
            "cancelled: deadline of 2ms passed"
        };
        assert_eq!(told, want);
    }
}

regatta::matrix! {
    a_value_made_after_the_deadline_is_kept;
    an_error_made_after_the_deadline_is_kept;
    #[should_panic(expected = "cleanup went wrong")] a_panicking_cleanup_panics_through_the_timeout;
    a_result_that_comes_with_the_cancellation_stays_on_its_handle;
    a_value_in_the_tick_of_the_deadline_is_kept;
    explicit_cancellation_before_the_deadline_is_no_timeout;
    a_name_is_told_to_whoever_asks;
    a_name_is_told_by_the_clock_too [sim];
}
