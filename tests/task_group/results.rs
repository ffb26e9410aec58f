//! Results, errors and nesting.

use super::group;
use crate::support::{Count, Log, errors, for_ever, pending, sleep, yield_now};
use futures::FutureExt;
use regatta::cancel::{self, CancelToken, Reason};
use regatta::task::{ErrorGroup, OnFailure, TaskGroup};
use std::convert::Infallible;

// 1
async fn the_group_waits_for_its_children_and_keeps_their_values() {
    let handles = group(async |g| {
        let one = g.spawn(async {
            sleep(2).await;
            Ok::<_, Infallible>(1)
        });
        let two = g.spawn(async {
            sleep(1).await;
            Ok("two")
        });
        Ok((one, two))
    });
    let (mut one, two) = handles.await.unwrap();
    assert!(one.is_finished() && two.is_finished());
    assert_eq!(one.try_outcome(), Some(Ok(1)));
    assert_eq!(two.await, "two");
}

// 2
async fn children_may_be_spawned_one_by_one() {
    let sum = group(async |g| {
        let one = g.spawn(async {
            sleep(3).await;
            Ok::<_, Infallible>(1)
        });
        sleep(1).await;
        let two = g.spawn(async {
            sleep(1).await;
            Ok(2)
        });
        Ok(one.await + two.await)
    });
    assert_eq!(sum.await.unwrap(), 3);
}

fn generations(
    g: TaskGroup<'static, Infallible>,
    left: u32,
    ended: Count,
) -> futures::future::BoxFuture<'static, ()> {
    Box::pin(async move {
        sleep(1).await;
        for _ in 0..if left == 0 { 0 } else { 2 } {
            let ended = ended.clone();
            drop(g.spawn_with(|g| generations(g, left - 1, ended)));
        }
        ended.add();
    })
}

