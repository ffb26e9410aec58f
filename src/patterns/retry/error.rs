//! How a call that was retried ended without a value.

use crate::time::Elapsed;
use std::fmt;

/// How an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failed<E> {
    /// It gave this error.
    With(E),
    /// It took too long.
    TimedOut(Elapsed),
}

impl<E: fmt::Display> fmt::Display for Failed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::With(error) => error.fmt(f),
            Failed::TimedOut(elapsed) => elapsed.fmt(f),
        }
    }
}

/// Why there was no further attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GaveUp {
    /// There were as many as there may be.
    Attempts,
    /// The error is one that [`when`](super::Retry::when) does not retry.
    NotRetryable,
    /// The next one would begin after the deadline of the call, or of a scope around it.
    Deadline,
    /// The [`Budget`](super::Budget) is empty.
    Budget,
    /// A scope around the call is cancelled.
    Cancelled,
}

/// A call failed, and is not tried again. Holds the last error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryError<E> {
    /// How often it was tried.
    pub attempts: u32,
    /// Why not again.
    pub gave_up: GaveUp,
    /// How the last attempt failed.
    pub last: Failed<E>,
}

impl<E> RetryError<E> {
    /// The error of the last attempt; `None` when it took too long.
    pub fn into_error(self) -> Option<E> {
        match self.last {
            Failed::With(error) => Some(error),
            Failed::TimedOut(_) => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for RetryError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = if self.attempts == 1 {
            "attempt"
        } else {
            "attempts"
        };
        write!(f, "{} {times} failed", self.attempts)?;
        f.write_str(match self.gave_up {
            GaveUp::Attempts => "",
            GaveUp::NotRetryable => ", the last in a way that is not retried",
            GaveUp::Deadline => ", and the next would come after the deadline",
            GaveUp::Budget => ", and the retry budget is empty",
            GaveUp::Cancelled => ", and the call was cancelled meanwhile",
        })?;
        write!(f, ": {}", self.last)
    }
}

impl<E: std::error::Error + 'static> std::error::Error for RetryError<E> {
    /// What lies below the last error, which is part of this one's own text.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.last {
            Failed::With(error) => error.source(),
            Failed::TimedOut(_) => None,
        }
    }
}
