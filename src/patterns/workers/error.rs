//! What can go wrong with a job, before it is taken and after.

use crate::cancel::Reason;
use std::fmt;
use std::time::Duration;

/// Why a job gave no value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobError<E> {
    /// It ended with this error.
    Failed(E),
    /// It took longer than its limit, and was cancelled.
    TimedOut(Duration),
    /// It panicked, with this message.
    Panicked(String),
    /// It was cancelled: by its [handle](super::Job::cancel), or because the workers were stopped, or their runtime
    /// ended, before it could end.
    Cancelled(Reason),
    /// The workers stopped, or their runtime ended, before it began; it never ran. The job itself is in the report of
    /// [`stop`](super::Workers::stop).
    NeverRan,
}

impl<E: fmt::Display> fmt::Display for JobError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobError::Failed(error) => write!(f, "the job failed: {error}"),
            JobError::TimedOut(limit) => write!(f, "the job took longer than {limit:?}"),
            JobError::Panicked(message) => write!(f, "the job panicked: {message}"),
            JobError::Cancelled(reason) => write!(f, "the job was cancelled: {reason}"),
            JobError::NeverRan => f.write_str("the workers stopped before the job began"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for JobError<E> {
    /// What lies below the job's error, which is part of this one's own text.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            JobError::Failed(error) => error.source(),
            _ => None,
        }
    }
}

/// A job that was not taken, and why; returned by [`Workers::submit`](super::Workers::submit) and its relatives.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubmitError<J> {
    /// The workers are closed, or were closed while it waited.
    Closed(J),
    /// The workers gave up after too many panics; see [`Restart::AtMost`](super::Restart::AtMost).
    GaveUp(J),
    /// The runtime that the workers ran on has ended, and with it the workers.
    RuntimeEnded(J),
    /// As many jobs wait as may. Only of calls that do not wait.
    Full(J),
    /// The time of [`submit_timeout`](super::Workers::submit_timeout) passed before there was room.
    Elapsed(J),
}

impl<J> SubmitError<J> {
    /// The job.
    pub fn into_inner(self) -> J {
        match self {
            SubmitError::Closed(job)
            | SubmitError::GaveUp(job)
            | SubmitError::RuntimeEnded(job)
            | SubmitError::Full(job)
            | SubmitError::Elapsed(job) => job,
        }
    }

    fn text(&self) -> (&'static str, &'static str) {
        match self {
            SubmitError::Closed(_) => ("Closed", "the workers are closed: they take no more jobs"),
            SubmitError::GaveUp(_) => (
                "GaveUp",
                "the workers gave up: more jobs panicked than Restart::AtMost allows",
            ),
            SubmitError::RuntimeEnded(_) => (
                "RuntimeEnded",
                "the runtime that the workers ran on has ended: they take no more jobs",
            ),
            SubmitError::Full(_) => ("Full", "as many jobs wait as the workers' queue holds"),
            SubmitError::Elapsed(_) => (
                "Elapsed",
                "the queue of the workers stayed full for the whole time limit",
            ),
        }
    }
}

impl<J> fmt::Debug for SubmitError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(..)", self.text().0)
    }
}

impl<J> fmt::Display for SubmitError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().1)
    }
}

impl<J> std::error::Error for SubmitError<J> {}
