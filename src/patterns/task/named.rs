//! One child with a name.

use super::child::{ChildOutput, Nested};
use super::error::ErrorGroup;
use super::group::{Plan, TaskGroup};
use super::handle::Task;
use super::spawn_when_free::SpawnWhenFree;
use super::start::{Ready, Start};
use std::fmt;
use std::future::Future;
use std::sync::Arc;

/// Spawns one child with a name; made by [`TaskGroup::named`].
#[must_use = "a name alone spawns nothing"]
pub struct Named<'g, 'env, E> {
    pub(super) group: &'g TaskGroup<'env, E>,
    pub(super) name: Option<Arc<str>>,
}

impl<E> fmt::Debug for Named<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Named").field("name", &self.name).finish()
    }
}

impl<'g, 'env, E: Send + 'env> Named<'g, 'env, E> {
    #[track_caller]
    fn plan(self) -> Plan {
        Plan::here(self.name)
    }

    /// [`TaskGroup::service`].
    ///
    /// # Panics
    ///
    /// When the group has ended.
    #[track_caller]
    pub fn service<F>(self, future: F) -> Task<<F::Output as ChildOutput<E>>::Ok>
    where
        F: Future<Output: ChildOutput<E, Ok: Send + 'env>> + Send + 'env,
    {
        let group = self.group;
        let plan = Plan {
            service: true,
            ..self.plan()
        };
        group.launch(plan, future)
    }

    /// [`TaskGroup::spawn`].
    ///
    /// # Panics
    ///
    /// When the group has ended.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> Task<<F::Output as ChildOutput<E>>::Ok>
    where
        F: Future<Output: ChildOutput<E, Ok: Send + 'env>> + Send + 'env,
    {
        self.group.launch(self.plan(), future)
    }

    /// [`TaskGroup::spawn_with`].
    ///
    /// # Panics
    ///
    /// When the group has ended.
    #[track_caller]
    pub fn spawn_with<F, Fut>(self, make: F) -> Task<<Fut::Output as ChildOutput<E>>::Ok>
    where
        F: FnOnce(TaskGroup<'env, E>) -> Fut,
        Fut: Future<Output: ChildOutput<E, Ok: Send + 'env>> + Send + 'env,
    {
        let group = self.group;
        group.launch(self.plan(), make(group.clone()))
    }

    /// [`TaskGroup::spawn_nested`]; the name labels the nested errors if the group inside has none.
    ///
    /// # Panics
    ///
    /// When the group has ended.
    #[track_caller]
    pub fn spawn_nested<T, F>(self, group: F) -> Task<T>
    where
        T: Send + 'env,
        F: Future<Output = Result<T, ErrorGroup<E>>> + Send + 'env,
    {
        let name = self.name.clone();
        self.group.launch(self.plan(), async move {
            Nested(group.await.map_err(|e| e.labelled(name)))
        })
    }

    /// [`TaskGroup::spawn_when_free`].
    ///
    /// # Panics
    ///
    /// When the group has ended.
    ///
    /// # Cancel safety
    ///
    /// As there.
    #[track_caller]
    pub fn spawn_when_free<F>(self, future: F) -> SpawnWhenFree<'g, 'env, E, F>
    where
        F: Future<Output: ChildOutput<E, Ok: Send + 'env>> + Send + 'env,
    {
        SpawnWhenFree::new(self.group, self.plan(), future)
    }

    /// [`TaskGroup::start`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Panics
    ///
    /// When the group has ended.
    ///
    /// # Cancel safety
    ///
    /// As there.
    #[track_caller]
    pub fn start<V, F, Fut>(self, make: F) -> Start<'env, V, E>
    where
        V: Send + 'env,
        F: FnOnce(Ready<V>) -> Fut,
        Fut: Future<Output = Result<(), E>> + Send + 'env,
    {
        super::start::start(self.group, self.plan(), make)
    }
}
