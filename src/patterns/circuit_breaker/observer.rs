//! What a breaker tells while it works.

use super::state::State;

/// Something that happened to a breaker; see [`Builder::observer`](super::Builder::observer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Its state is another.
    #[non_exhaustive]
    Changed {
        /// What it was.
        from: State,
        /// What it is.
        to: State,
        /// The how-manieth change this is, counted from 1.
        number: u64,
    },
    /// It refused a call.
    #[non_exhaustive]
    Refused {
        /// In this state.
        state: State,
    },
}

pub(super) type Observer = dyn Fn(&Event) + Send + Sync;
