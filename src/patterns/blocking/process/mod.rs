//! [`ProcessPool`]: calls into other processes.

mod entry;
mod error;
mod frame;
mod link;
mod policy;
mod worker;

pub use entry::{ProcessFunction, process_entry};
pub use error::ProcessError;
pub use policy::ProcessPoolBuilder;

use super::error::JobError;
use super::pool::ThreadPool;
use super::report::PoolReport;
use crate::internal::lock::Lock;
use crate::internal::shutdown::Shutdown;
use frame::{Head, Kind};
use policy::Plan;
use slab::Slab;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use worker::{Killer, Worker};

/// Runs functions in worker processes, at most so many at once; see the [module](super). Clones are the same pool.
///
/// For computations that may crash, hang or leak: what a process does ends with the process. A crash, a kill, garbage, an answer that is too large
/// or never comes is an error of that call only, and the process is replaced. A call that is cancelled has its process killed: unlike a
/// thread's, its work really ends. Every process that ended is reaped.
///
/// Workers are this program, started again: [`process_entry`] is the first line of `main`, and has the example.
#[derive(Clone)]
pub struct ProcessPool {
    /// A thread for each process: it writes the request and waits for the answer.
    threads: ThreadPool,
    inner: Arc<Inner>,
}

struct Inner {
    plan: Plan,
    idle: Lock<Vec<Worker>>,
    /// The processes that have a call.
    busy: Lock<Slab<Killer>>,
    killing: AtomicBool,
    number: AtomicU64,
    started: AtomicU64,
}

/// The processes of a pool; returned by [`ProcessPool::stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessStats {
    /// Processes without a call.
    pub idle: usize,
    /// Processes with a call.
    pub busy: usize,
    /// Processes started so far.
    pub started: u64,
    /// Calls that wait for a process.
    pub queued: usize,
}

/// Where a call is, for its canceller.
enum Place {
    Nowhere,
    In(Killer),
    Cancelled,
}

/// Kills the process of a call whose caller is gone.
struct KillOnDrop(Arc<Lock<Place>>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let mut place = self.0.lock();
        if let Place::In(killer) = std::mem::replace(&mut *place, Place::Cancelled) {
            // Under the lock: the call cannot end and its process go to another one in between.
            killer.kill();
        }
    }
}

impl Inner {
    /// Runs on a thread.
    fn call(&self, name: &str, input: &[u8], place: &Lock<Place>) -> Result<Vec<u8>, ProcessError> {
        let (number, request) = self.request(name, input)?;
        let idle = self.idle.lock().pop();
        let mut worker = match idle {
            Some(worker) => worker,
            None => {
                self.started.fetch_add(1, SeqCst);
                Worker::start(&self.plan)?
            }
        };
        let killer = worker.killer();
        let cancelled = {
            let mut place = place.lock();
            let cancelled = matches!(*place, Place::Cancelled);
            if !cancelled {
                *place = Place::In(killer.clone());
            }
            cancelled
        };
        if cancelled {
            self.idle.lock().push(worker);
            return Err(ProcessError::Cancelled);
        }
        let key = self.busy.lock().insert(killer.clone());
        if self.killing.load(SeqCst) {
            // A shutdown looked at the list before this one was in it.
            killer.kill();
        }
        let result = worker.call(&self.plan, number, &request);
        self.busy.lock().try_remove(key);
        let cancelled = {
            let mut place = place.lock();
            let cancelled = matches!(*place, Place::Cancelled);
            *place = Place::Nowhere;
            cancelled
        };
        let killed = cancelled || self.killing.load(SeqCst);
        let spoilt = result.as_ref().is_err_and(ProcessError::spoils);
        if !killed && !spoilt && worker.calls < self.plan.recycle_after {
            self.idle.lock().push(worker);
        } else {
            drop(worker);
        }
        match result {
            Err(ProcessError::Died(_)) if killed => Err(ProcessError::Cancelled),
            result => result,
        }
    }

    fn request(&self, name: &str, input: &[u8]) -> Result<(u64, Vec<u8>), ProcessError> {
        let number = self.number.fetch_add(1, SeqCst);
        let unknown = |_| ProcessError::Unknown(name.to_owned());
        let name_length = u16::try_from(name.len()).map_err(unknown)?;
        let size = 2 + name.len() + input.len();
        let length = u32::try_from(size).map_err(|_| ProcessError::TooLarge {
            size: size as u64,
            limit: u32::MAX.into(),
        })?;
        let head = Head {
            kind: Kind::Request,
            number,
            length,
        };
        let mut request = Vec::with_capacity(frame::HEAD + size);
        request.extend(head.to_bytes());
        request.extend(name_length.to_le_bytes());
        request.extend(name.as_bytes());
        request.extend(input);
        Ok((number, request))
    }

