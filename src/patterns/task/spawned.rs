//! [`gather`](super::gather) on the runtime.

use super::error::ErrorGroup;
use super::gather::{FailFast, Gather, Progress, Settled};
use super::group::TaskGroup;
use super::task_group;
use crate::internal::lock::Lock;
use crate::runtime::BoxFuture;
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::sync::Arc;

/// A [`gather`](super::gather) whose futures become tasks of the runtime; made by [`Gather::on_runtime`]. Await it to run it.
#[must_use = "it runs when it is awaited"]
pub struct Spawnable<I, M, P> {
    pub(super) plan: Gather<I, M, P>,
}

impl<I, M: fmt::Debug, P> fmt::Debug for Spawnable<I, M, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Spawnable").field(&self.plan).finish()
    }
}

/// Spawns every future under the limit, and awaits the tasks in order.
async fn spawn_all<I, P, T, E, Fut>(
    plan: Gather<I, impl Sized, P>,
    wrap: impl Fn(I::Item, Counter<P>) -> Fut,
) -> Result<Vec<T>, ErrorGroup<E>>
where
    I: Iterator,
    P: FnMut(Progress) + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
{
    let total = match plan.futures.size_hint() {
        (low, Some(high)) if low == high => Some(high),
        _ => None,
    };
    let Gather {
        futures,
        limit,
        observer,
        ..
    } = plan;
    task_group(|g: TaskGroup<'static, E>| async move {
        if limit < usize::MAX {
            g.limit(limit);
        }
        let progress = Progress { done: 0, total };
        let counter = Counter(observer.map(|o| Arc::new(Lock::new((progress, o)))));
        let mut tasks = Vec::new();
        for future in futures {
            tasks.push(g.spawn_when_free(wrap(future, counter.clone())).await);
        }
        let mut values = Vec::with_capacity(tasks.len());
        for task in tasks {
            values.push(task.await);
        }
        Ok(values)
    })
    .await
}

/// Tells the observer, if there is one, from whichever task ended.
struct Counter<P>(Option<Arc<Lock<(Progress, P)>>>);

impl<P> Clone for Counter<P> {
    fn clone(&self) -> Self {
        Counter(self.0.clone())
    }
}

impl<P: FnMut(Progress)> Counter<P> {
    fn tick(&self) {
        if let Some(counter) = &self.0 {
            let (progress, observer) = &mut *counter.lock();
            progress.done += 1;
            observer(*progress);
        }
    }
}

impl<I, P, T, E, F> IntoFuture for Spawnable<I, FailFast, P>
where
    I: Iterator<Item = F> + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
    P: FnMut(Progress) + Send + 'static,
{
    type Output = Result<Vec<T>, ErrorGroup<E>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(spawn_all(self.plan, |future, counter| async move {
            let output = future.await;
            counter.tick();
            output
        }))
    }
}

impl<I, P, F> IntoFuture for Spawnable<I, Settled, P>
where
    I: Iterator<Item = F> + Send + 'static,
    F: Future<Output: Send> + Send + 'static,
    P: FnMut(Progress) + Send + 'static,
{
    type Output = Vec<F::Output>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let all = spawn_all(self.plan, |future, counter| async move {
                let output = future.await;
                counter.tick();
                Ok::<_, Infallible>(output)
            });
            match all.await {
                Ok(outputs) => outputs,
                // No task can fail, so this is a runtime that stopped under its tasks.
                Err(end) => {
                    panic!("gather(..).settled().on_runtime(): the tasks were lost ({end})")
                }
            }
        })
    }
}
