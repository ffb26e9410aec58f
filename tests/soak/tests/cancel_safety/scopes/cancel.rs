//! `cancel`.

use crate::ground::{Count, HOUR, MS};
use crate::probe::{Probe, drop_everywhere, rival, same, survives, until};
use async_channel::Receiver;
use regatta::cancel::{self, CancelToken, skipped_cleanups};
use regatta::testing::{self, Outcome};
use regatta::time;
use std::future::pending;
use std::sync::{Arc, Mutex};

/// A token that is cancelled in the tick in which an item comes; two rivals wait for the cancellation.
#[derive(Clone)]
struct World {
    probe: Probe,
    token: CancelToken,
    child: CancelToken,
    items: Receiver<u32>,
    rivals: [Count; 2],
    /// Bodies that were made, and those that are gone.
    made: Count,
    gone: Count,
    /// Cleanups: begun bodies, and those whose cleanup ended.
    bodies: Count,
    cleaned: Count,
}

async fn world() -> World {
    let (token, (tx, items)) = (CancelToken::new(), async_channel::bounded(1));
    let canceller = token.clone();
    drop(rival(async move {
        time::sleep(MS).await;
        canceller.cancel_with("enough");
    }));
    drop(rival(async move {
        time::sleep(MS).await;
        tx.send(7).await.unwrap();
        pending::<()>().await
    }));
    let (waits, runs) = (token.clone(), token.child());
    World {
        probe: Probe::default(),
        child: token.child(),
        items,
        rivals: [
            rival(async move { drop(waits.cancelled().await) }),
            rival(async move { drop(runs.run(pending::<()>()).await) }),
        ],
        token,
        made: Count::new(),
        gone: Count::new(),
        bodies: Count::new(),
        cleaned: Count::new(),
    }
}

impl World {
    /// What is to be true whatever became of the operation.
    async fn is_whole(&self) -> Result<(), String> {
        self.probe.is_alone()?;
        until(2).await;
        same(
            "rivals that were told",
            self.rivals.clone().map(|r| r.get()),
            [1, 1],
        )?;
        same(
            "the child's reason",
            self.child.reason(),
            Some("enough".into()),
        )?;
        // No hold of the operation keeps a later scope from ending.
        let later = testing::now();
        let ended = self.token.run(pending::<()>()).await;
        same("a later run", ended.is_err(), true)?;
        same("its end", testing::now(), later)
    }
}

async fn the_item_is_somewhere(world: World, outcome: Outcome<Option<u32>>) -> Result<(), String> {
    world.is_whole().await?;
    let got = match outcome {
        Outcome::Completed(got) => got,
        _ => None,
    };
    same(
        "the item",
        got.or_else(|| world.items.try_recv().ok()),
        Some(7),
    )
}

survives!(the_run_of_a_token: world, |w| async move {
    w.probe.watch(w.token.run(w.items.recv())).await.ok().map(Result::unwrap)
}, the_item_is_somewhere);

survives!(the_run_of_a_token_with_a_deadline: world, |w| async move {
    let timed = w.token.child_for(MS);
    w.probe.watch(timed.run(w.items.recv())).await.ok().map(Result::unwrap)
}, the_item_is_somewhere);

survives!(run_graceful: world, |w| async move {
    let works = async {
        // Takes nothing any more once it is cancelled.
        let why = cancel::cancelled();
        let item = async { w.items.recv().await.ok() };
        futures_lite::future::or(item, async { drop(why.await); None }).await
    };
    w.probe.watch(w.token.run_graceful(MS, works)).await.ok().flatten()
}, the_item_is_somewhere);

survives!(a_grace_that_runs_out: world, |w| async move {
    let stubborn = async {
        drop(cancel::cancelled().await);
        pending::<Option<u32>>().await
    };
    w.probe.watch(w.token.run_graceful(MS, stubborn)).await.ok().flatten()
}, the_item_is_somewhere);

