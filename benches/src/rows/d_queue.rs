//! D: items through a queue of 100 places, from producers to consumers, which see the end by themselves.

use crate::harness::now;
use crate::runtimes::On;
use crate::table::Table;
use futures::future::BoxFuture;
use regatta::queue::{Consumer, Queue};
use std::hint::black_box;
use std::time::Duration;

pub const ITEMS: u64 = 100_000;
const PLACES: usize = 100;
/// How many a consumer takes at once where it can.
const BATCH: usize = 64;

/// A producer or a consumer: the number of items that it saw.
pub type Work = BoxFuture<'static, u64>;

/// How many producers, how many consumers.
pub type Shape = (u64, u64);

/// As tasks of the runtime itself, so that only the queues differ.
async fn join(on: On, tasks: Vec<Work>) -> u64 {
    let mut sum = 0;
    if on == On::Smol {
        let tasks: Vec<_> = tasks.into_iter().map(smol::spawn).collect();
        for task in tasks {
            sum += task.await;
        }
    } else {
        let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
        for task in tasks {
            sum += task.await.expect("no panic");
        }
    }
    sum
}

/// Times the tasks of `make`, and checks that every item arrives.
pub fn run(on: On, shape: Shape, make: fn(Shape) -> Vec<Work>) -> impl FnMut() -> Duration {
    move || {
        on.run(async move {
            let start = now();
            let seen = join(on, make(shape)).await;
            let time = now() - start;
            assert_eq!(seen, ITEMS, "every item arrives once");
            time
        })
    }
}

/// Puts a share of the items.
macro_rules! producers {
    ($shape:expr, $tx:ident, $n:ident, $put:expr) => {
        (0..$shape.0).map(|_| {
            let $tx = $tx.clone();
            Box::pin(async move {
                for $n in 0..ITEMS / $shape.0 {
                    $put.await.expect("it is open");
                }
                0u64
            }) as Work
        })
    };
}

/// Takes until the end.
macro_rules! consumers {
    ($shape:expr, $rx:ident, $take:expr) => {
        (0..$shape.1).map(|_| {
            #[allow(unused_mut, reason = "some need it")]
            let mut $rx = $rx.clone();
            Box::pin(async move {
                let mut seen = 0u64;
                while let Some(n) = $take {
                    black_box(n);
                    seen += 1;
                }
                seen
            }) as Work
        })
    };
}

fn ours(shape: Shape, consume: fn(Consumer<u64>) -> Work) -> Vec<Work> {
    let (tx, rx) = Queue::bounded(PLACES).split();
    let put = producers!(shape, tx, n, tx.put(n));
    put.chain((0..shape.1).map(|_| consume(rx.clone())))
        .collect()
}

pub fn take(shape: Shape) -> Vec<Work> {
    ours(shape, |queue| {
        Box::pin(async move {
            let mut seen = 0;
            while let Some(n) = queue.take().await {
                black_box(n);
                seen += 1;
            }
            seen
        })
    })
}

fn get(shape: Shape) -> Vec<Work> {
    ours(shape, |queue| {
        Box::pin(async move {
            let mut seen = 0;
            while let Some(item) = queue.get().await {
                black_box(*item);
                item.done();
                seen += 1;
            }
            seen
        })
    })
}

fn take_many(shape: Shape) -> Vec<Work> {
    ours(shape, |queue| {
        Box::pin(async move {
            let (mut seen, mut batch) = (0, Vec::with_capacity(BATCH));
            while queue.take_many(BATCH, &mut batch).await > 0 {
                for n in batch.drain(..) {
                    black_box(n);
                    seen += 1;
                }
            }
            seen
        })
    })
}

fn flume(shape: Shape) -> Vec<Work> {
    let (tx, rx) = flume::bounded(PLACES);
    let put = producers!(shape, tx, n, tx.send_async(n));
    put.chain(consumers!(shape, rx, rx.recv_async().await.ok()))
        .collect()
}

fn async_channel(shape: Shape) -> Vec<Work> {
    let (tx, rx) = async_channel::bounded(PLACES);
    let put = producers!(shape, tx, n, tx.send(n));
    put.chain(consumers!(shape, rx, rx.recv().await.ok()))
        .collect()
}

fn kanal(shape: Shape) -> Vec<Work> {
    let (tx, rx) = kanal::bounded_async(PLACES);
    let put = producers!(shape, tx, n, tx.send(n));
    put.chain(consumers!(shape, rx, rx.recv().await.ok()))
        .collect()
}

/// Of tokio, which has one consumer.
fn mpsc(shape: Shape) -> Vec<Work> {
    let (tx, mut rx) = tokio::sync::mpsc::channel(PLACES);
    let put = producers!(shape, tx, n, tx.send(n));
    let consumer: Work = Box::pin(async move {
        let mut seen = 0;
        while let Some(n) = rx.recv().await {
            black_box(n);
            seen += 1;
        }
        seen
    });
    put.chain([consumer]).collect()
}

fn mpsc_many(shape: Shape) -> Vec<Work> {
    let (tx, mut rx) = tokio::sync::mpsc::channel(PLACES);
    let put = producers!(shape, tx, n, tx.send(n));
    let consumer: Work = Box::pin(async move {
        let (mut seen, mut batch) = (0, Vec::with_capacity(BATCH));
        while rx.recv_many(&mut batch, BATCH).await > 0 {
            for n in batch.drain(..) {
                black_box(n);
                seen += 1;
            }
        }
        seen
    });
    put.chain([consumer]).collect()
}

fn table(on: On, shape: Shape) -> Table {
    let title = format!("{}, {} to {}", on.name(), shape.0, shape.1);
    let mut table = Table::each(title, ITEMS as usize)
        .ours("take", run(on, shape, take))
        .ours("take_many", run(on, shape, take_many))
        .ours("get, done", run(on, shape, get))
        .peer("flume", run(on, shape, flume))
        .peer("async-channel", run(on, shape, async_channel));
    if shape.1 == 1 {
        table = table
            .peer("tokio mpsc", run(on, shape, mpsc))
            .peer("tokio mpsc, recv_many", run(on, shape, mpsc_many))
            .faster("take_many", &["tokio mpsc"], 2.0);
    }
    table
        .faster("take_many", &["flume"], 1.3)
        .faster("take_many", &["async-channel"], 2.5)
        // Shown, not chased: it loses items when a future is dropped.
        .bare("kanal", run(on, shape, kanal))
}

pub fn tables() -> Vec<Table> {
    vec![
        table(On::Current, (1, 1)),
        table(On::Current, (4, 4)),
        table(On::Multi, (1, 1)),
        table(On::Multi, (4, 1)),
        table(On::Smol, (1, 1)),
        table(On::Smol, (4, 4)),
    ]
}
