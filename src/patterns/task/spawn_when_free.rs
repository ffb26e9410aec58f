//! Waiting for a turn under the limit of a group.

use super::child::ChildOutput;
use super::gate::Turn;
use super::group::{Plan, TaskGroup};
use super::handle::Task;
use crate::internal::label;
use crate::internal::lock::Lock;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Spawns a child when its turn has come; made by [`TaskGroup::spawn_when_free`].
#[must_use = "futures do nothing unless polled"]
pub struct SpawnWhenFree<'g, 'env, E, F> {
    group: &'g TaskGroup<'env, E>,
    work: Option<(Plan, F)>,
    place: Option<(u64, Arc<Lock<Turn>>)>,
}

// The future in it is never polled here, only moved into the child.
impl<E, F> Unpin for SpawnWhenFree<'_, '_, E, F> {}

impl<'g, 'env, E, F> SpawnWhenFree<'g, 'env, E, F> {
    pub(super) fn new(group: &'g TaskGroup<'env, E>, plan: Plan, future: F) -> Self {
        SpawnWhenFree {
            group,
            work: Some((plan, future)),
            place: None,
        }
    }
}

impl<E, F> fmt::Debug for SpawnWhenFree<'_, '_, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnWhenFree")
            .field("waiting", &self.place.is_some())
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
        let admitted = match &this.place {
            None if !this.group.home.is_limited() => false,
            None => {
                let mut gate = this.group.home.gate.lock();
                if gate.is_open() || this.group.is_cancelled() {
                    false
                } else if gate.try_enter() {
                    true
                } else {
                    let turn = Arc::new(Lock::new(Turn::Waiting(cx.waker().clone())));
                    this.place = Some((gate.enqueue_caller(turn.clone()), turn));
                    label::set("a turn in its task group");
                    return Poll::Pending;
                }
            }
            Some((_, turn)) => {
                let mut turn = turn.lock();
                match &mut *turn {
                    Turn::Waiting(waker) => {
                        waker.clone_from(cx.waker());
                        label::set("a turn in its task group");
                        return Poll::Pending;
                    }
                    Turn::Granted => true,
                    Turn::Over => false,
                }
            }
        };
        this.place = None;
        let Some((mut plan, future)) = this.work.take() else {
            panic!("`spawn_when_free` polled after it ended")
        };
        plan.admitted = admitted;
        Poll::Ready(this.group.launch(plan, future))
    }
}

impl<E, F> Drop for SpawnWhenFree<'_, '_, E, F> {
    fn drop(&mut self) {
        if let Some((key, turn)) = self.place.take() {
            self.group.home.leave(key, &turn);
        }
    }
}
