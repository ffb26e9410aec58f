//! The handle of a task that was spawned straight onto a runtime.

use super::Runtime;
use super::backend::BoxWork;
use super::unobserved;
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Why a spawned task ended without a value.
///
/// Returned by [`JoinHandle`]. A panic can be taken out with [`into_panic`](JoinError::into_panic).
pub struct JoinError(End);

enum End {
    // A payload is `Send` only; the lock makes the error `Sync`, so that it fits any error box.
    Panicked(Mutex<Box<dyn Any + Send>>),
    Cancelled,
}

impl JoinError {
    fn panicked(payload: Box<dyn Any + Send>) -> Self {
        JoinError(End::Panicked(Mutex::new(payload)))
    }

    /// The task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.0, End::Panicked(_))
    }

    /// The task was cancelled through its handle, or its runtime stopped before it ended.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, End::Cancelled)
    }

    /// What the task panicked with; `None` when it was cancelled.
    pub fn into_panic(self) -> Option<Box<dyn Any + Send>> {
        match self.0 {
            End::Panicked(p) => Some(p.into_inner().unwrap_or_else(PoisonError::into_inner)),
            End::Cancelled => None,
        }
    }
}

/// The text of a panic, for messages.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> Option<&str> {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            End::Panicked(p) => {
                let p = p.lock().unwrap_or_else(PoisonError::into_inner);
                match panic_text(&**p) {
                    Some(text) => write!(f, "the task panicked: {text}"),
                    None => f.write_str("the task panicked"),
                }
            }
            End::Cancelled => {
                f.write_str("the task was cancelled, or its runtime stopped, before it ended")
            }
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}

enum Stage<T> {
    Running,
    Ended(Result<T, JoinError>),
    Taken,
}

struct State<T> {
    stage: Stage<T>,
    cancelled: bool,
    /// Who awaits the handle.
    waiter: Option<Waker>,
    /// The task itself, to be woken when it is cancelled.
    task: Option<Waker>,
}

struct Cell<T>(Mutex<State<T>>);

impl<T> Cell<T> {
    fn new() -> Arc<Self> {
        Arc::new(Cell(Mutex::new(State {
            stage: Stage::Running,
            cancelled: false,
            waiter: None,
            task: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, result: Result<T, JoinError>) {
        let mut s = self.lock();
        if matches!(s.stage, Stage::Running) {
            s.stage = Stage::Ended(result);
        }
        let (waiter, task) = (s.waiter.take(), s.task.take());
        drop(s);
        drop(task);
        if let Some(w) = waiter {
            w.wake();
        }
    }
}

impl<T> Drop for Cell<T> {
    fn drop(&mut self) {
        let s = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Stage::Ended(Err(JoinError(End::Panicked(payload)))) = &mut s.stage {
            let payload = payload.get_mut().unwrap_or_else(PoisonError::into_inner);
            unobserved::put(panic_text(&**payload).unwrap_or("(no message)"));
        }
    }
}

/// Settles the handle also when the task is dropped unfinished.
struct EndGuard<T>(Arc<Cell<T>>);

impl<T> Drop for EndGuard<T> {
    fn drop(&mut self) {
        self.0.end(Err(JoinError(End::Cancelled)));
    }
}

/// Owns a task spawned by [`Runtime::try_spawn`] or [`Runtime::try_spawn_blocking`]: await it for its result.
///
/// Dropping the handle *detaches* the task on every runtime: it runs on. [`cancel`](JoinHandle::cancel) ends
/// it. For children that end with their parent use a [task group](crate::task::task_group).
///
/// # Errors
///
/// Awaiting gives [`JoinError`] when the task panicked, was cancelled, or its runtime stopped.
///
/// # Panics
///
/// When it is polled again after it has given its result.
///
/// # Cancel safety
///
/// Awaiting `&mut handle` can be dropped and repeated; the result stays in the handle.
#[must_use = "a dropped handle lets the task run on unobserved; use a task group to own it"]
pub struct JoinHandle<T> {
    cell: Arc<Cell<T>>,
}

impl<T> JoinHandle<T> {
    /// Asks the task to end: its future is dropped at its next poll. A blocking closure that has started runs to its end.
    pub fn cancel(&self) {
        let mut s = self.cell.lock();
        s.cancelled = true;
        let task = s.task.take();
        drop(s);
        if let Some(w) = task {
            w.wake();
        }
    }

    /// Whether the task has ended, in whatever way.
    pub fn is_finished(&self) -> bool {
        !matches!(self.cell.lock().stage, Stage::Running)
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        // The task may run for long: nobody is to be woken by it, or kept alive until then.
        let waiter = self.cell.lock().waiter.take();
        drop(waiter);
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("finished", &self.is_finished())
            .finish()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut s = self.cell.lock();
        match std::mem::replace(&mut s.stage, Stage::Taken) {
            Stage::Running => {
                s.stage = Stage::Running;
                if !s.waiter.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                    s.waiter = Some(cx.waker().clone());
                }
                Poll::Pending
            }
            Stage::Ended(r) => Poll::Ready(r),
            Stage::Taken => panic!("JoinHandle polled after it gave its result"),
        }
    }
}

pin_project_lite::pin_project! {
    /// The task's side of a [`JoinHandle`].
    struct Joined<F: Future> {
        #[pin]
        future: Option<F>,
        guard: EndGuard<F::Output>,
    }
}

impl<F: Future> Future for Joined<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let cell = &this.guard.0;
        {
            let mut s = cell.lock();
            if s.cancelled {
                drop(s);
                // A panic in the task's destructors is the runtime's to report, as for any dropped task.
                this.future.set(None);
                cell.end(Err(JoinError(End::Cancelled)));
                return Poll::Ready(());
            }
            if !s.task.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                s.task = Some(cx.waker().clone());
            }
        }
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Ready(());
        };
        let result = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(v)) => Ok(v),
            Err(payload) => Err(JoinError::panicked(payload)),
        };
        this.future.set(None);
        cell.end(result);
        Poll::Ready(())
    }
}

/// Splits `future` into what the runtime runs and what the caller awaits.
pub(super) fn joined<F>(future: F) -> (impl Future<Output = ()> + Send, JoinHandle<F::Output>)
where
    F: Future + Send,
    F::Output: Send,
{
    let cell = Cell::new();
    (
        Joined {
            future: Some(future),
            guard: EndGuard(cell.clone()),
        },
        JoinHandle { cell },
    )
}

/// The same for a blocking closure; `runtime` is current while it runs.
pub(super) fn joined_work<T, F>(runtime: Runtime, work: F) -> (BoxWork, JoinHandle<T>)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let cell = Cell::new();
    let work = Work {
        work,
        runtime,
        guard: EndGuard(cell.clone()),
    };
    (Box::new(move || work.run()), JoinHandle { cell })
}

/// The thread's side. Fields are dropped in this order, so that the handle settles when the closure is gone, also one that never ran.
struct Work<T, F> {
    work: F,
    runtime: Runtime,
    guard: EndGuard<T>,
}

impl<T, F: FnOnce() -> T> Work<T, F> {
    fn run(self) {
        let Work {
            work,
            runtime,
            guard,
        } = self;
        if guard.0.lock().cancelled {
            drop(work);
            return;
        }
        let entered = runtime.enter_blocking();
        let result = catch_unwind(AssertUnwindSafe(work)).map_err(JoinError::panicked);
        drop(entered);
        guard.0.end(result);
    }
}
