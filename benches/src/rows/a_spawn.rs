//! A: spawn and join trivial tasks.

use crate::harness::time;
use crate::runtimes::On;
use crate::table::Table;
use regatta::task::{TaskGroup, gather, task_group};
use std::convert::Infallible;
use std::hint::black_box;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

async fn work(i: u64) -> u64 {
    black_box(i)
}

async fn group(n: u64) -> u64 {
    let sum = task_group(async move |g: TaskGroup<'static, Infallible>| {
        let tasks: Vec<_> = (0..n)
            .map(|i| g.spawn(async move { Ok(work(i).await) }))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        Ok(sum)
    });
    sum.await.expect("no task fails")
}

async fn gathered(n: u64) -> u64 {
    gather((0..n).map(work))
        .settled()
        .on_runtime()
        .await
        .expect("the runtime lives")
        .into_iter()
        .sum()
}

async fn join_set(n: u64) -> u64 {
    let mut set = JoinSet::new();
    for i in 0..n {
        set.spawn(work(i));
    }
    let mut sum = 0;
    while let Some(value) = set.join_next().await {
        sum += value.expect("no task panics");
    }
    sum
}

async fn raw_tokio(n: u64) -> u64 {
    let tasks: Vec<_> = (0..n).map(|i| tokio::spawn(work(i))).collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("no task panics");
    }
    sum
}

async fn tracker(n: u64) -> u64 {
    let tracker = TaskTracker::new();
    for i in 0..n {
        tracker.spawn(work(i));
    }
    tracker.close();
    tracker.wait().await;
    n
}

async fn raw_smol(n: u64) -> u64 {
    let tasks: Vec<_> = (0..n).map(|i| smol::spawn(work(i))).collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await;
    }
    sum
}

fn repeated<Fut>(on: On, n: u64, f: fn(u64) -> Fut) -> impl FnMut() -> Duration
where
    Fut: Future<Output = u64> + Send + 'static,
{
    move || on.run(time(times(n), move || f(n)))
}

/// About as many tasks in every run.
fn times(n: u64) -> usize {
    (10_000 / n).clamp(1, 2_000) as usize
}

pub fn tables() -> Vec<Table> {
    let mut tables = Vec::new();
    for on in On::ALL {
        for n in [10_000, 100, 1] {
            let title = format!("{}, {n} tasks", on.name());
            let mut table = Table::each(title, n as usize * times(n))
                .ours("task_group, handles in order", repeated(on, n, group))
                .ours("gather(..).on_runtime()", repeated(on, n, gathered));
            table = if on == On::Smol {
                table
                    .peer("smol::spawn, Vec", repeated(on, n, raw_smol))
                    .faster("task_group, handles in order", &[], 0.9)
            } else {
                let over_join_set = match (n, on) {
                    (1, _) => 1.1,
                    (_, On::Multi) => 1.5,
                    _ => 1.3,
                };
                table
                    .peer("JoinSet", repeated(on, n, join_set))
                    .peer("tokio::spawn, Vec", repeated(on, n, raw_tokio))
                    .peer("TaskTracker", repeated(on, n, tracker))
                    .faster("task_group, handles in order", &["JoinSet"], over_join_set)
                    .faster(
                        "task_group, handles in order",
                        &["tokio::spawn, Vec", "TaskTracker"],
                        0.85,
                    )
                    .faster("gather(..).on_runtime()", &["JoinSet"], over_join_set)
            };
            tables.push(table);
        }
    }
    tables
}
