//! Why a job gave no value.

use crate::runtime::panic_text;
use std::any::Any;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Why a job on a pool ended without a value.
#[derive(Debug)]
#[non_exhaustive]
pub enum JobError {
    /// It panicked. The worker lives on.
    Panicked(JobPanic),
    /// It was cancelled before it started, and never ran.
    Cancelled,
    /// The pool was shut down before it started; it never ran.
    Closed,
    /// The system refused the pool its first thread, or its runtime has stopped; the job never ran.
    NoThread,
}

impl JobError {
    pub(super) fn panicked(payload: Box<dyn Any + Send>) -> Self {
        JobError::Panicked(JobPanic::new(payload))
    }

    /// It panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, JobError::Panicked(_))
    }

    /// It was cancelled before it started.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, JobError::Cancelled)
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobError::Panicked(panic) => panic.fmt(f),
            JobError::Cancelled => f.write_str("the job was cancelled before it started"),
            JobError::Closed => f.write_str("the pool was shut down before the job started"),
            JobError::NoThread => {
                f.write_str("the pool got no thread to run the job on: the system refused one, or the pool's runtime has stopped")
            }
        }
    }
}

impl std::error::Error for JobError {}

/// What a job, or a call through a [`Portal`](super::Portal), panicked with.
// A payload is `Send` only; the lock makes the error `Sync`, so that it fits any error box.
pub struct JobPanic(Mutex<Box<dyn Any + Send>>);

impl JobPanic {
    pub(super) fn new(payload: Box<dyn Any + Send>) -> Self {
        JobPanic(Mutex::new(payload))
    }

    /// The payload, for [`resume_unwind`](std::panic::resume_unwind).
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for JobPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match panic_text(&**payload) {
            Some(text) => write!(f, "it panicked: {text}"),
            None => f.write_str("it panicked"),
        }
    }
}

impl fmt::Debug for JobPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobPanic({self})")
    }
}

/// The pool takes no more jobs. Hands the closure back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SubmitError<F>(pub F);

impl<F> fmt::Display for SubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pool is shut down and takes no more jobs")
    }
}

impl<F> fmt::Debug for SubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubmitError(..)")
    }
}

impl<F> std::error::Error for SubmitError<F> {}

/// The pool takes no job right now. Hands the closure back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySubmitError<F> {
    /// The queue is full, or others wait for room already.
    Full(F),
    /// The pool is shut down.
    Closed(F),
}

impl<F> TrySubmitError<F> {
    /// The closure.
    pub fn into_inner(self) -> F {
        match self {
            TrySubmitError::Full(work) | TrySubmitError::Closed(work) => work,
        }
    }
}

impl<F> fmt::Display for TrySubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrySubmitError::Full(_) => "the queue of the pool is full",
            TrySubmitError::Closed(_) => "the pool is shut down and takes no more jobs",
        })
    }
}

impl<F> fmt::Debug for TrySubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrySubmitError::Full(_) => "Full(..)",
            TrySubmitError::Closed(_) => "Closed(..)",
        })
    }
}

impl<F> std::error::Error for TrySubmitError<F> {}
