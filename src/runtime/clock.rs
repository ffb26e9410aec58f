//! Which clock a moment was read on.
//!
//! What stands in a `static`, or outlives the runtime it was first used on, meets several clocks in its life: tokio's,
//! smol's and the neutral one are the real one (tokio's may be paused), each simulation and each foreign backend has
//! its own. Moments of different clocks are never compared: see [`Timeline`](crate::internal::timeline::Timeline).

use super::backend::Backend;
use crate::runtime::Instant;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Equal: the same clock. Never used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClockId {
    number: u64,
    began: Option<Instant>,
}

impl ClockId {
    /// tokio, smol and neutral all read the clock of the machine.
    pub(crate) const REAL: ClockId = ClockId {
        number: 0,
        began: None,
    };

    /// For those that keep it in few bytes.
    pub(crate) fn number(self) -> u64 {
        self.number
    }

    /// When a simulation began, on its own clock: what has passed there since has passed for whatever comes into it.
    pub(crate) fn began(self) -> Option<Instant> {
        self.began
    }
}

/// A backend and the name of its clock.
pub(super) struct Clocked {
    pub(super) id: ClockId,
    backend: Box<dyn Backend>,
}

impl Clocked {
    pub(super) fn new(backend: impl Backend, began: Option<Instant>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Clocked {
            id: ClockId { number, began },
            backend: Box::new(backend),
        })
    }
}

impl Deref for Clocked {
    type Target = dyn Backend;

    fn deref(&self) -> &Self::Target {
        &*self.backend
    }
}
