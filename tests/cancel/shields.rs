//! `shield` and `shield_for`.

use crate::ground::{Count, HOUR, MS, Watch, spawn};
use regatta::cancel::{self, CancelToken};
use regatta::testing::yield_now;
use regatta::time;
use std::future::{pending, ready};
use std::time::Duration;

async fn shielded_work_ends_and_the_first_suspension_after_it_does_not() {
    // 81
    let (watch, token) = (Watch::start(), CancelToken::new());
    let (during, after) = (Count::new(), Count::new());
    let run = token.run(async {
        cancel::shield(async {
            token.cancel_with("outer");
            time::sleep(2 * MS).await;
            assert!(cancel::check().is_ok(), "scopes outside are invisible");
            assert_eq!(cancel::deadline(), None);
            time::sleep(2 * MS).await;
            during.up();
        })
        .await;
        assert!(cancel::check().is_err(), "and visible again");
        yield_now().await;
        after.up();
    });
    assert_eq!(run.await.unwrap_err().reason(), &"outer".into());
    assert_eq!((during.get(), after.get()), (1, 0));
    watch.shows(4 * MS);
}

async fn a_shielded_value_is_delivered() {
    let token = CancelToken::new();
    token.cancel();
    let run = token.run(async {
        cancel::shield(async {
            time::sleep(MS).await;
            5
        })
        .await
    });
    assert_eq!(run.await, Ok(5));
}

async fn a_shield_of_what_is_ready_gives_it_at_once() {
    // 85
    assert_eq!(cancel::shield(ready(1)).await, 1);
    let mut done = spawn(async { 2 });
    while !done.is_finished() {
        yield_now().await;
    }
    assert_eq!(cancel::shield(&mut done).await.unwrap(), 2);
    assert_eq!(cancel::shield_for(Duration::ZERO, ready(3)).await, Ok(3));
}

async fn a_shield_does_not_save_a_job_that_is_cancelled_itself() {
    // 85
    let job = spawn(pending::<()>());
    job.cancel();
    assert!(cancel::shield(job).await.unwrap_err().is_cancelled());
}

async fn a_cancelled_awaiter_of_a_shielded_job_waits_for_it() {
    // 84, DIV: asyncio's awaiter leaves at once, and the job's error goes to a global hook. Here nothing is orphaned: the awaiter ends
    // after the job, whose error is its own to look at.
    for fails in [false, true] {
        let (watch, token) = (Watch::start(), CancelToken::new());
        let mut seen = None;
        let run = token.run(async {
            let job = spawn(async move {
                time::sleep(2 * MS).await;
                if fails { Err("the job failed") } else { Ok(()) }
            });
            token.cancel();
            seen = Some(cancel::shield(job).await.unwrap());
            pending::<()>().await
        });
        assert!(run.await.is_err());
        assert_eq!(seen.map(|r| r.is_err()), Some(fails));
        watch.shows(2 * MS);
    }
}

async fn a_shield_with_an_end_ends() {
    let (watch, gone) = (Watch::start(), Count::new());
    let guard = gone.on_drop();
    let late = cancel::shield_for(2 * MS, async move {
        let _guard = guard;
        pending::<()>().await
    });
    assert_eq!(late.await.unwrap_err().limit(), Some(2 * MS));
    assert_eq!(gone.get(), 1);
    watch.shows(2 * MS);
}

async fn a_shield_with_an_end_holds_until_then() {
    let (watch, token) = (Watch::start(), CancelToken::new());
    token.cancel();
    let mut seen = None;
    let run = token.run(async {
        seen = Some(cancel::shield_for(2 * MS, pending::<()>()).await);
        pending::<()>().await
    });
    assert!(run.await.is_err());
    assert!(seen.unwrap().is_err());
    watch.shows(2 * MS);
}

async fn a_timeout_inside_a_shield_still_counts() {
    // 77
    let token = CancelToken::new();
    token.cancel();
    let run = token.run(async {
        let inner = cancel::shield(time::timeout(MS, pending::<()>())).await;
        inner.is_err()
    });
    assert_eq!(run.await, Ok(true));
}

