//! `stream`: rows P09 to P12 of the guides, on every runtime; order and completeness against plain iterators; bounds; bad input.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "stream/auto_traits.rs"]
mod auto_traits;
#[path = "stream/bounds.rs"]
mod bounds;
#[path = "stream/generators.rs"]
mod generators;
#[path = "stream/operators.rs"]
mod operators;
#[path = "stream/order.rs"]
mod order;
#[path = "stream/panics.rs"]
mod panics;
#[path = "stream/refused.rs"]
mod refused;
#[path = "stream/stages.rs"]
mod stages;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// Lets whoever can run do so, on any runtime, until `reached`.
async fn until(mut reached: impl FnMut() -> bool) {
    while !reached() {
        futures_lite::future::yield_now().await;
    }
}

/// Counts itself while it lives.
struct Living(Arc<AtomicUsize>);

impl Living {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Living(count.clone())
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
