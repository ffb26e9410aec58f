//! Locks, permits and signals: section H of the conformance cases, on every runtime.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "sync/event.rs"]
mod event;
#[path = "sync/semaphore.rs"]
mod semaphore;
#[path = "sync/support.rs"]
mod support;
