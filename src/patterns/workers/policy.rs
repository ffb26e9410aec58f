//! What the user chooses when workers are set up.

use super::Workers;
use super::crew::Inner;
use super::error::JobError;
use super::shared::{Handler, Settings};
use crate::runtime::{NoRuntime, Runtime};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// What a panic of a job does to the workers. Either way it is an error of that job, and the worker takes the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restart {
    /// The workers go on, however often jobs panic.
    #[default]
    Always,
    /// The workers give up at the panic that is one more than `panics` within `within`: they take no more jobs, finish those that run, and
    /// keep the waiting ones for the report of [`stop`](Workers::stop). Zero panics: they give up at the first. The *restart intensity* of Erlang's supervisors.
    AtMost {
        /// How many panics are borne.
        panics: u32,
        /// In which time.
        within: Duration,
    },
}

/// A failed attempt at a job; given to the hook of [`Builder::retry`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt<'a, E> {
    /// The job's [number](super::Job::id).
    pub job: u64,
    /// How many attempts there were, this one included.
    pub number: u32,
    /// What went wrong: [`Failed`](JobError::Failed), [`TimedOut`](JobError::TimedOut) or [`Panicked`](JobError::Panicked).
    pub error: &'a JobError<E>,
}

/// Says whether, and after which delay, a failed job is tried again.
pub(super) struct Retry<J, E> {
    pub(super) clone: fn(&J) -> J,
    pub(super) decide: Box<Decide<E>>,
}

type Decide<E> = dyn Fn(&Attempt<'_, E>) -> Option<Duration> + Send + Sync;
pub(super) type Sink<E> = dyn Fn(u64, JobError<E>) + Send + Sync;

/// [`Workers`] that are being set up; see [`Workers::builder`].
#[must_use = "no worker runs until `start`"]
pub struct Builder<J, T, E> {
    workers: usize,
    queue: usize,
    name: Arc<str>,
    runtime: Option<Runtime>,
    settings: Settings<J, T, E>,
}

impl<J, T, E> fmt::Debug for Builder<J, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("workers", &self.workers)
            .field("queue", &self.queue)
            .field("job_timeout", &self.settings.job_timeout)
            .field("restart", &self.settings.restart)
            .finish_non_exhaustive()
    }
}

pub(super) const NO_WORKERS: &str =
    "0 workers would never do a job: use at least 1, and `close` or `stop` to end them";

impl<J, T, E> Builder<J, T, E>
where
    J: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    #[track_caller]
    pub(super) fn new<F, Fut>(workers: usize, handler: F) -> Self
    where
        F: Fn(J) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        assert!(workers > 0, "{NO_WORKERS}");
        let handler: Box<Handler<J, T, E>> = Box::new(move |job| Box::pin(handler(job)));
        Builder {
            workers,
            queue: workers,
            name: "worker".into(),
            runtime: None,
            settings: Settings {
                handler,
                job_timeout: None,
                restart: Restart::Always,
                retry: None,
                unclaimed: None,
            },
        }
    }

    /// How many jobs may wait for a worker; [`submit`](Workers::submit) waits when as many do. Default: as many as there are workers.
    /// [`queue::UNBOUNDED`](crate::queue::UNBOUNDED) bounds them by memory alone.
    ///
    /// # Panics
    ///
    /// When it is 0: a job passes through the queue on its way to a worker.
    #[track_caller]
    pub fn queue(mut self, jobs: usize) -> Self {
        assert!(
            jobs > 0,
            "a queue for 0 jobs could never take one: use at least 1, or queue::UNBOUNDED"
        );
        self.queue = jobs;
        self
    }

    /// How long one attempt at a job may take. Then it is cancelled, its cleanup is waited for, and the job has [timed out](JobError::TimedOut).
    /// Default: no limit.
    ///
    /// # Panics
    ///
    /// When it is zero.
    #[track_caller]
    pub fn job_timeout(mut self, limit: Duration) -> Self {
        assert!(
            !limit.is_zero(),
            "a job timeout of 0s lets no job wait for anything: use more, or leave it out for no limit"
        );
        self.settings.job_timeout = Some(limit);
        self
    }

    /// Asks `decide` after every failed attempt, timeouts and panics included: `Some(delay)` tries again after that time, on the same worker, which
    /// waits; `None` gives up, and the job has that error. A cancelled job is never tried again. Each attempt gets a clone of the job.
    ///
    /// A panic of `decide` or of the clone counts as a panic of the job.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::workers::{JobError, Workers};
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let calls = AtomicU32::new(0);
    ///     let flaky = move |name: &'static str| {
    ///         let call = calls.fetch_add(1, Ordering::Relaxed);
    ///         async move { if call < 2 { Err("connection reset") } else { Ok(name.len()) } }
    ///     };
    ///     let workers = Workers::builder(1, flaky)
    ///         .retry(|attempt| match attempt.error {
    ///             JobError::Failed(_) if attempt.number < 5 => Some(Duration::from_millis(100)),
    ///             _ => None,
    ///         })
    ///         .start()
    ///         .expect("virtual time can spawn");
    ///     let job = workers.submit("lighthouse").await.expect("they are open");
    ///     assert_eq!(job.await.expect("the third attempt works"), 10);
    /// });
    /// ```
    pub fn retry(
        mut self,
        decide: impl Fn(&Attempt<'_, E>) -> Option<Duration> + Send + Sync + 'static,
    ) -> Self
    where
        J: Clone,
    {
        self.settings.retry = Some(Retry {
            clone: J::clone,
            decide: Box::new(decide),
        });
        self
    }

    /// What panics of jobs do to the workers. Default: [`Restart::Always`].
    pub fn restart(mut self, restart: Restart) -> Self {
        self.settings.restart = restart;
        self
    }

    /// Gets what jobs whose handle was dropped failed with, with the [number](super::Job::id) of the job; not that they
    /// were cancelled. It is called where the job ends, or where the handle is dropped, and should be quick; a panic of
    /// it is reported and goes no further. Default: they are counted in the [`stats`](Workers::stats), and dropped.
    pub fn on_unclaimed_error(
        mut self,
        sink: impl Fn(u64, JobError<E>) + Send + Sync + 'static,
    ) -> Self {
        self.settings.unclaimed = Some(Arc::new(sink));
        self
    }

    /// What the workers are called in reports: `name 1`, `name 2` and so on. Default: `worker`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// The runtime they run on. Default: the one that is current at [`start`](Builder::start).
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`], when there is none to spawn on.
    #[track_caller]
    pub fn start(self) -> Result<Workers<J, T, E>, NoRuntime> {
        let runtime = self.runtime.unwrap_or_else(Runtime::current);
        let inner = Inner::start(runtime, self.queue, self.name, self.settings)?;
        inner.resize(self.workers);
        Ok(Workers {
            inner: Arc::new(inner),
        })
    }
}
