//! [`Pass`]: the right to make one call by hand.

use super::shared::{Hold, Shared};
use super::state::Verdict;
use std::fmt;
use std::sync::Arc;

/// The right to make one call; given by [`CircuitBreaker::try_enter`](super::CircuitBreaker::try_enter). Say how the call ended; dropped without a word, it counts as the breaker's rule for
/// [dropped calls](super::OnDrop) says, and as a failure when it is dropped by a panic.
#[must_use = "say how the call ended: dropped at once, it counts as a call that was dropped"]
pub struct Pass {
    hold: Hold<Arc<Shared>>,
}

impl Pass {
    pub(super) fn new(hold: Hold<Arc<Shared>>) -> Self {
        Pass { hold }
    }

    /// The service works.
    pub fn succeeded(self) {
        self.hold.end(Verdict::Success);
    }

    /// It does not.
    pub fn failed(self) {
        self.hold.end(Verdict::Failure);
    }

    /// How it ended says nothing about the service.
    pub fn ignored(self) {
        self.hold.end(Verdict::Ignore);
    }

    /// It counts as this.
    pub fn ended(self, verdict: Verdict) {
        self.hold.end(verdict);
    }
}

/// A [`Pass`] that borrows its breaker: what policies have.
pub(crate) struct Held<'a> {
    hold: Hold<&'a Shared>,
}

impl<'a> Held<'a> {
    #[inline]
    pub(super) fn new(hold: Hold<&'a Shared>) -> Self {
        Held { hold }
    }

    #[inline]
    pub(crate) fn end(self, verdict: Verdict) {
        self.hold.end(verdict);
    }

    /// The call was not made, and nobody is to know.
    pub(crate) fn undo(self) {
        self.hold.undo();
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pass")
    }
}