survives!(the_cancelled_of_a_token: world, |w| async move {
    let told = w.probe.watch(w.token.cancelled()).await;
    assert_eq!(told, "enough".into());
    None
}, the_item_is_somewhere);

survives!(the_cancelled_of_a_deadline: world, |w| async move {
    drop(w.probe.watch(w.token.child_for(MS).cancelled()).await);
    None
}, the_item_is_somewhere);

survives!(the_ambient_cancelled: world, |w| async move {
    let asks = async { cancel::cancelled().await };
    drop(w.probe.watch(w.token.run_graceful(HOUR, time::timeout(HOUR, asks))).await);
    None
}, the_item_is_somewhere);

survives!(a_current_token_that_is_waited_for: world, |w| async move {
    let asks = async { cancel::current().cancelled().await };
    drop(w.probe.watch(w.token.run_graceful(HOUR, asks)).await);
    None
}, the_item_is_somewhere);

survives!(shield: world, |w| async move {
    let saves = cancel::shield(async { w.items.recv().await.ok() });
    w.probe.watch(w.token.run(saves)).await.ok().flatten()
}, the_item_is_somewhere);

survives!(shield_for: world, |w| async move {
    let saves = cancel::shield_for(MS, async { w.items.recv().await.ok() });
    w.probe.watch(w.token.run(saves)).await.ok()?.ok().flatten()
}, the_item_is_somewhere);

survives!(a_shield_in_nested_scopes: world, |w| async move {
    let saves = cancel::shield(cancel::shield(async { w.items.recv().await.ok() }));
    let inner = w.child.run(time::timeout(MS, saves));
    w.probe.watch(w.token.run(inner)).await.ok()?.ok()?.ok().flatten()
}, the_item_is_somewhere);

/// The count of skipped cleanups is for the whole process: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn with_cleanup(w: &World, only_on_cancel: bool) -> impl Future<Output = Option<u32>> + use<> {
    w.made.up();
    let (bodies, guard) = (w.bodies.clone(), w.gone.on_drop());
    let items = w.items.clone();
    let body = async move {
        let _guard = guard;
        bodies.up();
        items.recv().await.ok()
    };
    let (cleaned, gone) = (w.cleaned.clone(), w.gone.clone());
    let cleanup = async move {
        assert_eq!(gone.get(), 1, "the body goes first");
        time::sleep(MS / 2).await;
        cleaned.up();
    };
    if only_on_cancel {
        cancel::on_cancel(body, cleanup)
    } else {
        cancel::finally(body, cleanup)
    }
}

macro_rules! cleanup_survives {
    ($name:ident, $only_on_cancel:expr) => {
        #[test]
        fn $name() {
            let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
            let skipped = Arc::new(Mutex::new(0));
            drop_everywhere!(
                || {
                    *skipped.lock().unwrap() = skipped_cleanups();
                    world()
                },
                |w: World| async move {
                    let work = with_cleanup(&w, $only_on_cancel);
                    w.probe.watch(w.token.run(work)).await.ok().flatten()
                },
                |w: World, outcome| {
                    let before = *skipped.lock().unwrap();
                    async move {
                        let skipped = (skipped_cleanups() - before) as usize;
                        same("bodies that are gone", w.gone.get(), w.made.get())?;
                        let (cleaned, begun) = (w.cleaned.get(), w.bodies.get());
                        let succeeded = matches!(outcome, Outcome::Completed(Some(_)));
                        if $only_on_cancel && succeeded {
                            same("cleanups", (cleaned, skipped), (0, 0))?;
                        } else {
                            // Each that was begun is cleaned up, or counted as skipped.
                            same("cleanups and skipped ones", cleaned + skipped, begun)?;
                        }
                        // What was received by a body that was dropped during its cleanup is lost with its value.
                        if succeeded || w.items.is_empty() {
                            return w.is_whole().await;
                        }
                        the_item_is_somewhere(w, outcome).await
                    }
                },
            );
        }
    };
}

cleanup_survives!(finally, false);
cleanup_survives!(on_cancel, true);
