//! Panics are fatal: everybody is cancelled and joined, then the panic goes on in the host.

use super::group;
use crate::support::{Count, Log, for_ever, pending, sleep, yield_now};
use futures::FutureExt;
use regatta::cancel::{self, CancelToken, Reason};
use regatta::task::{ErrorGroup, OnFailure};
use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;

/// What `work` panics with.
async fn payload<F: Future>(work: F) -> Box<dyn Any + Send> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(_) => panic!("it ended without a panic"),
        Err(payload) => payload,
    }
}

async fn message<F: Future>(work: F) -> String {
    let payload = payload(work).await;
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => (*other.downcast::<&str>().unwrap()).to_owned(),
    }
}

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

// 29
async fn a_panic_cancels_joins_and_goes_on_with_the_name_of_the_task() {
    let alive = Count::default();
    let text = message(group::<(), Infallible, _, _>(async |g| {
        let counted = alive.clone();
        drop(g.spawn(async move {
            let _alive = counted.one();
            for_ever().await;
        }));
        drop(g.named("parser").spawn(async {
            sleep(1).await;
            if true {
                panic!("bad {}", "input");
            }
        }));
        pending().await
    }))
    .await;
    assert_eq!(text, "task `parser` panicked: bad input");
    assert_eq!(alive.get(), 0);
    assert!(cancel::check().is_ok());
    yield_now().await;
}

async fn a_panic_of_a_task_without_a_name_says_where_it_was_spawned() {
    let text = message(group::<(), Infallible, _, _>(async |g| {
        drop(g.spawn(async { panic!("oh") }));
        pending().await
    }))
    .await;
    let (start, end) = text.split_once("panics.rs:").unwrap();
    assert!(
        start.starts_with("the task spawned at ") && end.ends_with(" panicked: oh"),
        "{text}"
    );
}

// 29: the panic goes on bare; its type is untouched, and the errors it displaces are counted.
async fn a_panic_of_the_body_goes_on_as_it_is() {
    let bare = payload(group::<(), &str, _, _>(async |g| {
        drop(g.spawn(for_ever()));
        yield_now().await;
        panic!("body")
    }))
    .await;
    assert_eq!(bare.downcast_ref::<&str>(), Some(&"body"));

    let text = message(group::<(), &str, _, _>(async |g| {
        g.on_failure(OnFailure::Collect);
        for _ in 0..2 {
            let mut lost = g.spawn(async { Err::<(), _>("lost") });
            assert!(lost.outcome().await.is_err());
        }
        panic!("body")
    }))
    .await;
    assert_eq!(text, "body (2 other tasks of the group failed)");
}

async fn a_panic_is_fatal_where_errors_are_collected_too() {
    let log = Log::default();
    let text = message(group::<(), &str, _, _>(async |g| {
        g.on_failure(OnFailure::Collect);
        let said = log.clone();
        let mut lost = g.spawn(async { Err::<(), _>("lost") });
        assert!(lost.outcome().await.is_err());
        drop(g.named("p").spawn(async {
            sleep(1).await;
            panic!("fatal");
        }));
        drop(g.spawn(async move {
            for_ever().await;
            said.say("goes on");
        }));
        Ok(())
    }))
    .await;
    assert_eq!(
        text,
        "task `p` panicked: fatal (1 other task of the group failed)"
    );
    assert!(log.get().is_empty());
}

async fn a_payload_that_is_no_text_can_still_be_downcast() {
    #[derive(Debug, PartialEq)]
    struct Code(u8);
    let code = payload(group::<(), &str, _, _>(async |g| {
        drop(g.spawn(async { std::panic::panic_any(Code(7)) }));
        pending().await
    }))
    .await;
    assert_eq!(code.downcast_ref::<Code>(), Some(&Code(7)));
}

async fn a_panic_goes_through_groups_inside_groups() {
    let text = message(group::<(), Infallible, _, _>(async |g| {
        drop(g.named("outer").spawn_nested(group(async |g| {
            drop(g.named("inner").spawn(async { panic!("deep") }));
            Ok(())
        })));
        Ok(())
    }))
    .await;
    assert_eq!(text, "task `outer` panicked: task `inner` panicked: deep");
}

// The first panic goes on; a payload that panics when dropped is no trouble.
async fn of_two_panics_the_first_goes_on() {
    let text = message(group::<(), Infallible, _, _>(async |g| {
        drop(g.named("first").spawn(async { panic!("one") }));
        let second = cancel::shield(async {
            sleep(2).await;
            std::panic::panic_any(Bomb("a payload"));
        });
        drop(g.spawn(second));
        Ok(())
    }))
    .await;
    assert_eq!(text, "task `first` panicked: one");
}

