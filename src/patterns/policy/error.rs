//! [`Failure`]: how a protected call ended without a value.

use crate::time::Elapsed;
use std::fmt;
use std::time::Duration;

/// A layer of a [`Policy`](super::Policy), from the outside in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Layer {
    /// Whether there is too much to do already.
    LoadShed,
    /// The limit on all of it.
    Timeout,
    /// The attempts.
    Retry,
    /// Further calls beside one that does not answer.
    Hedge,
    /// How many run at once.
    Bulkhead,
    /// The rate.
    RateLimit,
    /// The circuit breaker.
    CircuitBreaker,
    /// The limit on each call.
    AttemptTimeout,
}

impl Layer {
    /// All of them, from the outside in.
    pub const ALL: [Layer; 8] = [
        Layer::LoadShed,
        Layer::Timeout,
        Layer::Retry,
        Layer::Hedge,
        Layer::Bulkhead,
        Layer::RateLimit,
        Layer::CircuitBreaker,
        Layer::AttemptTimeout,
    ];

    /// Its name, in lower case, as labels of metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Layer::LoadShed => "load shed",
            Layer::Timeout => "timeout",
            Layer::Retry => "retry",
            Layer::Hedge => "hedge",
            Layer::Bulkhead => "bulkhead",
            Layer::RateLimit => "rate limit",
            Layer::CircuitBreaker => "circuit breaker",
            Layer::AttemptTimeout => "attempt timeout",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What became of the last attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause<E> {
    /// The call itself gave this error.
    Failed(E),
    /// A layer did not let it through: nothing was called.
    Refused {
        /// Which one.
        layer: Layer,
        /// When it is worth another try, where the layer knows.
        retry_after: Option<Duration>,
    },
    /// It took too long.
    TimedOut {
        /// Whose limit it was: [`Timeout`](Layer::Timeout) or [`AttemptTimeout`](Layer::AttemptTimeout).
        layer: Layer,
        /// The limit.
        elapsed: Elapsed,
    },
    /// A scope around the call was cancelled while it waited, for a layer or for its next attempt: nothing more was
    /// called.
    Cancelled,
}

impl<E> Cause<E> {
    pub(super) fn layer(&self) -> Option<Layer> {
        match self {
            Cause::Failed(_) | Cause::Cancelled => None,
            Cause::Refused { layer, .. } | Cause::TimedOut { layer, .. } => Some(*layer),
        }
    }
}

/// A call under a [`Policy`](super::Policy) gave no value: it failed, was refused by a layer, or took too long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure<E> {
    /// How many attempts were begun; 0 when it was refused at the door. Hedges do not count.
    pub attempts: u32,
    /// What became of the last one.
    pub cause: Cause<E>,
}

impl<E> Failure<E> {
    /// The error of the call itself; `None` when a layer ended it.
    pub fn into_error(self) -> Option<E> {
        match self.cause {
            Cause::Failed(error) => Some(error),
            Cause::Refused { .. } | Cause::TimedOut { .. } | Cause::Cancelled => None,
        }
    }

    /// The layer that ended it; `None` when the call itself failed.
    pub fn layer(&self) -> Option<Layer> {
        self.cause.layer()
    }

    /// Whether a layer refused it: the last attempt called nothing.
    pub fn is_refused(&self) -> bool {
        matches!(self.cause, Cause::Refused { .. })
    }

    /// When it is worth another try, where a layer that refused knows.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.cause {
            Cause::Refused { retry_after, .. } => retry_after,
            Cause::Failed(_) | Cause::TimedOut { .. } | Cause::Cancelled => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Failed(error) => error.fmt(f)?,
            Cause::Refused { layer, retry_after } => {
                write!(f, "refused by the {layer}")?;
                if let Some(wait) = retry_after {
                    write!(f, ": try again in {wait:?}")?;
                }
            }
            Cause::TimedOut { layer, elapsed } => write!(f, "{layer}: {elapsed}")?,
            Cause::Cancelled => f.write_str("cancelled while it waited to be called")?,
        }
        if self.attempts > 1 {
            write!(f, " (after {} attempts)", self.attempts)?;
        }
        Ok(())
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Failure<E> {
    /// What lies below the call's error, which is part of this one's own text.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Failed(error) => error.source(),
            Cause::TimedOut { .. } | Cause::Refused { .. } | Cause::Cancelled => None,
        }
    }
}
