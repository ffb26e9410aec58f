//! Calls that were shed, and calls that failed.

use std::fmt;
use std::time::Duration;

/// There is too much to do: nothing was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shed {
    /// As many run as may.
    #[non_exhaustive]
    InFlight {
        /// How many.
        limit: usize,
    },
    /// Tasks wait too long for their turn.
    #[non_exhaustive]
    Late {
        /// How long.
        lag: Duration,
        /// How long they may.
        limit: Duration,
    },
    /// It has waited too long to be begun.
    #[non_exhaustive]
    Old {
        /// How long.
        age: Duration,
        /// How long it may.
        limit: Duration,
    },
}

impl fmt::Display for Shed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shed::InFlight { limit } => write!(f, "overloaded: {limit} calls run already"),
            Shed::Late { lag, limit } => write!(
                f,
                "overloaded: tasks wait {lag:?} for their turn, more than {limit:?}"
            ),
            Shed::Old { age, limit } => {
                write!(
                    f,
                    "overloaded: this has waited {age:?}, more than {limit:?}"
                )
            }
        }
    }
}

impl std::error::Error for Shed {}

/// Why a [call](super::LoadShed::call) gave no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError<E> {
    /// It was not made.
    Refused(Shed),
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
            CallError::Refused(shed) => shed.fmt(f),
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