    fn kill_all(&self) {
        self.killing.store(true, SeqCst);
        let busy: Vec<_> = self.busy.lock().iter().map(|(_, k)| k.clone()).collect();
        busy.iter().for_each(Killer::kill);
    }
}

impl ProcessError {
    /// Whether the process is of no more use.
    fn spoils(&self) -> bool {
        !matches!(
            self,
            ProcessError::Failed(_) | ProcessError::Panicked(_) | ProcessError::Unknown(_)
        )
    }
}

impl ProcessPool {
    /// A pool of at most `max_workers` processes, with the other [defaults](ProcessPoolBuilder).
    ///
    /// # Errors
    ///
    /// As [`build`](ProcessPoolBuilder::build).
    ///
    /// # Panics
    ///
    /// When `max_workers` is 0.
    pub fn new(max_workers: usize) -> Result<Self, ProcessError> {
        ProcessPool::builder().max_workers(max_workers).build()
    }

    /// A pool with settings of your own.
    pub fn builder() -> ProcessPoolBuilder {
        ProcessPoolBuilder::new(std::thread::available_parallelism().map_or(1, usize::from))
    }

    fn from_plan(plan: Plan) -> Result<Self, ProcessError> {
        if !entry::is_entered() {
            return Err(ProcessError::NoEntry);
        }
        let threads = ThreadPool::builder()
            .max_workers(plan.workers)
            .queue(plan.queue)
            .thread_name("regatta-process")
            .build();
        Ok(ProcessPool {
            threads,
            inner: Arc::new(Inner {
                plan,
                idle: Lock::new(Vec::new()),
                busy: Lock::new(Slab::new()),
                killing: AtomicBool::new(false),
                number: AtomicU64::new(1),
                started: AtomicU64::new(0),
            }),
        })
    }

    /// Calls the function of this name in a worker process, and waits for its answer. Calls start in the order they came.
    ///
    /// # Errors
    ///
    /// [`ProcessError`]; whatever it is, the next call finds a process that works.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for a process, the call never runs. Dropped while it runs, its process is killed.
    pub async fn call(
        &self,
        name: &str,
        input: impl Into<Vec<u8>>,
    ) -> Result<Vec<u8>, ProcessError> {
        let (name, input) = (name.to_owned(), input.into());
        let (size, limit) = (input.len() as u64, self.inner.plan.max_bytes);
        if size > limit {
            return Err(ProcessError::TooLarge { size, limit });
        }
        let place = Arc::new(Lock::new(Place::Nowhere));
        // Declared before the job: a job that is dropped in the queue has nothing to kill.
        let _kill = KillOnDrop(place.clone());
        let inner = self.inner.clone();
        let job = self
            .threads
            .run_abandonable(move || inner.call(&name, &input, &place));
        match job.await {
            Ok(result) => result,
            Err(JobError::Cancelled) => Err(ProcessError::Cancelled),
            Err(JobError::Closed) => Err(ProcessError::Closed),
            Err(e) => Err(ProcessError::Io(std::io::Error::other(e.to_string()))),
        }
    }

    /// Takes no more calls, and lets those that are queued or run go on for a while; then drops the queue, kills what
    /// still runs, and waits for the processes to be gone. Then ends the idle ones. How long each may take is said by
    /// [`Shutdown`](crate::blocking::Shutdown); a plain [`Duration`](std::time::Duration) is the limit for all of it.
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, the pool stays closed; it can be called again.
    pub async fn shutdown(&self, how: impl Into<Shutdown>) -> PoolReport {
        let kill = || self.inner.kill_all();
        let report = self.threads.shut_down(how.into(), kill).await;
        let idle = std::mem::take(&mut *self.inner.idle.lock());
        // A kill, and a wait for what is dying: a matter of a millisecond.
        drop(idle);
        report
    }

    /// The processes right now.
    pub fn stats(&self) -> ProcessStats {
        ProcessStats {
            idle: self.inner.idle.lock().len(),
            busy: self.inner.busy.lock().len(),
            started: self.inner.started.load(SeqCst),
            queued: self.threads.stats().queued,
        }
    }
}

impl fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPool")
            .field("stats", &self.stats())
            .finish()
    }
}
