//! [`ThreadPool`]: the async side.

use super::crews::Crews;
use super::error::{JobError, SubmitError, TrySubmitError};
use super::job::{Job, Task};
use super::policy::{ThreadPoolBuilder, check_workers};
use super::report::{PoolReport, PoolStats};
use super::room::{Grant, Room};
use super::shared::Shared;
use crate::cancel::{self, CancelToken};
use crate::internal::shutdown::Shutdown;
use crate::runtime::Runtime;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;

/// Runs closures that block on threads of its own, at most so many at once; see the [module](super). Clones are the same pool.
///
/// A job has its thread until the closure has really ended, also when whoever wanted the result is gone: never more than `max_workers`
/// closures run (of each [custom runtime](super#how-it-behaves)). Jobs start in the order they were submitted. A panic ends its job only. A thread that has nothing to do looks out for some microseconds, and then sleeps.
///
/// Dropping the last clone lets queued and running jobs end, and the threads after them. [`shutdown`](ThreadPool::shutdown) waits for that.
///
/// # Examples
///
/// ```
/// use regatta::blocking::ThreadPool;
///
/// regatta::run(async {
///     let pool = ThreadPool::new(4);
///     let size = pool.run(|| std::fs::metadata("Cargo.toml").map(|m| m.len())).await.expect("no panic");
///     assert!(size.expect("the file is there") > 0);
/// });
/// ```
#[derive(Clone)]
pub struct ThreadPool {
    crews: Arc<Crews>,
}

impl ThreadPool {
    /// A pool of at most `max_workers` threads, with the other [defaults](ThreadPoolBuilder).
    ///
    /// # Panics
    ///
    /// When `max_workers` is 0.
    pub fn new(max_workers: usize) -> Self {
        ThreadPool::builder().max_workers(max_workers).build()
    }

    /// A pool with settings of your own.
    pub fn builder() -> ThreadPoolBuilder {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        ThreadPoolBuilder::new(cores * 4)
    }

    pub(super) fn from_builder(builder: ThreadPoolBuilder) -> Self {
        check_workers(builder.limits.workers);
        ThreadPool {
            crews: Arc::new(Crews::new(&builder)),
        }
    }

