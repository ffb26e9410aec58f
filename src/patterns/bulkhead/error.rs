//! Calls that found no place, and calls that failed.

use std::fmt;
use std::time::Duration;

/// There is no place: nothing was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Full {
    /// How many ran.
    pub running: usize,
    /// How many waited.
    pub waiting: usize,
    /// How long it had waited, where that was as long as it may; `None`: there was no place to wait.
    pub waited: Option<Duration>,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.waited {
            None => f.write_str("the bulkhead is full")?,
            Some(limit) => write!(f, "the bulkhead had no place within {limit:?}")?,
        }
        write!(f, ": {} run and {} wait", self.running, self.waiting)
    }
}

impl std::error::Error for Full {}

/// Why a [call](super::Bulkhead::call) gave no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError<E> {
    /// It was not made.
    Refused(Full),
    /// It failed with this.
    Failed(E),
}

impl<E> CallError<E> {
    /// The error of the call itself; `None` when it was not made.
    pub fn into_error(self) -> Option<E> {
        match self {
            CallError::Refused(_) => None,
            CallError::Failed(error) => Some(error),
        }
    }

    /// Whether the call was not made.
    pub fn is_refused(&self) -> bool {
        matches!(self, CallError::Refused(_))
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Refused(full) => full.fmt(f),
            CallError::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for CallError<E> {
    /// What lies below the call's error, whose own text is this one's.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CallError::Refused(_) => None,
            CallError::Failed(error) => error.source(),
        }
    }
}
