//! E: a permit and back, alone and in a crowd.

use crate::harness::{now, time};
use crate::runtimes::On;
use crate::table::Table;
use futures_lite::future::yield_now;
use std::sync::Arc;
use std::time::Duration;

const ALONE: usize = 10_000;
const TASKS: usize = 64;
const TURNS: usize = 200;
/// Permits that a crowd takes in a run.
pub const CROWD: usize = TASKS * TURNS;
const PERMITS: usize = 4;

/// Written out for each, as a user would: a wrapper around `acquire` is a call that some peers pay and others don't.
macro_rules! alone {
    ($on:expr, $semaphore:expr, |$s:ident| $acquire:expr) => {
        move || {
            $on.run(async {
                let $s = $semaphore;
                time(ALONE, async || drop($acquire)).await
            })
        }
    };
}

/// Every task takes a permit so many times, and keeps it while others run.
macro_rules! crowd {
    ($on:expr, $semaphore:expr, |$s:ident| $acquire:expr) => {
        move || {
            $on.run(async move {
                let semaphore = Arc::new($semaphore);
                let turns = || {
                    let $s = semaphore.clone();
                    async move {
                        for _ in 0..TURNS {
                            let permit = $acquire;
                            yield_now().await;
                            drop(permit);
                        }
                    }
                };
                let start = now();
                if $on == On::Smol {
                    let tasks: Vec<_> = (0..TASKS).map(|_| smol::spawn(turns())).collect();
                    for task in tasks {
                        task.await;
                    }
                } else {
                    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(turns())).collect();
                    for task in tasks {
                        task.await.expect("no panic");
                    }
                }
                now() - start
            })
        }
    };
}

pub fn ours_in_a_crowd(on: On) -> impl FnMut() -> Duration {
    crowd!(on, regatta::sync::Semaphore::new(PERMITS), |s| {
        s.acquire().await.expect("it is open")
    })
}

/// One of the two for every semaphore.
macro_rules! each {
    ($case:ident, $on:expr) => {
        (
            $case!($on, regatta::sync::Semaphore::new(PERMITS), |s| {
                s.acquire().await.expect("it is open")
            }),
            $case!($on, tokio::sync::Semaphore::new(PERMITS), |s| {
                s.acquire().await.expect("it is open")
            }),
            $case!($on, async_lock::Semaphore::new(PERMITS), |s| {
                s.acquire().await
            }),
            $case!($on, asyncband::semaphore::Semaphore::new(PERMITS), |s| {
                s.acquire(1).await
            }),
        )
    };
}

fn all(
    table: Table,
    run: (
        impl FnMut() -> Duration + 'static,
        impl FnMut() -> Duration + 'static,
        impl FnMut() -> Duration + 'static,
        impl FnMut() -> Duration + 'static,
    ),
) -> Table {
    table
        .ours("Semaphore", run.0)
        .peer("tokio", run.1)
        .peer("async-lock", run.2)
        .peer("asyncband", run.3)
}

/// Permits that borrow nothing.
fn owned(on: On) -> Table {
    let table = Table::each(
        format!("uncontended, permits that borrow nothing, {}", on.name()),
        ALONE,
    );
    table
        .ours("Semaphore", move || {
            on.run(async {
                let semaphore = regatta::sync::Semaphore::new(PERMITS);
                time(ALONE, async || {
                    let permit = semaphore.acquire().await.expect("it is open");
                    drop(permit.into_owned());
                })
                .await
            })
        })
        .peer("tokio", move || {
            on.run(async {
                let semaphore = Arc::new(tokio::sync::Semaphore::new(PERMITS));
                time(ALONE, async || {
                    drop(semaphore.clone().acquire_owned().await.expect("it is open"));
                })
                .await
            })
        })
        .peer("async-lock", move || {
            on.run(async {
                let semaphore = Arc::new(async_lock::Semaphore::new(PERMITS));
                time(ALONE, async || drop(semaphore.acquire_arc().await)).await
            })
        })
        .peer("asyncband", move || {
            on.run(async {
                let semaphore = Arc::new(asyncband::semaphore::Semaphore::new(PERMITS));
                time(ALONE, async || {
                    drop(semaphore.clone().acquire_owned(1).await)
                })
                .await
            })
        })
        .faster("Semaphore", &[], 1.2)
}

fn alone_on(on: On) -> Table {
    let table = Table::each(format!("uncontended, {}", on.name()), ALONE);
    all(table, each!(alone, on)).faster("Semaphore", &["tokio", "async-lock"], 1.5)
}

fn crowd_on(on: On) -> Table {
    let title = format!("64 tasks for 4 permits, held across a yield, {}", on.name());
    all(Table::each(title, CROWD), each!(crowd, on))
        .faster("Semaphore", &["tokio"], 1.0)
        // Newcomers may pass in these, which saves a wake.
        .faster("Semaphore", &["async-lock", "asyncband"], 0.7)
}

pub fn tables() -> Vec<Table> {
    let alone = On::ALL.map(alone_on).into_iter();
    let alone = alone.chain(On::ALL.map(owned));
    alone.chain(On::ALL.map(crowd_on)).collect()
}
