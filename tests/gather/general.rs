//! Iterators with closures that borrow, inside a future that is spawned: what compiles here is the test. (The matrix
//! spawns its bodies on real runtimes.)
#![allow(
    clippy::redundant_closure,
    clippy::redundant_async_block,
    reason = "closures that borrow are what is tested here"
)]

use futures_lite::{StreamExt, future};
use regatta::stream::StreamOps;
use regatta::task::{
    self, BoxFuture, as_completed, gather, race, race_of, race_ok, staggered_race,
};
use regatta::{cancel::CancelToken, time};
use std::future::IntoFuture;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn keys() -> Vec<String> {
    ["a", "bb", "ccc"].map(String::from).into()
}

async fn length(key: &str) -> Result<usize, String> {
    task::yield_now().await;
    Ok(key.len())
}

async fn slow(key: &str) -> &str {
    time::sleep(Duration::from_millis(key.len() as u64)).await;
    key
}

async fn borrowing_closures_fit_into_a_gather() {
    let keys = keys();
    let all = gather(keys.iter().map(|k| length(k))).await;
    assert_eq!(all.unwrap(), [1, 2, 3]);
    let all = gather(keys.iter().map(|k| length(k))).limit(1).settled();
    assert_eq!(all.await, [Ok(1), Ok(2), Ok(3)]);
    let moved = gather(keys.iter().map(|k| async move { length(k).await }));
    assert_eq!(moved.await.unwrap(), [1, 2, 3]);
    // Whoever keeps their outputs asks after the type again.
    let (one, two) = future::zip(
        gather(keys.iter().map(|k| length(k))).into_future(),
        gather(keys.iter().map(|k| slow(k))).settled().into_future(),
    )
    .await;
    assert_eq!((one.unwrap().len(), two), (3, vec!["a", "bb", "ccc"]));
}

async fn borrowing_closures_fit_into_as_completed() {
    let keys = keys();
    let mut lengths = as_completed(keys.iter().map(|k| length(k)));
    let mut sum = 0;
    while let Some(next) = lengths.next().await {
        sum += next.unwrap();
    }
    assert_eq!(sum, 6);
    let order: Vec<_> = as_completed(keys.iter().map(|k| slow(k)))
        .limit(2)
        .indexed()
        .collect()
        .await;
    assert_eq!(order.len(), 3);
}

/// What `next` needs is in this crate: no trait of another is in scope here.
mod alone {
    use super::{keys, slow};
    use regatta::task::{as_completed, yield_now};
    use std::future::Future;
    use std::pin::pin;
    use std::task::Poll;

    pub(super) async fn outputs_are_taken_one_by_one_without_another_crate() {
        let keys = keys();
        let mut outputs = as_completed(keys.iter().map(|k| slow(k)));
        // A call that is dropped while it waits loses nothing.
        std::future::poll_fn(|cx| {
            let polled = pin!(outputs.next()).poll(cx);
            assert!(polled.is_pending());
            Poll::Ready(())
        })
        .await;
        let mut seen = vec![];
        while let Some(key) = outputs.next().await {
            seen.push(key);
        }
        assert_eq!(outputs.next().await, None);
        seen.sort_unstable();
        assert_eq!(seen, ["a", "bb", "ccc"]);
        let mut outputs = as_completed(keys.iter().map(|k| async move {
            yield_now().await;
            k.len()
        }))
        .limit(1)
        .indexed();
        let mut seen = vec![];
        while let Some(pair) = outputs.next().await {
            seen.push(pair);
        }
        assert_eq!(seen, [(0, 1), (1, 2), (2, 3)]);
    }
}
use alone::outputs_are_taken_one_by_one_without_another_crate;

async fn borrowing_closures_fit_into_races() {
    let keys = keys();
    assert!(keys.contains(&race(keys.iter().map(|k| slow(k))).await.to_owned()));
    assert!(race_ok(keys.iter().map(|k| length(k))).await.is_ok());
    let starters = keys.iter().map(|k| move || length(k));
    assert!(staggered_race(HOUR, starters).await.is_ok());
    let (first, second) = future::zip(
        race(keys.iter().map(|k| slow(k))),
        race_of((length(&keys[0]), slow(&keys[1]))),
    )
    .await;
    assert!(!first.is_empty() && !matches!(second, task::OneOf::A(Err(_))));
}

