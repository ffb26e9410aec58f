//! A: spawn and join trivial tasks: many, one, and the three that a request fans out to.

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

pub async fn group(n: u64) -> u64 {
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

/// Three answers, each known by its handle.
pub async fn group_of_three(_: u64) -> u64 {
    let sum = task_group(async |g: TaskGroup<'static, Infallible>| {
        let a = g.spawn(async { Ok(work(1).await) });
        let b = g.spawn(async { Ok(work(2).await) });
        let c = g.spawn(async { Ok(work(3).await) });
        Ok(a.await + b.await + c.await)
    });
    sum.await.expect("no task fails")
}

async fn three_of_tokio(_: u64) -> u64 {
    let a = tokio::spawn(work(1));
    let b = tokio::spawn(work(2));
    let c = tokio::spawn(work(3));
    let (a, b, c) = tokio::try_join!(a, b, c).expect("no task panics");
    a + b + c
}

async fn three_of_smol(_: u64) -> u64 {
    let a = smol::spawn(work(1));
    let b = smol::spawn(work(2));
    let c = smol::spawn(work(3));
    a.await + b.await + c.await
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

pub fn repeated<Fut>(on: On, n: u64, f: fn(u64) -> Fut) -> impl FnMut() -> Duration
where
    Fut: Future<Output = u64> + Send + 'static,
{
    move || on.run(time(times(n), move || f(n)))
}

/// About as many tasks in every run.
pub fn times(n: u64) -> usize {
    (10_000 / n).clamp(1, 2_000) as usize
}

const GROUP: &str = "task_group, handles in order";
const GATHER: &str = "gather(..).on_runtime()";

fn many(on: On, n: u64) -> Table {
    let title = format!("{}, {n} tasks", on.name());
    let table = Table::each(title, n as usize * times(n))
        .ours(GROUP, repeated(on, n, group))
        .ours(GATHER, repeated(on, n, gathered));
    if on == On::Smol {
        return table
            .peer("smol::spawn, Vec", repeated(on, n, raw_smol))
            .faster(GROUP, &[], if n == 1 { 0.8 } else { 0.85 });
    }
    let (group, gather) = match (n, on) {
        (1, _) => (1.0, 0.9),
        (100, On::Multi) => (1.4, 1.3),
        (100, _) => (1.2, 1.3),
        (_, On::Multi) => (1.4, 1.5),
        _ => (1.2, 1.5),
    };
    let table = table
        .peer("JoinSet", repeated(on, n, join_set))
        .peer("tokio::spawn, Vec", repeated(on, n, raw_tokio))
        .peer("TaskTracker", repeated(on, n, tracker))
        .faster(GROUP, &["JoinSet"], group)
        .faster(GATHER, &["JoinSet"], gather);
    if n == 1 {
        return table;
    }
    table.faster(GROUP, &["tokio::spawn, Vec", "TaskTracker"], 0.85)
}

fn fan_out(on: On) -> Table {
    let ours = "task_group, three handles";
    let title = format!("{}, fan-out of a request: 3 tasks", on.name());
    let table = Table::each(title, 3 * times(3)).ours(ours, repeated(on, 3, group_of_three));
    if on == On::Smol {
        return table
            .peer("smol::spawn", repeated(on, 3, three_of_smol))
            .faster(ours, &[], 0.85);
    }
    table
        .peer("JoinSet", repeated(on, 3, join_set))
        .peer("tokio::spawn, try_join!", repeated(on, 3, three_of_tokio))
        .faster(ours, &["JoinSet"], 1.1)
}

pub fn tables() -> Vec<Table> {
    let of = |on| [many(on, 10_000), many(on, 100), fan_out(on), many(on, 1)];
    On::ALL.into_iter().flat_map(of).collect()
}
