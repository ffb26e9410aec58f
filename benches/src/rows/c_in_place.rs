//! C: 100k items, at most 64 at once, in place and spawned.

use crate::harness::time;
use crate::runtimes::On;
use crate::table::Table;
use futures::stream::{self, StreamExt};
use futures_buffered::BufferedStreamExt;
use futures_concurrency::prelude::*;
use regatta::stream::StreamOps;
use regatta::task::{TaskGroup, gather, task_group};
use std::convert::Infallible;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const ITEMS: u64 = 100_000;
const LIMIT: usize = 64;

/// `WAITS`: gives way once; otherwise ready at once.
async fn item<const WAITS: bool>(i: u64) -> u64 {
    if WAITS {
        futures_lite::future::yield_now().await;
    }
    black_box(i)
}

async fn settled<const WAITS: bool>() -> u64 {
    gather((0..ITEMS).map(item::<WAITS>))
        .limit(LIMIT)
        .settled()
        .await
        .into_iter()
        .sum()
}

async fn fail_fast<const WAITS: bool>() -> u64 {
    let items = (0..ITEMS).map(|i| async move { Ok::<_, Infallible>(item::<WAITS>(i).await) });
    gather(items)
        .limit(LIMIT)
        .await
        .expect("no item fails")
        .into_iter()
        .sum()
}

async fn map_concurrent<const WAITS: bool>() -> u64 {
    let items = stream::iter(0..ITEMS).map_concurrent(LIMIT, item::<WAITS>);
    items.fold(0, async |a, b| a + b).await
}

async fn map_unordered<const WAITS: bool>() -> u64 {
    let items = stream::iter(0..ITEMS).map_concurrent(LIMIT, item::<WAITS>);
    items.unordered().fold(0, async |a, b| a + b).await
}

async fn buffer_unordered<const WAITS: bool>() -> u64 {
    let items = stream::iter(0..ITEMS).map(item::<WAITS>);
    items
        .buffer_unordered(LIMIT)
        .fold(0, async |a, b| a + b)
        .await
}

async fn futures_buffered<const WAITS: bool>() -> u64 {
    let items = stream::iter(0..ITEMS).map(item::<WAITS>);
    let mut items = pin!(items.buffered_unordered(LIMIT));
    let mut sum = 0;
    while let Some(value) = items.next().await {
        sum += value;
    }
    sum
}

async fn futures_buffered_ordered<const WAITS: bool>() -> u64 {
    let items = stream::iter(0..ITEMS).map(item::<WAITS>);
    items
        .buffered_ordered(LIMIT)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .sum()
}

async fn futures_concurrency<const WAITS: bool>() -> u64 {
    let sum = Arc::new(AtomicU64::new(0));
    let shared = sum.clone();
    let items = (0..ITEMS)
        .collect::<Vec<_>>()
        .into_co_stream()
        .limit(NonZeroUsize::new(LIMIT));
    items
        .for_each(move |i| {
            let sum = shared.clone();
            async move {
                sum.fetch_add(item::<WAITS>(i).await, Ordering::Relaxed);
            }
        })
        .await;
    sum.load(Ordering::Relaxed)
}

async fn gather_spawned() -> u64 {
    let items = gather((0..ITEMS).map(item::<false>));
    items
        .limit(LIMIT)
        .settled()
        .on_runtime()
        .await
        .expect("the runtime lives")
        .into_iter()
        .sum()
}

async fn spawn_when_free() -> u64 {
    let sum = Arc::new(AtomicU64::new(0));
    let shared = sum.clone();
    let group = task_group(async move |g: TaskGroup<'static, Infallible>| {
        g.limit(LIMIT);
        for i in 0..ITEMS {
            let sum = shared.clone();
            let child = async move {
                sum.fetch_add(item::<false>(i).await, Ordering::Relaxed);
            };
            drop(g.spawn_when_free(child).await);
        }
        Ok(())
    });
    group.await.expect("no item fails");
    sum.load(Ordering::Relaxed)
}

