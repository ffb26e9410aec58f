//! [`CpuPool`]: a thread for each core.

use super::error::{JobError, SubmitError, TrySubmitError};
use super::job::Job;
use super::pool::ThreadPool;
use super::report::{PoolReport, PoolStats};
use crate::internal::shutdown::Shutdown;
use std::future::Future;

/// Runs computations on as many threads as there are cores, in the order they were submitted; see the [module](super). Clones are the same pool.
///
/// A [`ThreadPool`] with another size: more threads than cores only make computations wait for each other, while closures that *block* need
/// more threads than cores. Keep one for the process. The event loop has its own thread, and the system gives it its share: timers stay on time
/// while every core computes. For a crash or an endless loop to be contained, a computation needs a [`ProcessPool`](super::ProcessPool).
///
/// # Examples
///
/// ```
/// use regatta::{blocking::CpuPool, task::gather};
///
/// fn primes_below(n: u32) -> usize {
///     (2..n).filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0)).count()
/// }
///
/// regatta::run(async {
///     let cores = CpuPool::new();
///     let counts = gather([100, 1000].map(|n| cores.run(move || primes_below(n)))).await;
///     assert_eq!(counts.expect("no panic"), [25, 168]);
/// });
/// ```
#[derive(Clone, Debug)]
pub struct CpuPool(ThreadPool);

impl CpuPool {
    /// A pool with a thread for each core that this process may use.
    pub fn new() -> Self {
        CpuPool::with_workers(std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// A pool with `n` threads: to leave cores to others.
    ///
    /// # Panics
    ///
    /// When `n` is 0.
    pub fn with_workers(n: usize) -> Self {
        let builder = ThreadPool::builder().max_workers(n);
        CpuPool(builder.thread_name("regatta-cpu").build())
    }

    /// As [`ThreadPool::submit`].
    ///
    /// # Errors
    ///
    /// [`SubmitError`] with the closure, when the pool is shut down.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, nothing is queued.
    #[track_caller]
    pub fn submit<T, F>(&self, work: F) -> impl Future<Output = Result<Job<T>, SubmitError<F>>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.0.submit(work)
    }

    /// As [`ThreadPool::try_submit`].
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
        self.0.try_submit(work)
    }

    /// As [`ThreadPool::run`]: a cancelled caller waits, and the computation can look at [`is_cancelled`](super::is_cancelled).
    ///
    /// # Errors
    ///
    /// [`JobError`], when the closure panicked or did not run.
    ///
    /// # Cancel safety
    ///
    /// A scope of regatta waits. Dropped from outside: what is queued never runs; what runs is told, and its result is dropped.
    #[track_caller]
    pub fn run<T, F>(&self, work: F) -> impl Future<Output = Result<T, JobError>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.0.run(work)
    }

    /// As [`ThreadPool::run_abandonable`].
    ///
    /// # Errors
    ///
    /// As [`run`](CpuPool::run).
    ///
    /// # Cancel safety
    ///
    /// What is queued never runs; what runs is told, goes on alone, and its result is dropped.
    #[track_caller]
    pub fn run_abandonable<T, F>(&self, work: F) -> impl Future<Output = Result<T, JobError>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.0.run_abandonable(work)
    }

    /// As [`ThreadPool::shutdown`].
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, the pool stays closed; it can be called again.
    pub async fn shutdown(&self, how: impl Into<Shutdown>) -> PoolReport {
        self.0.shut_down(how.into(), || ()).await
    }

    /// As [`ThreadPool::stats`].
    pub fn stats(&self) -> PoolStats {
        self.0.stats()
    }
}

impl Default for CpuPool {
    fn default() -> Self {
        CpuPool::new()
    }
}
