//! `then_stage`: works ahead, within its bound; ends with its consumer; errors and panics arrive.

use super::{Living, MS, until};
use futures::{FutureExt, StreamExt, stream};
use regatta::stream::{StreamOps, generate};
use regatta::{Runtime, cancel, testing, time};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

async fn items_come_in_order_and_the_end_after_them() {
    for n in [1, 2, 7, usize::MAX] {
        let items = stream::iter(0..1000).then_stage(n);
        assert_eq!(
            items.collect::<Vec<_>>().await,
            (0..1000).collect::<Vec<_>>()
        );
    }
}

/// Three stages of 10 ms each: 100 items take as long as one stage, not three.
async fn the_whole_takes_as_long_as_the_slowest_stage() {
    let source = generate(async |y| {
        for n in 0..100 {
            time::sleep(MS * 10).await;
            y.put(n).await;
        }
    });
    let middle = source.then_stage(1).map_concurrent(1, async |n| {
        time::sleep(MS * 10).await;
        n
    });
    let mut last = middle.then_stage(1);
    while last.next().await.is_some() {
        time::sleep(MS * 10).await;
    }
    assert_eq!(testing::now(), MS * (1000 + 20));
}

async fn it_works_ahead_as_far_as_its_bound_and_no_further() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let mut items = stream::iter(0..100)
        .map(move |n| {
            count.fetch_add(1, SeqCst);
            n
        })
        .then_stage(5);
    assert_eq!(items.next().await, Some(0));
    until(|| made.load(SeqCst) >= 6).await;
    for _ in 0..100 {
        futures_lite::future::yield_now().await;
        assert!(made.load(SeqCst) <= 6 && items.queued() <= 5);
    }
    assert_eq!(items.count().await, 99);
}

async fn dropping_the_consumer_stops_what_is_above() {
    let living = Arc::new(AtomicUsize::new(0));
    for reads in [1, 3] {
        let guard = Living::new(&living);
        let mut items = Box::pin(generate(async move |y| {
            let _guard = guard;
            for n in 0.. {
                y.put(n).await;
                time::sleep(MS / 10).await;
            }
        }))
        .then_stage(2)
        .then_stage(2);
        for n in 0..reads {
            assert_eq!(items.next().await, Some(n));
        }
        drop(items);
        until(|| living.load(SeqCst) == 0).await;
    }
}

async fn the_end_is_seen_after_what_is_above_is_gone() {
    let living = Arc::new(AtomicUsize::new(0));
    let guard = Living::new(&living);
    let mut items = generate(async move |y| {
        let _guard = guard;
        y.put(1).await;
    })
    .then_stage(1);
    assert_eq!(items.next().await, Some(1));
    assert_eq!(items.next().await, None);
    assert_eq!(living.load(SeqCst), 0);
    assert_eq!(items.next().await, None);
}

async fn a_panic_above_comes_after_the_items_before_it() {
    let mut items = stream::iter(0..5)
        .map(|n| {
            assert!(n < 3, "item {n} is too much");
            n
        })
        .then_stage(10);
    for n in 0..3 {
        assert_eq!(items.next().await, Some(n));
    }
    let payload = AssertUnwindSafe(items.next())
        .catch_unwind()
        .await
        .unwrap_err();
    let text = payload.downcast_ref::<String>().unwrap();
    assert!(text.contains("item 3 is too much"), "{text}");
    assert_eq!(items.next().await, None);
}

async fn errors_are_items_like_others() {
    let results = stream::iter([Ok(1), Err("two"), Ok(3)]).then_stage(1);
    let all: Vec<_> = results.collect().await;
    assert_eq!(all, [Ok(1), Err("two"), Ok(3)]);
}

async fn scopes_around_the_consumer_are_seen_above() {
    let seen = time::timeout(MS * 10_000, async {
        let asks = generate(async |y| y.put(cancel::deadline().is_some()).await);
        asks.then_stage(1).next().await
    });
    assert_eq!(seen.await.unwrap(), Some(true));
}

async fn a_timeout_around_the_consumer_takes_the_stage_along() {
    let living = Arc::new(AtomicUsize::new(0));
    let guard = Living::new(&living);
    let endless = generate(async move |y| {
        let _guard = guard;
        y.put(()).await;
        std::future::pending::<()>().await;
    });
    let late = time::timeout(MS * 3, async {
        let mut items = endless.then_stage(1);
        while items.next().await.is_some() {}
    });
    assert!(late.await.is_err());
    until(|| living.load(SeqCst) == 0).await;
}

#[test]
fn without_a_runtime_to_spawn_on_it_works_in_place() {
    let runtime = Runtime::neutral();
    let items = runtime.within(stream::iter(0..10).then_stage(3).collect::<Vec<_>>());
    assert_eq!(
        futures::executor::block_on(items),
        (0..10).collect::<Vec<_>>()
    );
}

regatta::matrix! {
    items_come_in_order_and_the_end_after_them;
    the_whole_takes_as_long_as_the_slowest_stage [sim];
    it_works_ahead_as_far_as_its_bound_and_no_further;
    dropping_the_consumer_stops_what_is_above;
    the_end_is_seen_after_what_is_above_is_gone;
    a_panic_above_comes_after_the_items_before_it;
    errors_are_items_like_others;
    scopes_around_the_consumer_are_seen_above;
    a_timeout_around_the_consumer_takes_the_stage_along;
}
