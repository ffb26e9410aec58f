//! [`TaskGroup`]: the handle that children are spawned through.

use super::child::{Child, ChildOutput, Nested, Terms};
use super::core::{Core, Refusal};
use super::error::ErrorGroup;
use super::handle::{Origin, Slot, Task};
use super::home::{InGroup, Line, SendHome, Shared};
use super::named::Named;
use super::policy::OnFailure;
use super::spawn_when_free::SpawnWhenFree;
use super::start::{Ready, Start};
use crate::internal::reason::Reason;
use crate::runtime::Site;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Spawns children into a group that waits for them; given to the body of [`task_group`](super::task_group) and [`scope`](super::scope).
///
/// Clones are the same group, so children can spawn siblings ([`spawn_with`](TaskGroup::spawn_with)). `'env` is what children may
/// borrow: everything that outlives the call for a `scope`, nothing (`'static`) for a `task_group`.
///
/// Compared with tokio's `JoinSet`: results come through typed handles, bookkeeping shrinks by itself, errors and panics end
/// the group, and nothing outlives it.
///
/// `H` is where the children live: the default takes children that are `Send`; see [`LocalTaskGroup`](super::LocalTaskGroup) for the other.
pub struct TaskGroup<'env, E, H: ?Sized = SendHome<'env>> {
    pub(super) shared: Arc<Shared<E, H>>,
    env: PhantomData<fn(&'env ()) -> &'env ()>,
}

impl<E, H: ?Sized> TaskGroup<'_, E, H> {
    pub(super) fn new(shared: Arc<Shared<E, H>>) -> Self {
        TaskGroup {
            shared,
            env: PhantomData,
        }
    }

    #[inline]
    pub(super) fn core(&self) -> &Core<E> {
        &self.shared.core
    }
}

impl<E, H: ?Sized> Clone for TaskGroup<'_, E, H> {
    fn clone(&self) -> Self {
        TaskGroup::new(self.shared.clone())
    }
}

impl<E, H: ?Sized> fmt::Debug for TaskGroup<'_, E, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup")
            .field("cancelled", &self.core().node.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// How a child is spawned, apart from its future.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) site: Site,
    pub(super) service: bool,
    /// Its turn under the limit is counted already.
    pub(super) admitted: bool,
}

impl Plan {
    #[track_caller]
    pub(super) fn here(name: Option<Arc<str>>) -> Self {
        Plan {
            site: Site {
                name,
                at: Location::caller(),
            },
            service: false,
            admitted: false,
        }
    }
}

