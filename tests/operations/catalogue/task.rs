//! `task`, without its groups.

use crate::world::{Entry, Gate, World, entry};
use futures::StreamExt;
use regatta::task;
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const SPAWNED: &str = "its futures are tasks of the runtime";

type Sure = Result<(), Infallible>;

async fn passed(gate: Gate) -> Sure {
    gate.pass().await;
    Ok(())
}

fn three(gate: Gate) -> Vec<impl Future<Output = Sure> + Send> {
    (0..3).map(|_| passed(gate.clone())).collect()
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry("task::gather", |user| {
            let user = user.clone();
            World::around(move |gate| {
                let user = user.clone();
                async move {
                    task::gather(three(gate))
                        .limit(2)
                        .progress(|_| user.call())
                        .await
                }
            })
        })
        .covers(&[
            "task::Gather::limit",
            "task::Gather::progress",
            "task::Gathering",
        ]),
        entry("task::Gather::settled", |_| {
            World::around(|gate| async move {
                let results = task::gather(three(gate)).settled().await;
                results.into_iter().collect::<Result<Vec<_>, _>>()
            })
        }),
        entry("task::Gather::on_runtime", |_| {
            World::around(|gate| async move { task::gather(three(gate)).on_runtime().await })
                .never_at_once(SPAWNED)
        }),
        entry("task::Gather::on_runtime (settled)", |_| {
            World::around(|gate| async move {
                let results = task::gather(three(gate))
                    .settled()
                    .on_runtime()
                    .await
                    .map_err(|e| e.to_string())?;
                match results.len() {
                    3 => Ok(results),
                    n => Err(format!("{n} results of three")),
                }
            })
            .never_at_once(SPAWNED)
        }),
        // One item: a deadline that is over lets nothing new begin, so of all of them some may be missing.
        entry("task::as_completed", |_| {
            World::around(|gate| async move {
                let mut all = task::as_completed(three(gate)).limit(2);
                all.next().await.ok_or("there are three")
            })
        })
        .covers(&["task::AsCompleted::limit", "task::AsCompleted::next"]),
        entry("task::AsCompleted::indexed", |_| {
            World::around(|gate| async move {
                let mut all = task::as_completed(three(gate)).indexed();
                all.next().await.ok_or("there are three")
            })
        })
        .covers(&["task::Indexed::next"]),
        entry("task::as_completed (all of them)", |_| {
            World::around(|gate| async move {
                match task::as_completed(three(gate)).limit(2).count().await {
                    3 => Ok(()),
                    n => Err(format!("{n} of three")),
                }
            })
            .never_at_once("each item is an operation of its own")
        }),
        entry("task::race", |_| {
            World::around(|gate| async move { task::race(three(gate)).await })
        }),
        entry("task::race_of", |_| {
            World::around(|gate| async move {
                task::race_of((passed(gate), std::future::pending::<()>())).await;
                Sure::Ok(())
            })
        }),
        entry("task::yield_now", |_| {
            World::around(|gate: Gate| async move {
                gate.pass().await;
                task::yield_now().await;
                Sure::Ok(())
            })
            .never_at_once("it gives way, that is what it does")
        }),
        entry("task::boxed", |_| {
            World::around(|gate| async move { task::boxed(passed(gate)).await })
                .transparent("it is as ready as what is in the box")
        }),
        entry("task::race_ok", |_| {
            World::around(|gate| async move { task::race_ok(three(gate)).await })
        }),
        entry("task::staggered_race", |_| {
            World::around(|gate: Gate| async move {
                let starters = (0..3).map(|_| {
                    let gate = gate.clone();
                    move || passed(gate)
                });
                task::staggered_race(HOUR, starters).await
            })
        }),
    ]
}
