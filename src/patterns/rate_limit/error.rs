//! Requests that a limiter cannot, or does not yet, grant.

use std::fmt;
use std::time::Duration;

/// A request that could never be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcquireError {
    /// More than there can ever be at once.
    TooMany {
        /// How many were asked for.
        asked: u32,
        /// How many there can be.
        most: u32,
    },
    /// None were asked for.
    NoneAsked,
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcquireError::TooMany { asked, most } => write!(
                f,
                "{asked} permits can never be had at once: the limiter gives at most {most}; ask for fewer, or give it a larger burst"
            ),
            AcquireError::NoneAsked => {
                f.write_str("0 permits would hold nobody back: ask for at least 1")
            }
        }
    }
}

impl std::error::Error for AcquireError {}

/// No permits right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryAcquireError {
    /// Not yet.
    NotYet {
        /// When to come back: earlier it is in vain, later others may have come first. For the `Retry-After` of HTTP.
        retry_after: Duration,
    },
    /// Never.
    Never(AcquireError),
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryAcquireError::NotYet { retry_after } => {
                write!(f, "the rate limit is reached: try again in {retry_after:?}")
            }
            TryAcquireError::Never(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TryAcquireError {}

/// A [`Keyed`](super::Keyed) limiter has no place for another key: all it knows were used a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyKeys {
    /// How many it knows.
    pub most: usize,
}

impl fmt::Display for TooManyKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "all {} keys of the limiter are in use: give it room for more, or refuse the caller",
            self.most
        )
    }
}

impl std::error::Error for TooManyKeys {}