    fn enqueue<T, F>(
        shared: &Arc<Shared>,
        grant: Grant<'_>,
        work: F,
        token: CancelToken,
        at: &'static Location<'static>,
        runtime: Runtime,
    ) -> Result<Job<T>, F>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let task = Task::new(work, token, at, runtime, shared);
        let number = grant.number();
        if grant.fill(task.clone()) {
            return Ok(Job::new(task, shared.clone(), number));
        }
        match task.take_back() {
            Some(work) => Err(work),
            // Nobody else has seen the task.
            None => unreachable!("a job that was never queued has its closure"),
        }
    }

    async fn submit_as<T, F>(
        &self,
        work: F,
        token: CancelToken,
        at: &'static Location<'static>,
    ) -> Result<Job<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let runtime = Runtime::current();
        let other = self.crews.other(&runtime);
        let shared = other.as_ref().unwrap_or(self.crews.main());
        match Room::of(shared).await {
            Some(grant) => {
                ThreadPool::enqueue(shared, grant, work, token, at, runtime).map_err(SubmitError)
            }
            None => Err(SubmitError(work)),
        }
    }

    /// Queues `work`, and waits for room first when the queue is full: this is the back-pressure. Who waits is served in order.
    ///
    /// The job belongs to the handle, not to the scopes around the caller; [`run`](ThreadPool::run) belongs to those.
    ///
    /// # Errors
    ///
    /// [`SubmitError`] with the closure, when the pool is shut down, also while it waits.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, nothing is queued and the closure is dropped.
    #[track_caller]
    pub fn submit<T, F>(&self, work: F) -> impl Future<Output = Result<Job<T>, SubmitError<F>>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.submit_as(work, CancelToken::new(), Location::caller())
    }

    /// [`submit`](ThreadPool::submit) that does not wait; also for plain threads.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the closure, when the queue is full or the pool is shut down.
    #[track_caller]
    pub fn try_submit<T, F>(&self, work: F) -> Result<Job<T>, TrySubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let at = Location::caller();
        let runtime = Runtime::current();
        let other = self.crews.other(&runtime);
        let shared = other.as_ref().unwrap_or(self.crews.main());
        match Grant::now(shared) {
            Some(grant) => {
                let token = CancelToken::new();
                let job = ThreadPool::enqueue(shared, grant, work, token, at, runtime);
                job.map_err(TrySubmitError::Closed)
            }
            None if shared.state.lock().is_closed() => Err(TrySubmitError::Closed(work)),
            None => Err(TrySubmitError::Full(work)),
        }
    }

    /// Runs `work` on a thread and waits for its result, inside the cancel scopes around the caller.
    ///
    /// Cancelled before it starts, the closure never runs. Cancelled while it runs, the caller's scope **waits** for it, and its value is
    /// delivered; the closure can look at [`is_cancelled`](super::is_cancelled) and end early. See
    /// [`run_abandonable`](ThreadPool::run_abandonable) for a caller that leaves.
    ///
    /// # Errors
    ///
    /// [`JobError`], when the closure panicked or did not run.
    ///
    /// # Cancel safety
    ///
    /// A scope of regatta waits. Dropped from outside: what is queued never runs; what runs is told, runs to its end on its thread, and its result
    /// is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::{blocking::{self, ThreadPool}, time};
    /// use std::time::Duration;
    ///
    /// regatta::run(async {
    ///     let pool = ThreadPool::new(1);
    ///     let count = time::timeout(Duration::from_millis(20), pool.run(|| {
    ///         let mut rounds = 0u64;
    ///         while !blocking::is_cancelled() {
    ///             rounds += 1;
    ///         }
    ///         rounds
    ///     }));
    ///     // The closure ended because it was told to, and its value is not lost.
    ///     assert!(count.await.expect("ready when the scope looked").expect("no panic") > 0);
    /// });
    /// ```
    #[track_caller]
    pub fn run<T, F>(&self, work: F) -> impl Future<Output = Result<T, JobError>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.run_as(work, Location::caller())
    }

    async fn run_as<T, F>(&self, work: F, at: &'static Location<'static>) -> Result<T, JobError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let scope = cancel::current();
        let job = self.submit_as(work, scope.clone(), at).await;
        let mut job = CancelOnDrop(job.map_err(|_| JobError::Closed)?);
        let mut stop = pin!(scope.cancelled());
        let mut told = false;
        let ended = cancel::shield(poll_fn(|cx| {
            if let Poll::Ready(ended) = Pin::new(&mut job.0).poll(cx) {
                return Poll::Ready(ended);
            }
            if !told && stop.as_mut().poll(cx).is_ready() {
                told = true;
                // Settles the handle if the job is still queued.
                job.0.cancel();
                return Pin::new(&mut job.0).poll(cx);
            }
            Poll::Pending
        }))
        .await;
        if told && matches!(ended, Err(JobError::Cancelled)) {
            // Here the scope takes over, and says why. One that gives grace gets the error instead.
            suspend_once().await;
        }
        ended
    }

    /// [`run`](ThreadPool::run) whose caller leaves when it is cancelled: the thread goes on alone, is told
    /// ([`is_cancelled`](super::is_cancelled)), and its result is dropped. Its place in the pool stays taken until it ends.
    ///
    /// # Errors
    ///
    /// As [`run`](ThreadPool::run).
    ///
    /// # Cancel safety
    ///
    /// Dropped, or cancelled by a scope: what is queued never runs; what runs goes on as described.
    #[track_caller]
    pub fn run_abandonable<T, F>(&self, work: F) -> impl Future<Output = Result<T, JobError>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let at = Location::caller();
        async move {
            let job = self.submit_as(work, cancel::current(), at).await;
            let mut job = CancelOnDrop(job.map_err(|_| JobError::Closed)?);
            (&mut job.0).await
        }
    }

    /// Takes no more jobs, lets those that are queued or run go on for a while, then drops what is still queued and
    /// tells what still runs ([`is_cancelled`](super::is_cancelled)), waits for that to end, and reports what is stuck.
    ///
    /// How long each may take is said by [`Shutdown`](super::Shutdown). A plain [`Duration`](std::time::Duration) is
    /// the limit for all of it, and leaves the last quarter to those that were told.
    /// [`Duration::MAX`](std::time::Duration::MAX) waits for all of them, zero drops the queue and waits for nothing. A
    /// thread cannot be killed: what is stuck keeps its thread until it ends.
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, the pool stays closed and its jobs go on; it can be called again.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::blocking::ThreadPool;
    /// use std::time::Duration;
    ///
    /// regatta::run(async {
    ///     let pool = ThreadPool::new(4);
    ///     for n in 0..100 {
    ///         drop(pool.submit(move || n * n).await.expect("the pool is open"));
    ///     }
    ///     let report = pool.shutdown(Duration::MAX).await;
    ///     assert_eq!((report.completed, report.dropped), (100, 0));
    ///     assert!(pool.submit(|| ()).await.is_err());
    /// });
    /// ```
    pub async fn shutdown(&self, how: impl Into<Shutdown>) -> PoolReport {
        self.shut_down(how.into(), || ()).await
    }

    /// `ask`: called when the time for work is over, before the jobs are told.
    pub(super) async fn shut_down(&self, how: Shutdown, ask: impl FnOnce()) -> PoolReport {
        let crews = self.crews.close();
        let ask = || {
            ask();
            crews.iter().for_each(|shared| shared.give_up());
        };
        let gone = async {
            for shared in &crews {
                shared.ended.cancelled().await;
            }
        };
        how.run(gone, ask).await;
        let mut stuck = Vec::new();
        for shared in &crews {
            let state = shared.state.lock();
            stuck.extend(state.running.iter().map(|(_, r)| r.at));
        }
        let tally = self.crews.tally();
        PoolReport {
            completed: tally.completed.load(Relaxed),
            panicked: tally.panicked.load(Relaxed),
            cancelled: tally.cancelled.load(Relaxed),
            dropped: tally.dropped.load(Relaxed),
            stuck,
        }
    }

    /// What the pool does right now, and has done.
    pub fn stats(&self) -> PoolStats {
        let tally = self.crews.tally();
        let mut stats = PoolStats {
            completed: tally.completed.load(Relaxed),
            panicked: tally.panicked.load(Relaxed),
            cancelled: tally.cancelled.load(Relaxed),
            ..PoolStats::default()
        };
        for shared in self.crews.all() {
            shared.state.lock().add_to(&mut stats);
        }
        stats
    }

    /// Whether [`shutdown`](ThreadPool::shutdown) was called.
    pub fn is_closed(&self) -> bool {
        self.crews.main().state.lock().is_closed()
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPool")
            .field("stats", &self.stats())
            .finish()
    }
}

/// Whoever waits for the job goes away.
struct CancelOnDrop<T>(Job<T>);

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

async fn suspend_once() {
    let mut suspended = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut suspended, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}
