//! What the layers report.

use super::error::Layer;
use std::time::Duration;

/// Something that happened to a call under a [`Policy`](super::Policy); given to its [observer](super::Policy::observer), in the order in which it happened. For logs, counters and
/// histograms.
///
/// A call has one [`Succeeded`](Event::Succeeded), [`Failed`](Event::Failed) or [`Dropped`](Event::Dropped), which is its last event. What a layer lets through at once is not reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A layer let it through, and made it wait before.
    #[non_exhaustive]
    Waited {
        /// Which one.
        layer: Layer,
        /// Which attempt, from 1; 0 at the door.
        attempt: u32,
        /// How long.
        waited: Duration,
    },
    /// A layer did not let it through.
    #[non_exhaustive]
    Refused {
        /// Which one.
        layer: Layer,
        /// Which attempt, from 1; 0 at the door.
        attempt: u32,
        /// How long it had waited there.
        waited: Duration,
        /// When it is worth another try, where the layer knows.
        retry_after: Option<Duration>,
    },
    /// A further call begins beside one that does not answer.
    #[non_exhaustive]
    Hedged {
        /// Which attempt.
        attempt: u32,
        /// Which call of this attempt, from 2.
        number: u32,
    },
    /// A call that was let through has ended, or was cut short by the attempt timeout.
    #[non_exhaustive]
    Attempted {
        /// Which attempt.
        attempt: u32,
        /// How it ended.
        ended: Ended,
        /// How long it took, without what it waited for before.
        took: Duration,
    },
    /// An attempt failed, and there will be another.
    #[non_exhaustive]
    Retrying {
        /// How many attempts there were.
        attempt: u32,
        /// How long until the next.
        delay: Duration,
    },
    /// The call gave a value.
    #[non_exhaustive]
    Succeeded {
        /// How many attempts it took.
        attempts: u32,
        /// How long it took, waiting included.
        took: Duration,
    },
    /// The call gave none.
    #[non_exhaustive]
    Failed {
        /// How many attempts were begun.
        attempts: u32,
        /// The layer that ended it; `None` when the call itself failed.
        layer: Option<Layer>,
        /// How long it took, waiting included.
        took: Duration,
    },
    /// The caller dropped it before it ended.
    #[non_exhaustive]
    Dropped {
        /// How many attempts were begun.
        attempts: u32,
        /// How long it had taken, waiting included.
        took: Duration,
    },
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// With a value.
    Succeeded,
    /// With an error.
    Failed,
    /// It took longer than the attempt timeout.
    TimedOut,
}

impl Event {
    /// The layer that reports. `None`: the call itself.
    pub const fn layer(&self) -> Option<Layer> {
        match *self {
            Event::Waited { layer, .. } | Event::Refused { layer, .. } => Some(layer),
            Event::Hedged { .. } => Some(Layer::Hedge),
            Event::Retrying { .. } => Some(Layer::Retry),
            Event::Attempted {
                ended: Ended::TimedOut,
                ..
            } => Some(Layer::AttemptTimeout),
            Event::Failed { layer, .. } => layer,
            Event::Attempted { .. } | Event::Succeeded { .. } | Event::Dropped { .. } => None,
        }
    }

    /// The attempt it happened in, or after; 0 at the door.
    pub const fn attempt(&self) -> u32 {
        match *self {
            Event::Waited { attempt, .. }
            | Event::Refused { attempt, .. }
            | Event::Hedged { attempt, .. }
            | Event::Attempted { attempt, .. }
            | Event::Retrying { attempt, .. } => attempt,
            Event::Succeeded { attempts, .. }
            | Event::Failed { attempts, .. }
            | Event::Dropped { attempts, .. } => attempts,
        }
    }

    /// How long it took, or waited; zero where nothing takes time.
    pub const fn took(&self) -> Duration {
        match *self {
            Event::Waited { waited, .. } | Event::Refused { waited, .. } => waited,
            Event::Attempted { took, .. }
            | Event::Succeeded { took, .. }
            | Event::Failed { took, .. }
            | Event::Dropped { took, .. } => took,
            Event::Hedged { .. } | Event::Retrying { .. } => Duration::ZERO,
        }
    }
}
