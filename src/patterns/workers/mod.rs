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
//! **The end.** [`close`](Workers::close) takes no more; [`join`](Workers::join) waits until all is done; [`stop`](Workers::stop) does both with a time limit, and
//! reports. Dropping the last handle without that cancels the jobs that run at their next poll, without cleanup, and drops those that wait. A handler that holds a clone of
//! the handle keeps its workers alive until they are stopped.

mod error;
mod job;
mod policy;
mod report;
mod shared;
mod state;
mod submit;

pub use error::{JobError, SubmitError};
pub use job::Job;
pub use policy::{Attempt, Builder, Restart};
pub use report::{Counts, Report, Stats, Stuck};
pub use submit::Submit;

use crate::cancel::{CancelToken, Reason};
use crate::internal::lock::Lock;
use crate::queue::{Queue, TryPutError};
use crate::runtime::{JoinHandle, NoRuntime, Runtime, Site};
use crate::task::{self, ErrorGroup, TaskGroup};
use crate::time;
use job::{Slot, Unclaimed};
use policy::NO_WORKERS;
use shared::{Live, Order, Settings, Shared};
use state::State;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Tasks that work jobs off; see the [module](self). Clones are the same workers.
///
/// `J` is what a job is made of, `T` what it gives, `E` its own error.
pub struct Workers<J, T, E>
where
    J: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    inner: Arc<Inner<J, T, E>>,
}

struct Inner<J, T, E>
where
    J: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    shared: Arc<Shared<J, T, E>>,
    group: TaskGroup<'static, Infallible>,
    host: JoinHandle<Result<(), ErrorGroup<Infallible>>>,
    /// Cancelled: the host's body ends, and the host waits for the workers.
    closing: CancelToken,
    /// Cancelled by the host when every worker is gone.
    ended: CancelToken,
    cleanup: Duration,
    name: Arc<str>,
    crew: Lock<Crew>,
}

/// The workers that were asked for.
struct Crew {
    /// One for each: cancelled, it ends after the job it has.
    retire: Vec<CancelToken>,
    hired: u64,
}

impl<J, T, E> Drop for Inner<J, T, E>
where
    J: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    fn drop(&mut self) {
        // The host is dropped, and takes the workers with it.
        self.host.cancel();
        self.shared.set_aside();
    }
}

impl<J, T, E> Clone for Workers<J, T, E>
where
    J: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    fn clone(&self) -> Self {
        let inner = self.inner.clone();
        Workers { inner }
    }
}

impl<J, T, E> fmt::Debug for Workers<J, T, E>
where
    J: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers")
            .field("name", &self.inner.name)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl<J, T, E> Shared<J, T, E> {
    fn order(&self, input: J) -> Order<J, T, E> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        Order {
            input: Some(input),
            slot: Slot::new(id, self.unclaimed.clone()),
        }
    }

    fn refusal(&self, mut order: Order<J, T, E>, full: bool) -> SubmitError<J> {
        let input = order.input.take();
        let input = input.expect("it is taken out by a worker alone, or here");
        if full {
            SubmitError::Full(input)
        } else if self.state.lock().gave_up {
            SubmitError::GaveUp(input)
        } else {
            SubmitError::Closed(input)
        }
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

    fn start(
        runtime: Runtime,
        workers: usize,
        queue: usize,
        cleanup: Duration,
        name: Arc<str>,
        mut settings: Settings<J, T, E>,
    ) -> Result<Self, NoRuntime> {
        let (closing, ended) = (CancelToken::new(), CancelToken::new());
        let close = closing.cancelled();
        let (group, host) = task::detached(runtime.clone(), async move {
            close.await;
            Ok(())
        });
        let tell = ended.cancel_on_drop();
        let host = runtime.try_spawn(async move {
            let _tell = tell;
            host.await
        })?;
        let unclaimed = Arc::new(Unclaimed {
            count: AtomicU64::new(0),
            sink: settings.unclaimed.take(),
        });
        let shared = Arc::new(Shared {
            runtime,
            queue: Queue::bounded(queue),
            state: Lock::new(State::new(settings.restart)),
            settings,
            unclaimed,
            next_id: AtomicU64::new(0),
        });
        let workers_of = Workers {
            inner: Arc::new(Inner {
                shared,
                group,
                host,
                closing,
                ended,
                cleanup,
                name,
                crew: Lock::new(Crew {
                    retire: Vec::new(),
                    hired: 0,
                }),
            }),
        };
        workers_of.resize(workers);
        Ok(workers_of)
    }

    /// Brings a job; waits while as many as the queue holds wait already. Those who wait are served in order.
    ///
    /// # Errors
    ///
    /// [`SubmitError`], with the job: the workers are closed, or were closed meanwhile, or gave up.
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
        match time::timeout(limit, &mut submit).await {
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
        let inner = &self.inner;
        let mut crew = inner.crew.lock();
        let too_many = crew.retire.len().min(workers);
        let retired = crew.retire.split_off(too_many);
        let at = Location::caller();
        while crew.retire.len() < workers {
            // After the end there is no place.
            let Some(place) = inner.group.reserve() else {
                break;
            };
            crew.hired += 1;
            let name = Some(format!("{} {}", inner.name, crew.hired).into());
            let retire = CancelToken::new();
            crew.retire.push(retire.clone());
            let worker = Live::new(inner.shared.clone());
            let worker = worker.serve(retire, inner.closing.clone());
            inner.group.spawn_reserved(place, Site { name, at }, worker);
        }
        drop(crew);
        for retire in retired {
            retire.cancel();
        }
    }

    /// Takes no more jobs. Those that wait still run.
    pub fn close(&self) {
        self.inner.shared.queue.close();
        self.inner.closing.cancel_with(Reason::Shutdown);
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

    /// Takes no more jobs, and waits up to `grace` for those that run and those that wait. Then it takes those that wait out, cancels those that run, and
    /// waits for their cleanup, for as long as the builder's [`cleanup_within`](Builder::cleanup_within) says; leaves what is still there, and reports.
    ///
    /// [`Duration::MAX`] waits for ever; zero stops at once. For jobs that submit others, [`join`](Workers::join) first. A job that calls it on its own workers waits for
    /// itself, until the grace is over.
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
    pub async fn stop(&self, grace: Duration) -> Report<J> {
        let inner = &self.inner;
        self.close();
        let ended = async |limit| {
            let runtime = &inner.shared.runtime;
            let ended = time::timeout(limit, inner.ended.cancelled());
            runtime.within(ended).await.is_ok()
        };
        if !ended(grace).await {
            inner.shared.set_aside();
            inner.group.cancel_with(Reason::Shutdown);
            if !ended(inner.cleanup).await {
                inner.host.cancel();
            }
        }
        // Workers that were dropped by their runtime leave theirs.
        inner.shared.set_aside();
        let now = inner.shared.runtime.now();
        let mut state = inner.shared.state.lock();
        let running = state.running.iter();
        Report {
            stuck: running
                .map(|(_, &(job, since))| Stuck {
                    job,
                    running: now.saturating_duration_since(since),
                })
                .collect(),
            ended: state.ended,
            dropped: std::mem::take(&mut state.dropped),
            gave_up: state.gave_up,
        }
    }

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
