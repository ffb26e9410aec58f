//! What the user of a thread pool chooses.

use super::pool::ThreadPool;
use crate::runtime::Runtime;
use std::borrow::Cow;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) workers: usize,
    pub(super) queue: usize,
}

/// How a [`ThreadPool`] is made; from [`ThreadPool::builder`].
///
/// | setter | default |
/// |---|---|
/// | [`max_workers`](ThreadPoolBuilder::max_workers) | four for each core |
/// | [`queue`](ThreadPoolBuilder::queue) | 1,024 jobs |
/// | [`thread_name`](ThreadPoolBuilder::thread_name) | `regatta-pool` |
/// | [`idle_lifetime`](ThreadPoolBuilder::idle_lifetime) | 10 s |
/// | [`runtime`](ThreadPoolBuilder::runtime) | that of each job's submitter |
///
/// # Examples
///
/// ```
/// use regatta::blocking::ThreadPool;
///
/// let pool = ThreadPool::builder().max_workers(1).thread_name("ledger").build();
/// let name = pool.run(|| std::thread::current().name().map(str::to_owned));
/// assert_eq!(regatta::run(name).expect("no panic").as_deref(), Some("ledger"));
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct ThreadPoolBuilder {
    pub(super) limits: Limits,
    pub(super) thread_name: Cow<'static, str>,
    pub(super) idle_lifetime: Duration,
    pub(super) runtime: Option<Runtime>,
}

impl ThreadPoolBuilder {
    pub(super) fn new(workers: usize) -> Self {
        ThreadPoolBuilder {
            limits: Limits {
                workers,
                queue: 1024,
            },
            thread_name: Cow::Borrowed("regatta-pool"),
            idle_lifetime: Duration::from_secs(10),
            runtime: None,
        }
    }

    /// How many jobs run at once, each on a thread of its own.
    ///
    /// # Panics
    ///
    /// When `n` is 0.
    pub fn max_workers(mut self, n: usize) -> Self {
        check_workers(n);
        self.limits.workers = n;
        self
    }

    /// How many jobs may wait for a worker; [`submit`](ThreadPool::submit) waits when there are more. [`usize::MAX`] never waits.
    ///
    /// # Panics
    ///
    /// When `n` is 0.
    pub fn queue(mut self, n: usize) -> Self {
        assert!(
            n > 0,
            "ThreadPool: a queue of 0 would take no job at all; use at least 1"
        );
        self.limits.queue = n;
        self
    }

    /// What the threads are called, in debuggers and panic messages.
    ///
    /// # Panics
    ///
    /// When it has a NUL in it, which the system allows in no thread's name.
    pub fn thread_name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        let name = name.into();
        assert!(
            !name.contains('\0'),
            "ThreadPool: the thread name {name:?} has a NUL in it"
        );
        self.thread_name = name;
        self
    }

    /// How long a thread without work stays. [`Duration::ZERO`] ends it at once, [`Duration::MAX`] never.
    pub fn idle_lifetime(mut self, limit: Duration) -> Self {
        self.idle_lifetime = limit;
        self
    }

    /// Where all jobs run, whoever submits them: as blocking closures of this runtime, if it is a
    /// [custom](Runtime::custom) one, and on threads of the pool's own otherwise. By default, only the jobs that are
    /// submitted on a custom runtime, virtual time among them, are closures of that one.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Makes the pool. Threads start when there are jobs.
    pub fn build(self) -> ThreadPool {
        ThreadPool::from_builder(self)
    }
}

pub(super) fn check_workers(n: usize) {
    assert!(
        n > 0,
        "ThreadPool: with max_workers 0 no job would ever run; use at least 1"
    );
}
