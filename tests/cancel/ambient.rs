//! What code finds out about the scopes around it.

use crate::ground::{HOUR, Hand, MS, Watch, panic_of, spawn};
use regatta::cancel::{self, CancelToken, Reason};
use regatta::testing::yield_now;
use regatta::time;
use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Wake, Waker};

async fn outside_every_scope_nothing_is_cancelled() {
    assert!(cancel::check().is_ok());
    assert_eq!(cancel::deadline(), None);
    let token = cancel::current();
    assert!(!token.is_cancelled() && token.deadline().is_none());
    assert!(
        time::timeout(MS, cancel::shield(async { cancel::check() }))
            .await
            .is_ok()
    );
    // Cancelling it cancels its children, and no scope.
    let child = token.child();
    token.cancel();
    assert!(child.is_cancelled() && cancel::check().is_ok());
}

async fn cancellation_is_a_level_and_not_an_edge() {
    // 80, DIV: asyncio's comes once. Here code that goes on (in its grace, or a shield) sees it every time.
    let token = CancelToken::new();
    token.cancel_with("level");
    let inside = token.run_graceful(HOUR, async {
        let mut told = vec![];
        for _ in 0..2 {
            yield_now().await;
            told.push(cancel::check().unwrap_err().into_reason());
            told.push(cancel::cancelled().await);
        }
        told
    });
    assert_eq!(inside.await, Ok(vec!["level".into(); 4]));
    // Without grace, the first suspension is the last.
    let after = token.run(async {
        yield_now().await;
        unreachable!("it is dropped at its first suspension")
    });
    let ended: Result<(), _> = after.await;
    assert!(ended.is_err());
}

async fn the_outermost_reason_is_told() {
    // 87
    let (outer, inner) = (CancelToken::new(), CancelToken::new());
    let told = outer.run_graceful(
        HOUR,
        inner.run_graceful(HOUR, async {
            inner.cancel_with("inner");
            let first = cancel::check().unwrap_err().into_reason();
            outer.cancel_with("outer");
            (first, cancel::check().unwrap_err().into_reason())
        }),
    );
    assert_eq!(
        told.await.unwrap().unwrap(),
        ("inner".into(), "outer".into())
    );
}

async fn a_current_token_follows_every_scope_around_it() {
    for cancel_outer in [true, false] {
        let (outer, inner) = (CancelToken::new(), CancelToken::new());
        let mut follower = None;
        outer
            .run(inner.run(async {
                follower = Some(cancel::current());
            }))
            .await
            .unwrap()
            .unwrap();
        let follower = follower.unwrap();
        assert!(!follower.is_cancelled());
        if cancel_outer {
            outer.cancel_with("outer");
            assert_eq!(follower.reason(), Some("outer".into()));
            assert!(!inner.is_cancelled());
        } else {
            inner.cancel_with("inner");
            assert_eq!(follower.reason(), Some("inner".into()));
            assert!(!outer.is_cancelled());
        }
    }
}

async fn a_current_token_stops_at_a_shield() {
    let token = CancelToken::new();
    let inside = token.run(cancel::shield(async { cancel::current() }));
    let follower = inside.await.unwrap();
    token.cancel();
    assert!(!follower.is_cancelled());
}

async fn a_current_token_outlives_its_scope_and_keeps_its_deadline() {
    let token = CancelToken::new();
    let scope = token.run(time::timeout(2 * MS, async { cancel::current() }));
    let follower = scope.await.unwrap().unwrap();
    let watch = Watch::start();
    assert!(follower.deadline().is_some());
    let told = follower.cancelled().await;
    assert_eq!(told.to_string(), "deadline of 2ms passed");
    if regatta::testing::in_simulation() {
        watch.shows(2 * MS);
    }
    // One without a deadline no longer cancels it.
    let scope = CancelToken::new();
    let follower = scope.run(async { cancel::current() }).await.unwrap();
    let _ended = scope;
    assert!(!follower.is_cancelled());
}

async fn scopes_do_not_reach_a_foreign_task_but_a_token_does() {
    // RUST, documented in `cancel`.
    let token = CancelToken::new();
    let (tx, rx) = async_channel::bounded(1);
    let run = token.run(async {
        let mine = cancel::current();
        let task = spawn(async move {
            assert!(cancel::check().is_ok(), "the scope stays behind");
            assert_eq!(cancel::deadline(), None);
            let why = mine.run(pending::<()>()).await.unwrap_err();
            assert!(cancel::check().is_ok());
            why.into_reason()
        });
        tx.send(task).await.unwrap();
        pending::<()>().await
    });
    let canceller = token.clone();
    drop(spawn(async move {
        time::sleep(MS).await;
        canceller.cancel_with("through the token");
    }));
    assert!(run.await.is_err());
    assert_eq!(
        rx.recv().await.unwrap().await.unwrap(),
        "through the token".into()
    );
}

