//! Many tasks as one call: groups that wait for their children, and helpers for common shapes.
//!
//! | you want | use |
//! |---|---|
//! | tasks in parallel that end with this call | [`task_group`] |
//! | the same in place: children borrow, no runtime needed | [`scope`], [`local_scope`] for children without `Send` |
//! | a few futures side by side, by macro or tuple | `futures::join!`; nothing to add |

mod child;
mod completed;
mod core;
mod drive;
mod error;
mod gate;
mod gather;
mod group;
mod handle;
mod home;
mod local;
mod member;
mod named;
mod policy;
mod race;
mod spawn_when_free;
mod spawned;
mod start;
mod wait;

pub use child::ChildOutput;
pub use completed::{AsCompleted, Indexed, as_completed};
pub use error::{ErrorGroup, IntoIter};
pub use gather::{FailFast, Gather, GatherMode, Gathering, Progress, Settled, gather};
pub use group::TaskGroup;
pub use handle::{Outcome, Task};
pub use local::{LocalTaskGroup, local_scope};
pub use named::Named;
pub use policy::OnFailure;
pub use race::{race, race_ok, staggered_race};
pub use spawn_when_free::SpawnWhenFree;
pub use spawned::Spawnable;
pub use start::{Ready, Start, StartError};
pub use wait::{When, wait};

use crate::internal::node::Node;
use crate::runtime::{BoxFuture, Runtime};
use drive::{Drive, InPlace};
use home::{Home, Inbox, OnRuntime, SendHome};
use std::future::Future;
use std::sync::Arc;

/// Runs `body` with a group whose children are tasks of the current runtime.
pub fn task_group<T, E, F, Fut>(body: F) -> impl Future<Output = Result<T, ErrorGroup<E>>>
where
    E: Send + 'static,
    F: FnOnce(TaskGroup<'static, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    async move {
        let runtime = Runtime::current();
        let parts = core::Core::new();
        let (home, in_place): (Arc<SendHome<'static>>, _) = if runtime.can_spawn() {
            (Arc::new(Home::new(OnRuntime(runtime))), None)
        } else {
            let inbox = Inbox::new(parts.0.host.clone());
            (
                Arc::new(Home::new(inbox.clone())),
                Some(InPlace::<BoxFuture<'static, ()>>::new(inbox)),
            )
        };
        let body = body(TaskGroup::new(parts.0.clone(), home.clone()));
        Drive::new(parts, home, body, in_place).await
    }
}

/// Runs `body` with a group whose children are polled in place.
pub fn scope<'env, T, E, F, Fut>(body: F) -> impl Future<Output = Result<T, ErrorGroup<E>>>
where
    E: Send + 'env,
    F: FnOnce(TaskGroup<'env, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    async move {
        let parts = core::Core::new();
        let inbox = Inbox::new(parts.0.host.clone());
        let home: Arc<SendHome<'env>> = Arc::new(Home::new(inbox.clone()));
        let body = body(TaskGroup::new(parts.0.clone(), home.clone()));
        Drive::new(
            parts,
            home,
            body,
            Some(InPlace::<BoxFuture<'env, ()>>::new(inbox)),
        )
        .await
    }
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
    let parts = core::Core::under(Node::root());
    let home: Arc<SendHome<'static>> = Arc::new(Home::new(OnRuntime(runtime)));
    let group = TaskGroup::new(parts.0.clone(), home.clone());
    (
        group,
        Drive::new(parts, home, body, None::<InPlace<BoxFuture<'static, ()>>>),
    )
}
