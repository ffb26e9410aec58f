//! Work that blocks, computes or crashes, kept away from the event loop; and the way back in for plain threads.
//!
//! | you have | use |
//! |---|---|
//! | calls that block: files, DNS, a C library, a blocking driver | [`ThreadPool`] |
//! | computations | [`CpuPool`] |
//! | computations or libraries that may crash, hang or leak | [`ProcessPool`] |
//! | plain threads that want to call async code | [`Portal`] |
//! | one blocking call, and no wish to bound anything | [`Runtime::try_spawn_blocking`](crate::Runtime::try_spawn_blocking) |
//!
//! Jobs that are async need none of this: see [`task`](crate::task).
//!
//! # Example
//!
//! ```
//! use regatta::{blocking::ThreadPool, task::gather};
//!
//! regatta::run(async {
//!     let pool = ThreadPool::new(4);
//!     let sizes = gather(["Cargo.toml", "README.md"].map(|path| pool.run(move || std::fs::read(path).map(|b| b.len()))));
//!     for size in sizes.await.expect("no panic") {
//!         assert!(size.expect("the file is there") > 0);
//!     }
//! });
//! ```
//!
//! # How it behaves
//!
//! * A thread cannot be stopped from outside. A cancelled caller of [`run`](ThreadPool::run) therefore waits for its closure, unless it chose
//!   [`run_abandonable`](ThreadPool::run_abandonable); the closure sees the cancellation with [`is_cancelled`] and with all of
//!   [`cancel`](crate::cancel): [`check`](crate::cancel::check), [`deadline`](crate::cancel::deadline), [`current`](crate::cancel::current).
//! * Pools are bounded in threads and in queue. A burst of short jobs starts threads one by one, as far as they are needed.
//! * Threads are the pool's own, so it works on every runtime and without one. A job that is submitted in virtual time
//!   (on any [custom](crate::Runtime::custom) runtime) is one of that runtime's blocking closures instead: in
//!   [`testing::run`](crate::testing::run) it is a step of the simulation, and replays.
//! * A pool may stand in a `static`, and be used by one runtime after the other, or by several side by side. A custom
//!   runtime's jobs have a queue and limits of their own there, for a simulation cannot wait for what runs elsewhere.
//!   So shut such a pool down outside of simulations: inside one, a shutdown that waits for threads of other runtimes
//!   is a deadlock, and is reported as one.
//!
//! Python's `concurrent.futures`, Trio's limiters that outlast a cancelled caller, and AnyIO's `BlockingPortal`.

mod cpu;
mod crews;
mod error;
mod job;
mod policy;
mod pool;
mod portal;
mod process;
mod report;
mod room;
mod shared;
mod state;
#[cfg(test)]
mod state_tests;
mod worker;

pub use crate::internal::shutdown::Shutdown;
pub use cpu::CpuPool;
pub use error::{JobError, JobPanic, SubmitError, TrySubmitError};
pub use job::Job;
pub use policy::ThreadPoolBuilder;
pub use pool::ThreadPool;
pub use portal::{Portal, PortalError, PortalTask};
pub use process::{
    ProcessError, ProcessFunction, ProcessPool, ProcessPoolBuilder, ProcessStats, process_entry,
};
pub use report::{PoolReport, PoolStats};

/// Whether whoever waits for the running job is cancelled, or has cancelled the job. For closures that compute for long, inside a pool.
///
/// True also when the caller has left ([`run_abandonable`](ThreadPool::run_abandonable)), and during a
/// [`shutdown`](ThreadPool::shutdown) whose time for work is over. The same as `cancel::check().is_err()`.
///
/// # Examples
///
/// ```
/// use regatta::blocking::{self, ThreadPool};
/// use std::sync::mpsc;
///
/// regatta::run(async {
///     let pool = ThreadPool::new(1);
///     let (started, start) = mpsc::channel();
///     let job = pool.submit(move || {
///         started.send(()).expect("the test waits");
///         while !blocking::is_cancelled() {
///             std::thread::yield_now();
///         }
///         "ended early"
///     });
///     let job = job.await.expect("the pool is open");
///     start.recv().expect("the job has started");
///     job.cancel();
///     assert_eq!(job.await.expect("it ran"), "ended early");
/// });
/// ```
pub fn is_cancelled() -> bool {
    crate::cancel::check().is_err()
}
