//! `queue`: section G and case 133 of the conformance cases, on every runtime; order, conservation, the bugs of the guides.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "queue/broadcast.rs"]
mod broadcast;
#[path = "queue/cases.rs"]
mod cases;
#[path = "queue/conservation.rs"]
mod conservation;
#[path = "queue/giving_way.rs"]
mod giving_way;
#[path = "queue/guides.rs"]
mod guides;
#[path = "queue/hostile.rs"]
mod hostile;
#[path = "queue/items.rs"]
mod items;
#[path = "queue/oneshot.rs"]
mod oneshot;
#[path = "queue/order.rs"]
mod order;
#[path = "queue/ranked.rs"]
mod ranked;
#[path = "queue/rendezvous.rs"]
mod rendezvous;
#[path = "queue/size.rs"]
mod size;

use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// Lets whoever can run do so, on any runtime, until `reached`.
async fn until(mut reached: impl FnMut() -> bool) {
    while !reached() {
        futures_lite::future::yield_now().await;
    }
}
