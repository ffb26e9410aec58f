//! [`Job`]: the handle of a job, and the slot it shares with the worker.

use super::error::JobError;
use super::policy::Sink;
use crate::cancel::{CancelToken, Reason};
use crate::internal::caught::{discard, quietly};
use crate::internal::label;
use crate::internal::line::{Spare, wake};
use crate::internal::lock::Lock;
use crate::runtime::coop;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker, ready};

/// Where the errors go that nobody asks for.
pub(super) struct Unclaimed<E> {
    pub(super) count: AtomicU64,
    pub(super) sink: Option<Arc<Sink<E>>>,
}

impl<E> Unclaimed<E> {
    fn tell(&self, job: u64, error: JobError<E>) {
        // An error that nobody looked at is a failure. What was cancelled was cancelled by somebody.
        if matches!(error, JobError::NeverRan | JobError::Cancelled(_)) {
            return;
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        match &self.sink {
            // A sink that panics must not take a worker with it; the panic hook has reported it.
            Some(sink) => drop(quietly(|| sink(job, error))),
            None => discard(error),
        }
    }
}

enum Stage<T, E> {
    Waiting,
    Running,
    Ended(Result<T, JobError<E>>),
    Taken,
}

struct State<T, E> {
    stage: Stage<T, E>,
    waiter: Option<Waker>,
    /// Nobody will ask how it ended.
    forsaken: bool,
}

/// What a job and its handle share.
pub(super) struct Slot<T, E> {
    pub(super) id: u64,
    pub(super) token: CancelToken,
    state: Lock<State<T, E>>,
    unclaimed: Arc<Unclaimed<E>>,
}

impl<T, E> Slot<T, E> {
    pub(super) fn new(id: u64, unclaimed: Arc<Unclaimed<E>>) -> Arc<Self> {
        Arc::new(Slot {
            id,
            token: CancelToken::new(),
            state: Lock::new(State {
                stage: Stage::Waiting,
                waiter: None,
                forsaken: false,
            }),
            unclaimed,
        })
    }

    /// A worker takes the job. False: it has ended already, by its handle.
    pub(super) fn begin(&self) -> bool {
        let mut state = self.state.lock();
        let waits = matches!(state.stage, Stage::Waiting);
        if waits {
            state.stage = Stage::Running;
        }
        waits
    }

    /// Tells the handle how the job ended; the first call counts.
    pub(super) fn end(&self, end: Result<T, JobError<E>>) {
        let mut state = self.state.lock();
        if matches!(state.stage, Stage::Ended(_) | Stage::Taken) {
            drop(state);
            return discard(end);
        }
        if state.forsaken {
            state.stage = Stage::Taken;
            drop(state);
            return self.unheard(end);
        }
        state.stage = Stage::Ended(end);
        let waiter = state.waiter.take();
        drop(state);
        if let Some(waiter) = waiter {
            wake(waiter);
        }
    }

    /// Nobody asks how it ended.
    fn unheard(&self, end: Result<T, JobError<E>>) {
        match end {
            // Where it is dropped, a worker or a handle, is no place for its panics.
            Ok(value) => discard(value),
            Err(error) => self.unclaimed.tell(self.id, error),
        }
    }

    fn cancel(&self, reason: Reason) {
        self.token.cancel_with(reason.clone());
        let mut state = self.state.lock();
        if !matches!(state.stage, Stage::Waiting) {
            return;
        }
        state.stage = Stage::Ended(Err(JobError::Cancelled(reason)));
        let waiter = state.waiter.take();
        drop(state);
        if let Some(waiter) = waiter {
            wake(waiter);
        }
    }