// A panic in the destructor of a cancelled child is a panic of that child.
async fn a_destructor_that_panics_in_a_cancelled_child_is_reported() {
    let alive = Count::default();
    let text = message(group::<(), Infallible, _, _>(async |g| {
        for i in 0..3 {
            let counted = alive.one();
            let bomb = Bomb("destructor");
            let child = g.named(format!("c{i}")).spawn(async move {
                let (_bomb, _counted) = (bomb, counted);
                for_ever().await;
            });
            if i == 0 {
                // This one has started.
                yield_now().await;
                child.cancel();
            }
        }
        for_ever().await;
        Ok(())
    }))
    .await;
    assert_eq!(text, "task `c0` panicked: destructor");
    assert_eq!(alive.get(), 0);
}

async fn destructors_that_panic_in_line_do_not_abort() {
    let alive = Count::default();
    let text = message(group::<(), Infallible, _, _>(async |g| {
        g.limit(1);
        drop(g.spawn(for_ever()));
        for _ in 0..3 {
            let counted = alive.one();
            let bomb = Bomb("in line");
            drop(
                g.named("waiting")
                    .spawn(async move { drop((bomb, counted)) }),
            );
        }
        g.cancel();
        Ok(())
    }))
    .await;
    assert_eq!(text, "task `waiting` panicked: in line");
    assert_eq!(alive.get(), 0);
}

// Nobody is left to tell; the process lives, and everything is dropped.
async fn destructors_that_panic_in_a_dropped_group_do_not_abort() {
    let alive = Count::default();
    let mut dropped = Box::pin(group::<(), Infallible, _, _>(async |g| {
        for _ in 0..3 {
            let counted = alive.one();
            let bomb = Bomb("dropped");
            drop(g.spawn(async move {
                let (_bomb, _counted) = (bomb, counted);
                for_ever().await;
            }));
        }
        pending().await
    }));
    assert!(futures::poll!(dropped.as_mut()).is_pending());
    drop(dropped);
    while alive.get() > 0 {
        yield_now().await;
    }
}

async fn the_handle_of_a_child_that_panicked_says_so() {
    let mut handle = None;
    let text = message(group::<(), Infallible, _, _>(async |g| {
        handle = Some(g.named("x").spawn(async { panic!("oh") }));
        Ok(())
    }))
    .await;
    assert_eq!(text, "task `x` panicked: oh");
    let end = handle.unwrap().outcome().await.unwrap_err();
    assert_eq!(end.reason(), &Reason::Panicked);
}

async fn a_panic_wins_over_a_cancellation_from_outside() {
    let (token, started) = (CancelToken::new(), Count::default());
    let starts = started.clone();
    let cut = token.run(group::<(), Infallible, _, _>(async |g| {
        drop(g.named("x").spawn(cancel::shield(async move {
            starts.add();
            sleep(2).await;
            panic!("late");
        })));
        started.reaches(1).await;
        token.cancel();
        pending().await
    }));
    assert_eq!(message(cut).await, "task `x` panicked: late");
}

async fn a_panic_is_not_lost_to_the_close_deadline() {
    let text = message(group::<(), ErrorGroup<Infallible>, _, _>(async |g| {
        g.close_within(crate::support::MS * 3);
        drop(g.spawn(cancel::shield(for_ever())));
        drop(g.named("x").spawn(async {
            sleep(1).await;
            panic!("oh");
        }));
        Ok(())
    }))
    .await;
    assert_eq!(text, "task `x` panicked: oh");
}

regatta::matrix! {
    a_panic_cancels_joins_and_goes_on_with_the_name_of_the_task;
    a_panic_of_a_task_without_a_name_says_where_it_was_spawned;
    a_panic_of_the_body_goes_on_as_it_is;
    a_panic_is_fatal_where_errors_are_collected_too;
    a_payload_that_is_no_text_can_still_be_downcast;
    a_panic_goes_through_groups_inside_groups;
    of_two_panics_the_first_goes_on;
    a_destructor_that_panics_in_a_cancelled_child_is_reported;
    destructors_that_panic_in_line_do_not_abort;
    destructors_that_panic_in_a_dropped_group_do_not_abort;
    the_handle_of_a_child_that_panicked_says_so;
    a_panic_wins_over_a_cancellation_from_outside;
    a_panic_is_not_lost_to_the_close_deadline;
}
