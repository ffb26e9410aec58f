//! `Deadline`: a limit that moves.

use crate::ground::{Count, HOUR, MS, Watch, now, spawn};
use regatta::cancel;
use regatta::testing::{self, in_simulation, yield_now};
use regatta::time::{self, Deadline};
use std::future::pending;
use std::time::Duration;

async fn a_deadline_that_did_not_fire_can_still_be_read() {
    // 55
    let deadline = Deadline::after(HOUR);
    assert_eq!(deadline.moment(), None, "its clock has not started");
    let before = now();
    let work = deadline.run(async {
        yield_now().await;
        5
    });
    assert_eq!(work.await, Ok(5));
    assert!(!deadline.has_passed());
    assert!(deadline.moment().is_some_and(|at| at >= before + HOUR));
}

async fn no_deadline_never_fires() {
    // 56
    let watch = Watch::start();
    for never in [Deadline::never(), Deadline::after(Duration::MAX)] {
        assert_eq!(never.run(time::sleep(MS)).await, Ok(()));
        assert_eq!(never.moment(), None);
    }
    assert_eq!(time::timeout(Duration::MAX, time::sleep(MS)).await, Ok(()));
    watch.shows(3 * MS);
}

async fn a_deadline_can_be_moved_before_the_work_starts() {
    // 70, DIV: asyncio refuses; allowed as in AnyIO and Trio.
    let (watch, deadline) = (Watch::start(), Deadline::after(HOUR));
    deadline.move_to(now() + 2 * MS).unwrap();
    assert!(deadline.run(pending::<()>()).await.is_err());
    watch.shows(2 * MS);
}

async fn a_deadline_can_be_moved_from_inside_and_from_outside() {
    let (watch, deadline) = (Watch::start(), Deadline::after(HOUR));
    let work = deadline.run(async {
        deadline.move_to_after(2 * MS).unwrap();
        pending::<()>().await
    });
    assert!(work.await.is_err());
    watch.shows(2 * MS);

    let (watch, deadline) = (Watch::start(), Deadline::never());
    let mover = deadline.clone();
    drop(spawn(async move {
        time::sleep(MS).await;
        mover.move_to_after(2 * MS).unwrap();
    }));
    assert!(deadline.run(pending::<()>()).await.is_err());
    watch.shows(3 * MS);
}

async fn a_deadline_moved_out_is_forgotten() {
    let (watch, deadline) = (Watch::start(), Deadline::after(20 * MS));
    let work = deadline.run(async {
        yield_now().await;
        deadline.move_to_after(HOUR).unwrap();
        time::sleep(22 * MS).await;
        deadline.lift().unwrap();
        time::sleep(MS).await;
    });
    work.await.unwrap();
    watch.shows(23 * MS);
    assert_eq!(deadline.moment(), None);
}

async fn a_deadline_moved_into_the_past_fires_at_the_next_suspension() {
    let deadline = Deadline::after(HOUR);
    let after = Count::new();
    let work = deadline.run(async {
        yield_now().await;
        deadline.move_to(now().checked_sub(MS).unwrap()).unwrap();
        yield_now().await;
        after.up();
    });
    assert!(work.await.is_err());
    assert_eq!(after.get(), 0);
}

async fn what_has_passed_cannot_be_moved() {
    // 70
    let deadline = Deadline::named(MS, "idle");
    assert!(deadline.run(pending::<()>()).await.is_err());
    assert!(deadline.has_passed());
    let refused = deadline.move_to_after(HOUR).unwrap_err();
    assert_eq!(refused.to_string(), "deadline `idle` of 1ms passed");
    assert!(deadline.move_to(now() + HOUR).is_err());
    assert!(deadline.lift().is_err());
    // Work that comes later runs to its first suspension.
    assert_eq!(deadline.run(async { 1 }).await, Ok(1));
    assert!(deadline.run(yield_now()).await.is_err());
}

async fn a_deadline_can_be_moved_after_its_work_ended() {
    // 70, DIV: asyncio refuses.
    let deadline = Deadline::after(HOUR);
    deadline.run(yield_now()).await.unwrap();
    deadline.move_to_after(MS).unwrap();
    assert!(deadline.run(pending::<()>()).await.is_err());
}

