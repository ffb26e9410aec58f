//! [`wait`]: look after several tasks until something happens.

use super::handle::Task;
use crate::runtime::coop;
use std::future::poll_fn;
use std::task::Poll;

/// What [`wait`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// One task has ended.
    FirstCompleted,
    /// One task has ended without a value, or all have ended.
    FirstError,
    /// All tasks have ended.
    All,
}

/// Waits until `when`, takes the tasks that have ended out of `tasks`, and gives them, in their order. Those that run on stay in `tasks`,
/// to be waited for again.
///
/// With nothing to wait for it returns at once. What a task ended with is in its handle: await it, or [`Task::try_outcome`].
///
/// # Cancel safety
///
/// Dropping it leaves every task in `tasks`.
///
/// # Examples
///
/// ```
/// use regatta::{task::{self, When}, time};
/// use std::{convert::Infallible, time::Duration};
///
/// regatta::testing::run(async || {
///     task::task_group(async |g| {
///         let mut pending: Vec<_> = [3, 1, 2].map(|secs| g.spawn(async move {
///             time::sleep(Duration::from_secs(secs)).await;
///             Ok(secs)
///         })).into();
///         let mut order = Vec::new();
///         while !pending.is_empty() {
///             for done in task::wait(&mut pending, When::FirstCompleted).await {
///                 order.push(done.await);
///             }
///         }
///         assert_eq!(order, [1, 2, 3]);
///         Ok::<_, Infallible>(())
///     })
///     .await
///     .expect("nobody fails");
/// });
/// ```
pub async fn wait<T>(tasks: &mut Vec<Task<T>>, when: When) -> Vec<Task<T>> {
    coop::spend().await;
    let waits = Waits(tasks);
    poll_fn(|cx| {
        // Every task is asked, so that every one that runs has our waker.
        let tasks = &mut *waits.0;
        let mut ended = 0;
        for task in tasks.iter_mut() {
            ended += usize::from(task.poll_finished(cx).is_ready());
        }
        let enough = ended == tasks.len()
            || match when {
                When::FirstCompleted => ended > 0,
                When::FirstError => tasks.iter().any(Task::has_no_value),
                When::All => false,
            };
        if enough {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    waits.0.extract_if(.., |task| task.is_finished()).collect()
}

/// Takes the wakers out of those that run on, also when the wait is dropped.
struct Waits<'a, T>(&'a mut Vec<Task<T>>);

impl<T> Drop for Waits<'_, T> {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Task::stop_watching);
    }
}