impl<'env, E: Send + 'env> TaskGroup<'env, E> {
    /// Spawns a child. Its error fails the group.
    ///
    /// Children of a `task_group` run in parallel with the body, those of a `scope` in turns with it. In a group that is ending, the
    /// child never runs, and the handle says it is cancelled. Works from any thread, as long as the body or a child lives.
    ///
    /// # Panics
    ///
    /// When the group has ended: the handle was carried out of it.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Task<<F::Output as ChildOutput<E>>::Ok>
    where
        F: Future<Output: ChildOutput<E, Ok: Send + 'env>> + Send + 'env,
    {
        self.launch(Plan::here(None), future)
    }

    /// Spawns a child that gets the group, to spawn siblings.
    ///
    /// # Panics
    ///
    /// When the group has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::task::{self, TaskGroup};
    /// use std::convert::Infallible;
    ///
    /// fn walk(g: TaskGroup<'static, Infallible>, depth: u32) -> impl Future<Output = Result<u32, Infallible>> + Send {
    ///     async move {
    ///         if depth == 0 {
    ///             return Ok(1);
    ///         }
    ///         let left = g.spawn_with(move |g| Box::pin(walk(g, depth - 1)));
    ///         let right = g.spawn_with(move |g| Box::pin(walk(g, depth - 1)));
    ///         Ok(left.await + right.await)
    ///     }
    /// }
    ///
    /// regatta::testing::run(async || {
    ///     let leaves = task::task_group(async |g| Ok(g.spawn_with(|g| walk(g, 3)).await)).await;
    ///     assert_eq!(leaves.expect("no error"), 8);
    /// });
    /// ```
    #[track_caller]
    pub fn spawn_with<F, Fut>(&self, make: F) -> Task<<Fut::Output as ChildOutput<E>>::Ok>
    where
        F: FnOnce(Self) -> Fut,
        Fut: Future<Output: ChildOutput<E, Ok: Send + 'env>> + Send + 'env,
    {
        self.launch(Plan::here(None), make(self.clone()))
    }

    /// Spawns a group inside this one: its errors arrive as one nested entry of this group's [`ErrorGroup`].
    ///
    /// A group inside that was [cancelled](TaskGroup::cancel) on request is no failure but a cancelled child: this group goes on, and
    /// [`Task::outcome`] gives the reason.
    ///
    /// # Panics
    ///
    /// When the group has ended.
    #[track_caller]
    pub fn spawn_nested<T, F>(&self, group: F) -> Task<T>
    where
        T: Send + 'env,
        F: Future<Output = Result<T, ErrorGroup<E>>> + Send + 'env,
    {
        self.launch(Plan::here(None), async move { Nested(group.await) })
    }

    /// Waits until fewer children run than the [limit](TaskGroup::limit) allows, then spawns: for sources without end, in bounded memory.
    /// [`spawn`](TaskGroup::spawn) never waits; what exceeds the limit lines up, in memory.
    ///
    /// # Panics
    ///
    /// When the group has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, `future` is dropped unstarted and its place in the line goes to the next.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::{task, time};
    /// use std::{convert::Infallible, time::Duration};
    ///
    /// regatta::testing::run(async || {
    ///     task::task_group(async |g| {
    ///         g.limit(8);
    ///         for _page in 0..1000 {
    ///             drop(g.spawn_when_free(async { time::sleep(Duration::from_millis(5)).await }).await);
    ///         }
    ///         Ok::<_, Infallible>(())
    ///     })
    ///     .await
    ///     .expect("no page fails");
    /// });
    /// ```
    #[track_caller]
    pub fn spawn_when_free<F>(&self, future: F) -> SpawnWhenFree<'_, 'env, E, F>
    where
        F: Future<Output: ChildOutput<E, Ok: Send + 'env>> + Send + 'env,
    {
        SpawnWhenFree::new(self, Plan::here(None), future)
    }

    /// Spawns a child and waits until it says that it is ready, with a value: a server that is listening, a worker that is connected.
    /// The child goes on in the group.
    ///
    /// # Errors
    ///
    /// [`StartError`](super::StartError): the child's error, bare, if it failed before it was ready (the group is unaffected), or that it
    /// ended without getting ready, or was cancelled.
    ///
    /// # Panics
    ///
    /// When the group has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the child is ready, it cancels the child; the group waits for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::{task, time};
    /// use std::{convert::Infallible, time::Duration};
    ///
    /// regatta::testing::run(async || {
    ///     let port = task::task_group::<_, Infallible, _, _>(async |g| {
    ///         let port = g.start(|ready| async move {
    ///             time::sleep(Duration::from_millis(3)).await; // bind, listen
    ///             ready.set(8080);
    ///             std::future::pending::<Result<(), _>>().await // serve
    ///         }).await;
    ///         g.cancel_children();
    ///         Ok(port)
    ///     }).await;
    ///     assert_eq!(port.expect("no error").expect("it got ready"), 8080);
    /// });
    /// ```
    #[track_caller]
    pub fn start<V, F, Fut>(&self, make: F) -> Start<'env, V, E>
    where
        V: Send + 'env,
        F: FnOnce(Ready<V>) -> Fut,
        Fut: Future<Output = Result<(), E>> + Send + 'env,
    {
        super::start::start(self, Plan::here(None), make)
    }

    /// Names the next child, in errors and reports.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::task;
    ///
    /// regatta::testing::run(async || {
    ///     let errors = task::task_group(async |g| {
    ///         g.named("resize").spawn(async { Err::<(), _>("no such image") });
    ///         std::future::pending::<Result<(), &str>>().await
    ///     })
    ///     .await
    ///     .expect_err("there is no image");
    ///     assert_eq!(errors.to_string(), "1 task failed: resize: no such image");
    /// });
    /// ```
    pub fn named(&self, name: impl Into<Arc<str>>) -> Named<'_, 'env, E> {
        Named {
            group: self,
            name: Some(name.into()),
        }
    }

    /// Spawns a service: a child that the others need until the end, such as a log writer. The group cancels it when all others have ended, and
    /// does not wait for it to end by itself. What it has to do then belongs into [`finally`](crate::cancel::finally); there is no
    /// [grace](TaskGroup::grace) for services.
    ///
    /// Like every child, one that is cancelled before its first poll never runs, and has no cleanup to do.
    ///
    /// # Panics
    ///
    /// When the group has ended.
    #[track_caller]
    pub fn service<F>(&self, future: F) -> Task<<F::Output as ChildOutput<E>>::Ok>
    where
        F: Future<Output: ChildOutput<E, Ok: Send + 'env>> + Send + 'env,
    {
        self.launch(
            Plan {
                service: true,
                ..Plan::here(None)
            },
            future,
        )
    }

    /// A place for one more child, whatever happens meanwhile; `None` after the end. For patterns above.
    pub(crate) fn reserve(&self) -> Option<Reserved<'env, E>> {
        self.core()
            .children
            .join()
            .then(|| Reserved(Some(self.shared.clone())))
    }

    /// Spawns into a reserved place, as if `site` had done it. In a group that is ending the child never runs.
    pub(crate) fn spawn_reserved<F>(&self, mut place: Reserved<'env, E>, site: Site, future: F)
    where
        F: Future<Output: ChildOutput<E, Ok: Send + 'env>> + Send + 'env,
    {
        // The child has it from here on.
        place.0 = None;
        let slot = Slot::new(site.clone());
        self.put(slot, &site, future, Turn::None, false);
    }

    /// The one way in.
    pub(super) fn launch<F, T>(&self, plan: Plan, future: F) -> Task<T>
    where
        F: Future<Output: ChildOutput<E, Ok = T>> + Send + 'env,
        T: Send + 'env,
    {
        if let Err(refusal) = self.core().admit(plan.service) {
            if plan.admitted {
                // Its turn goes to the next.
                self.shared.give_back();
            }
            return refusal.tell(plan.site);
        }
        let turn = match plan.admitted {
            true => Turn::Counted,
            false if !plan.service && self.shared.home.is_limited() => Turn::InLine,
            false => Turn::None,
        };
        let slot = match turn {
            Turn::InLine => Slot::in_line(plan.site.clone()),
            _ => Slot::new(plan.site.clone()),
        };
        self.put(slot.clone(), &plan.site, future, turn, plan.service);
        Task::new(slot)
    }

    /// The child has its place among the living.
    fn put<F, T>(&self, slot: Arc<Slot<T>>, site: &Site, future: F, turn: Turn, service: bool)
    where
        F: Future<Output: ChildOutput<E, Ok = T>> + Send + 'env,
        T: Send + 'env,
    {
        let seat = InGroup {
            group: self.shared.clone(),
        };
        let terms = Terms {
            service,
            limited: turn != Turn::None,
        };
        let child = Box::pin(Child::new(future, slot, seat, terms));
        if self.shared.home.launch(site, child, turn == Turn::InLine) {
            self.core().wake_host();
        }
    }
}

