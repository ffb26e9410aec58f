//! `Task`: what a handle gives, and when it does not.

use super::group;
use crate::support::{Count, Log, for_ever, pending, sleep, yield_now};
use futures::FutureExt;
use regatta::cancel::{self, Reason};
use regatta::task::{ErrorGroup, OnFailure, Task, TaskGroup};
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;

type Free = TaskGroup<'static, Infallible>;

async fn message<F: Future>(work: F) -> String {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(_) => panic!("it ended without a panic"),
        Err(payload) => *payload.downcast::<String>().unwrap(),
    }
}

async fn awaiting_a_cancelled_child_panics_with_advice() {
    let text = group(async |g: Free| {
        let child = g.named("slow").spawn(for_ever());
        child.cancel_with("too slow");
        Ok(message(child).await)
    })
    .await
    .unwrap();
    let want = "awaited task `slow`, which ended without a value (cancelled: too slow): use `Task::outcome`";
    assert_eq!(text, want);
}

async fn awaiting_a_failed_child_where_errors_are_collected_panics_with_advice() {
    let result: Result<(), _> = group(async |g| {
        g.on_failure(OnFailure::Collect);
        let child = g.named("bad").spawn(async { Err::<(), _>("bad") });
        let text = message(child).await;
        let want = "awaited task `bad`, which ended without a value (cancelled: the task failed): use `Task::outcome`";
        assert_eq!(text, want);
        Ok(())
    })
    .await;
    assert_eq!(result.unwrap_err().to_string(), "1 task failed: bad: bad");
}

async fn a_value_is_given_once() {
    group(async |g: Free| {
        let mut child = g.named("one").spawn(async { Ok(1) });
        assert_eq!(child.outcome().await, Ok(1));
        let text = message(async { child.try_outcome() }).await;
        assert_eq!(text, "task `one` has given its value already");
        assert_eq!(
            message(child).await,
            "task `one` has given its value already"
        );
        Ok(())
    })
    .await
    .unwrap();
}

async fn awaiting_by_reference_may_be_given_up_and_repeated() {
    group(async |g: Free| {
        let let_go = Count::default();
        let go = let_go.clone();
        let mut child = g.spawn(async move {
            go.reaches(1).await;
            Ok(5)
        });
        for _ in 0..3 {
            assert!((&mut child).now_or_never().is_none());
            assert!(child.outcome().now_or_never().is_none());
        }
        let_go.add();
        assert_eq!((&mut child).await, 5);
        Ok(())
    })
    .await
    .unwrap();
}

async fn a_handle_may_leave_its_group() {
    let (mut good, mut stopped, running) = group(async |g: Free| {
        let good = g.spawn(async { Ok(1) });
        let stopped = g.spawn(for_ever());
        stopped.cancel();
        let running: Task<u32> = g.spawn(async {
            sleep(2).await;
            Ok(2)
        });
        Ok((good, stopped, running))
    })
    .await
    .unwrap();
    assert!(good.is_finished() && stopped.is_finished() && running.is_finished());
    assert_eq!(good.try_outcome(), Some(Ok(1)));
    assert_eq!(
        stopped.outcome().await.unwrap_err().reason(),
        &Reason::Requested
    );
    stopped.cancel();
    assert_eq!(running.await, 2);
    assert!(
        message(stopped)
            .await
            .starts_with("awaited the task spawned at ")
    );
}