    fn forsake(&self) {
        let mut state = self.state.lock();
        state.forsaken = true;
        let waiter = state.waiter.take();
        let end = match std::mem::replace(&mut state.stage, Stage::Taken) {
            Stage::Ended(end) => Some(end),
            stage => {
                state.stage = stage;
                None
            }
        };
        drop(state);
        discard(waiter);
        if let Some(end) = end {
            self.unheard(end);
        }
    }
}

/// The handle of a job that [`Workers`](super::Workers) took: await it for the value.
///
/// Dropping the handle lets the job run on; its value is dropped, and what it failed with goes to
/// [`on_unclaimed_error`](super::Builder::on_unclaimed_error). With [`cancel_on_drop`](Job::cancel_on_drop) the job is cancelled instead.
///
/// # Errors
///
/// Awaiting gives [`JobError`], when the job gave no value.
///
/// # Panics
///
/// When it is polled again after it has given its result.
///
/// # Cancel safety
///
/// Awaiting `&mut job` can be dropped and repeated; the result stays in the handle.
#[must_use = "a dropped handle lets the job run on unobserved"]
pub struct Job<T, E> {
    slot: Arc<Slot<T, E>>,
    cancels: bool,
    gave_way: bool,
}

impl<T, E> Job<T, E> {
    pub(super) fn new(slot: Arc<Slot<T, E>>) -> Self {
        Job {
            slot,
            cancels: false,
            gave_way: false,
        }
    }

    /// The number of the job: they count up from 0, in the order of the calls that submitted them.
    pub fn id(&self) -> u64 {
        self.slot.id
    }

    /// Cancels the job. One that waits never runs; its handle has the result at once, and its place in the queue is free when a worker comes to it.
    /// One that runs is dropped at its next suspension, after its cleanup and shields.
    pub fn cancel(&self) {
        self.slot.cancel(Reason::Requested);
    }

    /// [`cancel`](Job::cancel), with a reason that the job and the handle see.
    pub fn cancel_with(&self, reason: impl Into<Reason>) {
        self.slot.cancel(reason.into());
    }

    /// Cancels the job when the handle is dropped: for callers whose own end makes the job pointless.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::{time, workers::Workers};
    /// use std::{convert::Infallible, time::Duration};
    ///
    /// regatta::testing::run(async || {
    ///     let workers = Workers::new(1, |s: u64| async move {
    ///         time::sleep(Duration::from_secs(s)).await;
    ///         Ok::<_, Infallible>(())
    ///     })
    ///     .expect("virtual time can spawn");
    ///     let job = workers.submit(3600).await.expect("they are open").cancel_on_drop();
    ///     assert!(time::timeout(Duration::from_secs(1), job).await.is_err());
    ///     workers.join().await;
    ///     assert_eq!(workers.stats().ended.cancelled, 1);
    /// });
    /// ```
    pub fn cancel_on_drop(mut self) -> Self {
        self.cancels = true;
        self
    }

    /// Whether the job has ended, in whatever way.
    pub fn is_finished(&self) -> bool {
        matches!(self.slot.state.lock().stage, Stage::Ended(_) | Stage::Taken)
    }
}

impl<T, E> Drop for Job<T, E> {
    fn drop(&mut self) {
        if self.cancels {
            self.slot.cancel(Reason::ScopeEnded);
        }
        self.slot.forsake();
    }
}

impl<T, E> fmt::Debug for Job<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.slot.id)
            .field("finished", &self.is_finished())
            .finish()
    }
}

impl<T, E> Future for Job<T, E> {
    type Output = Result<T, JobError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut spare = Spare::none();
        loop {
            let mut state = this.slot.state.lock();
            match &state.stage {
                Stage::Taken => {
                    drop(state);
                    panic!("a job's handle was polled after it gave its result");
                }
                Stage::Ended(_) if this.gave_way => {
                    let stage = std::mem::replace(&mut state.stage, Stage::Taken);
                    drop(state);
                    if let Stage::Ended(end) = stage {
                        return Poll::Ready(end);
                    }
                }
                Stage::Ended(_) => {
                    drop(state);
                    // The result stays where it is; the next poll does not ask again.
                    this.gave_way = true;
                    ready!(coop::poll_spend(cx));
                }
                Stage::Waiting | Stage::Running => {
                    if spare.renew(&mut state.waiter, cx) {
                        drop(state);
                        label::set("a job of workers");
                        return Poll::Pending;
                    }
                    drop(state);
                    spare.fill(cx);
                }
            }
        }
    }
}