async fn a_cancellation_inside_a_shield_is_seen_there() {
    let (outer, inner) = (CancelToken::new(), CancelToken::new());
    outer.cancel_with("outer");
    let run = outer.run(cancel::shield(inner.run_graceful(HOUR, async {
        assert!(cancel::check().is_ok());
        inner.cancel_with("inner");
        cancel::check().unwrap_err().into_reason()
    })));
    assert_eq!(run.await, Ok(Ok("inner".into())));
}

async fn a_shield_in_a_shield_holds_both() {
    let (watch, token) = (Watch::start(), CancelToken::new());
    let run = token.run(async {
        cancel::shield(async {
            cancel::shield(time::sleep(MS)).await;
            time::sleep(MS).await;
        })
        .await;
        pending::<()>().await
    });
    token.cancel();
    assert!(run.await.is_err());
    watch.shows(2 * MS);
}

async fn other_branches_go_on_while_a_shield_is_up() {
    let token = CancelToken::new();
    let ticks = Count::new();
    let run = token.run(async {
        let save = cancel::shield(time::sleep(4 * MS));
        let beside = async {
            loop {
                time::sleep(MS).await;
                ticks.up();
            }
        };
        futures::future::join(save, beside).await
    });
    token.cancel();
    assert!(run.await.is_err());
    if regatta::testing::in_simulation() {
        assert!((3..=4).contains(&ticks.get()), "{}", ticks.get());
    }
}

async fn every_scope_around_a_shield_waits_for_it() {
    let watch = Watch::start();
    let (outer, inner) = (CancelToken::new(), CancelToken::new());
    let run = outer.run(async {
        let first = inner.run(async {
            cancel::shield(time::sleep(3 * MS)).await;
            pending::<()>().await
        });
        let _ = first.await;
        pending::<()>().await
    });
    outer.cancel();
    inner.cancel();
    assert!(run.await.is_err());
    watch.shows(3 * MS);
}

async fn a_dropped_shield_lets_its_scope_go() {
    let (watch, token) = (Watch::start(), CancelToken::new());
    let run = token.run(async {
        // Lost in a race inside the scope: dropped half way.
        let slow = cancel::shield(time::sleep(HOUR));
        futures_lite::future::or(slow, cancel::shield(time::sleep(2 * MS))).await;
        pending::<()>().await
    });
    token.cancel();
    assert!(run.await.is_err());
    watch.shows(2 * MS);
}

async fn a_shield_that_moves_to_another_scope_holds_that_one() {
    let watch = Watch::start();
    let (one, two) = (CancelToken::new(), CancelToken::new());
    let mut saved = Box::pin(cancel::shield(time::sleep(3 * MS)));
    let mut first = Box::pin(one.run(saved.as_mut()));
    assert!(futures::poll!(first.as_mut()).is_pending());
    drop(first);
    let second = two.run(async {
        saved.as_mut().await;
        pending::<()>().await
    });
    two.cancel();
    assert!(second.await.is_err());
    watch.shows(3 * MS);
    one.cancel();
    assert!(one.run(pending::<()>()).await.is_err());
}

async fn a_panic_passes_a_shield() {
    let token = CancelToken::new();
    token.cancel();
    let saves = cancel::shield(async {
        yield_now().await;
        panic!("in the shield");
    });
    let _: Result<(), _> = token.run(saves).await;
}

regatta::matrix! {
    shielded_work_ends_and_the_first_suspension_after_it_does_not;
    a_shielded_value_is_delivered;
    a_shield_of_what_is_ready_gives_it_at_once;
    a_shield_does_not_save_a_job_that_is_cancelled_itself;
    a_cancelled_awaiter_of_a_shielded_job_waits_for_it;
    a_shield_with_an_end_ends;
    a_shield_with_an_end_holds_until_then;
    a_timeout_inside_a_shield_still_counts;
    a_cancellation_inside_a_shield_is_seen_there;
    a_shield_in_a_shield_holds_both;
    other_branches_go_on_while_a_shield_is_up;
    every_scope_around_a_shield_waits_for_it;
    a_dropped_shield_lets_its_scope_go;
    a_shield_that_moves_to_another_scope_holds_that_one;
    #[should_panic(expected = "in the shield")] a_panic_passes_a_shield;
}