async fn whatever_becomes_a_future_fits() {
    let keys = keys();
    let all = || gather(keys.iter().map(|k| length(k)));
    assert_eq!(time::timeout(HOUR, all()).await.unwrap().unwrap().len(), 3);
    let at = regatta::Runtime::current().now() + HOUR;
    assert!(time::timeout_at(at, all()).await.is_ok());
    assert!(
        time::timeout_or(HOUR, all(), || Ok(Vec::new()))
            .await
            .is_ok()
    );
    assert!(time::Deadline::never().run(all()).await.is_ok());
    let token = CancelToken::new();
    assert!(token.run(all()).await.is_ok());
    assert!(token.run_graceful(HOUR, all()).await.is_ok());
    assert!(regatta::cancel::shield(all()).await.is_ok());
    assert!(regatta::cancel::shield_for(HOUR, all()).await.is_ok());
    assert!(regatta::cancel::finally(all(), async {}).await.is_ok());
    assert!(regatta::cancel::on_cancel(all(), async {}).await.is_ok());
    assert!(race([all(), all()]).await.is_ok());
    assert!(race_ok([all(), all()]).await.is_ok());
    assert!(gather([all(), all()]).await.is_ok());
    assert_eq!(as_completed([all(), all()]).count().await, 2);
    assert!(staggered_race(HOUR, [all, all]).await.is_ok());
    assert!(matches!(
        race_of((all(), time::sleep(HOUR))).await,
        task::OneOf::A(Ok(_))
    ));
}

/// A tree of groups that calls itself.
fn leaves(depth: u32) -> BoxFuture<'static, Result<u32, task::ErrorGroup<String>>> {
    task::boxed(async move {
        if depth == 0 {
            return Ok(1);
        }
        task::task_group(async |g| {
            let both = [0, 1].map(|_| g.spawn_nested(leaves(depth - 1)));
            let mut sum = 0;
            for half in both {
                sum += half.await;
            }
            Ok(sum)
        })
        .await
    })
}

async fn groups_call_themselves() {
    assert_eq!(leaves(4).await.unwrap(), 16);
}

async fn a_group_spawns_from_the_closure_of_a_stream() {
    let sums = task::task_group(async |g| {
        let doubled = futures::stream::iter(1..=4).map_concurrent(2, |n| {
            let task = g.spawn(async move { Ok::<u32, String>(n * 2) });
            async move { task.await }
        });
        let doubled: u32 = doubled.collect::<Vec<_>>().await.iter().sum();
        let tripled = futures::stream::iter(1..=4).map_concurrent(2, async |n| {
            g.spawn(async move { Ok::<u32, String>(n * 3) }).await
        });
        let tripled: u32 = tripled.collect::<Vec<_>>().await.iter().sum();
        Ok((doubled, tripled))
    });
    assert_eq!(sums.await.unwrap(), (20, 30));
}

async fn a_stream_over_what_is_borrowed_maps_concurrently() {
    let keys = keys();
    let lengths = futures::stream::iter(keys.iter()).map_concurrent(2, |k| length(k));
    let lengths: Vec<_> = lengths.collect().await;
    assert_eq!(lengths.len(), 3);
    let lengths =
        futures::stream::iter(keys.iter().map(|k| k.as_str())).map_concurrent(2, |k| slow(k));
    assert_eq!(lengths.unordered().collect::<Vec<_>>().await.len(), 3);
}

fn sync<T: Send + Sync>(_: &T) {}

#[test]
fn what_runs_in_place_is_shared_as_its_futures_are() {
    use std::future::ready;
    sync(&gather([ready(Ok::<_, String>(1))]).into_future());
    sync(&as_completed([ready(1)]));
    sync(&race([ready(1)]));
    sync(&race_ok([ready(Ok::<_, String>(1))]));
    sync(&race_of((ready(1), ready("two"))));
    sync(&staggered_race(HOUR, [|| ready(Ok::<_, String>(1))]));
    sync(&time::timeout_or(HOUR, ready(1), || 2));
    sync(&task::yield_now());
}

regatta::matrix! {
    a_group_spawns_from_the_closure_of_a_stream;
    a_stream_over_what_is_borrowed_maps_concurrently;
    borrowing_closures_fit_into_a_gather;
    borrowing_closures_fit_into_as_completed;
    outputs_are_taken_one_by_one_without_another_crate;
    borrowing_closures_fit_into_races;
    whatever_becomes_a_future_fits;
    groups_call_themselves;
}
