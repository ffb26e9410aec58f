//! J: cancel tokens.

use crate::harness::{now, time, time_calls};
use crate::runtimes::On;
use crate::table::Table;
use futures_lite::future::yield_now;
use regatta::cancel::CancelToken;
use std::future::{poll_fn, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const ASKS: usize = 20_000;
const CHILDREN: usize = 10_000;
const RUNS: usize = 5_000;

fn asking() -> Table {
    let (ours, peer) = (
        CancelToken::new().child(),
        CancellationToken::new().child_token(),
    );
    Table::each("is_cancelled", ASKS)
        .ours("CancelToken", move || {
            time_calls(ASKS, || ours.is_cancelled())
        })
        .peer("CancellationToken", move || {
            time_calls(ASKS, || peer.is_cancelled())
        })
        .faster("CancelToken", &[], 10.0)
}

fn children() -> Table {
    let (ours, peer) = (CancelToken::new(), CancellationToken::new());
    Table::each("child, and drop it", CHILDREN)
        .ours("CancelToken", move || time_calls(CHILDREN, || ours.child()))
        .peer("CancellationToken", move || {
            time_calls(CHILDREN, || peer.child_token())
        })
        .faster("CancelToken", &[], 1.2)
}

fn kept_children() -> Table {
    let (ours, peer) = (CancelToken::new(), CancellationToken::new());
    Table::each("10k children made, then dropped", CHILDREN)
        .ours("CancelToken", move || {
            time_calls(1, || {
                (0..CHILDREN).map(|_| ours.child()).collect::<Vec<_>>()
            })
        })
        .peer("CancellationToken", move || {
            time_calls(1, || {
                (0..CHILDREN)
                    .map(|_| peer.child_token())
                    .collect::<Vec<_>>()
            })
        })
}

fn around_yield(on: On) -> Table {
    Table::each(format!("a future that yields once, {}", on.name()), RUNS)
        .bare("the future alone", move || on.run(time(RUNS, yield_now)))
        .ours("CancelToken::run", move || {
            let token = CancelToken::new();
            on.run(async move {
                let start = now();
                for _ in 0..RUNS {
                    let _ = token.run(yield_now()).await;
                }
                now() - start
            })
        })
        .ours("select! over cancelled()", move || {
            let token = CancelToken::new();
            on.run(async move {
                let start = now();
                for _ in 0..RUNS {
                    tokio::select! { biased; _ = token.cancelled() => {}, () = yield_now() => {} }
                }
                now() - start
            })
        })
        .peer("CancellationToken::run_until_cancelled", move || {
            let token = CancellationToken::new();
            on.run(async move {
                let start = now();
                for _ in 0..RUNS {
                    token.run_until_cancelled(yield_now()).await;
                }
                now() - start
            })
        })
        .peer("select! over CancellationToken", move || {
            let token = CancellationToken::new();
            on.run(async move {
                let start = now();
                for _ in 0..RUNS {
                    tokio::select! { biased; () = token.cancelled() => {}, () = yield_now() => {} }
                }
                now() - start
            })
        })
        .faster("CancelToken::run", &[], 1.2)
        .faster(
            "select! over cancelled()",
            &["select! over CancellationToken"],
            1.2,
        )
}

fn around_ready(on: On) -> Table {
    Table::each(format!("a ready future, {}", on.name()), RUNS)
        .ours("CancelToken::run", move || {
            let token = CancelToken::new();
            on.run(async move {
                let start = now();
                for _ in 0..RUNS {
                    let _ = token.run(ready(())).await;
                }
                now() - start
            })
        })
        .peer("CancellationToken::run_until_cancelled", move || {
            let token = CancellationToken::new();
            on.run(async move {
                let start = now();
                for _ in 0..RUNS {
                    token.run_until_cancelled(ready(())).await;
                }
                now() - start
            })
        })
        .faster("CancelToken::run", &[], 1.0)
}

/// From `cancel` until every waiter has run, each a task of its own with a child token.
async fn tree<Fut>(on: On, cancel: impl FnOnce(), wait: impl Fn() -> Fut) -> Duration
where
    Fut: Future<Output: Send> + Send + 'static,
{
    let waiting = Arc::new(AtomicUsize::new(0));
    let spawn = |wait: Fut| {
        let waiting = waiting.clone();
        let task = async move {
            let mut wait = pin!(wait);
            let mut first = true;
            poll_fn(move |cx| {
                let polled = wait.as_mut().poll(cx);
                waiting.fetch_add(usize::from(std::mem::take(&mut first)), Ordering::Relaxed);
                polled
            })
            .await;
        };
        if on == On::Smol {
            futures::future::Either::Left(smol::spawn(task))
        } else {
            let task = tokio::spawn(task);
            futures::future::Either::Right(async { task.await.expect("no panic") })
        }
    };
    let tasks: Vec<_> = (0..CHILDREN).map(|_| spawn(wait())).collect();
    while waiting.load(Ordering::Relaxed) < CHILDREN {
        yield_now().await;
    }
    let start = now();
    cancel();
    for task in tasks {
        task.await;
    }
    now() - start
}

fn trees(on: On) -> Table {
    Table::whole(
        format!("cancel a tree of 10k with waiters, {}", on.name()),
        CHILDREN,
    )
    .ours("CancelToken", move || {
        let root = CancelToken::new();
        let parent = root.clone();
        on.run(async move { tree(on, || root.cancel(), || parent.child().cancelled()).await })
    })
    .peer("CancellationToken", move || {
        let root = CancellationToken::new();
        let parent = root.clone();
        let wait = move || parent.child_token().cancelled_owned();
        on.run(async move { tree(on, || root.cancel(), wait).await })
    })
    .faster("CancelToken", &[], 1.0)
}

pub fn tables() -> Vec<Table> {
    let mut tables = vec![asking(), children(), kept_children()];
    tables.extend(On::TOKIO.map(around_yield));
    tables.push(around_ready(On::Current));
    tables.extend(On::ALL.map(trees));
    tables
}
