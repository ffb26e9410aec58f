//! What a token tells, and to whom.

use crate::ground::{HOUR, Hand, MS, Watch, now, panic_of, spawn};
use regatta::cancel::{CancelToken, Cancelled, Reason};
use regatta::testing::yield_now;
use std::pin::pin;
use std::task::Poll;

#[test]
fn a_new_token_is_not_cancelled() {
    for token in [CancelToken::new(), CancelToken::default()] {
        assert!(!token.is_cancelled());
        assert_eq!(
            (token.reason(), token.check(), token.deadline()),
            (None, Ok(()), None)
        );
    }
}

#[test]
fn the_first_reason_wins() {
    // 87
    let token = CancelToken::new();
    token.cancel_with("first");
    token.cancel_with(Reason::Shutdown);
    token.cancel();
    assert_eq!(token.reason(), Some(Reason::Other("first".into())));
    assert_eq!(token.check(), Err(Cancelled::new("first")));
    assert_eq!(
        token.clone().check().unwrap_err().into_reason(),
        "first".into()
    );
}

#[test]
fn reasons_say_what_happened() {
    // 87
    for (reason, text) in [
        (Reason::Requested, "cancelled: requested"),
        (Reason::Shutdown, "cancelled: shutdown"),
        (Reason::SiblingFailed, "cancelled: a sibling task failed"),
        (
            Reason::ScopeEnded,
            "cancelled: the scope that owned it ended",
        ),
        (String::from("too old").into(), "cancelled: too old"),
    ] {
        let cancelled = Cancelled::new(reason.clone());
        assert_eq!(
            (cancelled.reason(), cancelled.to_string().as_str()),
            (&reason, text)
        );
    }
    let io = std::io::Error::from(Cancelled::new("stop"));
    assert_eq!(io.kind(), std::io::ErrorKind::Interrupted);
    assert_eq!(io.to_string(), "cancelled: stop");
}

#[test]
fn cancelling_goes_down_and_not_up() {
    let root = CancelToken::new();
    let (left, right) = (root.child(), root.child());
    let leaf = left.child();
    left.cancel_with("left only");
    assert!(left.is_cancelled() && leaf.is_cancelled());
    assert!(!root.is_cancelled() && !right.is_cancelled());
    root.cancel();
    assert_eq!(leaf.reason(), Some("left only".into()));
    assert_eq!(right.reason(), Some(Reason::Requested));
}

#[test]
fn a_child_of_a_cancelled_token_is_cancelled() {
    let root = CancelToken::new();
    root.cancel_with("over");
    assert_eq!(root.child().reason(), Some("over".into()));
    assert_eq!(root.child_for(HOUR).reason(), Some("over".into()));
}

#[test]
fn a_guard_cancels_when_it_is_dropped_also_by_a_panic() {
    let token = CancelToken::new();
    let inner = token.clone();
    let said = panic_of(move || {
        let _guard = inner.cancel_on_drop();
        panic!("half way");
    });
    assert_eq!(said, "half way");
    assert_eq!(token.reason(), Some(Reason::ScopeEnded));
    let kept = CancelToken::new();
    let same = kept.cancel_on_drop().disarm();
    assert!(!kept.is_cancelled());
    same.cancel();
    assert!(kept.is_cancelled());
}

async fn waiters_are_told_why() {
    let token = CancelToken::new();
    let waiters: Vec<_> = [
        token.cancelled(),
        token.child().cancelled(),
        token.child().child().cancelled(),
    ]
    .map(spawn)
    .into();
    time_passes().await;
    token.cancel_with("closing");
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap(), "closing".into());
    }
    assert_eq!(token.cancelled().await, "closing".into());
}

async fn time_passes() {
    regatta::time::sleep(MS).await;
}

async fn a_waiter_keeps_the_token_alive_and_its_children_too() {
    let root = CancelToken::new();
    let waiter = root.child().child().cancelled();
    let mut waiter = pin!(waiter);
    let hand = Hand::new();
    assert!(hand.poll(waiter.as_mut()).is_pending());
    root.cancel();
    assert_eq!(hand.wakes.get(), 1);
    assert_eq!(hand.poll(waiter.as_mut()), Poll::Ready(Reason::Requested));
}

#[test]
fn a_waiter_wakes_the_task_that_polled_it_last() {
    let token = CancelToken::new();
    let mut waiter = pin!(token.cancelled());
    let (first, second) = (Hand::new(), Hand::new());
    assert!(first.poll(waiter.as_mut()).is_pending());
    assert!(second.poll(waiter.as_mut()).is_pending());
    token.cancel();
    assert_eq!((first.wakes.get(), second.wakes.get()), (0, 1));
}

async fn a_deadline_is_seen_by_everyone_who_asks() {
    let start = now();
    let token = CancelToken::new();
    let timed = token.child_until(start + 2 * MS);
    let (below, relative) = (timed.child(), timed.child_for(HOUR));
    assert_eq!(below.deadline(), Some(start + 2 * MS));
    assert_eq!(relative.deadline(), Some(start + 2 * MS));
    assert_eq!(token.deadline(), None);
    regatta::time::sleep_until(start + 3 * MS).await;
    for token in [&timed, &below, &relative] {
        assert!(token.is_cancelled());
        assert_eq!(token.reason().unwrap().to_string(), "deadline passed");
        assert_eq!(
            token.check().unwrap_err().to_string(),
            "cancelled: deadline passed"
        );
        assert_eq!(
            token.run(yield_now()).await.unwrap_err().reason(),
            &token.reason().unwrap()
        );
        assert_eq!(token.cancelled().await, token.reason().unwrap());
    }
    assert!(!token.is_cancelled());
}

async fn a_deadline_fires_for_everyone_who_waits() {
    let watch = Watch::start();
    let timed = CancelToken::new().child_for(2 * MS);
    let (one, two) = (timed.clone(), timed.child());
    let waits = spawn(async move { one.cancelled().await });
    let runs = spawn(async move { two.run(std::future::pending::<()>()).await });
    let told = waits.await.unwrap();
    assert_eq!(told.to_string(), "deadline of 2ms passed");
    assert_eq!(runs.await.unwrap().unwrap_err().reason(), &told);
    watch.shows(2 * MS);
}

async fn of_two_deadlines_that_passed_the_upper_one_is_told() {
    let at = now() + MS;
    let upper = CancelToken::new().child_until(at);
    let lower = upper.child_for(MS);
    regatta::time::sleep(2 * MS).await;
    // `child_for` names a limit and `child_until` none.
    assert_eq!(lower.reason().unwrap().to_string(), "deadline passed");
    assert_eq!(upper.reason(), lower.reason());
}

async fn an_explicit_reason_before_the_deadline_stays() {
    // 74
    let timed = CancelToken::new().child_for(MS);
    timed.cancel_with("by hand");
    regatta::time::sleep(2 * MS).await;
    assert_eq!(timed.reason(), Some("by hand".into()));
    assert_eq!(timed.cancelled().await, "by hand".into());
}

#[test]
fn a_token_shows_its_reason() {
    let token = CancelToken::new();
    assert_eq!(format!("{token:?}"), "CancelToken { reason: None }");
    token.cancel();
    assert_eq!(
        format!("{token:?}"),
        "CancelToken { reason: Some(Requested) }"
    );
}

regatta::matrix! {
    waiters_are_told_why;
    a_waiter_keeps_the_token_alive_and_its_children_too;
    a_deadline_is_seen_by_everyone_who_asks;
    a_deadline_fires_for_everyone_who_waits;
    of_two_deadlines_that_passed_the_upper_one_is_told;
    an_explicit_reason_before_the_deadline_stays;
}
