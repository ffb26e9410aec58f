//! Drops waiting for a bulkhead, and calls in it, at every await, 100,000 times each, and counts what is left: every place, and no waiter.

use regatta::bulkhead::Bulkhead;
use regatta::testing::{Outcome, cancel_safety_drops};
use regatta::{Runtime, time};
use regatta_soak::{DROPS, MS, passed};

/// Two places, both taken; a rival waits before us, and one comes behind.
async fn crowded() -> Bulkhead {
    let bulkhead = Bulkhead::builder(2).queue(5).max_wait(50 * MS).build();
    for n in 0..4 {
        let rival = bulkhead.clone();
        let stays = async move {
            if n == 3 {
                time::sleep(2 * MS).await;
            }
            let _pass = rival.enter().await;
            time::sleep(3 * MS).await;
        };
        drop(Runtime::current().try_spawn(stays));
    }
    time::sleep(MS).await;
    bulkhead
}

async fn all_is_free(bulkhead: Bulkhead, ours: u64) -> Result<(), String> {
    time::sleep(20 * MS).await;
    let stats = bulkhead.stats();
    if (stats.running, stats.waiting, stats.entered) != (0, 0, 4 + ours) {
        return Err(format!("expected {} entered: {stats:?}", 4 + ours));
    }
    match (bulkhead.try_enter(), bulkhead.try_enter()) {
        (Ok(_), Ok(_)) => Ok(()),
        places => Err(format!("{places:?}")),
    }
}

#[test]
fn a_dropped_enter_did_not_happen() {
    let op = |bulkhead: Bulkhead| async move { bulkhead.enter().await.is_ok() };
    let verify = |bulkhead: Bulkhead, outcome: Outcome<bool>| async move {
        let ours = u64::from(matches!(outcome, Outcome::Completed(true)));
        all_is_free(bulkhead, ours).await
    };
    let report = cancel_safety_drops(DROPS, crowded, op, verify);
    passed(&report);
}

#[test]
fn a_dropped_enter_did_not_happen_when_its_time_is_over_either() {
    let setup = || async {
        let bulkhead = Bulkhead::builder(1).queue(1).max_wait(3 * MS).build();
        let rival = bulkhead.clone();
        let stays = async move {
            let _pass = rival.enter().await;
            time::sleep(3 * MS).await;
        };
        drop(Runtime::current().try_spawn(stays));
        bulkhead
    };
    let op = |bulkhead: Bulkhead| async move { bulkhead.enter().await.is_ok() };
    let verify = |bulkhead: Bulkhead, _: Outcome<bool>| async move {
        time::sleep(10 * MS).await;
        let stats = bulkhead.stats();
        match (stats.running, stats.waiting, bulkhead.try_enter()) {
            (0, 0, Ok(_)) => Ok(()),
            left => Err(format!("{left:?}")),
        }
    };
    let report = cancel_safety_drops(DROPS, setup, op, verify);
    passed(&report);
}

#[test]
fn a_dropped_call_makes_room() {
    let op = |bulkhead: Bulkhead| async move {
        let call = async {
            time::sleep(MS).await;
            Ok::<_, std::convert::Infallible>(())
        };
        bulkhead.call(call).await.is_ok()
    };
    let verify = |bulkhead: Bulkhead, _: Outcome<bool>| async move {
        time::sleep(20 * MS).await;
        let stats = bulkhead.stats();
        match (stats.running, stats.waiting) {
            (0, 0) if stats.entered == 4 || stats.entered == 5 => Ok(()),
            _ => Err(format!("{stats:?}")),
        }
    };
    let report = cancel_safety_drops(DROPS, crowded, op, verify);
    passed(&report);
}
