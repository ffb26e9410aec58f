//! A slow consumer slows the source: never more under way than the operators say, under every seed.

use super::MS;
use futures::{StreamExt, stream};
use regatta::stream::StreamOps;
use regatta::{testing, time};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

/// Counts what is between two points of a stream.
#[derive(Clone, Default)]
struct Between(Arc<AtomicI64>, Arc<AtomicI64>);

impl Between {
    fn enter<T>(&self, item: T) -> T {
        let now = self.0.fetch_add(1, SeqCst) + 1;
        self.1.fetch_max(now, SeqCst);
        item
    }

    fn leave<T>(&self, item: T) -> T {
        self.0.fetch_sub(1, SeqCst);
        item
    }

    fn most(&self) -> i64 {
        self.1.load(SeqCst)
    }
}

#[test]
fn no_more_than_the_bounds_is_under_way_under_any_seed() {
    testing::check(300, async || {
        let (all, mapped) = (Between::default(), Between::default());
        let (a, b, c) = (all.clone(), mapped.clone(), mapped.clone());
        let mut items = stream::iter(0..40u64)
            .map(move |n| a.enter(n))
            .then_stage(3)
            .map(move |n| b.enter(n))
            .map_concurrent(4, async |n| {
                time::sleep(MS * (n % 5) as u32).await;
                n
            })
            .map(move |n| c.leave(n))
            .then_stage(2);
        let mut seen = 0;
        while let Some(n) = items.next().await {
            assert_eq!(n, seen);
            seen += 1;
            all.leave(());
            assert!(items.queued() <= 2);
            time::sleep(MS * 2).await;
        }
        assert_eq!(seen, 40);
        assert!(mapped.most() <= 4, "{} at once", mapped.most());
        // 3 before, 4 at work, 2 behind, 1 with us.
        assert!(all.most() <= 10, "{} under way", all.most());
    });
}

#[test]
fn the_slowest_subscriber_holds_up_the_others() {
    testing::check(200, async || {
        let shared = stream::iter(0..30u32).broadcast(3);
        let (mut quick, mut slow) = (shared.subscribe(), shared.subscribe());
        let place = Arc::new(AtomicI64::new(0));
        let ahead = place.clone();
        let quick = async {
            while let Some(n) = quick.next().await {
                let behind = i64::from(n) + 1 - ahead.load(SeqCst);
                // One more than 3: the slow one has taken it and not said so yet.
                assert!(behind <= 4, "{behind} ahead");
                assert!(shared.queued() <= 3);
            }
        };
        let slow = async {
            while slow.next().await.is_some() {
                place.fetch_add(1, SeqCst);
                time::sleep(MS).await;
            }
        };
        futures::future::join(quick, slow).await;
        assert_eq!(place.load(SeqCst), 30);
    });
}

#[test]
fn a_subscriber_that_leaves_lets_the_others_go_on() {
    testing::check(200, async || {
        let shared = stream::iter(0..30u32).broadcast(2);
        let (quick, mut slow) = (shared.subscribe(), shared.subscribe());
        let leave = async {
            assert_eq!(slow.next().await, Some(0));
            time::sleep(MS).await;
            drop(slow);
        };
        let (count, ()) = futures::future::join(quick.count(), leave).await;
        assert_eq!(count, 30);
    });
}

#[test]
fn a_side_that_leaves_lets_the_other_go_on() {
    testing::check(200, async || {
        let (even, odd) = stream::iter(0..30u32).partition(2, |n| n % 2 == 0);
        let leave = async {
            time::sleep(MS).await;
            drop(odd);
        };
        let (count, ()) = futures::future::join(even.count(), leave).await;
        assert_eq!(count, 15);
    });
}

/// futures-rs#2387: a fast stage works on while the consumer is busy.
#[test]
fn a_fast_stage_works_on_while_the_consumer_is_busy() {
    testing::run(async || {
        let mut items = stream::iter(0..10u32)
            .map_concurrent(10, async |n| {
                time::sleep(MS * 10).await;
                n
            })
            .then_stage(10);
        assert_eq!(items.next().await, Some(0));
        time::sleep(MS * 100).await;
        assert_eq!(items.queued(), 9);
    });
}
