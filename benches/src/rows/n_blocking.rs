//! N: a call on another thread and back, one after the other and a thousand in flight.

use crate::harness::{now, time};
use crate::runtimes::On;
use crate::table::Table;
use regatta::blocking::ThreadPool;
use std::hint::black_box;
use std::time::Duration;

/// A tenth of a second and more: a kernel places threads by what they did in the last tens of milliseconds, so shorter rounds show what the case before has left behind.
pub const TRIPS: usize = 5_000;
const FLIGHT: usize = 1000;
/// Threads of our pool; rayon has as many as there are cores, the others as many as they like.
const THREADS: usize = 8;

fn native(on: On) -> &'static str {
    if on == On::Smol {
        "blocking::unblock"
    } else {
        "tokio spawn_blocking"
    }
}

async fn rayon_call() -> u64 {
    let (tx, rx) = futures::channel::oneshot::channel();
    rayon::spawn(move || {
        let _ = tx.send(black_box(1));
    });
    rx.await.expect("it is sent")
}

pub fn ours(on: On) -> impl FnMut() -> Duration {
    let pool = ThreadPool::new(THREADS);
    move || {
        let pool = pool.clone();
        on.run(async move { time(TRIPS, || pool.run(|| black_box(1))).await })
    }
}

fn round_trip(on: On) -> Table {
    let table = Table::each(format!("round trip, {}", on.name()), TRIPS)
        .ours("ThreadPool::run", ours(on))
        .peer("rayon, oneshot", move || {
            on.run(async { time(TRIPS, rayon_call).await })
        });
    let table = if on == On::Smol {
        table.peer(native(on), move || {
            on.run(async { time(TRIPS, || blocking::unblock(|| black_box(1))).await })
        })
    } else {
        table.peer(native(on), move || {
            on.run(async { time(TRIPS, || tokio::task::spawn_blocking(|| black_box(1))).await })
        })
    };
    let goal: &'static [&'static str] = if on == On::Smol {
        &["blocking::unblock"]
    } else {
        &["tokio spawn_blocking"]
    };
    table.faster("ThreadPool::run", goal, 0.9)
}

async fn spawn_blocking_flight() -> Duration {
    let start = now();
    let calls: Vec<_> = (0..FLIGHT)
        .map(|_| tokio::task::spawn_blocking(|| black_box(1)))
        .collect();
    for call in calls {
        call.await.expect("no panic");
    }
    now() - start
}

async fn unblock_flight() -> Duration {
    let start = now();
    let calls: Vec<_> = (0..FLIGHT)
        .map(|_| blocking::unblock(|| black_box(1)))
        .collect();
    for call in calls {
        call.await;
    }
    now() - start
}

async fn rayon_flight() -> Duration {
    let start = now();
    let calls: Vec<_> = (0..FLIGHT)
        .map(|_| {
            let (tx, rx) = futures::channel::oneshot::channel();
            rayon::spawn(move || {
                let _ = tx.send(black_box(1));
            });
            rx
        })
        .collect();
    for call in calls {
        call.await.expect("it is sent");
    }
    now() - start
}

async fn pool_flight(pool: ThreadPool) -> Duration {
    let start = now();
    let mut calls = Vec::with_capacity(FLIGHT);
    for _ in 0..FLIGHT {
        calls.push(pool.submit(|| black_box(1)).await.expect("it is open"));
    }
    for call in calls {
        call.await.expect("no panic");
    }
    now() - start
}

fn in_flight(on: On) -> Table {
    let pool = ThreadPool::builder()
        .max_workers(THREADS)
        .queue(FLIGHT)
        .build();
    let table = Table::whole(format!("1,000 in flight, {}", on.name()), FLIGHT)
        .ours("ThreadPool::submit", move || {
            on.run(pool_flight(pool.clone()))
        })
        .peer("rayon, oneshot", move || on.run(rayon_flight()));
    if on == On::Smol {
        table
            .peer("blocking::unblock", move || on.run(unblock_flight()))
            .faster("ThreadPool::submit", &["blocking::unblock"], 5.0)
    } else {
        table
            .peer("tokio spawn_blocking", move || {
                on.run(spawn_blocking_flight())
            })
            .faster("ThreadPool::submit", &["tokio spawn_blocking"], 5.0)
    }
}

pub fn tables() -> Vec<Table> {
    let trips = On::ALL.map(round_trip).into_iter();
    trips.chain(On::ALL.map(in_flight)).collect()
}
