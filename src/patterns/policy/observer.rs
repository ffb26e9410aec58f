//! What the layers report.

use super::error::Layer;
use std::time::Duration;

/// Something that happened to a call under a [`Policy`](super::Policy); given to its [observer](super::Policy::observer). For logs, counters and histograms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An attempt failed, and there will be another.
    Retrying {
        /// How many attempts there were.
        attempt: u32,
        /// How long until the next.
        delay: Duration,
    },
    /// A layer let an attempt not through.
    Refused {
        /// Which one.
        layer: Layer,
    },
    /// The call gave a value.
    Succeeded {
        /// How many attempts it took.
        attempts: u32,
        /// How long it took, waiting included.
        took: Duration,
    },
    /// The call gave none.
    Failed {
        /// How many attempts were begun.
        attempts: u32,
        /// How long it took, waiting included.
        took: Duration,
        /// The layer that ended it; `None` when the call itself failed.
        layer: Option<Layer>,
    },
}
