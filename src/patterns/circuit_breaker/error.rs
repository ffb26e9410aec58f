//! Calls that were refused, and calls that failed.

use super::state::State;
use std::fmt;
use std::time::Duration;

/// The breaker did not let the call through: nothing was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// When the next probe may be made; earlier it is in vain. `None` when that is unknown: it depends on a probe that
    /// is running, or on the caller that forced it open.
    pub retry_after: Option<Duration>,
    /// The state in which it refused.
    pub state: State,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the circuit breaker is {}", self.state)?;
        match (self.retry_after, self.state) {
            (Some(wait), _) => write!(f, ": try again in {wait:?}"),
            (None, State::HalfOpen) => f.write_str(", and as many probes run as may"),
            (None, _) => f.write_str(" until somebody closes it"),
        }
    }
}

impl std::error::Error for Refused {}

/// Why a [call](super::CircuitBreaker::call) gave no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError<E> {
    /// It was not made.
    Refused(Refused),
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
            CallError::Refused(refused) => refused.fmt(f),
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

/// A [`Keyed`](super::Keyed) set of breakers has no place for another key: all it knows are in use or open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyKeys {
    /// How many it knows.
    pub most: usize,
}

impl fmt::Display for TooManyKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "all {} keys of the breakers are in use or open: give them room for more, or call without a breaker",
            self.most
        )
    }
}

impl std::error::Error for TooManyKeys {}
