//! The code of users panics, at every place where it is called: nothing aborts, nothing is poisoned, nothing is lost.

use crate::ground::{self, Ground};
use crate::user::{self, User};
use crate::world::{Op, World, poll_once, quietly, same};
use crate::{catalogue, failing};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// An operation whose panic is a value.
async fn caught(op: Op) -> Result<(), String> {
    let mut op = Some(op);
    poll_fn(|cx| {
        let Some(inner) = &mut op else {
            return Poll::Ready(Ok(()));
        };
        let polled = quietly(|| Pin::new(inner).poll(cx).map(|ended| ended.map(drop)));
        let ended = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(ended)) => ended,
            Err(text) => Err(text),
        };
        // What is left of it may panic as well.
        let rest = op.take();
        drop(quietly(|| drop(rest)));
        Poll::Ready(ended)
    })
    .await
}

/// Everything that the entry can do; what comes out of it does not matter. How often the user was called.
async fn everything(world: &World) {
    drop(caught(world.op()).await);
    if world.never_waits.is_none() {
        let block = quietly(|| world.block());
        let (mut dropped, waits) = (world.op(), world.op());
        drop(quietly(|| drop(poll_once(&mut dropped))));
        drop(quietly(|| drop(dropped)));
        let freed = async {
            regatta::task::yield_now().await;
            drop(quietly(|| drop(block)));
        };
        futures::join!(async { drop(caught(waits).await) }, freed);
    }
    drop(caught(world.op()).await);
    drop(world.is_quiet_soon().await);
}

/// With the n-th call of the user panicking; gives how many calls there were.
async fn trial(build: fn(&User) -> World, place: Ground, n: usize) -> Result<usize, String> {
    let user = User::panics_at(n);
    user::enter(&user);
    let Ok(world) = quietly(|| build(&user)) else {
        return Ok(user.calls());
    };
    if place.is_virtual() && world.outside.is_some() {
        return Ok(0);
    }
    everything(&world).await;
    let calls = user.calls();
    // It is as good as new.
    caught(world.op())
        .await
        .map_err(|why| format!("afterwards: {why}"))?;
    world.is_quiet_soon().await?;
    let waiting = world.never_waits.is_none();
    if waiting {
        let block = world.block();
        let mut op = world.op();
        drop(poll_once(&mut op));
        let freed = async { drop(block) };
        let (ended, ()) = futures::join!(caught(op), freed);
        ended.map_err(|why| format!("afterwards, when it has to wait: {why}"))?;
    }
    world.is_quiet_soon().await?;
    drop(world);
    regatta::time::sleep(Duration::from_millis(20)).await;
    same("values that are never dropped", user.values(), 0)?;
    Ok(calls)
}

fn run(place: Ground) {
    let mut wrong = Vec::new();
    for entry in catalogue::all() {
        let build = entry.build;
        if failing::is_known("panics", entry.name) {
            continue;
        }
        let ended = ground::in_time(Duration::from_secs(30), move || {
            let calls = place.run(Box::pin(trial(build, place, 0)))?;
            for n in 1..=calls {
                let ended = quietly(|| place.run(Box::pin(trial(build, place, n))));
                let ended = ended.and_then(|ended| ended);
                // A simulation tells of panics that went no further.
                if let Err(why) = ended
                    && !why.contains(crate::user::PANIC)
                {
                    return Err(format!("call {n} of {calls} panics: {why}"));
                }
            }
            Ok(())
        });
        if let Err(why) = ended {
            wrong.push((entry.name, format!("{place:?}: {why}")));
        }
    }
    failing::report(&wrong);
}

#[test]
fn in_virtual_time() {
    run(Ground::Virtual(0));
}

#[cfg(feature = "tokio")]
#[test]
fn on_tokio() {
    run(Ground::TokioMulti);
}

#[cfg(feature = "smol")]
#[test]
fn on_smol() {
    run(Ground::Smol);
}

/// What waits is dropped by a panic that unwinds, and so is what others wait for.
#[test]
fn while_another_panic_unwinds() {
    let mut wrong = Vec::new();
    for entry in catalogue::all() {
        let build = entry.build;
        if failing::is_known("unwinding", entry.name) {
            continue;
        }
        for place in ground::all() {
            let ended = ground::in_time(Duration::from_secs(10), move || {
                place.run(Box::pin(async move {
                    let world = build(&User::default());
                    if place.is_virtual() && world.outside.is_some() {
                        return Ok(());
                    }
                    let text = quietly(|| {
                        let _block = world.never_waits.is_none().then(|| world.block());
                        let mut op = world.op();
                        let _polled = poll_once(&mut op);
                        let _op = op;
                        std::panic::panic_any(String::from("the first, on purpose"));
                    });
                    same(
                        "the panic",
                        text.err(),
                        Some("the first, on purpose".into()),
                    )?;
                    world.is_quiet_soon().await?;
                    caught(world.op())
                        .await
                        .map_err(|why| format!("afterwards: {why}"))?;
                    world.is_quiet_soon().await
                }))
            });
            if let Err(why) = ended {
                wrong.push((entry.name, format!("{place:?}: {why}")));
            }
        }
    }
    failing::report(&wrong);
}
