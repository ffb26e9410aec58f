//! A job: its closure, then its result, in one allocation that the queue and the handle share.

use super::error::JobError;
use super::shared::Shared;
use crate::cancel::{CancelToken, Reason};
use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::line::{Spare, wake};
use crate::internal::lock::Lock;
use crate::runtime::{ClockHold, Runtime, coop};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// How a job left a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Completed,
    Panicked,
    /// It was cancelled between the queue and the worker.
    Skipped,
}

/// A job as the queue and the workers see it.
pub(super) trait Work: Send + Sync {
    /// Runs the closure, has `count` note how it ended, and then settles the handle.
    fn run(&self, count: &dyn Fn(Ended));
    /// Settles the handle, when the job has not started.
    fn refuse(&self, why: JobError) -> bool;
    fn at(&self) -> &'static Location<'static>;
    fn token(&self) -> &CancelToken;
}

/// A job as its handle sees it.
trait Outcome<T>: Work {
    /// `gave_way`: the task has given way for this result, which it finds here at its next poll.
    fn poll_outcome(&self, cx: &mut Context<'_>, gave_way: &mut bool) -> Poll<Result<T, JobError>>;
    fn is_finished(&self) -> bool;
    /// Nobody waits for it any more, and nobody is to be woken by it.
    fn forsake(&self);
}

enum Stage<F, T> {
    Queued(F),
    Running,
    Ended(Result<T, JobError>),
    Taken,
}

struct State<F, T> {
    stage: Stage<F, T>,
    waiter: Option<Waker>,
    /// The clock of the caller's runtime stands still until the job has ended, where a runtime asks for that.
    clock: Option<Arc<ClockHold>>,
}

pub(super) struct Task<F, T> {
    at: &'static Location<'static>,
    token: CancelToken,
    /// Of whoever submitted it; current while it runs.
    runtime: Runtime,
    state: Lock<State<F, T>>,
}

impl<T, F> Task<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    pub(super) fn new(
        work: F,
        token: CancelToken,
        at: &'static Location<'static>,
        runtime: Runtime,
        shared: &Shared,
    ) -> Arc<Self> {
        let clock = shared.clock.hold(&runtime);
        Arc::new(Task {
            at,
            token,
            runtime,
            state: Lock::new(State {
                stage: Stage::Queued(work),
                waiter: None,
                clock,
            }),
        })
    }

    /// The closure again, of a job that nobody else has seen.
    pub(super) fn take_back(&self) -> Option<F> {
        match std::mem::replace(&mut self.state.lock().stage, Stage::Taken) {
            Stage::Queued(work) => Some(work),
            _ => None,
        }
    }

    fn settle(&self, result: Result<T, JobError>) {
        let mut state = self.state.lock();
        let old = std::mem::replace(&mut state.stage, Stage::Ended(result));
        let (waiter, clock) = (state.waiter.take(), state.clock.take());
        drop(state);
        discard(old);
        if let Some(waiter) = waiter {
            wake(waiter);
        }
        // Not before: time must not pass between the end and who waits for it.
        drop(clock);
    }
}

impl<T, F> Work for Task<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn run(&self, count: &dyn Fn(Ended)) {
        let mut state = self.state.lock();
        if !matches!(state.stage, Stage::Queued(_)) {
            drop(state);
            return count(Ended::Skipped);
        }
        let stage = std::mem::replace(&mut state.stage, Stage::Running);
        drop(state);
        let Stage::Queued(work) = stage else {
            return;
        };
        let result = catch_unwind(AssertUnwindSafe(|| {
            let _entered = self.runtime.enter();
            // The scopes of the caller lie around the closure, as they lie around a future while it is polled.
            let scoped = pin!(self.token.run(async move { work() }));
            match scoped.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(ended) => ended.map_err(|_| JobError::Cancelled),
                Poll::Pending => Err(JobError::Cancelled),
            }
        }));
        let result = match result {
            Ok(result) => {
                count(Ended::Completed);
                result
            }
            Err(payload) => {
                count(Ended::Panicked);
                Err(JobError::panicked(payload))
            }
        };
        self.settle(result);
    }

    fn refuse(&self, why: JobError) -> bool {
        let mut state = self.state.lock();
        if !matches!(state.stage, Stage::Queued(_)) {
            return false;
        }
        let work = std::mem::replace(&mut state.stage, Stage::Running);
        drop(state);
        discard(work);
        self.settle(Err(why));
        true
    }

    fn at(&self) -> &'static Location<'static> {
        self.at
    }

    fn token(&self) -> &CancelToken {
        &self.token
    }
}

