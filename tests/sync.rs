//! Locks, permits and signals: section H of the conformance cases, on every runtime.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "sync/auto_traits.rs"]
mod auto_traits;
#[path = "sync/barrier.rs"]
mod barrier;
#[path = "sync/condition.rs"]
mod condition;
#[path = "sync/event.rs"]
mod event;
#[path = "sync/exclusive.rs"]
mod exclusive;
#[path = "sync/giving_way.rs"]
mod giving_way;
#[path = "sync/hostile.rs"]
mod hostile;
#[path = "sync/limiter.rs"]
mod limiter;
#[path = "sync/mutex.rs"]
mod mutex;
#[path = "sync/rwlock.rs"]
mod rwlock;
#[path = "sync/semaphore.rs"]
mod semaphore;
#[path = "sync/support.rs"]
mod support;
