//! Threads, cores and portals: nothing runs twice, nothing runs unasked, nothing is left behind.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "blocking/cancelling.rs"]
mod cancelling;
#[path = "blocking/models.rs"]
mod models;
#[cfg(feature = "tokio")]
#[path = "blocking/on_tokio.rs"]
mod on_tokio;
#[path = "blocking/pool.rs"]
mod pool;
#[path = "blocking/portal.rs"]
mod portal;
#[path = "blocking/shutdown.rs"]
mod shutdown;
#[path = "blocking/statics.rs"]
mod statics;

use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
/// Long enough for any machine.
const LONG: Duration = Duration::from_secs(20);

/// Holds a worker until it is let go (or its owner is gone).
struct Gate {
    open: async_channel::Sender<()>,
    entered: async_channel::Receiver<()>,
}

impl Gate {
    /// The gate, and the closure that waits at it.
    fn new() -> (Gate, impl FnOnce() + Send + 'static) {
        let (open, opened) = async_channel::unbounded();
        let (enter, entered) = async_channel::unbounded();
        let wait = move || {
            let _ = enter.try_send(());
            let _ = opened.recv_blocking();
        };
        (Gate { open, entered }, wait)
    }

    /// Somebody stands at the gate.
    async fn occupied(&self) {
        self.entered.recv().await.unwrap();
    }

    fn open(self) {
        let _ = self.open.try_send(());
    }
}
