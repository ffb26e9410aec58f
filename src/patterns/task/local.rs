//! [`local_scope`]: a group of children that never leave their thread.

use super::child::{Child, ChildOutput, Nested, Terms};
use super::core::Core;
use super::drive::Drive;
use super::error::ErrorGroup;
use super::group::{Plan, TaskGroup};
use super::handle::{Slot, Task};
use super::home::{InGroup, Inbox, LocalHome, Shared};
use crate::internal::slots::Slots;
use std::future::Future;
use std::sync::Arc;

/// The group of a [`local_scope`]: children need not be `Send`.
pub type LocalTaskGroup<'env, E> = TaskGroup<'env, E, LocalHome<'env>>;

impl<'env, E: 'env> TaskGroup<'env, E, LocalHome<'env>> {
    /// Spawns a child, polled in place by the scope. Its error fails the group.
    ///
    /// # Panics
    ///
    /// When the group has ended: the handle was carried out of it.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Task<<F::Output as ChildOutput<E>>::Ok>
    where
        F: Future<Output: ChildOutput<E, Ok: 'env>> + 'env,
    {
        self.admit(Plan::here(None), future)
    }

    /// Spawns a child with a name for errors and reports.
    ///
    /// # Panics
    ///
    /// When the group has ended.
    #[track_caller]
    pub fn spawn_named<F>(
        &self,
        name: impl Into<Arc<str>>,
        future: F,
    ) -> Task<<F::Output as ChildOutput<E>>::Ok>
    where
        F: Future<Output: ChildOutput<E, Ok: 'env>> + 'env,
    {
        self.admit(Plan::here(Some(name.into())), future)
    }

    /// Spawns a child that gets the group, to spawn siblings.
    ///
    /// # Panics
    ///
    /// When the group has ended.
    #[track_caller]
    pub fn spawn_with<F, Fut>(&self, make: F) -> Task<<Fut::Output as ChildOutput<E>>::Ok>
    where
        F: FnOnce(Self) -> Fut,
        Fut: Future<Output: ChildOutput<E, Ok: 'env>> + 'env,
    {
        self.admit(Plan::here(None), make(self.clone()))
    }

    /// Spawns a group inside this one: its errors arrive as one nested entry of this group's [`ErrorGroup`].
    ///
    /// # Panics
    ///
    /// When the group has ended.
    #[track_caller]
    pub fn spawn_nested<T, F>(&self, group: F) -> Task<T>
    where
        T: 'env,
        F: Future<Output = Result<T, ErrorGroup<E>>> + 'env,
    {
        self.admit(Plan::here(None), async move { Nested(group.await) })
    }

    fn admit<F, T>(&self, plan: Plan, future: F) -> Task<T>
    where
        F: Future<Output: ChildOutput<E, Ok = T>> + 'env,
        T: 'env,
    {
        if let Err(refusal) = self.core().admit(plan.service) {
            return refusal.tell(plan.site);
        }
        let home = &self.shared.home;
        let limited = home.is_limited();
        let slot = Slot::new(plan.site.clone());
        let seat = InGroup {
            group: self.shared.clone(),
        };
        let terms = Terms {
            service: plan.service,
            limited,
        };
        let child = Box::pin(Child::new(future, slot.clone(), seat, terms));
        if home.launch(&plan.site, child, limited) {
            self.core().wake_host();
        }
        Task::new(slot)
    }
}

/// [`scope`](super::scope) for children that are not `Send`: they may share `Rc` and `RefCell` with each other and with the body.
///
/// The future is not `Send` itself. Everything else is as in `scope`: children run in place, in turns with the body, may borrow
/// what outlives the call, and end with it.
///
/// # Errors
///
/// [`ErrorGroup`], when the body or a child failed, or the group was cancelled.
///
/// # Panics
///
/// Goes on with the panic of a child.
///
/// # Cancel safety
///
/// Cancelled by a scope around it, it waits for its children's cleanup. Dropped from outside, it drops body and children at once.
///
/// # Examples
///
/// ```
/// use regatta::{task, time};
/// use std::{cell::RefCell, convert::Infallible, time::Duration};
///
/// regatta::testing::run(async || {
///     let log = RefCell::new(Vec::new());
///     task::local_scope(async |g| {
///         for secs in [2, 1] {
///             let log = &log;
///             g.spawn(async move {
///                 time::sleep(Duration::from_secs(secs)).await;
///                 log.borrow_mut().push(secs);
///             });
///         }
///         Ok::<_, Infallible>(())
///     })
///     .await
///     .expect("nobody fails");
///     assert_eq!(*log.borrow(), [1, 2]);
/// });
/// ```
pub async fn local_scope<'env, T, E, F, Fut>(body: F) -> Result<T, ErrorGroup<E>>
where
    E: 'env,
    F: FnOnce(LocalTaskGroup<'env, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let group = Shared::new(Core::new(), Inbox::default());
    let body = body(TaskGroup::new(group.clone()));
    Drive::new(group, body, Some(Slots::default())).await
}
