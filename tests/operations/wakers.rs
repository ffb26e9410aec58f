//! Wakers that call back, that panic, and that are counted, at every operation.

use crate::ground::{self, Ground};
use crate::hostile::{At, Wakers};
use crate::user::User;
use crate::world::{Entry, Op, World, poll_once, quietly, same};
use crate::{catalogue, failing};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

/// What a waker does when it is asked for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Nothing,
    /// Tries the same operation of the same object, and waits for it a little.
    CallsBack(At),
    Panics(At),
}

const ALL: [Does; 6] = [
    Does::Nothing,
    Does::CallsBack(At::Clone),
    Does::CallsBack(At::Wake),
    Does::CallsBack(At::Drop),
    Does::Panics(At::Wake),
    Does::Panics(At::Drop),
];

/// Calls back into the world, unless it is doing that already.
fn calls_back(world: &Weak<OnceLock<World>>, busy: &AtomicBool) {
    let Some(kept) = world.upgrade() else { return };
    let Some(world) = kept.get() else { return };
    if busy.swap(true, SeqCst) {
        return;
    }
    let mut op = world.op();
    // Outside of a runtime, which is where some wakers are called, an operation may panic.
    drop(quietly(|| drop(poll_once(&mut op))));
    drop(quietly(|| drop(op)));
    busy.store(false, SeqCst);
}

fn wakers(does: Does, world: &Arc<OnceLock<World>>, on: &Arc<AtomicBool>) -> Wakers {
    let (world, busy, on) = (Arc::downgrade(world), AtomicBool::new(false), on.clone());
    Wakers::new(move |at| match does {
        _ if !on.load(SeqCst) => {}
        Does::CallsBack(when) if when == at => calls_back(&world, &busy),
        Does::Panics(when) if when == at => {
            std::panic::panic_any(String::from("a waker panics on purpose"))
        }
        _ => {}
    })
}

/// Polls with a new hostile waker each time.
struct Under {
    op: Option<Op>,
    wakers: Wakers,
}

impl Future for Under {
    type Output = ();

    /// Ready when the operation has ended, in whatever way; what it gave is dropped at once.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let me = &mut *self;
        let Some(op) = &mut me.op else {
            return Poll::Ready(());
        };
        let waker = me.wakers.waker(cx.waker());
        // A panic that comes out of it is the waker's.
        let ended = quietly(|| op.as_mut().poll(&mut Context::from_waker(&waker)));
        drop(quietly(|| drop(waker)));
        if matches!(ended, Ok(Poll::Pending)) {
            return Poll::Pending;
        }
        drop(quietly(|| drop(ended)));
        let op = me.op.take();
        drop(quietly(|| drop(op)));
        Poll::Ready(())
    }
}

async fn trial(build: fn(&User) -> World, place: Ground, does: Does) -> Result<(), String> {
    let kept = Arc::new(OnceLock::new());
    let on = Arc::new(AtomicBool::new(true));
    let wakers = wakers(does, &kept, &on);
    kept.get_or_init(|| build(&User::default()));
    let Some(world) = kept.get() else {
        return Err("no world".into());
    };
    if place.is_virtual() && world.outside.is_some() {
        return Ok(());
    }
    let under = || Under {
        op: Some(world.op()),
        wakers: wakers.clone(),
    };
    // First it gets ready for whoever comes: pools connect, queues fill.
    drop(world.op().await?);
    let block = world.never_waits.is_none().then(|| world.block());
    let (mut first, mut second, mut third) = (under(), under(), under());
    poll_fn(|cx| {
        // Twice each, so that wakers are replaced.
        for _ in 0..2 {
            for one in [&mut first, &mut second, &mut third] {
                let _pending = Pin::new(one).poll(cx);
            }
        }
        Poll::Ready(())
    })
    .await;
    // One goes while it waits.
    drop(quietly(|| drop(first)));
    drop(quietly(|| drop(block)));
    // The others are told, whatever the wakers of those before them did.
    on.store(false, SeqCst);
    futures::join!(second, third);
    world.is_quiet_soon().await?;
    drop(world.op().await.map_err(|e| format!("afterwards: {e}"))?);
    world.is_quiet_soon().await?;
    // Timers and threads of a runtime let go of them a little later.
    for _ in 0..200 {
        if wakers.live() == 0 {
            break;
        }
        regatta::time::sleep(Duration::from_millis(5)).await;
    }
    same("wakers left behind", wakers.live(), 0)
}

fn run(place: Ground) {
    let mut wrong = Vec::new();
    for Entry { name, build, .. } in catalogue::all() {
        if failing::is_known("wakers", name) {
            continue;
        }
        for does in ALL {
            // smol's timers drop wakers under a lock of theirs, for the whole process: a panic there breaks it for
            // everybody.
            if place.is_smol() && does == Does::Panics(At::Drop) {
                continue;
            }
            let ended = ground::in_time(Duration::from_secs(5), move || {
                place.run(Box::pin(trial(build, place, does)))
            });
            if let Err(why) = ended
                // A simulation tells of panics that went no further.
                && !(matches!(does, Does::Panics(_)) && why.contains("whose panic nobody had seen"))
            {
                wrong.push((name, format!("{does:?}, {place:?}: {why}")));
            }
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
