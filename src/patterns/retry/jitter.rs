//! How delays are spread.

use fastrand::Rng;
use std::time::Duration;

/// Spreads the delays of a [`Backoff`](super::Backoff). The three kinds are those of Marc Brooker's *Exponential Backoff And Jitter* (AWS Architecture Blog, 2015).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Jitter {
    /// The delays as they are.
    #[default]
    None,
    /// Anything from zero to the delay: the least load on who is called.
    Full,
    /// Anything from half the delay to the delay.
    Equal,
    /// Anything from the first delay to three times the one that was drawn before, cut at the cap after the draw.
    Decorrelated,
}

/// A duration from `least` to `most`, both included.
pub(super) fn between(rng: &mut Rng, least: Duration, most: Duration) -> Duration {
    let span = most.saturating_sub(least).as_nanos();
    // 584 years are enough of a range.
    let span = u64::try_from(span).unwrap_or(u64::MAX);
    least + Duration::from_nanos(rng.u64(0..=span))
}
