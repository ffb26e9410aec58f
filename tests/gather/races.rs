//! Races: who wins, who never starts, and who goes home.

use super::{MS, after};
use regatta::cancel::{self, CancelToken, Reason};
use regatta::task::{self, BoxFuture, OneOf, boxed, race, race_of, race_ok, staggered_race};
use regatta::{testing, time};
use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

const ROUNDS: u32 = 2_000;

/// Ready at once, and gives way now and then.
fn free(token: &CancelToken) -> BoxFuture<'_, Result<&'static str, ()>> {
    boxed(async {
        token.cancelled().await;
        Ok("free")
    })
}

fn fallback<'a>() -> BoxFuture<'a, Result<&'static str, ()>> {
    boxed(ready(Ok("fallback")))
}

fn cancelled() -> CancelToken {
    let token = CancelToken::new();
    token.cancel();
    token
}

async fn who_only_gives_way_is_not_passed_over() {
    let token = cancelled();
    for round in 0..ROUNDS {
        assert_eq!(
            race([free(&token), fallback()]).await,
            Ok("free"),
            "{round}"
        );
        assert_eq!(race_ok([free(&token), fallback()]).await.unwrap(), "free");
        let won = race_of((free(&token), ready(7))).await;
        assert_eq!(won, OneOf::A(Ok("free")), "{round}");
    }
}

async fn a_second_attempt_does_not_start_while_the_first_gives_way() {
    let token = cancelled();
    for round in 0..ROUNDS {
        let tries: [bool; 2] = [true, false];
        let tries = tries.map(|first| {
            let token = &token;
            move || if first { free(token) } else { fallback() }
        });
        let won = staggered_race(Duration::ZERO, tries).await;
        assert_eq!(won.unwrap(), "free", "{round}");
    }
}

async fn a_race_that_is_decided_at_once_lets_others_run() {
    for kind in 0..4 {
        let done = Arc::new(AtomicBool::new(false));
        let other = done.clone();
        let _task = regatta::Runtime::current()
            .try_spawn(async move { other.store(true, SeqCst) })
            .unwrap();
        while !done.load(SeqCst) {
            match kind {
                0 => drop(race([ready(1), ready(2)]).await),
                1 => drop(race_ok([fallback(), fallback()]).await),
                2 => drop(staggered_race(MS, [fallback, fallback]).await),
                _ => drop(race_of((ready(1), ready("two"))).await),
            }
        }
    }
}

async fn who_has_not_started_when_the_race_is_decided_never_does() {
    let starts = AtomicU32::new(0);
    let late = || {
        boxed(async {
            starts.fetch_add(1, SeqCst);
            Ok::<_, ()>("late")
        })
    };
    let (first, second) = (fallback(), late());
    assert_eq!(race([first, second]).await, Ok("fallback"));
    assert_eq!(race_ok([fallback(), late()]).await.unwrap(), "fallback");
    assert!(matches!(
        race_of((fallback(), late(), late())).await,
        OneOf::A(_)
    ));
    assert_eq!(starts.into_inner(), 0);
}

async fn nobody_starts_once_the_caller_is_cancelled() {
    // Every quarter of a second one, cancelled after a tenth, and a second of cleanup.
    let starts = RefCell::new(Vec::new());
    let tries = (0..9).map(|n| {
        let starts = &starts;
        move || async move {
            starts.borrow_mut().push((n, testing::now()));
            cancel::finally(pending::<Result<(), &str>>(), time::sleep(MS * 1_000)).await
        }
    });
    let late = time::timeout(MS * 100, staggered_race(MS * 250, tries)).await;
    assert!(late.is_err());
    assert_eq!(*starts.borrow(), [(0, Duration::ZERO)]);
    assert_eq!(testing::now(), MS * 1_100);
}

async fn an_attempt_that_fails_while_it_is_cancelled_is_followed_by_nobody() {
    let starts = Cell::new(0);
    let tries = || {
        (0..3).map(|_| {
            let starts = &starts;
            move || async move {
                starts.set(starts.get() + 1);
                cancel::shield(time::sleep(MS * 200)).await;
                Err::<(), _>("refused")
            }
        })
    };
    // Without a grace the scope says why it ended; with one the race does, and has time for those that run.
    let late = time::timeout(MS * 100, staggered_race(MS * 250, tries())).await;
    assert!(late.is_err());
    assert_eq!(starts.replace(0), 1);
    let token = CancelToken::new();
    let race = token.run_graceful(MS * 9_000, staggered_race(MS * 150, tries()));
    let cancel = async {
        time::sleep(MS * 100).await;
        token.cancel_with("closing");
    };
    let (lost, ()) = futures_lite::future::zip(race, cancel).await;
    let lost = lost.unwrap().unwrap_err();
    assert_eq!((starts.get(), lost.len()), (1, 1));
    assert_eq!(lost.cancelled(), Some(&Reason::Other("closing".into())));
}

