//! `try_spawn` and `JoinHandle`.

use crate::ground::{Count, MS, spawn};
use regatta::testing::yield_now;
use regatta::{Runtime, time};
use std::future::pending;

async fn a_dropped_handle_lets_the_task_run_on() {
    let (tx, rx) = async_channel::bounded(1);
    drop(spawn(async move {
        time::sleep(MS).await;
        tx.send("still here").await.unwrap();
    }));
    assert_eq!(rx.recv().await, Ok("still here"));
}

async fn a_cancelled_task_is_dropped_at_its_next_poll() {
    let (gone, started) = (Count::new(), Count::new());
    let (guard, up) = (gone.on_drop(), started.clone());
    let task = spawn(async move {
        let _guard = guard;
        up.up();
        pending::<()>().await
    });
    while started.get() == 0 {
        yield_now().await;
    }
    assert!(!task.is_finished());
    task.cancel();
    let error = task.await.unwrap_err();
    assert!(error.is_cancelled() && !error.is_panic());
    assert_eq!(gone.get(), 1);
    assert_eq!(
        error.to_string(),
        "the task was cancelled, or its runtime stopped, before it ended"
    );
    assert!(error.into_panic().is_none());
}

async fn a_task_cancelled_before_its_start_drops_what_it_owns() {
    // 20
    let gone = Count::new();
    let guard = gone.on_drop();
    let task = spawn(async move {
        let _guard = guard;
        pending::<()>().await
    });
    task.cancel();
    task.cancel();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(gone.get(), 1);
}

async fn cancelling_what_has_ended_changes_nothing() {
    // 42
    let task = spawn(async { 5 });
    while !task.is_finished() {
        yield_now().await;
    }
    task.cancel();
    assert_eq!(task.await.unwrap(), 5);
}

async fn a_panic_is_handed_over_with_its_payload() {
    let task = spawn(async {
        yield_now().await;
        std::panic::panic_any(42_u8);
    });
    let error = task.await.unwrap_err();
    assert!(error.is_panic() && !error.is_cancelled());
    assert_eq!(error.to_string(), "the task panicked");
    assert_eq!(error.into_panic().unwrap().downcast_ref(), Some(&42_u8));

    let words = spawn(async { panic!("number {}", 7) }).await.unwrap_err();
    assert_eq!(words.to_string(), "the task panicked: number 7");
    assert_eq!(
        format!("{words:?}"),
        "JoinError(the task panicked: number 7)"
    );
    let boxed: Box<dyn std::error::Error + Send + Sync> = words.into();
    assert!(boxed.to_string().contains("number 7"));
}

async fn a_handle_can_be_awaited_in_pieces() {
    let mut task = spawn(async {
        time::sleep(3 * MS).await;
        "whole"
    });
    let mut tries = 0;
    let value = loop {
        tries += 1;
        if let Ok(value) = time::timeout(MS, &mut task).await {
            break value;
        }
    };
    assert_eq!(value.unwrap(), "whole");
    assert!(tries >= 1);
}

async fn a_handle_awaited_again_says_so() {
    let mut task = spawn(async {});
    (&mut task).await.unwrap();
    let _ = task.await;
}

async fn the_last_who_waits_is_woken() {
    let task = spawn(time::sleep(2 * MS));
    let mut task = Box::pin(task);
    let hand = crate::ground::Hand::new();
    let _ = hand.poll(task.as_mut());
    // Now another task awaits it.
    spawn(task).await.unwrap().unwrap();
}

/// Its `Drop` panics.
struct Bomb;
impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("no goodbye");
    }
}

/// A panic is a panic, also when it comes from what the future held: at its end, or when it is cancelled, before or
/// after its start.
async fn a_panic_in_a_destructor_is_told_as_a_panic() {
    let text = |end: Result<(), regatta::runtime::JoinError>| {
        let payload = end.unwrap_err().into_panic().expect("it panicked");
        payload.downcast_ref::<&str>().unwrap().to_string()
    };
    let held = Bomb;
    let field = spawn(std::future::poll_fn(move |_| {
        let _held = &held;
        std::task::Poll::Ready(())
    }));
    assert_eq!(text(field.await), "no goodbye");
    for wait in [false, true] {
        let held = Bomb;
        let begun = Count::new();
        let up = begun.clone();
        let task = spawn(async move {
            let _held = held;
            up.up();
            pending::<()>().await
        });
        while wait && begun.get() == 0 {
            yield_now().await;
        }
        task.cancel();
        assert_eq!(text(task.await), "no goodbye");
    }
}

/// The last handle is gone when the task ends with a value whose destructor panics: the runtime and everybody on it go
/// on.
async fn a_value_that_nobody_takes_may_panic_in_its_destructor() {
    let ended = Count::new();
    for _ in 0..5 {
        let up = ended.clone();
        drop(spawn(async move {
            yield_now().await;
            up.up();
            Bomb
        }));
    }
    while ended.get() < 5 {
        yield_now().await;
    }
    let after = spawn(async {
        yield_now().await;
        5
    });
    assert_eq!(after.await.unwrap(), 5);
}

/// A loop around handles that are ready gives way, and loses nothing by it.
async fn a_loop_over_ready_handles_gives_way() {
    let others = Count::new();
    let (up, stop) = (others.clone(), regatta::cancel::CancelToken::new());
    let stopped = stop.clone();
    let beside = spawn(async move {
        while !stopped.is_cancelled() {
            up.up();
            yield_now().await;
        }
    });
    let mut tasks = Vec::new();
    for i in 0..3000 {
        tasks.push(spawn(async move { i }));
    }
    for task in &tasks {
        while !task.is_finished() {
            yield_now().await;
        }
    }
    let before = others.get();
    for (i, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), i);
    }
    let turns = others.get() - before;
    stop.cancel();
    beside.await.unwrap();
    assert!(turns >= 3, "{turns} turns");
}

#[test]
fn the_neutral_runtime_says_what_to_enable() {
    let error = Runtime::neutral().try_spawn(async {}).unwrap_err();
    assert_eq!(
        Runtime::neutral().try_spawn_blocking(|| ()).unwrap_err(),
        error
    );
    let text = error.to_string();
    let advice = match (cfg!(feature = "tokio"), cfg!(feature = "smol")) {
        (false, false) => "without the features `tokio` and `smol`; the application enables one",
        _ => "the neutral runtime was chosen here (`Flavor::Neutral`, or `Runtime::neutral()`",
    };
    assert!(text.contains(advice), "{text}");
}

#[test]
fn a_future_that_could_not_be_spawned_is_dropped() {
    let gone = Count::new();
    let guard = gone.on_drop();
    let refused = Runtime::neutral().try_spawn(async move { drop(guard) });
    assert!(refused.is_err());
    assert_eq!(gone.get(), 1);
}

regatta::matrix! {
    a_dropped_handle_lets_the_task_run_on;
    a_cancelled_task_is_dropped_at_its_next_poll;
    a_task_cancelled_before_its_start_drops_what_it_owns;
    cancelling_what_has_ended_changes_nothing;
    a_panic_is_handed_over_with_its_payload;
    a_handle_can_be_awaited_in_pieces;
    #[should_panic(expected = "JoinHandle polled after it gave its result")] a_handle_awaited_again_says_so;
    the_last_who_waits_is_woken;
    a_panic_in_a_destructor_is_told_as_a_panic;
    a_value_that_nobody_takes_may_panic_in_its_destructor [tokio_current, tokio_multi, smol];
    a_loop_over_ready_handles_gives_way [sim, tokio_current];
}
