//! Iterators with closures that borrow, inside a future that is spawned: what compiles here is the test. (The matrix
//! spawns its bodies on real runtimes.)

use futures_lite::{StreamExt, future};
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

regatta::matrix! {
    borrowing_closures_fit_into_a_gather;
    borrowing_closures_fit_into_as_completed;
    borrowing_closures_fit_into_races;
    whatever_becomes_a_future_fits;
    groups_call_themselves;
}