async fn asking_settles_whether_it_has_passed() {
    let deadline = Deadline::at(now().checked_sub(MS).unwrap());
    assert!(deadline.has_passed());
    assert!(deadline.move_to_after(HOUR).is_err());
    // Nobody asked: the work that is still running may move it.
    let start = now();
    let deadline = Deadline::at(start + 2 * MS);
    let work = deadline.run(async {
        time::sleep(2 * MS).await;
        deadline.move_to_after(2 * MS)?;
        time::sleep(MS).await;
        Ok::<_, time::Elapsed>(())
    });
    let ended = work.await;
    if in_simulation() {
        assert_eq!(ended, Ok(Ok(())));
    }
    let deadline = Deadline::at(now());
    let asked = deadline.run(async {
        assert!(cancel::check().is_err());
        deadline.move_to_after(HOUR).is_err()
    });
    assert_eq!(asked.await, Ok(true));
}

async fn several_tasks_under_one_deadline_all_hear_of_the_move() {
    let (watch, deadline) = (Watch::start(), Deadline::after(HOUR));
    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let deadline = deadline.clone();
            spawn(async move { deadline.run(pending::<()>()).await })
        })
        .collect();
    time::sleep(2 * MS).await;
    deadline.move_to_after(MS).unwrap();
    for task in tasks {
        assert!(task.await.unwrap().is_err());
    }
    watch.shows(3 * MS);
}

async fn the_error_tells_the_limit_that_was_last_set() {
    let idle = Deadline::named(HOUR, "idle");
    let late = idle
        .run(async {
            idle.move_to_after(2 * MS).unwrap();
            pending::<()>().await
        })
        .await
        .unwrap_err();
    assert_eq!(late.to_string(), "deadline `idle` of 2ms passed");
    let moved = Deadline::after(HOUR);
    moved.move_to(now()).unwrap();
    let late = moved.run(pending::<()>()).await.unwrap_err();
    assert_eq!(late.limit(), None);
}

async fn a_follower_hears_of_a_deadline_that_was_moved() {
    let (watch, deadline) = (Watch::start(), Deadline::after(HOUR));
    let (tx, rx) = async_channel::bounded(1);
    let follower = spawn(async move {
        let token: cancel::CancelToken = rx.recv().await.unwrap();
        token.cancelled().await
    });
    let work = deadline.run(async {
        tx.send(cancel::current()).await.unwrap();
        time::sleep(MS).await;
        deadline.move_to_after(2 * MS).unwrap();
        pending::<()>().await
    });
    let late = work.await.unwrap_err();
    assert_eq!(follower.await.unwrap(), late.into());
    watch.shows(3 * MS);
}

async fn a_foreign_error_passes_a_movable_deadline() {
    // 71
    let deadline = Deadline::after(HOUR);
    let work = deadline.run(async {
        yield_now().await;
        Err::<(), _>("disk full")
    });
    assert_eq!(work.await, Ok(Err("disk full")));
}

#[test]
fn a_move_in_the_tick_of_the_deadline_either_counts_or_is_refused() {
    let report = testing::explore_all(200_000, || async {
        let tick = Duration::from_secs(1);
        let deadline = Deadline::after(tick);
        let mover = deadline.clone();
        let moved = spawn(async move {
            time::sleep(tick).await;
            mover.move_to_after(tick).is_ok()
        });
        assert!(deadline.run(pending::<()>()).await.is_err());
        let moved = moved.await.unwrap();
        let want = if moved { 2 * tick } else { tick };
        assert_eq!(testing::now(), want);
    });
    report.unwrap();
    assert!(report.complete && report.runs > 1, "{report}");
}

regatta::matrix! {
    a_deadline_that_did_not_fire_can_still_be_read;
    no_deadline_never_fires;
    a_deadline_can_be_moved_before_the_work_starts;
    a_deadline_can_be_moved_from_inside_and_from_outside;
    a_deadline_moved_out_is_forgotten;
    a_deadline_moved_into_the_past_fires_at_the_next_suspension;
    what_has_passed_cannot_be_moved;
    a_deadline_can_be_moved_after_its_work_ended;
    asking_settles_whether_it_has_passed;
    several_tasks_under_one_deadline_all_hear_of_the_move;
    the_error_tells_the_limit_that_was_last_set;
    a_follower_hears_of_a_deadline_that_was_moved;
    a_foreign_error_passes_a_movable_deadline;
}