// 3
async fn children_spawn_grandchildren_while_the_group_waits() {
    let ended = Count::default();
    let all = ended.clone();
    group(async |g| {
        drop(g.spawn_with(|g| generations(g, 4, all)));
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(ended.get(), 1 + 2 + 4 + 8 + 16);
}

// 7
async fn an_error_cancels_and_joins_the_siblings_after_the_body() {
    let (alive, went_on) = (Count::default(), Count::default());
    let result: Result<(), _> = group(async |g| {
        let (alive, went_on) = (alive.clone(), went_on.clone());
        drop(g.spawn(async move {
            let _alive = alive.one();
            for_ever().await;
            went_on.add();
        }));
        drop(g.spawn(async {
            sleep(1).await;
            Err::<(), _>("child")
        }));
        Ok(())
    })
    .await;
    assert_eq!((alive.get(), went_on.get()), (0, 0));
    assert_eq!(errors(result), ["child"]);
}

// 8
async fn an_error_interrupts_the_body_at_its_await() {
    let (alive, log) = (Count::default(), Log::default());
    let result: Result<(), _> = group(async |g| {
        let alive = alive.clone();
        drop(g.spawn(async move {
            let _alive = alive.one();
            for_ever().await;
        }));
        drop(g.spawn(async {
            yield_now().await;
            Err::<(), _>("child")
        }));
        log.say("awaits");
        for_ever().await;
        log.say("goes on");
        Ok(())
    })
    .await;
    assert_eq!(alive.get(), 0);
    assert_eq!(errors(result), ["child"]);
    assert_eq!(log.get(), ["awaits"]);
}

// 9
async fn an_error_of_the_body_cancels_and_joins_the_children() {
    let alive = Count::default();
    let result: Result<(), _> = group(async |g| {
        let child = alive.clone();
        drop(g.spawn(async move {
            let _alive = child.one();
            for_ever().await;
        }));
        yield_now().await;
        Err("body")
    })
    .await;
    assert_eq!(alive.get(), 0);
    assert_eq!(errors(result), ["body"]);
}

// 10
async fn an_error_of_the_body_alone_is_grouped_too() {
    let result: Result<(), _> = group(async |_| Err("body")).await;
    assert_eq!(errors(result), ["body"]);
}

// 11
async fn errors_at_the_same_time_are_all_kept() {
    let started = Count::default();
    let result: Result<(), _> = group(async |g| {
        // Both are shielded, so neither cuts the other short once it has started.
        for (name, error) in [("a", "one"), ("b", "two")] {
            let started = started.clone();
            drop(g.named(name).spawn(cancel::shield(async move {
                started.add();
                started.reaches(2).await;
                Err::<(), _>(error)
            })));
        }
        Ok(())
    })
    .await;
    assert_eq!(errors(result), ["one", "two"]);
}

// 13. RUST: an interrupted body is dropped and has no result; it can still fail in what it shields.
async fn an_error_in_the_cleanup_of_the_body_is_added() {
    let result: Result<(), _> = group(async |g| {
        drop(g.spawn(async { Err::<(), _>("child") }));
        cancel::shield(async {
            while !g.is_cancelled() {
                sleep(1).await;
            }
        })
        .await;
        Err("cleanup")
    })
    .await;
    assert_eq!(errors(result), ["child", "cleanup"]);
    // No cancellation is left on the host.
    assert!(cancel::check().is_ok());
    yield_now().await;
}

// 15
async fn the_errors_of_a_group_inside_stay_together() {
    let result: Result<(), ErrorGroup<&str>> = group(async |g| {
        drop(g.named("slow").spawn(for_ever()));
        drop(g.named("inner").spawn_nested(group(async |g| {
            g.named("leaf").spawn(async {
                sleep(1).await;
                Err::<(), _>("boom")
            });
            Ok(())
        })));
        Ok(())
    })
    .await;
    let errors = result.unwrap_err();
    assert_eq!(errors.to_string(), "1 task failed: leaf: boom");
    let tree = "1 task failed\n└─ inner: 1 task failed\n   └─ leaf: boom";
    assert_eq!(format!("{errors:#}"), tree);
}

// 16
async fn an_outer_error_cancels_the_group_inside_without_a_word() {
    let inner_ended = Count::default();
    let result: Result<(), ErrorGroup<&str>> = group(async |g| {
        drop(g.spawn(async {
            sleep(1).await;
            Err::<(), _>("outer")
        }));
        let inner = group::<(), &str, _, _>(async |g| {
            drop(g.spawn(for_ever()));
            pending().await
        })
        .await;
        inner_ended.add();
        inner.map_err(|_| "inner")
    })
    .await;
    assert_eq!(inner_ended.get(), 0);
    assert_eq!(
        format!("{:#}", result.unwrap_err()),
        "1 task failed\n└─ outer"
    );
}

// 18, 41
async fn a_group_that_failed_leaves_its_host_as_it_was() {
    for round in 0..3 {
        let result: Result<(), _> = group(async |g| {
            drop(g.spawn(async move {
                sleep(round).await;
                Err::<(), _>("child")
            }));
            pending().await
        })
        .await;
        assert_eq!(errors(result), ["child"]);
        assert!(cancel::check().is_ok());
        sleep(1).await;
    }
}

// 25. The handle of a failed child never resolves where its group interrupts: there is one error, not two.
async fn awaiting_a_failed_child_adds_no_second_error() {
    let log = Log::default();
    let result: Result<(), _> = group(async |g| {
        let child = g.spawn(async {
            sleep(1).await;
            Err::<(), _>("child")
        });
        child.await;
        log.say("goes on");
        Ok(())
    })
    .await;
    assert_eq!(errors(result), ["child"]);
    assert!(log.get().is_empty());
}

// 26
async fn a_handle_tells_running_cancelled_failed_and_done_apart() {
    let result = group(async |g| {
        g.on_failure(OnFailure::Collect);
        let mut slow = g.spawn(async {
            for_ever().await;
            Ok(1)
        });
        assert!(slow.try_outcome().is_none() && !slow.is_finished());
        slow.cancel();
        let end = slow.outcome().await.unwrap_err();
        assert_eq!(end.reason(), &Reason::Requested);
        // The reason can be told again.
        assert_eq!(slow.try_outcome().unwrap(), Err(end));

        let mut bad = g.spawn(async { Err::<(), _>("bad") });
        let end = bad.outcome().await.unwrap_err();
        assert_eq!(end.reason(), &Reason::Failed);

        let mut good = g.spawn(async { Ok(3) });
        assert_eq!(good.outcome().await, Ok(3));
        assert!(good.is_finished());
        Ok(())
    })
    .await;
    assert_eq!(errors(result), ["bad"]);
}

// 28. RUST: a group without children ends in its first poll; it is no cancellation point.
async fn an_empty_group_does_not_suspend() {
    let empty = || group(async |_| Ok::<_, Infallible>(7));
    assert_eq!(empty().now_or_never().unwrap().unwrap(), 7);
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(token.run(empty()).await.unwrap().unwrap(), 7);
}

// 30
async fn a_child_that_spawns_a_failing_child_goes_on_to_its_next_await() {
    let log = Log::default();
    let said = log.clone();
    let result: Result<(), _> = group(async |g| {
        drop(g.spawn_with(|g| async move {
            drop(g.spawn(async { Err::<(), _>("grandchild") }));
            said.say("same poll");
            for_ever().await;
            said.say("goes on");
        }));
        Ok(())
    })
    .await;
    assert_eq!(errors(result), ["grandchild"]);
    assert_eq!(log.get(), ["same poll"]);
}

regatta::matrix! {
    the_group_waits_for_its_children_and_keeps_their_values;
    children_may_be_spawned_one_by_one;
    children_spawn_grandchildren_while_the_group_waits;
    an_error_cancels_and_joins_the_siblings_after_the_body;
    an_error_interrupts_the_body_at_its_await;
    an_error_of_the_body_cancels_and_joins_the_children;
    an_error_of_the_body_alone_is_grouped_too;
    errors_at_the_same_time_are_all_kept;
    an_error_in_the_cleanup_of_the_body_is_added;
    the_errors_of_a_group_inside_stay_together;
    an_outer_error_cancels_the_group_inside_without_a_word;
    a_group_that_failed_leaves_its_host_as_it_was;
    awaiting_a_failed_child_adds_no_second_error;
    a_handle_tells_running_cancelled_failed_and_done_apart;
    an_empty_group_does_not_suspend;
    a_child_that_spawns_a_failing_child_goes_on_to_its_next_await;
}
