//! What is ready is never refused, and a loop around it gives way.

use crate::ground;
use crate::user::User;
use crate::world::{World, same};
use crate::{catalogue, failing};
use regatta::cancel::CancelToken;
use regatta::{task, time};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

/// More than any budget has, several times.
const TIMES: u32 = 600;

/// Every one gets what is there, although it may not wait for it.
async fn never_lost(world: &World) -> Result<(), String> {
    for n in 0..TIMES {
        match time::timeout(Duration::ZERO, world.op()).await {
            // An error of its own is an answer: under a deadline that is over nobody tries again.
            Ok(ended) => drop(ended),
            Err(_) => return Err(format!("timeout(ZERO) around it has refused call {n}")),
        }
        let op = async { world.op().await.map(drop) };
        let otherwise = async { Err(String::from("(the other)")) };
        type Either<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + 'a>>;
        let both: [Either<'_>; 2] = [Box::pin(op), Box::pin(otherwise)];
        if let Err(e) = task::race(both).await {
            return Err(format!("a race against it was won, call {n}: {e}"));
        }
        // Whoever grants a poll to what is inside has one more as well.
        let op: Either<'_> = Box::pin(async { world.op().await.map(drop) });
        match time::timeout(Duration::ZERO, task::race([op])).await {
            Ok(ended) => drop(ended),
            Err(_) => return Err(format!("timeout(ZERO) around a race has refused call {n}")),
        }
        if futures::FutureExt::now_or_never(world.op()).is_none() {
            return Err(format!("now_or_never found nothing, call {n}"));
        }
    }
    Ok(())
}

/// A loop around it is polled often.
async fn always_given(world: &World) -> Result<(), String> {
    let mut around = pin!(async {
        for _ in 0..TIMES * 4 {
            drop(world.op().await?);
        }
        Ok(())
    });
    let mut polls = 0;
    let ended: Result<(), String> = poll_fn(|cx| {
        polls += 1;
        around.as_mut().poll(cx)
    })
    .await;
    ended?;
    match polls {
        3.. => Ok(()),
        n => Err(format!(
            "{} calls in {n} polls: it never gives way",
            TIMES * 4
        )),
    }
}

/// First come, first served, round after round.
async fn fair(world: &World) -> Result<(), String> {
    let order = Rc::new(Cell::new(0));
    for round in 0..TIMES {
        order.set(0);
        let one = |me: u32| {
            let order = order.clone();
            async move {
                let held = world.op().await?;
                let place = order.get();
                order.set(place + 1);
                task::yield_now().await;
                drop(held);
                same("place", place, me)
            }
        };
        let (a, b) = futures::join!(one(0), one(1));
        a.and(b).map_err(|why| format!("round {round}: {why}"))?;
    }
    Ok(())
}

/// Those before it in each poll have used up the budget: it gives way, and goes on.
async fn goes_on(world: &World) -> Result<(), String> {
    let over = CancelToken::new();
    over.cancel();
    for _ in 0..3 {
        let mut op = world.op();
        let mut polls = 0;
        let ended = poll_fn(|cx| {
            polls += 1;
            if polls > 100 {
                return Poll::Ready(Err(format!("not ready after {polls} polls")));
            }
            use_up(&over, cx);
            op.as_mut().poll(cx)
        });
        drop(ended.await?);
        // The next one has a poll of its own.
        task::yield_now().await;
    }
    Ok(())
}

fn use_up(over: &CancelToken, cx: &mut Context<'_>) {
    let mut spends = || pin!(over.cancelled()).poll(cx).is_ready();
    while spends() {}
    let mut whole = 0;
    while spends() {
        whole += 1;
    }
    for _ in 0..whole {
        assert!(spends(), "budgets differ");
    }
}

type Check = fn(&World) -> std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + '_>>;

fn run(harness: &'static str, applies: fn(&World) -> bool, check: Check) {
    let mut wrong = Vec::new();
    for entry in catalogue::all() {
        if failing::is_known(harness, entry.name) {
            continue;
        }
        for place in ground::all() {
            let build = entry.build;
            let ended = ground::in_time(Duration::from_secs(10), move || {
                place.run(Box::pin(async move {
                    let world = build(&User::default());
                    // The budget is that of a poll: this one may be half way through it.
                    task::yield_now().await;
                    if applies(&world) && (world.outside.is_none() || !place.is_virtual()) {
                        check(&world).await?;
                    }
                    Ok(())
                }))
            });
            if let Err(why) = ended {
                wrong.push((entry.name, format!("{place:?}: {why}")));
            }
        }
    }
    failing::report(&wrong);
}

#[test]
fn what_is_ready_is_never_refused() {
    run(
        "lost",
        |world| world.never_at_once.is_none(),
        |world| Box::pin(never_lost(world)),
    );
}

#[test]
fn a_loop_around_what_is_ready_gives_way() {
    run(
        "given",
        |world| world.never_at_once.is_none() && world.transparent.is_none(),
        |world| Box::pin(always_given(world)),
    );
}

#[test]
fn what_is_ready_is_not_held_up_by_those_who_use_up_each_budget() {
    run(
        "held up",
        |world| world.never_at_once.is_none(),
        |world| Box::pin(goes_on(world)),
    );
}

#[test]
fn first_come_is_first_served_whoever_gives_way() {
    run("fair", |world| world.in_line, |world| Box::pin(fair(world)));
}