async fn a_dropped_handle_lets_its_child_run() {
    let ended = Count::default();
    let counted = ended.clone();
    group(async |g: Free| {
        drop(g.spawn(async move {
            sleep(2).await;
            counted.add();
        }));
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(ended.get(), 1);
}

async fn cancelling_one_child_runs_its_cleanup_and_spares_the_others() {
    let (log, started) = (Log::default(), Count::default());
    let (said, starts) = (log.clone(), started.clone());
    group(async |g: Free| {
        let work = async move {
            starts.add();
            for_ever().await;
        };
        let cleanup = async move {
            sleep(1).await;
            assert!(cancel::check().is_ok(), "cleanup is shielded");
            said.say("cleaned up");
        };
        let mut one = g.spawn(cancel::on_cancel(work, cleanup));
        let other = g.spawn(async {
            sleep(4).await;
            Ok(4)
        });
        started.reaches(1).await;
        one.cancel_with("not needed");
        assert_eq!(
            one.outcome().await.unwrap_err().to_string(),
            "cancelled: not needed"
        );
        assert_eq!(log.get(), ["cleaned up"]);
        assert_eq!(other.await, 4);
        Ok(())
    })
    .await
    .unwrap();
}

async fn a_cancelled_child_can_read_the_reason() {
    let log = Log::default();
    let said = log.clone();
    group(async |g: Free| {
        let mut child = g.spawn(cancel::on_cancel(for_ever(), async {}));
        let curious = g.spawn(cancel::shield(async move {
            said.say("shielded");
        }));
        curious.await;
        let mut polite = g.spawn(async {
            loop {
                if let Err(why) = cancel::check() {
                    return Ok(why.into_reason());
                }
                cancel::shield(sleep(1)).await;
            }
        });
        sleep(1).await;
        polite.cancel_with("lunch");
        // It may end by itself before it is dropped.
        if let Ok(reason) = polite.outcome().await {
            assert_eq!(reason, Reason::from("lunch"));
        }
        child.cancel();
        assert!(child.outcome().await.is_err());
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(log.get(), ["shielded"]);
}

// 89: a value that is there wins over a cancellation that comes at the same time.
async fn a_value_that_is_ready_is_not_lost_to_a_cancellation() {
    let outcomes = group(async |g: Free| {
        let mut outcomes = Vec::new();
        for rounds in 0..4 {
            let mut child = g.spawn(async move {
                for _ in 0..rounds {
                    yield_now().await;
                }
                Ok(rounds)
            });
            yield_now().await;
            let ended = child.is_finished();
            child.cancel();
            let outcome = child.outcome().await;
            assert!(!ended || outcome == Ok(rounds));
            outcomes.push(outcome);
        }
        Ok(outcomes)
    })
    .await
    .unwrap();
    assert_eq!(outcomes.len(), 4);
}

async fn a_task_says_where_it_comes_from() {
    group(async |g: Free| {
        let named = g.named("reader").spawn(async {});
        assert_eq!(
            (named.name(), named.to_string().as_str()),
            (Some("reader"), "task `reader`")
        );
        let unnamed = g.spawn(async {});
        assert_eq!(unnamed.name(), None);
        assert!(unnamed.to_string().contains("handles.rs:"), "{unnamed}");
        Ok(())
    })
    .await
    .unwrap();
}

async fn a_child_may_be_an_endless_loop() {
    let ended: Result<(), ErrorGroup<Infallible>> = group(async |g| {
        let mut service = g.service(async {
            loop {
                sleep(1).await;
            }
        });
        drop(g.spawn_with(|g| async move {
            sleep(2).await;
            g.cancel_with("enough");
        }));
        assert!(service.try_outcome().is_none());
        pending().await
    })
    .await;
    assert_eq!(ended.unwrap_err().to_string(), "cancelled: enough");
}

regatta::matrix! {
    awaiting_a_cancelled_child_panics_with_advice;
    awaiting_a_failed_child_where_errors_are_collected_panics_with_advice;
    a_value_is_given_once;
    awaiting_by_reference_may_be_given_up_and_repeated;
    a_handle_may_leave_its_group;
    a_dropped_handle_lets_its_child_run;
    cancelling_one_child_runs_its_cleanup_and_spares_the_others;
    a_cancelled_child_can_read_the_reason;
    a_value_that_is_ready_is_not_lost_to_a_cancellation;
    a_task_says_where_it_comes_from;
    a_child_may_be_an_endless_loop;
}
