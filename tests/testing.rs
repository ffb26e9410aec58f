//! The virtual-time runtime and what stands on it.

#[path = "testing/bugs.rs"]
mod bugs;
#[path = "testing/cancelling.rs"]
mod cancelling;
#[path = "testing/clock.rs"]
mod clock;
#[path = "testing/failures.rs"]
mod failures;
#[path = "testing/support.rs"]
mod support;
#[path = "testing/threads.rs"]
mod threads;
