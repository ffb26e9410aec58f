//! What a pool tells about itself.

use std::panic::Location;

/// What became of the jobs; returned by [`ThreadPool::shutdown`](super::ThreadPool::shutdown). Counts run from the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolReport {
    /// Closures that returned.
    pub completed: u64,
    /// Closures that panicked.
    pub panicked: u64,
    /// Jobs that were cancelled before they started.
    pub cancelled: u64,
    /// Jobs that the shutdown dropped from the queue.
    pub dropped: u64,
    /// Closures that still run, by the line that submitted them. Each keeps its thread until it ends.
    pub stuck: Vec<&'static Location<'static>>,
}

/// What a pool does right now; returned by [`ThreadPool::stats`](super::ThreadPool::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Threads there are; in virtual time, blocking closures under way.
    pub workers: usize,
    /// Threads without work.
    pub idle: usize,
    /// Jobs on a thread.
    pub running: usize,
    /// Jobs that wait for a thread.
    pub queued: usize,
    /// Submitters that wait for room in the queue.
    pub waiting: usize,
    /// The longest the queue has been, of any runtime.
    pub most_queued: usize,
    /// The most threads there have been; in virtual time, of one simulation.
    pub most_workers: usize,
    /// Closures that have returned.
    pub completed: u64,
    /// Closures that have panicked.
    pub panicked: u64,
    /// Jobs that were cancelled before they started.
    pub cancelled: u64,
}
