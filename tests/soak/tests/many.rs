//! A million children: they start, wait, end and are cancelled in seconds, spawned and in place.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "../../task_group/support.rs"]
#[allow(dead_code, reason = "each test program uses its part")]
mod support;

use regatta::task::{TaskGroup, scope, task_group};
use std::convert::Infallible;
use support::{Count, for_ever, pending, yield_now};

type Free = TaskGroup<'static, Infallible>;

const MILLION: usize = 1_000_000;

async fn a_million(g: Free, ended: Count) -> Result<(), Infallible> {
    for i in 0..MILLION {
        let ended = ended.clone();
        drop(g.spawn(async move {
            if i % 2 == 0 {
                yield_now().await;
            }
            ended.add();
        }));
    }
    Ok(())
}

async fn a_million_children_end_in_seconds() {
    let ended = Count::default();
    let counted = ended.clone();
    task_group(async |g| a_million(g, counted).await)
        .await
        .unwrap();
    assert_eq!(ended.get(), MILLION);
}

async fn a_million_children_in_line_end_in_seconds() {
    let ended = Count::default();
    let counted = ended.clone();
    let limited = task_group(async |g: Free| {
        g.limit(100);
        a_million(g, counted).await
    });
    limited.await.unwrap();
    assert_eq!(ended.get(), MILLION);
}

#[test]
fn a_million_children_in_place_end_in_seconds() {
    let ended = Count::default();
    let counted = ended.clone();
    let all = scope(async |g| a_million(g, counted).await);
    futures::executor::block_on(all).unwrap();
    assert_eq!(ended.get(), MILLION);
}

#[test]
fn a_million_children_in_place_are_cancelled_in_seconds() {
    let alive = Count::default();
    let all = scope::<(), Infallible, _, _>(async |g| {
        g.limit(MILLION / 2);
        for _ in 0..MILLION {
            let one = alive.one();
            drop(g.spawn(async move {
                let _one = one;
                for_ever().await;
            }));
        }
        yield_now().await;
        g.cancel();
        pending().await
    });
    assert!(futures::executor::block_on(all).is_err());
    assert_eq!(alive.get(), 0);
}

regatta::matrix! {
    a_million_children_end_in_seconds [tokio_multi, smol];
    a_million_children_in_line_end_in_seconds [tokio_multi, smol];
}
