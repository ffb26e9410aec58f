//! Waiting for a child to get ready.

use super::error::Fault;
use super::group::{Plan, TaskGroup};
use super::handle::Task;
use super::home::{SendHome, Shared};
use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::line::{Spare, wake};
use crate::internal::lock::Lock;
use crate::internal::reason::{Cancelled, Reason};
use crate::runtime::coop;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

enum Stage<V> {
    Starting,
    Ready(V),
    /// It failed before it was ready; the error lies beside.
    Failed,
    Over,
    /// Nobody waits any more: errors go to the group.
    Unattended,
}

struct Signal<V> {
    stage: Stage<V>,
    waiter: Option<Waker>,
}

/// Lets a child say that it is ready; given by [`TaskGroup::start`](super::TaskGroup::start).
///
/// Consumed by [`set`](Ready::set), so nobody is ready twice.
#[must_use = "a child that never calls `set` never gets ready"]
pub struct Ready<V> {
    signal: Arc<Lock<Signal<V>>>,
}

impl<V> Ready<V> {
    /// The child is ready: `start` returns `value`, and the child goes on. When nobody waits any more, `value` is dropped.
    pub fn set(self, value: V) {
        let mut signal = self.signal.lock();
        let unwanted = match signal.stage {
            Stage::Starting => {
                signal.stage = Stage::Ready(value);
                None
            }
            _ => Some(value),
        };
        let waiter = signal.waiter.take();
        drop(signal);
        if let Some(w) = waiter {
            wake(w);
        }
        drop(unwanted);
    }
}

impl<V> fmt::Debug for Ready<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ready")
    }
}

/// Why [`TaskGroup::start`](super::TaskGroup::start) did not get its value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError<E> {
    /// The child failed before it was ready. Its error is here and not in the group.
    Failed(E),
    /// The child ended with `Ok` without calling [`Ready::set`].
    NeverReady,
    /// The child was cancelled, or panicked, before it was ready.
    Cancelled(Cancelled),
}

impl<E: fmt::Display> fmt::Display for StartError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Failed(e) => write!(f, "failed to start: {e}"),
            StartError::NeverReady => f.write_str("the task ended without calling `Ready::set`"),
            StartError::Cancelled(c) => write!(f, "not started: {c}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for StartError<E> {}

/// Waits for a child to get ready; made by [`TaskGroup::start`](super::TaskGroup::start). The child has been spawned already.
#[must_use = "futures do nothing unless polled"]
pub struct Start<'env, V, E> {
    signal: Arc<Lock<Signal<V>>>,
    /// The error of a child that failed before it was ready: it goes to who started it, not to the group.
    error: Arc<Lock<Option<E>>>,
    group: Arc<Shared<E, SendHome<'env>>>,
    name: Option<Arc<str>>,
    task: Task<()>,
    /// Its unit of the budget is spent, or it has given way for it.
    paid: bool,
}

impl<V, E> fmt::Debug for Start<'_, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("task", &self.task)
            .finish_non_exhaustive()
    }
}

pub(super) fn start<'env, V, E, F, Fut>(
    group: &TaskGroup<'env, E>,
    plan: Plan,
    make: F,
) -> Start<'env, V, E>
where
    E: Send + 'env,
    V: Send + 'env,
    F: FnOnce(Ready<V>) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'env,
{
    let signal = Arc::new(Lock::new(Signal {
        stage: Stage::Starting,
        waiter: None,
    }));
    let error = Arc::new(Lock::new(None));
    let name = plan.site.name.clone();
    let child = make(Ready {
        signal: signal.clone(),
    });
    let (my_signal, my_error) = (signal.clone(), error.clone());
    let task = group.launch(plan, async move {
        let Err(error) = child.await else {
            return Ok(());
        };
        let mut signal = my_signal.lock();
        if matches!(signal.stage, Stage::Starting) {
            *my_error.lock() = Some(error);
            signal.stage = Stage::Failed;
            return Ok(());
        }
        Err(error)
    });
    Start {
        signal,
        error,
        group: group.shared.clone(),
        name,
        task,
        paid: false,
    }
}

impl<V, E> Future for Start<'_, V, E> {
    type Output = Result<V, StartError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        // Before the signal, so that a task found finished has said all it had to say.
        let finished = this.task.poll_finished(cx).is_ready();
        let mut spare = Spare::none();
        loop {
            let mut signal = this.signal.lock();
            if finished || !matches!(signal.stage, Stage::Starting) {
                break;
            }
            if spare.renew(&mut signal.waiter, cx) {
                drop(signal);
                label::set("a task to get ready");
                return Poll::Pending;
            }
            drop(signal);
            spare.fill(cx);
        }
        // What it came to stays where it is meanwhile.
        if !std::mem::replace(&mut this.paid, true) {
            ready!(coop::poll_spend(cx));
        }
        let mut signal = this.signal.lock();
        let waiter = signal.waiter.take();
        let stage = std::mem::replace(&mut signal.stage, Stage::Over);
        drop(signal);
        discard(waiter);
        match stage {
            Stage::Ready(value) => return Poll::Ready(Ok(value)),
            Stage::Failed => {
                let error = this.error.lock().take();
                if let Some(error) = error {
                    return Poll::Ready(Err(StartError::Failed(error)));
                }
            }
            Stage::Over | Stage::Unattended => panic!("`start` polled after it ended"),
            Stage::Starting => {}
        }
        Poll::Ready(Err(match this.task.try_outcome() {
            Some(Err(cancelled)) => StartError::Cancelled(cancelled),
            Some(Ok(())) | None => StartError::NeverReady,
        }))
    }
}

impl<V, E> Drop for Start<'_, V, E> {
    fn drop(&mut self) {
        let mut signal = self.signal.lock();
        if matches!(signal.stage, Stage::Over) {
            return;
        }
        let before = std::mem::replace(&mut signal.stage, Stage::Unattended);
        let waiter = signal.waiter.take();
        drop(signal);
        discard((before, waiter));
        // An error that nobody will read here is the group's.
        let error = self.error.lock().take();
        if let Some(error) = error {
            self.group.core.failed(Fault::Leaf(self.name.take(), error));
        }
        self.task.cancel_with(Reason::ScopeEnded);
    }
}
