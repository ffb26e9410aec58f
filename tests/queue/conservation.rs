//! Every item is delivered once, handed back, or a dead letter, and `join` is exact: 4 producers, 4 consumers, random drops, panics and
//! timeouts. Over the runtimes and the four feature sets that `.ci/test` runs, 10 million items pass.

use futures_lite::future::poll_once;
use regatta::queue::{OnDrop, Queue};
use regatta::{Runtime, task, time};
use std::convert::Infallible;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

const PRODUCERS: u32 = 4;
const CONSUMERS: u32 = 4;
const MOMENT: Duration = Duration::from_micros(30);

/// Where each item ended: exactly one place.
#[derive(Clone)]
struct Ends(Arc<[AtomicU8]>);

impl Ends {
    fn new(items: u32) -> Self {
        Ends((0..items).map(|_| AtomicU8::new(0)).collect())
    }

    fn mark(&self, item: u32) {
        let before = self.0[item as usize].fetch_add(1, Relaxed);
        assert_eq!(before, 0, "item {item} ended twice");
    }
}

async fn produce(queue: Queue<u32>, ends: Ends, items: std::ops::Range<u32>, rng: u64) {
    let mut rng = fastrand::Rng::with_seed(rng);
    for item in items {
        let refused = match rng.u32(0..256) {
            0 => queue
                .put_timeout(MOMENT, item)
                .await
                .err()
                .map(|e| e.into_inner()),
            1..=20 => queue.try_put(item).err().map(|e| e.into_inner()),
            21..=40 => {
                let mut put = queue.put(item);
                match poll_once(&mut put).await {
                    Some(ended) => ended.err().map(|e| e.into_inner()),
                    None => {
                        futures_lite::future::yield_now().await;
                        put.into_item()
                    }
                }
            }
            // Dropped while it waits: never put.
            41..=50 => match poll_once(queue.put(item)).await {
                Some(ended) => ended.err().map(|e| e.into_inner()),
                None => Some(item),
            },
            51..=60 => match poll_once(queue.reserve()).await {
                Some(slot) if rng.bool() => slot.unwrap().put(item).err().map(|e| e.into_inner()),
                _ => Some(item),
            },
            _ => queue.put(item).await.err().map(|e| e.into_inner()),
        };
        if let Some(item) = refused {
            ends.mark(item);
        }
    }
}

/// Consumes until the end; false when it "panicked" before.
async fn consume(queue: &Queue<u32>, ends: &Ends, rng: &mut fastrand::Rng) {
    let mut batch = Vec::new();
    loop {
        match rng.u32(0..256) {
            0 => match time::timeout(MOMENT, queue.get()).await {
                Ok(Some(item)) => ends.mark(item.into_inner()),
                Ok(None) => return,
                Err(_) => {}
            },
            1..=10 => match poll_once(queue.take()).await {
                Some(Some(item)) => ends.mark(item),
                Some(None) => return,
                None => {}
            },
            11..=20 => {
                // Served while nobody looks, then dropped.
                let mut get = queue.get();
                if let Some(item) = poll_once(&mut get).await {
                    match item {
                        Some(item) => ends.mark(item.into_inner()),
                        None => return,
                    }
                } else {
                    futures_lite::future::yield_now().await;
                }
            }
            21..=40 => {
                if queue.get_many(7, &mut batch).await == 0 {
                    return;
                }
                for item in batch.drain(..) {
                    match rng.u32(0..8) {
                        0 => drop(item),
                        1 => item.requeue(),
                        _ => ends.mark(item.into_inner()),
                    }
                }
            }
            41 => {
                let Some(_item) = queue.get().await else {
                    return;
                };
                resume_unwind(Box::new("a consumer that fails"));
            }
            42..=60 => match queue.take().await {
                Some(item) => ends.mark(item),
                None => return,
            },
            _ => match queue.get().await {
                Some(item) => {
                    ends.mark(*item);
                    item.done();
                }
                None => return,
            },
        }
    }
}

async fn pass(items: u32, seed: u64, on_drop: OnDrop, capacity: usize) {
    let queue = Queue::builder(capacity)
        .on_drop(on_drop)
        .dead_letters(usize::MAX)
        .build();
    let ends = Ends::new(items);
    let seed = seed * 100;
    task::task_group(async |g| {
        let consumers: Vec<_> = (0..CONSUMERS)
            .map(|k| {
                let (queue, ends) = (queue.clone(), ends.clone());
                g.spawn(async move {
                    let mut round = 0;
                    // One that panicked is replaced.
                    loop {
                        let (of, to) = (queue.clone(), ends.clone());
                        let mut rng =
                            fastrand::Rng::with_seed(seed + 50 + u64::from(k) + (round << 32));
                        let one = async move { consume(&of, &to, &mut rng).await };
                        match Runtime::current().try_spawn(one).unwrap().await {
                            Ok(()) => return Ok::<_, Infallible>(()),
                            Err(_) => round += 1,
                        }
                    }
                })
            })
            .collect();
        let share = items / PRODUCERS;
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|k| {
                let work = produce(
                    queue.clone(),
                    ends.clone(),
                    k * share..(k + 1) * share,
                    seed + u64::from(k),
                );
                g.spawn(async move {
                    work.await;
                    Ok(())
                })
            })
            .collect();
        for producer in producers {
            producer.await;
        }
        queue.close();
        queue.join().await;
        assert_eq!(queue.stats().open, 0);
        for consumer in consumers {
            consumer.await;
        }
        Ok(())
    })
    .await
    .unwrap();
    for item in queue.dead_letters() {
        ends.mark(item);
    }
    let missing = ends.0.iter().filter(|n| n.load(Relaxed) != 1).count();
    assert_eq!(missing, 0, "items that nobody has");
    let stats = queue.stats();
    assert_eq!(
        (stats.len, stats.waiting_puts, stats.waiting_gets),
        (0, 0, 0)
    );
}

async fn no_item_is_lost_with_dead_letters() {
    pass(1_000_000, 1, OnDrop::DeadLetter, 64).await;
}

async fn no_item_is_lost_with_redelivery() {
    pass(600_000, 2, OnDrop::Requeue, 3).await;
}

async fn no_item_is_lost_under_any_schedule() {
    let seed = fastrand::u64(..1 << 32);
    pass(8_000, seed, OnDrop::Requeue, 1 + seed as usize % 5).await;
    pass(8_000, seed, OnDrop::DeadLetter, 1 + seed as usize % 5).await;
}

regatta::matrix! {
    no_item_is_lost_with_dead_letters [tokio_current, tokio_multi, smol];
    no_item_is_lost_with_redelivery [tokio_current, tokio_multi, smol];
    no_item_is_lost_under_any_schedule [sim];
}
