//! Locks, permits and signals.

mod event;
mod semaphore;
mod turns;

pub use event::{Event, WaitEvent};
pub use semaphore::{
    Acquire, AcquireError, MergeError, Permit, ResizeError, Semaphore, SplitError, TryAcquireError,
};
