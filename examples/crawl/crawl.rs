//! The crawl: level by level, so many visits at once, and what they find in batches to the database.
//!
//! ```text
//! frontier ──▶ visit, visit, … ──▶ batch ──▶ save
//!    ▲         (a task for each:              (one transaction)
//!    │          HTTP, CPU pool)                  │
//!    └──────────────── database ◀────────────────┘
//! ```
//!
//! A level is all that is as many clicks away from the start. The next one begins when all of it is saved, so what is visited, and at which depth, depends on the site and the
//! limit alone: not on which server was quicker, and not on how often the crawl was interrupted. Nothing here names a runtime.

use crate::facts::{Target, Visit};
use crate::fetch::{Fetcher, Figures, Manners};
use crate::progress::Bars;
use crate::report::Findings;
use crate::store::{Store, StoreError};
use crate::visit::Visitor;
use futures::{Stream, StreamExt};
use regatta::Runtime;
use regatta::blocking::CpuPool;
use regatta::cancel::{CancelToken, Reason};
use regatta::integrations::http::HttpClient;
use regatta::stream::{StreamOps, try_generate};
use regatta::task::{ErrorGroup, TaskGroup, task_group};
use std::pin::pin;
use std::time::Duration;

/// Pages in one transaction, and how long the first of them waits for the others.
const BATCH: usize = 256;
const FLUSH: Duration = Duration::from_millis(250);
/// Addresses that are read from the frontier at once.
const AHEAD: usize = 512;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Visits at once.
    pub(crate) jobs: usize,
    /// Visits in all, earlier runs included.
    pub(crate) limit: u64,
    /// Time for the run.
    pub(crate) deadline: Duration,
    pub(crate) manners: Manners,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) findings: Findings,
    /// Of this run.
    pub(crate) figures: Figures,
    pub(crate) visited: u64,
    pub(crate) took: Duration,
    /// Why it ended before everything was visited.
    pub(crate) stopped: Option<Stopped>,
}

/// Why a crawl ended early. Run again, it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    Limit,
    Deadline,
    Signal(Reason),
}

/// Visits what waits in the database, until nothing does, or the plan or `stop` says so.
///
/// # Errors
///
/// When the crawl as a whole cannot go on. What is wrong with a page stands in the database.
///
/// # Cancel safety
///
/// Dropped, what was saved stays, and another run goes on from there.
pub(crate) async fn run(
    plan: Plan,
    client: HttpClient,
    store: Store,
    bars: Bars,
    stop: CancelToken,
) -> Result<Ended, ErrorGroup<StoreError>> {
    task_group(|group| all(group, plan, client, store, bars, stop)).await
}

async fn all(
    group: TaskGroup<'static, StoreError>,
    plan: Plan,
    client: HttpClient,
    store: Store,
    bars: Bars,
    stop: CancelToken,
) -> Result<Ended, StoreError> {
    let runtime = Runtime::current();
    let start = runtime.now();
    // Of the signal and the deadline, whichever comes first.
    let until = match start.checked_add(plan.deadline) {
        Some(end) => stop.child_until(end),
        None => stop.child(),
    };
    let visitor = Visitor {
        fetcher: Fetcher::new(client, plan.manners),
        cores: CpuPool::new(),
    };
    let before = store.counts().await?;
    bars.begin(before);
    let mut left = plan.limit.saturating_sub(before.visited);
    while left > 0 && !until.is_cancelled() {
        let Some(depth) = store.level().await? else {
            break;
        };
        bars.level(depth);
        let targets = frontier(store.clone(), depth, left, until.clone());
        let visits = visits(
            targets,
            plan.jobs,
            group.clone(),
            visitor.clone(),
            until.clone(),
        );
        // Further visits begin while a batch is saved.
        let visits = visits.then_stage(BATCH).batch_within(BATCH, FLUSH);
        let mut visits = pin!(visits);
        while let Some(batch) = visits.next().await {
            let batch: Result<Vec<Option<Visit>>, StoreError> = batch.into_iter().collect();
            let batch: Vec<Visit> = batch?.into_iter().flatten().collect();
            let done = batch.len() as u64;
            let found = store.save(depth, batch).await?;
            left = left.saturating_sub(done);
            bars.saved(done, found);
        }
    }
    let counts = store.counts().await?;
    let stopped = match until.reason() {
        _ if counts.waiting == 0 => None,
        Some(Reason::Deadline(_)) => Some(Stopped::Deadline),
        Some(reason) => Some(Stopped::Signal(reason)),
        None => Some(Stopped::Limit),
    };
    Ok(Ended {
        findings: store.findings().await?,
        figures: visitor.fetcher.figures(),
        visited: counts.visited - before.visited,
        took: runtime.now() - start,
        stopped,
    })
}

/// Visits so many targets at once. Each visit is a task of its own: it goes on whatever the others, and the stream, are waiting for.
fn visits(
    targets: impl Stream<Item = Result<Target, StoreError>> + Send + 'static,
    jobs: usize,
    group: TaskGroup<'static, StoreError>,
    visitor: Visitor,
    until: CancelToken,
) -> impl Stream<Item = Result<Option<Visit>, StoreError>> + Send + 'static {
    let begin = move |target: Result<Target, StoreError>| {
        let task = target.map(|target| group.spawn(visit(visitor.clone(), target, until.clone())));
        async move { Ok(task?.await) }
    };
    targets.map_concurrent(jobs, begin).unordered()
}

/// One visit. Cancelled, it did not happen: the address waits for the next run.
async fn visit(
    visitor: Visitor,
    target: Target,
    until: CancelToken,
) -> Result<Option<Visit>, StoreError> {
    match until.run(visitor.visit(target)).await {
        Ok(visit) => Ok(Some(visit?)),
        Err(_cancelled) => Ok(None),
    }
}

/// Up to `most` addresses of a level, in order, read as they are needed.
fn frontier(
    store: Store,
    depth: i64,
    most: u64,
    until: CancelToken,
) -> impl Stream<Item = Result<Target, StoreError>> + Send + 'static {
    try_generate(async move |y| {
        let mut left = most;
        let mut after = String::new();
        while left > 0 {
            let n = AHEAD.min(usize::try_from(left).unwrap_or(AHEAD));
            let targets = store.waiting(depth, after, n).await?;
            let Some(last) = targets.last() else { break };
            after = last.url.to_string();
            left -= targets.len() as u64;
            for target in targets {
                if until.is_cancelled() {
                    return Ok(());
                }
                y.put(target).await;
            }
        }
        Ok(())
    })
}
