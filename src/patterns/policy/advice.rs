//! [`Advice`]: what an error calls for.

use std::time::Duration;

/// What an error of a call calls for; given by the closure of [`Policy::run_when`](super::Policy::run_when), where `true` stands for [`Retry`](Advice::Retry) and
/// `false` for [`GiveUp`](Advice::GiveUp).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Another attempt is worth it.
    Retry,
    /// Another attempt is worth it, not before this time has passed: the `Retry-After` of HTTP. It may be longer than
    /// the backoff's own limit; a jitter
    /// is added to it.
    RetryAfter(Duration),
    /// It would fail again.
    GiveUp,
    /// The service works, and this is its answer, such as "not found". There is no other attempt, and circuit breaker and bulkhead count it as a success.
    Answer,
}

impl Advice {
    /// How long the next attempt has to wait at least; `None`: there is none.
    pub(super) fn hint(self) -> Option<Duration> {
        match self {
            Advice::Retry => Some(Duration::ZERO),
            Advice::RetryAfter(wait) => Some(wait),
            Advice::GiveUp | Advice::Answer => None,
        }
    }
}

impl From<bool> for Advice {
    fn from(worth_a_retry: bool) -> Self {
        if worth_a_retry {
            Advice::Retry
        } else {
            Advice::GiveUp
        }
    }
}
