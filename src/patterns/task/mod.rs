//! Many tasks as one call: groups that wait for their children, and helpers for common shapes.
//!
//! | you want | use |
//! |---|---|
//! | tasks in parallel that succeed or fail together | [`task_group`] |
//! | the same in place: children borrow, no runtime needed | [`scope`], [`local_scope`] for children without `Send` |
//! | children that fail alone: the body's value and their errors, both | [`supervisor_group`], [`supervisor_scope`], [`local_supervisor_scope`] |
//! | the results of many like futures, in order | [`gather`] |
//! | their results as they come | [`as_completed`] |
//! | to go on at the first end or error, and keep the others | [`wait`] |
//! | the first result, or the first success, only | [`race`], [`race_ok`], [`staggered_race`] |
//! | the first of a few futures of different types | [`race_of`], in place of `select!` |
//! | a few futures of different types side by side | `futures::join!`; nothing to add |
//! | to let others run in a loop that computes | [`yield_now`] |
//! | a group in a function that calls itself | [`boxed`] |
//!
//! For work that outlives its caller see [`background`](crate::background); to stop work for other reasons than a failure, [`cancel`](crate::cancel).
//!
//! # How it behaves
//!
//! Nothing outlives the call that started it. The first error cancels the others, all are waited for, and every error comes back in one
//! [`ErrorGroup`]. A panic does the same and goes on in the caller. A group inside a scope that is cancelled cancels its children, waits for their
//! [cleanup](crate::cancel::finally), and then lets the scope end.
//!
//! The model is Trio's nursery and AnyIO's task group; the names are asyncio's.

mod child;
mod cohort;
mod completed;
mod core;
mod drive;
mod error;
mod error_text;
mod gate;
mod gather;
mod group;
mod handle;
mod heat;
mod home;
mod in_order;
mod local;
mod named;
mod policy;
mod race;
mod race_of;
mod spawn_when_free;
mod spawned;
mod staggered;
mod start;
mod supervisor;
mod wait;
mod yielding;

pub use child::ChildOutput;
pub use completed::{AsCompleted, Indexed, as_completed};
pub use error::{ErrorGroup, IntoIter};
pub use gather::{FailFast, Gather, GatherMode, Gathering, Progress, Settled, gather};
pub use group::TaskGroup;
pub use handle::{Outcome, Task};
pub use local::{LocalTaskGroup, local_scope};
pub use named::Named;
pub use policy::OnFailure;
pub use race::{Race, RaceOk, race, race_ok};
pub use race_of::{OneOf, RaceOf, Team, race_of};
pub use spawn_when_free::SpawnWhenFree;
pub use spawned::Spawnable;
pub use staggered::{StaggeredRace, staggered_race};
pub use start::{Ready, Start, StartError};
pub use supervisor::{Supervised, local_supervisor_scope, supervisor_group, supervisor_scope};
pub use wait::{When, wait};
pub use yielding::{YieldNow, boxed, yield_now};

pub use crate::runtime::BoxFuture;

use self::core::Core;
use crate::internal::node::Node;
use crate::internal::slots::Slots;
use crate::runtime::Runtime;
use drive::Drive;
use home::{Inbox, OnRuntime, SendHome, Shared};
use std::future::Future;
use std::sync::Arc;

/// Runs `body` with a group whose children are tasks of the current runtime: in parallel where it has threads.
///
/// The call ends when the body has ended and the future of every child has been dropped; nothing outlives it. The body counts
/// as a child: the first error, of a child or of the body, cancels the others and interrupts the body at its next await. Then all are joined, and the
/// errors come back together as one [`ErrorGroup`], also when there is only one. See [`TaskGroup`] for what the body can do, and
/// [`OnFailure::Collect`] and [`supervisor_group`] for groups that let everybody finish.
///
/// Write the body as an `async |g| …` closure: it may use `?` and borrow what is around it, it gets the group by value, and its future is
/// `Send` when what it holds is, so the call can be spawned itself. A closure that returns an `async move` block, and a plain `async fn`, fit too.
/// Children do not borrow, as they run on other threads: they take clones, or use [`scope`].
///
/// Which of the two? A `task_group` uses all cores and starts its children at once; each costs a spawn, and must be `'static`. A [`scope`]
/// polls its children itself, in turns with the body on one thread: no runtime is needed, children borrow, and a million of them
/// cost two allocations each, but one that computes holds up the others. For waiting (sockets, timers) a scope is as good; for
/// computing take a `task_group`. On a runtime that cannot spawn (the neutral one), a `task_group` runs its children in place, too.
///
/// A group without children does not suspend, and is no point where cancellation strikes.
///
/// # Errors
///
/// [`ErrorGroup`] when a child or the body failed; when somebody [cancelled](TaskGroup::cancel) the group and something was cut
/// short; when the runtime stopped and took children with it ([`Shutdown`](crate::cancel::Reason::Shutdown)); or when the group
/// [could not wait](TaskGroup::close_within) for them.
///
/// # Panics
///
/// With the panic of a child or of the body, after all have been joined. A text gets the task's name before it, and behind it the number of errors
/// that are lost to the panic; any other payload goes on as it is.
///
/// # Cancel safety
///
/// When a scope of regatta around it is cancelled, it cancels its children, waits for them and their cleanup, and does not
/// return; if there were errors meanwhile, it returns those, and the cancellation strikes at the next await after it. Dropped from outside
/// (`select!`), it cannot wait: the children are dropped at their next poll, shielded or not, and their async cleanup is skipped.
///
/// # Examples
///
/// ```
/// use regatta::{task, time};
/// use std::time::Duration;
///
/// async fn fetch(page: u32) -> Result<String, String> {
///     time::sleep(Duration::from_millis(10)).await;
///     if page < 10 { Ok(format!("page {page}")) } else { Err(format!("no page {page}")) }
/// }
///
/// regatta::testing::run(async || {
///     let both = task::task_group(async |g| {
///         let one = g.spawn(fetch(1));
///         let two = g.spawn(fetch(2));
///         Ok(format!("{}, {}", one.await, two.await))
///     });
///     assert_eq!(both.await.expect("both exist"), "page 1, page 2");
/// });
/// ```
///
/// One fails: the others are cancelled, and its name is in the error.
///
/// ```
/// use regatta::{task, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let failed = task::task_group(async |g| {
///         g.named("clock").spawn(async { time::sleep(Duration::from_secs(3600)).await });
///         g.named("upload").spawn(async {
///             time::sleep(Duration::from_millis(5)).await;
///             Err::<(), _>("connection reset")
///         });
///         std::future::pending::<Result<(), &str>>().await
///     });
///     assert_eq!(failed.await.expect_err("the upload fails").to_string(), "1 task failed: upload: connection reset");
///     assert_eq!(regatta::testing::now(), Duration::from_millis(5));
/// });
/// ```
pub async fn task_group<T, E, F, Fut>(body: F) -> Result<T, ErrorGroup<E>>
where
    E: Send + 'static,
    F: FnOnce(TaskGroup<'static, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let runtime = Runtime::current();
    let (group, slots): (Arc<Shared<E, SendHome<'static>>>, _) = if runtime.can_spawn() {
        (Shared::new(Core::new(), OnRuntime(runtime)), None)
    } else {
        let inbox = Inbox::default();
        (Shared::new(Core::new(), inbox), Some(Slots::default()))
    };
    let body = body(TaskGroup::new(group.clone()));
    Drive::new(group, body, slots).await
}

