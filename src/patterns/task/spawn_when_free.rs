//! Waiting for a turn under the limit of a group.

use super::child::ChildOutput;
use super::gate::Turn;
use super::group::{Plan, TaskGroup};
use super::handle::Task;
use crate::internal::label;
use crate::internal::line::Spare;
use crate::internal::lock::Lock;
use crate::internal::scope;
use crate::runtime::coop;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Spawns a child when its turn has come; made by [`TaskGroup::spawn_when_free`].
#[must_use = "futures do nothing unless polled"]
pub struct SpawnWhenFree<'g, 'env, E, F> {
    group: &'g TaskGroup<'env, E>,
    work: Option<(Plan, F)>,
    place: Place,
    /// Its unit of the budget is spent, or it has given way for it.
    paid: bool,
}

/// Where the caller stands.
enum Place {
    Outside,
    InLine(u64, Arc<Lock<Turn>>),
    /// The child may start; `true`: its turn is counted.
    Free(bool),
}

// The future in it is never polled here, only moved into the child.
impl<E, F> Unpin for SpawnWhenFree<'_, '_, E, F> {}

impl<'g, 'env, E, F> SpawnWhenFree<'g, 'env, E, F> {
    pub(super) fn new(group: &'g TaskGroup<'env, E>, plan: Plan, future: F) -> Self {
        SpawnWhenFree {
            group,
            work: Some((plan, future)),
            place: Place::Outside,
            paid: false,
        }
    }

    /// Out of the line, or the turn to the next.
    fn leave(&mut self) {
        let shared = &self.group.shared;
        match std::mem::replace(&mut self.place, Place::Outside) {
            Place::InLine(key, turn) => {
                if shared.home.leave(key, &turn) {
                    shared.core.wake_host();
                }
            }
            Place::Free(true) => shared.give_back(),
            Place::Free(false) | Place::Outside => {}
        }
    }

    /// Into the line, if there is no turn at once.
    fn enter(&mut self, cx: &Context<'_>) -> Place {
        let home = &self.group.shared.home;
        if !home.is_limited() {
            return Place::Free(false);
        }
        let mut turn = None;
        loop {
            // Before the lock: it may read a clock.
            let ending = self.group.is_cancelled();
            let mut gate = home.gate.lock();
            if gate.is_open() || ending {
                drop(gate);
                return Place::Free(false);
            }
            if gate.try_enter() {
                drop(gate);
                return Place::Free(true);
            }
            if let Some(turn) = turn.take() {
                return Place::InLine(gate.enqueue_caller(Arc::clone(&turn)), turn);
            }
            drop(gate);
            // Not under the lock: it is the user's.
            turn = Some(Arc::new(Lock::new(Turn::Waiting(Some(cx.waker().clone())))));
        }
    }
}

impl<E, F> fmt::Debug for SpawnWhenFree<'_, '_, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnWhenFree")
            .field("waiting", &matches!(self.place, Place::InLine(..)))
            .finish_non_exhaustive()
    }
}

impl<'env, E, F, T> Future for SpawnWhenFree<'_, 'env, E, F>
where
    E: Send + 'env,
    F: Future<Output: ChildOutput<E, Ok = T>> + Send + 'env,
    T: Send + 'env,
{
    type Output = Task<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Task<T>> {
        let this = self.get_mut();
        if scope::is_cancelled() && !this.group.is_cancelled() {
            // Nothing starts for a caller that is cancelled. It may live on for its grace, or for somebody's cleanup;
            // then whoever cancelled drops it.
            this.leave();
            label::set("its end: it is cancelled, and spawns no more");
            return Poll::Pending;
        }
        if let Place::Outside = this.place {
            this.place = this.enter(cx);
        } else if let Place::InLine(_, turn) = &this.place
            && let Some(free) = look(turn, cx)
        {
            this.place = free;
        }
        let Place::Free(admitted) = this.place else {
            label::set("a turn in its task group");
            return Poll::Pending;
        };
        if !std::mem::replace(&mut this.paid, true) {
            ready!(coop::poll_spend(cx));
        }
        this.place = Place::Outside;
        let Some((mut plan, future)) = this.work.take() else {
            panic!("`spawn_when_free` polled after it ended")
        };
        plan.admitted = admitted;
        Poll::Ready(this.group.launch(plan, future))
    }
}

/// Whether the turn has come, or comes no more.
fn look(turn: &Lock<Turn>, cx: &Context<'_>) -> Option<Place> {
    let mut spare = Spare::none();
    loop {
        let mut turn = turn.lock();
        match &mut *turn {
            Turn::Waiting(waker) => {
                if spare.renew(waker, cx) {
                    return None;
                }
            }
            Turn::Granted => return Some(Place::Free(true)),
            Turn::Over => return Some(Place::Free(false)),
        }
        drop(turn);
        spare.fill(cx);
    }
}

impl<E, F> Drop for SpawnWhenFree<'_, '_, E, F> {
    fn drop(&mut self) {
        self.leave();
    }
}