async fn a_race_of_different_types_says_who_won() {
    let won = race_of((after(20, "slow"), after(1, 7))).await;
    assert_eq!(won, OneOf::B(7));
    let (never, token) = (pending::<()>(), CancelToken::new());
    token.cancel_with("stop");
    match race_of((never, token.cancelled(), after(1, 1_u8))).await {
        OneOf::A(()) | OneOf::C(_) => panic!("the token is cancelled"),
        OneOf::B(reason) => assert_eq!(reason, "stop".into()),
    }
    let p = pending::<()>;
    let eight = race_of((p(), p(), p(), p(), p(), p(), p(), after(1, 'h')));
    assert!(matches!(eight.await, OneOf::H('h')));
}

async fn losers_of_different_types_are_cleaned_up_and_waited_for() {
    let cleaned = AtomicU32::new(0);
    let loser = || {
        cancel::finally(pending::<u8>(), async {
            time::sleep(MS * 5).await;
            cleaned.fetch_add(1, SeqCst);
        })
    };
    let won = race_of((loser(), after(1, "won"), loser())).await;
    assert_eq!(won, OneOf::B("won"));
    assert_eq!(cleaned.into_inner(), 2);
}

async fn a_loser_of_another_type_that_was_lent_goes_on() {
    let mut slow = pin!(after(5, "slow"));
    assert_eq!(race_of((slow.as_mut(), after(1, 1))).await, OneOf::B(1));
    assert_eq!(slow.await, "slow");
}

async fn a_cancelled_race_of_different_types_cleans_up() {
    let cleaned = AtomicU32::new(0);
    let loser = || {
        cancel::finally(pending::<()>(), async {
            time::sleep(MS).await;
            cleaned.fetch_add(1, SeqCst);
        })
    };
    let race = race_of((loser(), loser(), pending::<u8>()));
    assert!(time::timeout(MS, race).await.is_err());
    assert_eq!(cleaned.into_inner(), 2);
}

#[test]
fn a_race_of_different_types_that_is_dropped_leaves_nothing() {
    let report = testing::cancel_safety(
        0..200,
        async || Arc::new(()),
        |alive: Arc<()>| async move {
            let hold = |ms: u32| {
                let alive = alive.clone();
                async move {
                    time::sleep(MS * ms).await;
                    drop(alive);
                }
            };
            race_of((hold(3), hold(1), after(2, 1_u8))).await
        },
        |alive: Arc<()>, _| async move {
            match Arc::strong_count(&alive) {
                1 => Ok(()),
                n => Err(format!("{n} are still there")),
            }
        },
    );
    report.unwrap();
}

#[test]
#[should_panic(expected = "kaboom")]
fn a_panic_in_a_race_of_different_types_goes_on_in_the_caller() {
    testing::run(async || race_of((async { panic!("kaboom") as u8 }, pending::<()>())).await);
}

#[test]
fn a_race_cuts_at_a_yield_that_was_asked_for() {
    // Unlike an operation that gives way by itself, `yield_now` is a suspension.
    let won = testing::run(async || {
        let yields = boxed(async {
            task::yield_now().await;
            "yields"
        });
        race([yields, boxed(ready("at once"))]).await
    });
    assert_eq!(won, "at once");
}

regatta::matrix! {
    who_only_gives_way_is_not_passed_over;
    a_second_attempt_does_not_start_while_the_first_gives_way;
    a_race_that_is_decided_at_once_lets_others_run;
    who_has_not_started_when_the_race_is_decided_never_does;
    nobody_starts_once_the_caller_is_cancelled [sim];
    an_attempt_that_fails_while_it_is_cancelled_is_followed_by_nobody [sim];
    a_race_of_different_types_says_who_won;
    losers_of_different_types_are_cleaned_up_and_waited_for;
    a_loser_of_another_type_that_was_lent_goes_on;
    a_cancelled_race_of_different_types_cleans_up;
}
