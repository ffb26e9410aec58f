//! Cancelling an operation at every await.

use crate::support::{MS, same, sleep, spawn};
use regatta::testing::{self, Outcome};
use regatta::{cancel, sync, task};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

type Steps = Rc<(Cell<u32>, Cell<u32>)>;

/// Two steps that belong together, with an await between them.
async fn two_steps(steps: Steps) {
    testing::yield_now().await;
    steps.0.set(steps.0.get() + 1);
    testing::yield_now().await;
    steps.1.set(steps.1.get() + 1);
}

async fn as_many_of_both(steps: Steps, _: Outcome<()>) -> Result<(), String> {
    same("second steps", steps.1.get(), steps.0.get())
}

#[test]
fn a_step_that_is_cut_in_half_is_found() {
    let report = testing::cancel_at_every_await(
        0..10,
        async || Steps::default(),
        two_steps,
        as_many_of_both,
    );
    assert!(report.failed > 0, "{report}");
    let text = report.to_string();
    assert!(text.contains("second steps: 0 instead of 1"), "{text}");
    assert!(
        text.contains("cancelled ") && !text.contains("dropped"),
        "{text}"
    );
}

#[test]
fn a_shielded_one_is_not_blamed() {
    let shielded = |steps| cancel::shield(two_steps(steps));
    let report = testing::cancel_at_every_await(
        0..100,
        async || Steps::default(),
        shielded,
        as_many_of_both,
    );
    report.unwrap();
    assert_eq!(report.max_polls, 3);
    let all = testing::cancel_at_every_await_all(
        100_000,
        async || Steps::default(),
        shielded,
        as_many_of_both,
    );
    all.unwrap();
    assert!(all.complete, "{all}");
}

/// Within each poll and after it, woken and later.
#[test]
fn every_await_is_met_in_every_way() {
    let seen = Cell::new(0);
    let op = |()| async {
        for _ in 0..3 {
            testing::yield_now().await;
        }
    };
    let verify = |(), outcome: Outcome<()>| {
        if matches!(outcome, Outcome::Cancelled { .. }) {
            seen.set(seen.get() + 1);
        }
        async { Ok(()) }
    };
    let report = testing::cancel_at_every_await(0..1, async || (), op, verify);
    report.unwrap();
    // Four polls, the last of which ends it. Before the first poll nobody can wake it.
    assert_eq!((report.max_polls, report.schedules), (4, 1 + 4 * 4 - 1));
    assert!(seen.get() >= 10 && seen.get() == report.drops, "{report}");
}

#[test]
fn a_cleanup_that_hangs_is_told() {
    let op = |()| cancel::finally(testing::yield_now(), std::future::pending::<()>());
    let verify = |(), _: Outcome<()>| async { Ok(()) };
    let report = testing::cancel_at_every_await(0..2, async || (), op, verify);
    assert!(
        report.failed > 0 && report.to_string().contains("deadlock"),
        "{report}"
    );
}

#[test]
fn a_child_that_outlives_its_caller_is_found() {
    let forgets = |alive: Arc<()>| async move {
        drop(spawn(async move {
            sleep(MS * 10).await;
            drop(alive);
        }));
        sleep(MS * 20).await;
    };
    let waits = |alive: Arc<()>| async move {
        let ended = task::task_group(async |g| {
            drop(g.spawn(async move {
                // It takes its time to clean up.
                cancel::finally(sleep(MS * 10), sleep(MS)).await;
                drop(alive);
            }));
            Ok::<_, ()>(())
        });
        drop(ended.await);
    };
    let alone =
        |alive: Arc<()>, _: Outcome<()>| async move { same("alive", Arc::strong_count(&alive), 1) };
    let setup = async || Arc::new(());
    let report = testing::cancel_at_every_await(0..20, setup, forgets, alone);
    assert!(report.failed > 0, "{report}");
    testing::cancel_at_every_await(0..20, setup, waits, alone).unwrap();
}

#[test]
fn a_lock_is_free_wherever_its_holder_is_cancelled() {
    let setup = async || {
        let mutex = sync::Mutex::new(0);
        let rival = mutex.clone();
        drop(spawn(async move {
            let mut held = rival.lock().await;
            sleep(MS).await;
            *held += 1;
        }));
        mutex
    };
    let op = |mutex: sync::Mutex<u32>| async move {
        let mut held = mutex.lock().await;
        testing::yield_now().await;
        *held += 10;
    };
    let verify = |mutex: sync::Mutex<u32>, outcome: Outcome<()>| async move {
        sleep(MS * 2).await;
        let value = *mutex.try_lock().map_err(|e| e.to_string())?;
        match outcome {
            Outcome::Completed(()) => same("the value", value, 11),
            _ => same("the value", value, 1),
        }
    };
    testing::cancel_at_every_await(0..50, setup, op, verify).unwrap();
}