async fn waiting_for_the_cancellation_of_a_scope_wakes() {
    let (watch, token) = (Watch::start(), CancelToken::new());
    let work = token.run_graceful(HOUR, async {
        let why = cancel::cancelled().await;
        time::sleep(MS).await;
        why
    });
    let canceller = token.clone();
    drop(spawn(async move {
        time::sleep(MS).await;
        canceller.cancel_with(Reason::Shutdown);
    }));
    assert_eq!(work.await, Ok(Reason::Shutdown));
    watch.shows(2 * MS);
}

#[test]
fn a_panic_in_a_poll_leaves_no_scope_behind() {
    let token = CancelToken::new();
    token.cancel();
    for _ in 0..2 {
        let said = panic_of(|| {
            let inner = time::timeout(HOUR, cancel::shield(async { panic!("in the poll") }));
            let mut work = pin!(token.run(inner));
            let ended: Poll<Result<Result<(), _>, _>> = Hand::new().poll(work.as_mut());
            assert!(ended.is_pending());
        });
        assert_eq!(said, "in the poll");
        assert!(cancel::check().is_ok());
        assert_eq!(cancel::deadline(), None);
    }
}

#[test]
fn an_executor_inside_a_poll_sees_the_scopes_around_it_and_restores_them() {
    let token = CancelToken::new();
    let deadline = futures::executor::block_on(token.run(async {
        // Two executors on one thread: blocking in a poll is bad manners, and must not confuse the scopes.
        let inner = CancelToken::new();
        inner.cancel_with("inner");
        let told = futures_lite::future::block_on(inner.run_graceful(HOUR, async {
            yield_now().await;
            cancel::check().unwrap_err().into_reason()
        }));
        assert_eq!(told, Ok("inner".into()));
        assert!(cancel::check().is_ok());
        token.cancel_with("outer");
        cancel::check().unwrap_err().into_reason()
    }));
    assert_eq!(deadline, Ok("outer".into()));
    assert!(cancel::check().is_ok());
}

#[test]
fn interleaved_futures_keep_their_scopes_apart() {
    let (a, b) = (CancelToken::new(), CancelToken::new());
    a.cancel_with("a");
    b.cancel_with("b");
    let told = |token: CancelToken| async move {
        let mut told = vec![];
        for _ in 0..3 {
            told.push(cancel::check().unwrap_err().into_reason());
            yield_now().await;
        }
        drop(token);
        told
    };
    let both = futures::future::join(
        a.run_graceful(HOUR, told(a.clone())),
        b.run_graceful(HOUR, told(b.clone())),
    );
    let (left, right) = futures::executor::block_on(both);
    assert_eq!(left.unwrap(), vec![Reason::from("a"); 3]);
    assert_eq!(right.unwrap(), vec![Reason::from("b"); 3]);
}

/// Asks about the scopes when it is woken, as an executor that runs tasks inside `wake` would.
struct Asks(Mutex<Vec<bool>>);
impl Wake for Asks {
    fn wake(self: Arc<Self>) {
        let answer = cancel::check().is_err();
        self.0.lock().unwrap().push(answer);
    }
}

#[test]
fn a_waker_may_ask_about_the_scopes() {
    let asks = Arc::new(Asks(Mutex::new(vec![])));
    let waker = Waker::from(asks.clone());
    regatta::testing::run(async || {
        let token = CancelToken::new().child_for(MS);
        let mut waits = pin!(token.cancelled());
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(waits.as_mut().poll(&mut cx).is_pending());
        let work = token.run_graceful(HOUR, async {
            time::sleep(MS).await;
            // Finds out by the clock, and wakes those who wait.
            cancel::check().is_err()
        });
        assert_eq!(work.await, Ok(true));
    });
    assert!(asks.0.lock().unwrap().contains(&true));
}

regatta::matrix! {
    outside_every_scope_nothing_is_cancelled;
    cancellation_is_a_level_and_not_an_edge;
    the_outermost_reason_is_told;
    a_current_token_follows_every_scope_around_it;
    a_current_token_stops_at_a_shield;
    a_current_token_outlives_its_scope_and_keeps_its_deadline;
    scopes_do_not_reach_a_foreign_task_but_a_token_does;
    waiting_for_the_cancellation_of_a_scope_wakes;
}
