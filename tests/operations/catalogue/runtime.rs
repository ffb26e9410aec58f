//! `runtime`.

use crate::world::{Entry, Gate, World, entry, on_drop};
use regatta::Runtime;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

const SPAWNED: &str = "it is a task of the runtime";

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry("runtime::Runtime::sleep", |_| {
            World::new(
                Arc::new(AtomicBool::new(false)),
                |late: Arc<AtomicBool>| async move {
                    let moment = Duration::from_millis(if late.load(SeqCst) { 20 } else { 0 });
                    Runtime::current().sleep(moment).await;
                    Ok::<_, Infallible>(())
                },
                |late| {
                    late.store(true, SeqCst);
                    let late = late.clone();
                    on_drop(move || late.store(false, SeqCst))
                },
            )
            .never_at_once("a sleep gives way once")
        })
        .covers(&[
            "runtime::Runtime::sleep_until",
            "runtime::Backend::sleep_until",
        ]),
        entry("runtime::Runtime::try_spawn", |user| {
            let user = user.clone();
            World::around(move |gate: Gate| {
                let user = user.clone();
                async move {
                    let task = async move {
                        gate.pass().await;
                        user.value()
                    };
                    let task = Runtime::current()
                        .try_spawn(task)
                        .map_err(|e| e.to_string())?;
                    task.await.map_err(|e| e.to_string())
                }
            })
            .never_at_once(SPAWNED)
        }),
        entry("runtime::Runtime::try_spawn_blocking", |user| {
            let user = user.clone();
            World::around(move |_| {
                let user = user.clone();
                async move {
                    let work = move || user.value();
                    let task = Runtime::current()
                        .try_spawn_blocking(work)
                        .map_err(|e| e.to_string())?;
                    task.await.map_err(|e| e.to_string())
                }
            })
            .never_at_once(SPAWNED)
            .never_waits("a closure that waits would block virtual time")
        }),
        #[cfg(feature = "signal")]
        entry("runtime::ctrl_c", |_| {
            World::around(|gate: Gate| async move {
                let pressed = regatta::runtime::signal::ctrl_c().map_err(|e| e.to_string())?;
                regatta::task::race_of((gate.pass(), pressed)).await;
                Ok::<_, String>(())
            })
            .bound("its handler is the process's, and stays")
        }),
        entry("runtime::Runtime::within", |_| {
            World::around(|gate: Gate| async move {
                Runtime::current().within(gate.pass()).await;
                Ok::<_, Infallible>(())
            })
            .transparent("it is as ready as what it is around")
        }),
    ]
}
