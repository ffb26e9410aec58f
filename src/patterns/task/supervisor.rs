//! Supervisors: groups whose children fail without taking the value of the body with them.
//!
//! The groups are the ordinary ones; only the value goes past them, into a place of the call.

use super::{ErrorGroup, LocalTaskGroup, OnFailure, TaskGroup, local_scope, scope, task_group};
use crate::internal::caught::discard;
use std::future::Future;

/// What a supervisor gives: the value of its body, and the errors of its children.
#[must_use = "the errors of the children are in there"]
#[derive(Clone, Debug)]
pub struct Supervised<T, E> {
    /// What the body gave.
    pub value: T,
    /// The errors of the children, all of them; or that children were cancelled or left behind, as
    /// [`ErrorGroup`] says it. `None`: every child succeeded.
    pub errors: Option<ErrorGroup<E>>,
}

impl<T, E> Supervised<T, E> {
    /// The value if every child succeeded, as a [`task_group`] gives it.
    ///
    /// # Errors
    ///
    /// The errors of the children; the value is dropped.
    pub fn into_result(self) -> Result<T, ErrorGroup<E>> {
        match self.errors {
            None => Ok(self.value),
            Some(errors) => Err(errors),
        }
    }
}

/// [`task_group`] for children that may fail alone: the call gives the value of its body *and* the errors of the
/// children. Kotlin's `supervisorScope`, on the runtime.
///
/// An error cancels nobody: the group begins with [`OnFailure::Collect`]. Everybody finishes, and all are waited for.
/// The errors of the children stand beside the value, in [`Supervised`]. Everything else is as in `task_group`. Nothing
/// that failed is started again; for that, wrap a child in [`retry`](crate::retry::retry).
///
/// Inside the body, ask for a child's end with [`Task::outcome`](super::Task::outcome): the value of a child that
/// failed never comes.
///
/// # Errors
///
/// [`ErrorGroup`] when there is no value: the body failed (its error is among those of the children), or was cut short
/// because somebody [cancelled](TaskGroup::cancel) the group.
///
/// # Panics
///
/// As [`task_group`]: a panic is fatal here, too, and the value is dropped.
///
/// # Cancel safety
///
/// As [`task_group`]. When a scope around it is cancelled and children fail meanwhile, it still hands back both.
///
/// # Examples
///
/// ```
/// use regatta::{task, time};
/// use std::time::Duration;
///
/// async fn fetch(page: u32) -> Result<usize, String> {
///     time::sleep(Duration::from_millis(10)).await;
///     if page == 2 { Err("no page 2".to_owned()) } else { Ok(100) }
/// }
///
/// regatta::testing::run(async || {
///     let report = task::supervisor_group(async |g| {
///         let pages: Vec<_> = (1..=3).map(|page| g.spawn(fetch(page))).collect();
///         let mut bytes = 0;
///         for mut page in pages {
///             bytes += page.outcome().await.unwrap_or(0);
///         }
///         Ok(bytes)
///     })
///     .await
///     .expect("the body does not fail");
///     assert_eq!(report.value, 200);
///     let errors: Vec<String> = report.errors.into_iter().flatten().collect();
///     assert_eq!(errors, ["no page 2"]);
/// });
/// ```
pub async fn supervisor_group<T, E, F, Fut>(body: F) -> Result<Supervised<T, E>, ErrorGroup<E>>
where
    E: Send + 'static,
    F: FnOnce(TaskGroup<'static, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let mut kept = Kept(None);
    let ended = task_group(|g| {
        g.on_failure(OnFailure::Collect);
        kept.fill(body(g))
    })
    .await;
    kept.beside(ended)
}

/// [`supervisor_group`] in place: children may borrow and need no runtime, as in a [`scope`]. Kotlin's
/// `supervisorScope`.
///
/// # Errors
///
/// As [`supervisor_group`].
///
/// # Panics
///
/// As [`supervisor_group`].
///
/// # Cancel safety
///
/// As [`scope`].
///
/// # Examples
///
/// ```
/// use regatta::task;
///
/// regatta::run(async {
///     let lines = ["1", "two", "39"];
///     let report = task::supervisor_scope(async |g| {
///         for line in &lines {
///             g.named(*line).spawn(async move { line.parse::<u32>() });
///         }
///         Ok(lines.len())
///     })
///     .await
///     .expect("the body does not fail");
///     assert_eq!(report.value, 3);
///     let errors = report.errors.expect("one is no number");
///     assert_eq!(errors.to_string(), "1 task failed: two: invalid digit found in string");
/// });
/// ```
pub async fn supervisor_scope<'env, T, E, F, Fut>(
    body: F,
) -> Result<Supervised<T, E>, ErrorGroup<E>>
where
    E: Send + 'env,
    F: FnOnce(TaskGroup<'env, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let mut kept = Kept(None);
    let ended = scope(|g: TaskGroup<'env, E>| {
        g.on_failure(OnFailure::Collect);
        kept.fill(body(g))
    })
    .await;
    kept.beside(ended)
}

/// [`supervisor_scope`] for children that are not `Send`, as in a [`local_scope`].
///
/// # Errors
///
/// As [`supervisor_group`].
///
/// # Panics
///
/// As [`supervisor_group`].
///
/// # Cancel safety
///
/// As [`local_scope`].
///
/// # Examples
///
/// ```
/// use regatta::task;
/// use std::cell::Cell;
///
/// regatta::run(async {
///     let done = Cell::new(0);
///     let report = task::local_supervisor_scope(async |g| {
///         for n in 0..3 {
///             let done = &done;
///             g.spawn(async move {
///                 if n == 1 {
///                     return Err("the second fails");
///                 }
///                 done.set(done.get() + 1);
///                 Ok(())
///             });
///         }
///         Ok("begun")
///     })
///     .await
///     .expect("the body does not fail");
///     assert_eq!((report.value, done.get()), ("begun", 2));
///     assert_eq!(report.errors.expect("one fails").into_first(), Some("the second fails"));
/// });
/// ```
pub async fn local_supervisor_scope<'env, T, E, F, Fut>(
    body: F,
) -> Result<Supervised<T, E>, ErrorGroup<E>>
where
    E: 'env,
    F: FnOnce(LocalTaskGroup<'env, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let mut kept = Kept(None);
    let ended = local_scope(|g: LocalTaskGroup<'env, E>| {
        g.on_failure(OnFailure::Collect);
        kept.fill(body(g))
    })
    .await;
    kept.beside(ended)
}

/// The place of a body's value, outside of its group.
struct Kept<T>(Option<T>);

impl<T> Kept<T> {
    async fn fill<E>(&mut self, body: impl Future<Output = Result<T, E>>) -> Result<(), E> {
        self.0 = Some(body.await?);
        Ok(())
    }

    fn beside<E>(
        mut self,
        ended: Result<(), ErrorGroup<E>>,
    ) -> Result<Supervised<T, E>, ErrorGroup<E>> {
        match (self.0.take(), ended) {
            (Some(value), ended) => Ok(Supervised {
                value,
                errors: ended.err(),
            }),
            (None, Err(errors)) => Err(errors),
            (None, Ok(())) => unreachable!("a body that succeeds has put its value here"),
        }
    }
}

impl<T> Drop for Kept<T> {
    /// While the panic of a child goes on: one of the value's destructor would end the process.
    fn drop(&mut self) {
        if std::thread::panicking() {
            discard(self.0.take());
        }
    }
}
