//! One call through a portal: its handle, and where its result lies.

use super::Core;
use crate::blocking::error::JobPanic;
use crate::cancel::{CancelToken, Cancelled, Reason};
use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::line::{Spare, wake};
use crate::internal::lock::Lock;
use crate::runtime::{coop, wait_here};
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// Why a call through a [`Portal`](super::Portal) gave no value.
#[derive(Debug)]
#[non_exhaustive]
pub enum PortalError {
    /// The portal was closed before the call, which never ran.
    Stopped,
    /// The call was cancelled: by its handle, by the portal, by a scope around the caller, or because its runtime has ended.
    Cancelled(Cancelled),
    /// The call panicked. The portal goes on.
    Panicked(JobPanic),
    /// This thread is an event loop: blocking it would stop what the call needs to go on.
    OnEventLoop,
    /// The portal's thread could not be started.
    Start(String),
}

impl PortalError {
    pub(super) fn panicked(payload: Box<dyn Any + Send>) -> Self {
        PortalError::Panicked(JobPanic::new(payload))
    }
}

impl fmt::Display for PortalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortalError::Stopped => f.write_str("the portal is stopped and takes no more calls"),
            PortalError::Cancelled(cancelled) => cancelled.fmt(f),
            PortalError::Panicked(panic) => panic.fmt(f),
            PortalError::OnEventLoop => f.write_str(
                "a portal was called from an event loop's thread: blocking it would stop the loop that has to run the call. \
                 In async code `.await` the future itself, or the handle that `Portal::spawn` returns; `call`, `wait` and `stop` are for plain \
                 threads and for closures on a `ThreadPool`",
            ),
            PortalError::Start(why) => write!(f, "the portal could not start: {why}"),
        }
    }
}

impl std::error::Error for PortalError {}

enum Stage<T> {
    Running,
    Ended(Result<T, PortalError>),
    Taken,
}

pub(super) struct Call<T>(Lock<(Stage<T>, Option<Waker>)>);

impl<T> Call<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Call(Lock::new((Stage::Running, None))))
    }

    /// The first result stays.
    pub(super) fn settle(&self, result: Result<T, PortalError>) {
        let mut state = self.0.lock();
        if !matches!(state.0, Stage::Running) {
            drop(state);
            return discard(result);
        }
        state.0 = Stage::Ended(result);
        let waiter = state.1.take();
        drop(state);
        if let Some(waiter) = waiter {
            wake(waiter);
        }
    }

    /// Nobody asks for the result any more, and nobody is to be woken by it.
    fn forsake(&self) {
        let mut state = self.0.lock();
        let waiter = state.1.take();
        let result = match &state.0 {
            Stage::Ended(_) => Some(std::mem::replace(&mut state.0, Stage::Taken)),
            _ => None,
        };
        drop(state);
        discard((waiter, result));
    }
}

/// Settles a call also when its task is dropped.
pub(super) struct Settle<T> {
    call: Arc<Call<T>>,
    token: CancelToken,
    portal: CancelToken,
}

impl<T> Settle<T> {
    pub(super) fn new(call: Arc<Call<T>>, token: CancelToken, portal: CancelToken) -> Self {
        Settle {
            call,
            token,
            portal,
        }
    }

    pub(super) fn with(self, result: Result<T, PortalError>) {
        self.call.settle(result);
    }
}

impl<T> Drop for Settle<T> {
    fn drop(&mut self) {
        let reason = self.token.reason().or_else(|| self.portal.reason());
        let reason = reason.unwrap_or(Reason::ScopeEnded);
        let cancelled = PortalError::Cancelled(Cancelled::new(reason));
        self.call.settle(Err(cancelled));
    }
}

/// A call that [`Portal::spawn`](super::Portal::spawn) has started: [`wait`](PortalTask::wait) for it on a plain thread, or await it in async code.
///
/// Dropping the handle lets the call run on.
///
/// # Errors
///
/// Awaiting and waiting give [`PortalError`], when the call was refused, was cancelled or panicked.
///
/// # Panics
///
/// When it is polled again after it has given its result.
///
/// # Cancel safety
///
/// Awaiting `&mut task` can be dropped and repeated.
#[must_use = "a dropped handle lets the call run on unobserved"]
pub struct PortalTask<T> {
    call: Arc<Call<T>>,
    token: CancelToken,
    core: Arc<Core>,
    gave_way: bool,
}

impl<T> PortalTask<T> {
    pub(super) fn new(call: Arc<Call<T>>, token: CancelToken, core: Arc<Core>) -> Self {
        PortalTask {
            call,
            token,
            core,
            gave_way: false,
        }
    }

    /// Blocks the calling thread until the call has ended.
    ///
    /// # Errors
    ///
    /// [`PortalError`]; [`OnEventLoop`](PortalError::OnEventLoop) when this thread is one, where the call goes on unobserved.
    pub fn wait(self) -> Result<T, PortalError> {
        if self.is_finished() {
            // Blocks nobody.
            return wait_here(self);
        }
        self.core.check_thread()?;
        wait_here(self)
    }

    /// Cancels the call: its future is dropped at its next suspension, after its cleanup. One that has not started never runs. Works also when
    /// the portal is stopping.
    pub fn cancel(&self) {
        self.token.cancel();
    }

    /// [`cancel`](PortalTask::cancel) that says why.
    pub fn cancel_with(&self, reason: impl Into<Reason>) {
        self.token.cancel_with(reason);
    }

    /// Whether the call has ended, in whatever way.
    pub fn is_finished(&self) -> bool {
        !matches!(self.call.0.lock().0, Stage::Running)
    }
}

impl<T> fmt::Debug for PortalTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortalTask")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

impl<T> Future for PortalTask<T> {
    type Output = Result<T, PortalError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut spare = Spare::none();
        loop {
            let mut state = this.call.0.lock();
            match &state.0 {
                Stage::Taken => {
                    drop(state);
                    panic!("PortalTask polled after it gave its result");
                }
                Stage::Ended(_) if this.gave_way => {
                    let stage = std::mem::replace(&mut state.0, Stage::Taken);
                    drop(state);
                    if let Stage::Ended(result) = stage {
                        return Poll::Ready(result);
                    }
                }
                Stage::Ended(_) => {
                    drop(state);
                    // The result stays where it is; the next poll does not ask again.
                    this.gave_way = true;
                    ready!(coop::poll_spend(cx));
                }
                Stage::Running => {
                    if spare.renew(&mut state.1, cx) {
                        drop(state);
                        label::set("a call through a portal");
                        return Poll::Pending;
                    }
                    drop(state);
                    spare.fill(cx);
                }
            }
        }
    }
}

impl<T> Drop for PortalTask<T> {
    fn drop(&mut self) {
        self.call.forsake();
    }
}
