//! What the user of a process pool chooses.

use super::ProcessPool;
use super::error::ProcessError;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(super) type Output = Arc<dyn Fn(u32, &[u8]) + Send + Sync>;

/// What every worker is given.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) workers: usize,
    pub(super) queue: usize,
    pub(super) call_limit: Duration,
    pub(super) start_limit: Duration,
    pub(super) recycle_after: u64,
    pub(super) max_bytes: u64,
    pub(super) args: Vec<OsString>,
    pub(super) output: Option<Output>,
}

/// How a [`ProcessPool`] is made; from [`ProcessPool::builder`].
///
/// | setter | default |
/// |---|---|
/// | [`max_workers`](ProcessPoolBuilder::max_workers) | one for each core |
/// | [`queue`](ProcessPoolBuilder::queue) | 1,024 calls |
/// | [`call_limit`](ProcessPoolBuilder::call_limit) | none |
/// | [`start_limit`](ProcessPoolBuilder::start_limit) | 10 s |
/// | [`recycle_after`](ProcessPoolBuilder::recycle_after) | never |
/// | [`max_bytes`](ProcessPoolBuilder::max_bytes) | 64 MiB |
/// | [`output`](ProcessPoolBuilder::output) | goes where that of this process goes |
/// | [`args`](ProcessPoolBuilder::args) | none |
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct ProcessPoolBuilder(Plan);

impl ProcessPoolBuilder {
    pub(super) fn new(workers: usize) -> Self {
        ProcessPoolBuilder(Plan {
            workers,
            queue: 1024,
            call_limit: Duration::MAX,
            start_limit: Duration::from_secs(10),
            recycle_after: u64::MAX,
            max_bytes: 64 << 20,
            args: Vec::new(),
            output: None,
        })
    }

    /// How many processes there are at most. They start when there are calls, and stay.
    ///
    /// # Panics
    ///
    /// When `n` is 0.
    pub fn max_workers(mut self, n: usize) -> Self {
        assert!(
            n > 0,
            "ProcessPool: with max_workers 0 no call would ever run; use at least 1"
        );
        self.0.workers = n;
        self
    }

    /// How many calls may wait for a process; further ones wait for room.
    ///
    /// # Panics
    ///
    /// When `n` is 0.
    pub fn queue(mut self, n: usize) -> Self {
        assert!(
            n > 0,
            "ProcessPool: a queue of 0 would take no call at all; use at least 1"
        );
        self.0.queue = n;
        self
    }

    /// How long a call may take once a process has it; then the process is killed. Real time, also in virtual time.
    pub fn call_limit(mut self, limit: Duration) -> Self {
        self.0.call_limit = limit;
        self
    }

    /// How long a new process may take to report.
    pub fn start_limit(mut self, limit: Duration) -> Self {
        self.0.start_limit = limit;
        self
    }

    /// A process is replaced after so many calls: for functions that leak.
    ///
    /// # Panics
    ///
    /// When `calls` is 0.
    pub fn recycle_after(mut self, calls: u64) -> Self {
        assert!(
            calls > 0,
            "ProcessPool: recycle_after(0) would replace a process before it has done anything"
        );
        self.0.recycle_after = calls;
        self
    }

    /// The largest input and the largest answer. What is larger is an error of its call.
    pub fn max_bytes(mut self, limit: u32) -> Self {
        self.0.max_bytes = limit.into();
        self
    }

    /// Arguments for the workers, after the one that makes them workers.
    pub fn args<I>(mut self, args: I) -> Self
    where
        I: IntoIterator<Item: Into<OsString>>,
    {
        self.0.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// Gets what the workers print, on standard output and error alike: the process id, and some bytes, which need not be a line. It is called
    /// from threads of its own, two for each process.
    pub fn output(mut self, sink: impl Fn(u32, &[u8]) + Send + Sync + 'static) -> Self {
        self.0.output = Some(Arc::new(sink));
        self
    }

    /// Makes the pool.
    ///
    /// # Errors
    ///
    /// [`ProcessError::NoEntry`], when [`process_entry`](super::process_entry) was not called in this process: without it the program
    /// would start itself again and again.
    pub fn build(self) -> Result<ProcessPool, ProcessError> {
        ProcessPool::from_plan(self.0)
    }
}

impl fmt::Debug for ProcessPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPoolBuilder")
            .field("max_workers", &self.0.workers)
            .finish_non_exhaustive()
    }
}
