//! `workers`: cases 133 and 135 of the conformance cases and row P32 of the guides, on every runtime; panics, resizing, stopping, bad input.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "workers/cases.rs"]
mod cases;
#[path = "workers/failing.rs"]
mod failing;
#[path = "workers/lost.rs"]
mod lost;
#[path = "workers/refused.rs"]
mod refused;
#[path = "workers/size.rs"]
mod size;
#[path = "workers/stopping.rs"]
mod stopping;

use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Lets whoever can run do so, on any runtime, until `reached`.
async fn until(mut reached: impl FnMut() -> bool) {
    while !reached() {
        futures_lite::future::yield_now().await;
    }
}
