//! `start`: wait until the child says it is ready.

use super::group;
use crate::support::{Count, errors, for_ever, pending, sleep, yield_now};
use regatta::cancel::Reason;
use regatta::task::{ErrorGroup, Ready, StartError, TaskGroup};
use regatta::time;
use std::panic::{AssertUnwindSafe, catch_unwind};

type Plain<T> = Result<T, ErrorGroup<&'static str>>;

// 44
async fn start_returns_the_value_and_the_child_goes_on() {
    let ended = Count::default();
    let counted = ended.clone();
    let port = group(async |g| {
        let port = g
            .start(|ready| async move {
                sleep(1).await;
                ready.set(8080);
                sleep(1).await;
                counted.add();
                Ok::<_, &str>(())
            })
            .await;
        Ok(port)
    })
    .await;
    assert_eq!(port.unwrap(), Ok(8080));
    assert_eq!(ended.get(), 1);
}

// 45
async fn an_error_before_ready_is_raised_by_start_alone() {
    let got: Plain<u32> = group(async |g| {
        let sibling = g.spawn(async {
            sleep(3).await;
            Ok(2)
        });
        let failed = g
            .start(|ready: Ready<u32>| async move {
                yield_now().await;
                drop(ready);
                Err("no port")
            })
            .await;
        assert_eq!(failed, Err(StartError::Failed("no port")));
        Ok(sibling.await)
    })
    .await;
    assert_eq!(got.unwrap(), 2);
}

// An error after ready is the group's.
async fn an_error_after_ready_fails_the_group() {
    let got: Plain<()> = group(async |g| {
        let ready = g
            .named("server")
            .start(|ready| async move {
                ready.set(1);
                Err("crashed")
            })
            .await;
        assert_eq!(ready, Ok(1));
        pending().await
    })
    .await;
    assert_eq!(
        got.unwrap_err().to_string(),
        "1 task failed: server: crashed"
    );
}

// 47
async fn a_child_that_ends_without_getting_ready_is_told() {
    let got: Plain<_> = group(async |g| {
        let never = g.start(|_ready: Ready<u32>| async { Ok(()) }).await;
        Ok(never)
    })
    .await;
    let never = got.unwrap();
    assert_eq!(never, Err(StartError::NeverReady));
    assert_eq!(
        never.unwrap_err().to_string(),
        "the task ended without calling `Ready::set`"
    );
}

// 48 is unrepresentable: `Ready::set` takes `self`.

// 49. RUST: a dropped `start` cannot wait; it cancels the child, and the group joins it.
async fn giving_up_on_start_cancels_the_child() {
    let alive = Count::default();
    let got: Plain<()> = group(async |g| {
        let counted = alive.clone();
        let start = g.start(|ready: Ready<u32>| async move {
            let _alive = counted.one();
            for_ever().await;
            ready.set(1);
            Ok(())
        });
        assert!(time::timeout(crate::support::MS, start).await.is_err());
        while alive.get() > 0 {
            yield_now().await;
        }
        Ok(())
    })
    .await;
    got.unwrap();
    assert_eq!(alive.get(), 0);
}

// 49: the error of a child whose starter has gone is not lost.
async fn an_error_that_nobody_waits_for_any_more_is_the_groups() {
    let ran = Count::default();
    let counted = ran.clone();
    let got: Plain<()> = group(async |g| {
        let start = g.start(|ready: Ready<u32>| async move {
            drop(ready);
            counted.add();
            Err("unheard")
        });
        ran.reaches(1).await;
        drop(start);
        Ok(())
    })
    .await;
    assert_eq!(errors(got), ["unheard"]);
}

// 52
async fn start_into_a_group_that_is_ending_or_has_ended_answers_at_once() {
    let mut ended: Option<TaskGroup<'static, &str>> = None;
    let got: Plain<()> = group(async |g| {
        ended = Some(g.clone());
        g.cancel_children();
        let start = g.start(|ready| async move {
            ready.set(1);
            Ok(())
        });
        let StartError::Cancelled(why) = start.await.unwrap_err() else {
            panic!("it was cancelled")
        };
        assert_eq!(why.reason(), &Reason::Requested);
        Ok(())
    })
    .await;
    got.unwrap();
    let ended = ended.unwrap();
    let start = catch_unwind(AssertUnwindSafe(|| {
        ended.start(|ready: Ready<()>| async move {
            ready.set(());
            Ok(())
        })
    }));
    let text = *start.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("its task group has ended"), "{text}");
}

regatta::matrix! {
    start_returns_the_value_and_the_child_goes_on;
    an_error_before_ready_is_raised_by_start_alone;
    an_error_after_ready_fails_the_group;
    a_child_that_ends_without_getting_ready_is_told;
    giving_up_on_start_cancels_the_child;
    an_error_that_nobody_waits_for_any_more_is_the_groups;
    start_into_a_group_that_is_ending_or_has_ended_answers_at_once;
}
