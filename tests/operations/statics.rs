//! Objects that stand in a `static`: used by simulation, simulation, tokio, tokio, smol, in both orders, and from two
//! threads.
//!
//! Left out, and why they cannot stand there: what is tasks of the runtime it was started on, and ends with it
//! (`Workers`, `Background`, a `Portal`, which is the way into one runtime; `bound` says so, or an operation makes one
//! for each use), an interval, which counts from when it was made, and handles of something under way. The entries of
//! `http` make a client for each use, because their server is a task: `tests/http/statics.rs` has clients in statics.

use crate::ground::{self, Ground};
use crate::world::{World, made_outside, poll_once};
use crate::{catalogue, failing};
use std::sync::Arc;
use std::time::Duration;

fn orders() -> Vec<Vec<Ground>> {
    let there = vec![
        Ground::Virtual(0),
        Ground::Virtual(1),
        #[cfg(feature = "tokio")]
        Ground::TokioMulti,
        #[cfg(feature = "tokio")]
        Ground::TokioCurrent,
        #[cfg(feature = "smol")]
        Ground::Smol,
    ];
    let mut back = there.clone();
    back.reverse();
    vec![there, back]
}

/// At once, and after it has waited.
async fn used(world: &World, place: Ground) -> Result<(), String> {
    if place.is_virtual() && world.outside.is_some() {
        return Ok(());
    }
    for _ in 0..3 {
        drop(
            world
                .op()
                .await
                .map_err(|why| format!("{place:?}: {why}"))?,
        );
        if world.never_waits.is_some() {
            continue;
        }
        let block = world.block();
        let mut op = world.op();
        drop(poll_once(&mut op));
        let freed = async {
            regatta::time::sleep(Duration::from_millis(1)).await;
            drop(block);
        };
        let (ended, ()) = futures::join!(op, freed);
        drop(ended.map_err(|why| format!("{place:?}, after it has waited: {why}"))?);
    }
    world
        .is_quiet_soon()
        .await
        .map_err(|why| format!("{place:?}: {why}"))
}

#[test]
fn in_a_row_in_both_orders() {
    let mut wrong = Vec::new();
    for entry in catalogue::all() {
        let build = entry.build;
        if failing::is_known("statics", entry.name) {
            continue;
        }
        for order in orders() {
            let ended = ground::in_time(Duration::from_secs(20), move || {
                // As in a `LazyLock`, which nobody has looked at before.
                let mut kept = None;
                for place in order {
                    if kept.is_none() {
                        kept = made_outside(build);
                    }
                    let Some(world) = kept.as_ref().filter(|world| world.bound.is_none()) else {
                        return Ok(());
                    };
                    place.run(Box::pin(used(world, place)))?;
                }
                Ok(())
            });
            if let Err(why) = ended {
                wrong.push((entry.name, why));
            }
        }
    }
    failing::report(&wrong);
}

/// Neither takes the other's clock, or its tasks.
#[test]
fn by_two_threads_at_a_time() {
    let mut wrong = Vec::new();
    for entry in catalogue::all() {
        let build = entry.build;
        if failing::is_known("statics", entry.name) {
            continue;
        }
        let ended = ground::in_time(Duration::from_secs(20), move || {
            let Some(world) = made_outside(build).map(Arc::new) else {
                return Ok(());
            };
            // One may hold what the other wants, and a simulation cannot wait for another thread: so there is nothing
            // to wait for.
            if world.bound.is_some() || world.in_line || world.one_thread.is_some() {
                return Ok(());
            }
            let [mut order, _] = <[_; 2]>::try_from(orders()).map_err(|_| "two orders")?;
            let other = world.clone();
            let beside = order.split_off(1);
            let thread = std::thread::spawn(move || alone(&other, &beside));
            let here = alone(&world, &order);
            thread.join().unwrap_or_else(|_| Err("panicked".into()))?;
            here
        });
        if let Err(why) = ended {
            wrong.push((entry.name, why));
        }
    }
    failing::report(&wrong);
}

fn alone(world: &World, places: &[Ground]) -> Result<(), String> {
    for _ in 0..3 {
        for place in places {
            if place.is_virtual() && world.outside.is_some() {
                continue;
            }
            place.run(Box::pin(async {
                for _ in 0..20 {
                    drop(
                        world
                            .op()
                            .await
                            .map_err(|why| format!("{place:?}: {why}"))?,
                    );
                }
                Ok::<_, String>(())
            }))?;
        }
    }
    Ok(())
}
