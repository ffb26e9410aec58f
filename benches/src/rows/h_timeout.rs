//! H: timeouts around short work, and many sleeps.

use crate::harness::{now, time};
use crate::runtimes::On;
use crate::table::Table;
use futures_lite::future::{or, yield_now};
use regatta::Runtime;
use std::future::ready;
use std::time::Duration;

pub const CALLS: usize = 5_000;
pub const SLEEPS: usize = 100_000;
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(10);

pub async fn one_yield() -> u64 {
    yield_now().await;
    1
}

pub async fn ours<F: Future<Output = u64>>(work: F) -> Option<u64> {
    regatta::time::timeout(LONG, work).await.ok()
}

async fn tokio_timeout<F: Future<Output = u64>>(work: F) -> Option<u64> {
    tokio::time::timeout(LONG, work).await.ok()
}

async fn async_io_race<F: Future<Output = u64>>(work: F) -> Option<u64> {
    // Made at once, as a limit on the work is, not when the work turns out to wait.
    let timer = async_io::Timer::after(LONG);
    let late = async {
        timer.await;
        None
    };
    or(async { Some(work.await) }, late).await
}

/// A closure, not a pointer to a function: the call is measured, not the way its future takes through memory before it is polled.
pub fn calls<F, Fut>(on: On, f: F) -> impl FnMut() -> Duration
where
    F: Fn() -> Fut + Copy + Send + 'static,
    Fut: Future<Output: Send> + Send + 'static,
{
    move || on.run(time(CALLS, f))
}

fn around_ready(on: On) -> Table {
    let mut table = Table::each(
        format!("timeout around a ready future, {}", on.name()),
        CALLS,
    )
    .bare("the future alone", calls(on, || ready(1)))
    .ours("timeout", calls(on, || ours(ready(1))))
    .peer(
        "async-io Timer, race",
        calls(on, || async_io_race(ready(1))),
    );
    if on != On::Smol {
        table = table.peer(
            "tokio::time::timeout",
            calls(on, || tokio_timeout(ready(1))),
        );
    }
    table.faster("timeout", &[], 5.0)
}

fn around_yield(on: On) -> Table {
    let table = Table::each(format!("timeout around one yield, {}", on.name()), CALLS)
        .bare("the future alone", calls(on, one_yield))
        .ours("timeout", calls(on, || ours(one_yield())))
        .peer(
            "async-io Timer, race",
            calls(on, || async_io_race(one_yield())),
        );
    if on == On::Smol {
        return table.faster("timeout", &[], 1.0);
    }
    table
        .peer(
            "tokio::time::timeout",
            calls(on, || tokio_timeout(one_yield())),
        )
        .faster("timeout", &["tokio::time::timeout"], 1.0)
        .faster("timeout", &["async-io Timer, race"], 1.0)
}

/// Every sleep in a task of its own, spawned by the runtime itself: the sleeps are compared, not the spawning. All are made inside their
/// tasks. Made before they are spawned, those that count from then (all but ours, which count from the first poll) would be over by the
/// time they are polled, and never see a timer.
pub async fn sleeps<F, Fut>(on: On, sleep: F) -> Duration
where
    F: Fn(Duration) -> Fut + Copy + Send + 'static,
    Fut: Future<Output: Send> + Send + 'static,
{
    let sleep = move |limit| async move {
        sleep(limit).await;
    };
    let start = now();
    if on == On::Smol {
        let within = |f| Runtime::smol().within(f);
        let tasks: Vec<_> = (0..SLEEPS)
            .map(|_| smol::spawn(within(sleep(SHORT))))
            .collect();
        for task in tasks {
            task.await;
        }
    } else {
        let tasks: Vec<_> = (0..SLEEPS).map(|_| tokio::spawn(sleep(SHORT))).collect();
        for task in tasks {
            task.await.expect("no panic");
        }
    }
    now() - start
}

fn many_sleeps(on: On) -> Table {
    let mut table = Table::whole(format!("100k sleeps of 10 ms, {}", on.name()), SLEEPS)
        .ours("sleep", move || on.run(sleeps(on, regatta::time::sleep)))
        .peer("async-io Timer", move || {
            on.run(sleeps(on, async_io::Timer::after))
        });
    if on == On::Smol {
        return table.faster("sleep", &[], 0.95);
    }
    table = table.peer("tokio::time::sleep", move || {
        on.run(sleeps(on, tokio::time::sleep))
    });
    table.faster("sleep", &["tokio::time::sleep"], 0.95)
}

pub fn tables() -> Vec<Table> {
    let ready = On::ALL.map(around_ready).into_iter();
    ready
        .chain(On::ALL.map(around_yield))
        .chain(On::ALL.map(many_sleeps))
        .collect()
}