/// How a child counts under the limit of its group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    None,
    /// Its turn has come, and is counted.
    Counted,
    /// It may have to wait for it.
    InLine,
}

/// Keeps a group open for one more child.
pub(crate) struct Reserved<'env, E>(Option<Arc<Shared<E, SendHome<'env>>>>);

impl<E> Drop for Reserved<'_, E> {
    fn drop(&mut self) {
        if let Some(group) = self.0.take() {
            group.core.leave(false);
        }
    }
}

impl Refusal {
    /// The handle of a child that never runs.
    pub(super) fn tell<T>(self, site: Site) -> Task<T> {
        match self {
            Refusal::Ending(reason) => Task::new(Slot::ended(site, reason)),
            Refusal::Ended => panic!(
                "{} cannot be spawned: its task group has ended. A group's handle must not outlive it",
                Origin(&site)
            ),
        }
    }
}

impl<E, H: Line + ?Sized> TaskGroup<'_, E, H> {
    /// Cancels the children and interrupts the body: [`cancel_with`](TaskGroup::cancel_with) "requested".
    pub fn cancel(&self) {
        self.cancel_with(Reason::Requested);
    }

    /// Cancels the children and interrupts the body at its next suspension. If nothing failed and something was cut short, the call
    /// ends with an [`ErrorGroup`] without errors that names the reason. Does nothing to a group that is ending already.
    pub fn cancel_with(&self, reason: impl Into<Reason>) {
        let reason = reason.into();
        self.core()
            .state
            .lock()
            .asked
            .get_or_insert_with(|| reason.clone());
        self.core().stop(reason);
    }

    /// Cancels the children, services excepted, and lets the body go on, to finish with `Ok`. Children spawned later never run. Await the
    /// handles of cancelled children with [`Task::outcome`].
    pub fn cancel_children(&self) {
        self.core().stop_children(Reason::Requested);
    }

    /// Whether the group is being cancelled, for whatever reason.
    pub fn is_cancelled(&self) -> bool {
        self.core().node.is_cancelled()
    }

    /// Lets at most `n` children run at once; those spawned in excess line up and start in order. Counts children spawned from
    /// now on, services excepted. [`spawn_when_free`](TaskGroup::spawn_when_free) waits instead of lining up.
    ///
    /// # Panics
    ///
    /// When `n` is 0.
    pub fn limit(&self, n: usize) {
        assert!(
            n > 0,
            "TaskGroup::limit(0): no child would ever run; use at least 1, or `usize::MAX` for no limit"
        );
        self.shared.set_limit(n);
    }

    /// Names the group, in its errors.
    pub fn name(&self, name: impl Into<Arc<str>>) {
        self.core().state.lock().label = Some(name.into());
    }

    /// What a child's error does; see [`OnFailure`].
    pub fn on_failure(&self, mode: OnFailure) {
        self.core().state.lock().on_failure = mode;
    }

    /// Time for children and body to end by themselves when they are cancelled, for whatever reason: they can see it at once
    /// ([`cancel::cancelled`](crate::cancel::cancelled()), [`check`](crate::cancel::check)), and are dropped only after this. Default zero.
    ///
    /// It counts once, from the first cancellation. A scope around the group that is cancelled has a grace of its own, or none, and does
    /// not wait for this one.
    pub fn grace(&self, grace: Duration) {
        self.core().state.lock().grace = grace;
    }

    /// How long a group that is ending waits for those it has cancelled, services, shields and cleanups included. Then it leaves
    /// them: it ends with an [`ErrorGroup`] that names the [stragglers](ErrorGroup::stragglers), which are dropped at their next poll, shielded or
    /// not. Children that nobody has cancelled are waited for without limit. Default: waits as long as it takes.
    ///
    /// A child that never yields is left behind if it runs on another thread; in place, it keeps the host itself from looking at the clock.
    /// Call it before spawning, or such a child goes unnamed.
    pub fn close_within(&self, limit: Duration) {
        self.core().tracked.store(true, Ordering::Release);
        self.core().state.lock().close_within = Some(limit);
    }
}