/// Runs `body` with a group whose children are polled in place, in turns with it: they may borrow, and need no runtime.
///
/// Otherwise like [`task_group`], which compares the two: the call ends when the body has ended and the future of every child has been
/// dropped, the first error cancels the others, and all errors come back in one [`ErrorGroup`]. Nothing runs in parallel: the children share the task
/// of the caller, and one that computes, or blocks, holds up the others and the body.
///
/// Children borrow what lives outside the call (`'env`), by shared reference as often as you like. Locals of the body itself do not
/// live long enough: make them before the call, or move them into the child. In `async |g| …` a child that mentions something
/// by name borrows it; `async move { .. }` moves it, and references made before are copied.
///
/// # Errors
///
/// As [`task_group`].
///
/// # Panics
///
/// As [`task_group`].
///
/// # Cancel safety
///
/// As [`task_group`]; dropped from outside, its children are dropped at once, with it.
///
/// # Examples
///
/// ```
/// use regatta::{task, time};
/// use std::{convert::Infallible, time::Duration};
///
/// regatta::run(async {
///     let hosts = vec!["alpha".to_string(), "beta".to_string()];
///     let total = std::sync::atomic::AtomicUsize::new(0);
///     task::scope(async |g| {
///         for host in &hosts {
///             let total = &total;
///             g.spawn(async move {
///                 time::sleep(Duration::from_millis(1)).await; // ask `host`
///                 total.fetch_add(host.len(), std::sync::atomic::Ordering::Relaxed);
///             });
///         }
///         Ok::<_, Infallible>(())
///     })
///     .await
///     .expect("nothing fails");
///     assert_eq!(total.into_inner(), 9);
///     drop(hosts); // still ours
/// });
/// ```
///
/// Errors with `?`, from a function that borrows:
///
/// ```
/// use regatta::task::{self, ErrorGroup};
/// use std::num::ParseIntError;
///
/// async fn sum(lines: &[&str]) -> Result<u32, ErrorGroup<ParseIntError>> {
///     task::scope(async |g| {
///         let parsed: Vec<_> = lines.iter().map(|line| g.spawn(async move { line.parse::<u32>() })).collect();
///         let mut sum = "0".parse::<u32>()?;
///         for number in parsed {
///             sum += number.await;
///         }
///         Ok(sum)
///     })
///     .await
/// }
///
/// regatta::run(async {
///     assert_eq!(sum(&["1", "2", "39"]).await.expect("numbers"), 42);
///     assert!(sum(&["1", "two"]).await.is_err());
/// });
/// ```
pub async fn scope<'env, T, E, F, Fut>(body: F) -> Result<T, ErrorGroup<E>>
where
    E: Send + 'env,
    F: FnOnce(TaskGroup<'env, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let group: Arc<Shared<E, SendHome<'env>>> = Shared::new(Core::new(), Inbox::default());
    let body = body(TaskGroup::new(group.clone()));
    Drive::new(group, body, Some(Slots::default())).await
}

/// A group that belongs to no scope: the handle, and the host's side, to be spawned on `runtime`. It ends when `body` and all children have.
pub(crate) fn detached<E, Fut>(
    runtime: Runtime,
    body: Fut,
) -> (
    TaskGroup<'static, E>,
    impl Future<Output = Result<(), ErrorGroup<E>>>,
)
where
    E: Send + 'static,
    Fut: Future<Output = Result<(), E>>,
{
    let core = Core::under(Node::root());
    let shared: Arc<Shared<E, SendHome<'static>>> = Shared::new(core, OnRuntime(runtime));
    let group = TaskGroup::new(shared.clone());
    (group, Drive::new(shared, body, None))
}
