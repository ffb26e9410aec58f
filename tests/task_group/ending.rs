//! Spawning while a group ends, and after.

use super::group;
use crate::support::{Count, Log, errors, for_ever, pending, sleep};
use regatta::cancel::{self, Reason};
use regatta::task::{ErrorGroup, TaskGroup};
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What spawning into a group that has ended panics with; what was spawned is dropped.
fn refusal(g: &TaskGroup<'static, &'static str>) -> String {
    let alive = Count::default();
    let captured = alive.one();
    let spawned = catch_unwind(AssertUnwindSafe(|| {
        g.named("late").spawn(async move { drop(captured) })
    }));
    assert_eq!(alive.get(), 0);
    *spawned.unwrap_err().downcast::<String>().unwrap()
}

// 4
async fn spawning_after_the_end_panics_whatever_the_end_was() {
    let ended = "task `late` cannot be spawned: its task group has ended. A group's handle must not outlive it";
    let good = group(async |g| Ok(g)).await.unwrap();
    assert_eq!(refusal(&good), ended);

    let mut bad = None;
    let failed: Result<(), _> = group(async |g| {
        bad = Some(g.clone());
        Err("bad")
    })
    .await;
    assert_eq!(errors(failed), ["bad"]);
    assert_eq!(refusal(&bad.unwrap()), ended);

    let mut stopped = None;
    let cancelled = group::<(), _, _, _>(async |g| {
        stopped = Some(g.clone());
        g.cancel();
        pending().await
    })
    .await;
    assert!(cancelled.is_err());
    assert_eq!(refusal(&stopped.unwrap()), ended);
}

// 20. A child cancelled before its first poll never runs; what it captured is dropped.
async fn a_child_cancelled_right_after_its_spawn_never_runs() {
    let (alive, log) = (Count::default(), Log::default());
    group(async |g| {
        // A real runtime may start it first, unless it stands in line.
        g.limit(1);
        let blocker = g.spawn(for_ever());
        let (captured, said) = (alive.one(), log.clone());
        let mut child = g.spawn(async move {
            let _captured = captured;
            said.say("runs");
        });
        child.cancel();
        blocker.cancel();
        let end = child.outcome().await.unwrap_err();
        assert_eq!(end.reason(), &Reason::Requested);
        Ok::<_, Infallible>(())
    })
    .await
    .unwrap();
    assert!(log.get().is_empty());
    assert_eq!(alive.get(), 0);
}

// 20: it has ended for its handle although its turn has not come, and cannot come before who awaits it ends.
async fn a_cancelled_child_in_line_ends_at_once_for_its_handle() {
    let alive = Count::default();
    let captured = alive.one();
    group(async |g| {
        g.limit(1);
        drop(g.spawn_with(|g| async move {
            let mut behind = g.spawn(async move { drop(captured) });
            behind.cancel_with("changed my mind");
            let end = behind.outcome().await.unwrap_err();
            assert_eq!(end.reason(), &Reason::from("changed my mind"));
        }));
        Ok::<_, Infallible>(())
    })
    .await
    .unwrap();
    assert_eq!(alive.get(), 0);
}

// 21, 22. A handle that is cancelled already; the future is dropped in the call.
async fn spawning_into_a_group_that_is_ending_gives_a_cancelled_handle() {
    let (alive, log) = (Count::default(), Log::default());
    let (counted, said) = (alive.clone(), log.clone());
    let started = Count::default();
    let starts = started.clone();
    let result: Result<(), ErrorGroup<&str>> = group(async |g| {
        drop(g.spawn_with(|g| {
            cancel::shield(async move {
                starts.add();
                while !g.is_cancelled() {
                    sleep(1).await;
                }
                let captured = counted.one();
                let mut late = g.spawn(async move { drop(captured) });
                assert_eq!(counted.get(), 0, "dropped in the call");
                let end = late.try_outcome().unwrap().unwrap_err();
                assert_eq!(end.reason(), &Reason::SiblingFailed);
                said.say("refused");
            })
        }));
        started.reaches(1).await;
        Err("body")
    })
    .await;
    assert_eq!(errors(result), ["body"]);
    assert_eq!(log.get(), ["refused"]);

    let cancelled = group::<(), Infallible, _, _>(async |g| {
        g.cancel_with("enough");
        let mut late = g.spawn(for_ever());
        let end = late.try_outcome().unwrap().unwrap_err();
        assert_eq!(end.reason(), &Reason::from("enough"));
        Ok(())
    })
    .await;
    // Nothing was cut short: the child never counted.
    cancelled.unwrap();
}

fn respawns(
    g: TaskGroup<'static, &'static str>,
    count: Count,
) -> futures::future::BoxFuture<'static, ()> {
    Box::pin(async move {
        count.add();
        if count.get().is_multiple_of(3) {
            sleep(1).await;
        }
        drop(g.spawn_with(|g| respawns(g, count)));
    })
}

// 23
async fn children_that_respawn_for_ever_do_not_keep_a_failed_group() {
    let count = Count::default();
    let spawned = count.clone();
    let result: Result<(), _> = group(async |g| {
        for _ in 0..3 {
            let spawned = spawned.clone();
            drop(g.spawn_with(|g| respawns(g, spawned)));
        }
        drop(g.spawn(async move {
            count.reaches(20).await;
            Err::<(), _>("child")
        }));
        Ok(())
    })
    .await;
    assert_eq!(errors(result), ["child"]);
}

async fn a_service_may_spawn_when_all_others_have_ended() {
    let (log, started) = (Log::default(), Count::default());
    let (said, starts) = (log.clone(), started.clone());
    group(async |g| {
        let of_service = g.clone();
        drop(g.service(async move {
            let cleanup = async {
                let mut late = of_service.spawn(for_ever());
                assert!(late.try_outcome().unwrap().is_err());
                said.say("refused quietly");
            };
            let work = async move {
                starts.add();
                for_ever().await;
            };
            cancel::on_cancel(work, cleanup).await;
        }));
        started.reaches(1).await;
        Ok::<_, Infallible>(())
    })
    .await
    .unwrap();
    assert_eq!(log.get(), ["refused quietly"]);
}

regatta::matrix! {
    spawning_after_the_end_panics_whatever_the_end_was;
    a_child_cancelled_right_after_its_spawn_never_runs;
    a_cancelled_child_in_line_ends_at_once_for_its_handle;
    spawning_into_a_group_that_is_ending_gives_a_cancelled_handle;
    children_that_respawn_for_ever_do_not_keep_a_failed_group;
    a_service_may_spawn_when_all_others_have_ended;
}