async fn join_set_by_len() -> u64 {
    let mut set = JoinSet::new();
    let mut sum = 0;
    for i in 0..ITEMS {
        if set.len() >= LIMIT {
            sum += set.join_next().await.expect("not empty").expect("no panic");
        }
        set.spawn(item::<false>(i));
    }
    while let Some(value) = set.join_next().await {
        sum += value.expect("no panic");
    }
    sum
}

async fn semaphore_and_join_set() -> u64 {
    let semaphore = Arc::new(Semaphore::new(LIMIT));
    let mut set = JoinSet::new();
    for i in 0..ITEMS {
        let permit = semaphore.clone().acquire_owned().await.expect("it is open");
        set.spawn(async move {
            let value = item::<false>(i).await;
            drop(permit);
            value
        });
    }
    let mut sum = 0;
    while let Some(value) = set.join_next().await {
        sum += value.expect("no panic");
    }
    sum
}

async fn semaphore_and_smol() -> u64 {
    let semaphore = Arc::new(smol::lock::Semaphore::new(LIMIT));
    let mut tasks = Vec::with_capacity(ITEMS as usize);
    for i in 0..ITEMS {
        let permit = semaphore.acquire_arc().await;
        tasks.push(smol::spawn(async move {
            let value = item::<false>(i).await;
            drop(permit);
            value
        }));
    }
    let mut sum = 0;
    for task in tasks {
        sum += task.await;
    }
    sum
}

fn once<Fut>(on: On, f: fn() -> Fut) -> impl FnMut() -> Duration
where
    Fut: Future<Output = u64> + Send + 'static,
{
    move || on.run(time(1, f))
}

fn in_place<const WAITS: bool>(on: On) -> Table {
    let what = if WAITS {
        "that yield once"
    } else {
        "ready at once"
    };
    let (gather, map) = if WAITS { (1.5, 2.0) } else { (2.0, 3.0) };
    Table::each(
        format!("in place, {}, items {what}", on.name()),
        ITEMS as usize,
    )
    .ours("gather(..).limit(64).settled()", once(on, settled::<WAITS>))
    .ours("gather(..).limit(64)", once(on, fail_fast::<WAITS>))
    .ours("map_concurrent(64)", once(on, map_concurrent::<WAITS>))
    .ours(
        "map_concurrent(64).unordered()",
        once(on, map_unordered::<WAITS>),
    )
    .peer(
        "futures-buffered, unordered",
        once(on, futures_buffered::<WAITS>),
    )
    .peer(
        "futures-buffered, ordered, Vec",
        once(on, futures_buffered_ordered::<WAITS>),
    )
    .peer(
        "futures buffer_unordered",
        once(on, buffer_unordered::<WAITS>),
    )
    .peer(
        "futures-concurrency",
        once(on, futures_concurrency::<WAITS>),
    )
    .faster(
        "gather(..).limit(64).settled()",
        &["futures-buffered, unordered"],
        gather,
    )
    .faster(
        "map_concurrent(64).unordered()",
        &["futures-buffered, unordered"],
        map,
    )
}

fn spawned(on: On) -> Table {
    let table = Table::each(format!("spawned, {}", on.name()), ITEMS as usize)
        .ours(
            "gather(..).limit(64).on_runtime()",
            once(on, gather_spawned),
        )
        .ours("spawn_when_free", once(on, spawn_when_free));
    let table = if on == On::Smol {
        table.peer("Semaphore + smol::spawn", once(on, semaphore_and_smol))
    } else {
        table
            .peer("JoinSet bounded by len", once(on, join_set_by_len))
            .peer("Semaphore + JoinSet", once(on, semaphore_and_join_set))
    };
    table
        .faster("gather(..).limit(64).on_runtime()", &[], 1.3)
        .faster("spawn_when_free", &[], 1.1)
}

pub fn tables() -> Vec<Table> {
    let ready = On::TOKIO.map(in_place::<false>);
    let waiting = On::TOKIO.map(in_place::<true>);
    ready
        .into_iter()
        .chain(waiting)
        .chain(On::ALL.map(spawned))
        .collect()
}
