//! The handle of a task that was spawned straight onto a runtime.

use super::Runtime;
use super::backend::BoxWork;
use super::{coop, unobserved};
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

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
        let mut late = None;
        if matches!(s.stage, Stage::Running) {
            s.stage = Stage::Ended(result);
        } else {
            late = Some(result);
        }
        let (waiter, task) = (s.waiter.take(), s.task.take());
        drop(s);
        reporting(|| drop(late));
        quietly(|| drop(task));
        wake(waiter);
    }

    fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }
}

/// Runs destructors of what a task held or gave. What they panic with is for the reports: here it ends nothing.
fn reporting(call: impl FnOnce()) {
    quietly(|| {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
            unobserved::put(panic_text(&*payload).unwrap_or("(no message)"));
            drop(payload);
        }
    });
}

/// Runs code of a waker, whose panics are nobody's business here.
fn quietly(call: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(call))
        && let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        std::mem::forget(again);
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        quietly(|| waker.wake());
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

/// Settles the handle also when the task is dropped unfinished. Nobody may have kept the handle: then the value goes
/// here.
struct EndGuard<T>(Option<Arc<Cell<T>>>);

impl<T> EndGuard<T> {
    fn end(&self, result: Result<T, JoinError>) {
        if let Some(cell) = &self.0 {
            cell.end(result);
        }
    }
}

impl<T> Drop for EndGuard<T> {
    fn drop(&mut self) {
        self.end(Err(JoinError(End::Cancelled)));
        let cell = self.0.take();
        reporting(|| drop(cell));
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
    /// Its unit of the budget is spent, or it has given way for it.
    paid: bool,
}

impl<T> JoinHandle<T> {
    /// Asks the task to end: its future is dropped at its next poll. A blocking closure that has started runs to its end.
    pub fn cancel(&self) {
        let mut s = self.cell.lock();
        s.cancelled = true;
        let task = s.task.take();
        drop(s);
        wake(task);
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
        quietly(|| drop(waiter));
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
        let this = self.get_mut();
        if !std::mem::replace(&mut this.paid, true) {
            ready!(coop::poll_spend(cx));
        }
        let mut fresh: Option<Waker> = None;
        loop {
            let mut s = this.cell.lock();
            match std::mem::replace(&mut s.stage, Stage::Taken) {
                Stage::Running => s.stage = Stage::Running,
                Stage::Ended(r) => {
                    drop(s);
                    return Poll::Ready(r);
                }
                Stage::Taken => {
                    drop(s);
                    panic!("JoinHandle polled after it gave its result")
                }
            }
            super::label::set("a task");
            if s.waiter.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                return Poll::Pending;
            }
            if fresh.is_some() {
                let old = std::mem::replace(&mut s.waiter, fresh);
                drop(s);
                quietly(|| drop(old));
                return Poll::Pending;
            }
            drop(s);
            // Not under the lock: it is the user's.
            fresh = Some(cx.waker().clone());
        }
    }
}

pin_project_lite::pin_project! {
    /// The task's side of a [`JoinHandle`].
    struct Joined<F: Future> {
        #[pin]
        future: Option<F>,
        guard: EndGuard<F::Output>,
        waker: Option<Waker>,
    }

    impl<F: Future> PinnedDrop for Joined<F> {
        fn drop(this: Pin<&mut Self>) {
            // By its runtime, unfinished: there a panic would end others, or the process.
            this.drop_future();
        }
    }
}

impl<F: Future> Joined<F> {
    /// True when the future is gone; otherwise its destructor has panicked, and the handle says so.
    fn drop_future(self: Pin<&mut Self>) -> bool {
        let mut this = self.project();
        match catch_unwind(AssertUnwindSafe(|| this.future.set(None))) {
            Ok(()) => true,
            Err(payload) => {
                this.guard.end(Err(JoinError::panicked(payload)));
                false
            }
        }
    }
}

impl<F: Future> Future for Joined<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.as_mut().project();
        let Some(cell) = &this.guard.0 else {
            return Poll::Ready(());
        };
        let known = this.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker()));
        if !known {
            let mine = Some(cx.waker().clone());
            let old = std::mem::replace(&mut cell.lock().task, mine);
            quietly(|| drop(old));
            *this.waker = Some(cx.waker().clone());
        }
        // Whoever cancels raises the flag first and wakes second.
        if cell.is_cancelled() {
            if self.as_mut().drop_future() {
                self.guard.end(Err(JoinError(End::Cancelled)));
            }
            return Poll::Ready(());
        }
        let Some(future) = this.future.as_pin_mut() else {
            return Poll::Ready(());
        };
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => {
                if self.as_mut().drop_future() {
                    self.guard.end(Ok(value));
                } else {
                    reporting(|| drop(value));
                }
            }
            Err(payload) => {
                let mut this = self.project();
                reporting(|| this.future.set(None));
                this.guard.end(Err(JoinError::panicked(payload)));
            }
        }
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
            guard: EndGuard(Some(cell.clone())),
            waker: None,
        },
        JoinHandle { cell, paid: false },
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
        guard: EndGuard(Some(cell.clone())),
    };
    (
        Box::new(move || work.run()),
        JoinHandle { cell, paid: false },
    )
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
        let cancelled = guard.0.as_ref().is_some_and(|cell| cell.is_cancelled());
        if cancelled {
            match catch_unwind(AssertUnwindSafe(|| drop(work))) {
                Ok(()) => {}
                Err(payload) => guard.end(Err(JoinError::panicked(payload))),
            }
            return;
        }
        let entered = runtime.enter_blocking();
        let result = catch_unwind(AssertUnwindSafe(work)).map_err(JoinError::panicked);
        drop(entered);
        guard.end(result);
    }
}
