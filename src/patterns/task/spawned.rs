//! [`gather`](super::gather) on the runtime.

use super::error::ErrorGroup;
use super::gather::{FailFast, Gather, Progress, Settled};
use super::group::TaskGroup;
use super::in_order::InOrder;
use super::task_group;
use crate::internal::lock::Lock;
use crate::internal::reason::{Cancelled, Reason};
use crate::runtime::{BoxFuture, coop};
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, IntoFuture, pending};
use std::sync::Arc;

/// A [`gather`](super::gather) whose futures run on tasks of the runtime; made by [`Gather::on_runtime`]. Await it to run it.
#[must_use = "it runs when it is awaited"]
pub struct Spawnable<I, M, P> {
    pub(super) plan: Gather<I, M, P>,
}

impl<I, M: fmt::Debug, P> fmt::Debug for Spawnable<I, M, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Spawnable").field(&self.plan).finish()
    }
}

/// Runs every future under the limit.
///
/// As many tasks as may run at once, and each goes on with the next future when it has ended one: a task, a handle and a turn for each
/// future would cost several times what a short future does. A task is spawned only while there is a future for it to begin with.
async fn spawn_all<I, P, T, E, Fut>(
    plan: Gather<I, impl Sized, P>,
    wrap: impl Fn(I::Item, Counter<P>) -> Fut + Clone + Send + 'static,
) -> Result<Vec<T>, ErrorGroup<E>>
where
    I: Iterator<Item: Send> + Send + 'static,
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
    let progress = Progress { done: 0, total };
    let counter = Counter(observer.map(|o| Arc::new(Lock::new((progress, o)))));
    let work = Arc::new(Work::new(futures));
    let shared = work.clone();
    task_group(|g: TaskGroup<'static, E>| async move {
        let mut tasks = Vec::new();
        while tasks.len() < limit
            && let Some(mut next) = shared.draw()
        {
            let (work, counter, wrap, group) =
                (shared.clone(), counter.clone(), wrap.clone(), g.clone());
            tasks.push(g.spawn(async move {
                loop {
                    let (number, future) = next;
                    match wrap(future, counter.clone()).await {
                        Ok(output) => work.keep(number, output),
                        Err(error) => {
                            work.stop();
                            return Err(error);
                        }
                    }
                    if group.is_cancelled() && !work.is_dry() {
                        // Whoever cancelled drops this task. To leave here would say that all is done.
                        return pending().await;
                    }
                    coop::spend().await;
                    match work.draw() {
                        Some(drawn) => next = drawn,
                        None => return Ok(()),
                    }
                }
            }));
        }
        for task in tasks {
            task.await;
        }
        Ok(())
    })
    .await?;
    Ok(work.outputs())
}

/// What the tasks of one gather share.
struct Work<I, T> {
    /// With the number of the next. `None` when it is drawn dry, or nothing more is wanted.
    futures: Lock<Option<(usize, I)>>,
    outputs: Lock<InOrder<T>>,
}

impl<I: Iterator, T> Work<I, T> {
    fn new(futures: I) -> Self {
        Work {
            futures: Lock::new(Some((0, futures))),
            outputs: Lock::default(),
        }
    }

    /// The next future, and which output it is to give.
    fn draw(&self) -> Option<(usize, I::Item)> {
        // The iterator runs under the lock, for nobody else may draw meanwhile. It is out of its place, so that it is gone if it panics.
        let mut futures = self.futures.lock();
        let (number, mut rest) = futures.take()?;
        let drawn = rest.next();
        if drawn.is_some() {
            *futures = Some((number + 1, rest));
        }
        drop(futures);
        drawn.map(|future| (number, future))
    }

    /// Whether every future has been drawn, as far as can be told without drawing.
    fn is_dry(&self) -> bool {
        let futures = self.futures.lock();
        futures
            .as_ref()
            .is_none_or(|(_, rest)| rest.size_hint() == (0, Some(0)))
    }

    /// No future is drawn from now on.
    fn stop(&self) {
        let rest = self.futures.lock().take();
        drop(rest);
    }

    fn keep(&self, number: usize, output: T) {
        self.outputs.lock().put(number, output);
    }

    fn outputs(&self) -> Vec<T> {
        self.outputs.lock().take()
    }
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
    type Output = Result<Vec<F::Output>, Cancelled>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let all = spawn_all(self.plan, |future, counter| async move {
                let output = future.await;
                counter.tick();
                Ok::<_, Infallible>(output)
            });
            // No task can fail, so an error is a runtime that stopped under its tasks.
            all.await.map_err(|end: ErrorGroup<Infallible>| {
                Cancelled::new(end.cancelled().cloned().unwrap_or(Reason::Shutdown))
            })
        })
    }
}
