//! A panic that was caught ends what it belongs to, and nothing beside it.

use super::{Living, MS, until};
use futures::{FutureExt, StreamExt, stream};
use regatta::stream::{StreamOps, generate};
use regatta::{Runtime, time};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What comes, with `None` for each panic.
async fn all_of<S: futures::Stream + Unpin>(mut items: S) -> Vec<Option<S::Item>> {
    let mut all = vec![];
    loop {
        match AssertUnwindSafe(items.next()).catch_unwind().await {
            Ok(Some(item)) => all.push(Some(item)),
            Ok(None) => return all,
            Err(_) => all.push(None),
        }
    }
}

async fn after_a_panic_in_one_item_the_others_come() {
    let living = Arc::new(AtomicUsize::new(0));
    // Early: in the first poll. Late: after others have begun.
    for (early, late) in [(3, 99), (99, 3), (0, 9), (9, 0), (4, 5)] {
        let count = living.clone();
        let work = move |n: u32| {
            let lives = Living::new(&count);
            async move {
                let _lives = lives;
                assert_ne!(n, early, "early");
                if n.is_multiple_of(3) {
                    time::sleep(MS * (10 - n)).await;
                }
                assert_ne!(n, late, "late");
                n
            }
        };
        let expected = |n: &u32| (*n != early && *n != late).then_some(*n);
        let ordered = all_of(Box::pin(
            stream::iter(0..10).map_concurrent(4, work.clone()),
        ))
        .await;
        let there: Vec<_> = ordered.iter().flatten().copied().collect();
        let right: Vec<_> = (0..10).filter_map(|n| expected(&n)).collect();
        assert_eq!(there, right, "{early} {late}");
        assert_eq!(ordered.len(), 10);
        let unordered = stream::iter(0..10).map_concurrent(4, work).unordered();
        let unordered = all_of(Box::pin(unordered)).await;
        let mut there: Vec<_> = unordered.iter().flatten().copied().collect();
        there.sort_unstable();
        assert_eq!((there, unordered.len()), (right, 10));
        assert_eq!(living.load(Ordering::SeqCst), 0);
    }
}

/// Also one of the function that makes the futures.
async fn after_a_panic_in_the_function_the_others_come() {
    let make = |n: u32| {
        assert_ne!(n, 2);
        async move {
            time::sleep(MS).await;
            n
        }
    };
    let all = all_of(Box::pin(stream::iter(0..5).map_concurrent(2, make))).await;
    assert_eq!(
        all.iter().flatten().copied().collect::<Vec<_>>(),
        [0, 1, 3, 4]
    );
}

async fn those_who_only_look_on_cost_no_item() {
    let mut told = 0;
    let items = stream::iter(0..5).progress(|progress| {
        told += 1;
        assert_ne!(progress.items, 3, "an observer that panics");
    });
    assert_eq!(items.collect::<Vec<_>>().await, [0, 1, 2, 3, 4]);
    assert_eq!(told, 6);
    let results = stream::iter([Ok(1), Err("x"), Ok(2)]);
    let values = results.skip_errors(|_| panic!("a sink that panics"));
    assert_eq!(values.collect::<Vec<_>>().await, [1, 2]);
}

/// Whoever takes from a stream that is always ready lets others run.
async fn streams_that_are_always_ready_give_way() {
    let endless = || stream::repeat(1u32);
    let streams: Vec<(&str, futures::stream::BoxStream<'static, ()>)> = vec![
        (
            "generate",
            generate(async |y| {
                loop {
                    y.put(()).await;
                }
            })
            .boxed(),
        ),
        ("map", endless().map_concurrent(2, async |_| ()).boxed()),
        (
            "unordered",
            endless()
                .map_concurrent(2, async |_| ())
                .unordered()
                .boxed(),
        ),
        ("batch", endless().batch(2).map(drop).boxed()),
        ("merge", endless().merge(endless()).map(drop).boxed()),
        ("zip", endless().zip_latest(endless()).map(drop).boxed()),
        ("debounce", endless().debounce(MS).map(drop).boxed()),
        ("timeout", endless().timeout_each(MS).map(drop).boxed()),
        ("stage", endless().then_stage(4).map(drop).boxed()),
        ("progress", endless().progress(|_| ()).map(drop).boxed()),
        (
            "broadcast",
            endless().broadcast(4).subscribe().map(drop).boxed(),
        ),
        (
            "partition",
            endless().partition(4, |_| true).0.map(drop).boxed(),
        ),
        (
            "nothing",
            endless().partition(4, |_| true).1.map(drop).boxed(),
        ),
        (
            "stop",
            endless().map(Ok::<_, ()>).stop_on_error().map(drop).boxed(),
        ),
        (
            "skip",
            endless()
                .map(Err::<(), _>)
                .skip_errors(drop)
                .map(drop)
                .boxed(),
        ),
        (
            "collect",
            endless()
                .map(Ok::<_, ()>)
                .collect_errors(1)
                .map(drop)
                .boxed(),
        ),
    ];
    for (name, mut items) in streams {
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let other = async move { ends.store(true, Ordering::SeqCst) };
        let other = Runtime::current().try_spawn(other).unwrap();
        let takes = async {
            while !over.load(Ordering::SeqCst) {
                if items.next().await.is_none() {
                    panic!("{name} has ended");
                }
            }
        };
        let given_up = until(|| over.load(Ordering::SeqCst));
        futures_lite::future::or(takes, given_up).await;
        other.await.unwrap();
    }
}

regatta::matrix! {
    after_a_panic_in_one_item_the_others_come;
    after_a_panic_in_the_function_the_others_come;
    those_who_only_look_on_cost_no_item;
    streams_that_are_always_ready_give_way;
}