impl<T, F> Outcome<T> for Task<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn poll_outcome(&self, cx: &mut Context<'_>, gave_way: &mut bool) -> Poll<Result<T, JobError>> {
        let mut spare = Spare::none();
        loop {
            let mut state = self.state.lock();
            match &state.stage {
                Stage::Taken => {
                    drop(state);
                    panic!("Job polled after it gave its result");
                }
                Stage::Ended(_) if *gave_way => {
                    let stage = std::mem::replace(&mut state.stage, Stage::Taken);
                    drop(state);
                    if let Stage::Ended(result) = stage {
                        return Poll::Ready(result);
                    }
                }
                Stage::Ended(_) => {
                    drop(state);
                    *gave_way = true;
                    ready!(coop::poll_spend(cx));
                }
                Stage::Queued(_) | Stage::Running => {
                    if spare.renew(&mut state.waiter, cx) {
                        drop(state);
                        label::set("a job of a thread pool");
                        return Poll::Pending;
                    }
                    drop(state);
                    spare.fill(cx);
                }
            }
        }
    }

    fn forsake(&self) {
        let mut state = self.state.lock();
        let waiter = state.waiter.take();
        let result = match &state.stage {
            Stage::Ended(_) => Some(std::mem::replace(&mut state.stage, Stage::Taken)),
            _ => None,
        };
        drop(state);
        discard((waiter, result));
    }

    fn is_finished(&self) -> bool {
        matches!(self.state.lock().stage, Stage::Ended(_) | Stage::Taken)
    }
}

/// The handle of a job on a [`ThreadPool`](super::ThreadPool) or [`CpuPool`](super::CpuPool): await it for the result.
///
/// Dropping the handle *detaches* the job: it still runs, and its result is dropped. [`cancel`](Job::cancel) takes it back.
///
/// # Errors
///
/// Awaiting gives [`JobError`], when the job panicked, was cancelled before it started, or was dropped by a shutdown.
///
/// # Panics
///
/// When it is polled again after it has given its result.
///
/// # Cancel safety
///
/// Awaiting `&mut job` can be dropped and repeated; the result stays in the handle.
///
/// # Examples
///
/// ```
/// use regatta::blocking::ThreadPool;
///
/// regatta::run(async {
///     let pool = ThreadPool::new(2);
///     let job = pool.submit(|| std::fs::read_to_string("Cargo.toml")).await.expect("the pool is open");
///     let text = job.await.expect("no panic").expect("the file is there");
///     assert!(text.contains("[package]"));
/// });
/// ```
#[must_use = "a dropped handle lets the job run unobserved"]
pub struct Job<T> {
    work: Arc<dyn Outcome<T>>,
    shared: Arc<Shared>,
    number: u64,
    gave_way: bool,
}

impl<T: Send + 'static> Job<T> {
    pub(super) fn new<F>(work: Arc<Task<F, T>>, shared: Arc<Shared>, number: u64) -> Self
    where
        F: FnOnce() -> T + Send + 'static,
    {
        Job {
            work,
            shared,
            number,
            gave_way: false,
        }
    }
}

impl<T> Job<T> {
    /// A queued job leaves the queue and never runs. One that runs goes on, and can see it: [`blocking::is_cancelled`](super::is_cancelled).
    pub fn cancel(&self) {
        self.work.token().cancel_with(Reason::Requested);
        if self.work.refuse(JobError::Cancelled) {
            self.shared.took_back(self.number);
        }
    }

    /// Whether the job has ended, in whatever way.
    pub fn is_finished(&self) -> bool {
        self.work.is_finished()
    }
}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("at", &format_args!("{}", self.work.at()))
            .field("finished", &self.is_finished())
            .finish()
    }
}

impl<T> Future for Job<T> {
    type Output = Result<T, JobError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.work.poll_outcome(cx, &mut this.gave_way)
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        self.work.forsake();
    }
}
