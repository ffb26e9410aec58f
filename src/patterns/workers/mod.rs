//! Workers: a fixed number of tasks that work jobs off, for as long as the program runs.
//!
//! Use them for a stream of like jobs that come from many places: mails to send, pages to render. For a list of jobs that is there from
//! the start, [`gather`](crate::task::gather) is simpler; for calls that block or compute, take [`blocking`](crate::blocking);
//! for unlike pieces of work that nobody waits for, [`background`](crate::background).
//!
//! # Example
//!
//! ```
//! use regatta::{time, workers::{JobError, Workers}};
//! use std::time::Duration;
//!
//! regatta::testing::run(async || {
//!     let workers = Workers::new(3, |page: u32| async move {
//!         time::sleep(Duration::from_millis(20)).await;
//!         if page == 13 { Err("unlucky") } else { Ok(page * 100) }
//!     })
//!     .expect("virtual time can spawn");
//!
//!     let good = workers.submit(1).await.expect("they are open");
//!     let bad = workers.submit(13).await.expect("they are open");
//!     assert_eq!(good.await, Ok(100));
//!     assert_eq!(bad.await, Err(JobError::Failed("unlucky")));
//!
//!     let report = workers.stop(Duration::from_secs(5)).await;
//!     assert_eq!((report.ended.completed, report.ended.failed), (1, 1));
//! });
//! ```
//!
//! # How it behaves
//!
//! **Jobs are apart.** An error, a panic or a timeout of a job is the result of that job; the worker takes the next. Jobs run outside the scopes of
//! whoever submitted them. A job ends once: with a value, an error, or cancelled; its handle says so also when the workers are dropped.
//!
//! **Order.** Jobs begin in the order in which they were submitted; those who wait to submit are served in order.
//!
//! **Bounds.** `n` jobs run, as many as the [queue](Builder::queue) holds wait, and whoever brings more waits.
//!
//! **Jobs that submit jobs** may: to the same workers too. One that waits for the other's *result* keeps its worker meanwhile; when all workers wait like that,
//! none is left to do what they wait for. Give such jobs workers of their own.
//!
//! **The end.** [`close`](Workers::close) takes no more; [`join`](Workers::join) waits until all is done;
//! [`stop`](Workers::stop) does both with a time limit, and reports. Dropping the last handle without that cancels the
//! jobs that run at their next poll, without cleanup, and drops those that wait. When the runtime ends under them, jobs
//! that wait never run, and whoever brings another is told. A handler that holds a clone of the handle keeps its
//! workers alive until they are stopped.

mod crew;
mod error;
mod job;
mod policy;
mod report;
mod shared;
mod state;
mod submit;

pub use crate::internal::shutdown::Shutdown;
pub use error::{JobError, SubmitError};
pub use job::Job;
pub use policy::{Attempt, Builder, Restart};
pub use report::{Counts, Report, Stats, Stuck};
pub use submit::Submit;

use crate::queue::TryPutError;
use crate::runtime::NoRuntime;
use crate::time;
use crew::Inner;
use policy::NO_WORKERS;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Tasks that work jobs off; see the [module](self). Clones are the same workers.
///
/// `J` is what a job is made of, `T` what it gives, `E` its own error.
pub struct Workers<J, T, E> {
    inner: Arc<Inner<J, T, E>>,
}

impl<J, T, E> Clone for Workers<J, T, E> {
    fn clone(&self) -> Self {
        let inner = self.inner.clone();
        Workers { inner }
    }
}

impl<J, T, E> fmt::Debug for Workers<J, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers")
            .field("name", &self.inner.name)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl<J, T, E> Workers<J, T, E>
