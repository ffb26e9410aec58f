//! The virtual-time runtime and what stands on it.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "testing/at_every_await.rs"]
mod at_every_await;
#[path = "testing/bugs.rs"]
mod bugs;
#[path = "testing/cancelling.rs"]
mod cancelling;
#[path = "testing/clock.rs"]
mod clock;
#[path = "testing/failures.rs"]
mod failures;
#[path = "testing/linear.rs"]
mod linear;
#[path = "testing/matrix.rs"]
mod matrix;
#[path = "testing/mocks.rs"]
mod mocks;
#[path = "testing/support.rs"]
mod support;
#[path = "testing/threads.rs"]
mod threads;
