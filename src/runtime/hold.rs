//! Holding a clock that would run ahead.
//!
//! tokio's clock, once paused, goes to the next timer by itself when the runtime has nothing to do. Work on a thread
//! that tokio does not know is nothing to it: a timeout of an hour would be over before a closure of 20 ms. While a
//! hold lives, the clock stands still, as it does for tokio's own `spawn_blocking`.

#[cfg(any(feature = "tokio", feature = "smol"))]
use super::Kind;
use super::{Runtime, RuntimeId};
use std::sync::mpsc::{self, Sender};

/// Keeps a clock from running ahead until it is dropped: a closure on a blocking thread waits for that.
pub(crate) struct ClockHold {
    pub(crate) runtime: RuntimeId,
    _hold: Sender<()>,
}

impl Runtime {
    /// Whether its clock goes ahead by itself while work is under way that the runtime does not see.
    #[inline]
    pub(crate) fn runs_ahead(&self) -> bool {
        #[cfg(feature = "tokio")]
        if let Kind::Tokio(handle) = &*self.0 {
            return handle.is_paused();
        }
        false
    }

    /// `None`: this runtime has no threads for blocking closures, and no such clock.
    pub(crate) fn hold_clock(&self) -> Option<ClockHold> {
        let (hold, held) = mpsc::channel();
        let waits = move || {
            // Nothing is ever sent.
            let _: Result<(), _> = held.recv();
        };
        drop(self.try_spawn_blocking(waits).ok()?);
        Some(ClockHold {
            runtime: self.id(),
            _hold: hold,
        })
    }

    /// Whether its tasks go on while a thread that used to drive it does something else.
    pub(crate) fn has_threads(&self) -> bool {
        match &*self.0 {
            #[cfg(feature = "tokio")]
            Kind::Tokio(handle) => handle.has_threads(),
            #[cfg(feature = "smol")]
            Kind::Smol => true,
            _ => false,
        }
    }
}