where
    J: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    /// `workers` workers on the current runtime, which call `handler` for every job. For queue length, timeouts and more see [`builder`](Workers::builder).
    ///
    /// # Errors
    ///
    /// [`NoRuntime`], when there is none to spawn on.
    ///
    /// # Panics
    ///
    /// When `workers` is 0.
    #[track_caller]
    pub fn new<F, Fut>(workers: usize, handler: F) -> Result<Self, NoRuntime>
    where
        F: Fn(J) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        Workers::builder(workers, handler).start()
    }

    /// To choose queue length, timeouts, retries and more.
    ///
    /// # Panics
    ///
    /// When `workers` is 0.
    #[track_caller]
    pub fn builder<F, Fut>(workers: usize, handler: F) -> Builder<J, T, E>
    where
        F: Fn(J) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        Builder::new(workers, handler)
    }

    /// Brings a job; waits while as many as the queue holds wait already. Those who wait are served in order.
    ///
    /// # Errors
    ///
    /// [`SubmitError`], with the job: the workers are closed, or were closed meanwhile, or gave up, or their runtime
    /// has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it did not happen: the job is dropped and never runs. [`Submit::into_job`] gives it back instead, and so does
    /// [`submit_timeout`](Workers::submit_timeout).
    pub fn submit(&self, job: J) -> Submit<'_, J, T, E> {
        Submit::new(&self.inner.shared, job)
    }

    /// Brings a job if there is room at once.
    ///
    /// # Errors
    ///
    /// [`SubmitError`], with the job; [`Full`](SubmitError::Full) also when others wait for room already.
    pub fn try_submit(&self, job: J) -> Result<Job<T, E>, SubmitError<J>> {
        let shared = &self.inner.shared;
        let order = shared.order(job);
        let slot = order.slot.clone();
        match shared.queue.try_put(order) {
            Ok(()) => Ok(Job::new(slot)),
            Err(refused) => {
                let full = matches!(refused, TryPutError::Full(_));
                Err(shared.refusal(refused.into_inner(), full))
            }
        }
    }

    /// Brings a job, unless that takes longer than `limit`.
    ///
    /// # Errors
    ///
    /// [`SubmitError`], with the job; [`Elapsed`](SubmitError::Elapsed) when the time has passed.
    ///
    /// # Cancel safety
    ///
    /// As [`submit`](Workers::submit).
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::workers::{SubmitError, Workers};
    /// use std::{convert::Infallible, time::Duration};
    ///
    /// regatta::testing::run(async || {
    ///     let workers = Workers::new(1, |_: u32| std::future::pending::<Result<(), Infallible>>())
    ///         .expect("virtual time can spawn");
    ///     let second = Duration::from_secs(1);
    ///     let running = workers.submit_timeout(second, 1).await.expect("a worker is free");
    ///     regatta::testing::settle().await;
    ///     let waiting = workers.submit_timeout(second, 2).await.expect("there is room in the queue");
    ///     let refused = workers.submit_timeout(second, 3).await.expect_err("all is full");
    ///     assert_eq!(refused, SubmitError::Elapsed(3));
    ///     # drop((running, waiting));
    /// });
    /// ```
    pub async fn submit_timeout(
        &self,
        limit: Duration,
        job: J,
    ) -> Result<Job<T, E>, SubmitError<J>> {
        let mut submit = self.submit(job);
        match time::timeout_in_line(limit, &mut submit).await {
            Ok(ended) => ended,
            Err(_) => match submit.into_job() {
                Some(job) => Err(SubmitError::Elapsed(job)),
                None => unreachable!("what is taken is ready, and a ready value is never lost"),
            },
        }
    }

    /// Changes how many workers there are. New ones start at once; those that are too many end after the job they have. Does nothing after the
    /// end.
    ///
    /// # Panics
    ///
    /// When `workers` is 0.
    #[track_caller]
    pub fn resize(&self, workers: usize) {
        assert!(workers > 0, "{NO_WORKERS}");
        self.inner.resize(workers);
    }

    /// Takes no more jobs. Those that wait still run.
    pub fn close(&self) {
        self.inner.close();
    }

    /// Whether they take no more jobs.
    pub fn is_closed(&self) -> bool {
        self.inner.shared.queue.is_closed()
    }

    /// Waits until every job that was submitted has ended, those too that jobs submit meanwhile. Returns at once when there is none.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves nothing behind.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::workers::Workers;
    ///
    /// regatta::testing::run(async || {
    ///     let workers = Workers::new(2, |n: u32| async move { n.checked_sub(1).ok_or("zero") })
    ///         .expect("virtual time can spawn");
    ///     for n in 0..3 {
    ///         drop(workers.submit(n).await.expect("they are open"));
    ///     }
    ///     workers.join().await;
    ///     assert_eq!((workers.stats().ended.completed, workers.stats().unclaimed), (2, 1));
    /// });
    /// ```
    pub async fn join(&self) {
        self.inner.shared.queue.join().await;
    }

    /// Takes no more jobs, lets those that run and those that wait be done for a while, then takes those that wait out
    /// and cancels those that run, waits for their cleanup, and reports. What is still there when the time is over is
    /// named, and left.
    ///
    /// How long each may take is said by [`Shutdown`]. A plain [`Duration`] is the limit for all of it, and leaves the
    /// last quarter to cleanup; jobs that never end by themselves are asked [at once](Shutdown::now). It never takes
    /// longer than was said, and returns as soon as every worker is gone. [`Duration::MAX`] waits for ever; zero stops
    /// at once. For jobs that submit others, [`join`](Workers::join) first. A job that calls it on its own workers
    /// waits for itself, until it is cancelled.
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, nothing is lost: the workers stay closed, and it can be called again. Jobs that never ran wait for that report.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::{time, workers::{JobError, Workers}};
    /// use std::{convert::Infallible, time::Duration};
    ///
    /// regatta::testing::run(async || {
    ///     let workers = Workers::builder(1, |minutes: u64| async move {
    ///         time::sleep(Duration::from_secs(60 * minutes)).await;
    ///         Ok::<_, Infallible>(())
    ///     })
    ///     .queue(10)
    ///     .start()
    ///     .expect("virtual time can spawn");
    ///     let mut jobs = Vec::new();
    ///     for minutes in [1, 30, 2] {
    ///         jobs.push(workers.submit(minutes).await.expect("they are open"));
    ///     }
    ///     let report = workers.stop(Duration::from_secs(5 * 60)).await;
    ///     assert_eq!((report.ended.completed, report.ended.cancelled), (1, 1));
    ///     assert_eq!(report.dropped, [2]);
    ///     let last = jobs.pop().expect("there are three");
    ///     assert_eq!(last.await, Err(JobError::NeverRan));
    /// });
    /// ```
    pub async fn stop(&self, how: impl Into<Shutdown>) -> Report<J> {
        let how = how.into();
        let inner = &self.inner;
        inner.end(how).await;
        let mut state = inner.shared.state.lock();
        Report {
            stuck: state.stuck.clone(),
            ended: state.ended,
            dropped: std::mem::take(&mut state.dropped),
            gave_up: state.gave_up,
        }
    }
}

impl<J, T, E> Workers<J, T, E> {
    /// Figures, of about the same moment.
    pub fn stats(&self) -> Stats {
        let shared = &self.inner.shared;
        let queue = shared.queue.stats();
        let state = shared.state.lock();
        Stats {
            workers: state.live,
            running: state.running.len(),
            waiting: queue.len,
            high_water: queue.high_water,
            ended: state.ended,
            retries: state.retries,
            unclaimed: shared.unclaimed.count.load(Ordering::Relaxed),
            gave_up: state.gave_up,
        }
    }
}
