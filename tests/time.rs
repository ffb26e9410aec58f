//! Sleeping, timeouts, deadlines and ticks. Numbers are cases of the conformance list.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "time/deadlines.rs"]
mod deadlines;
#[path = "time/giving_way.rs"]
mod giving_way;
#[path = "support/ground.rs"]
mod ground;
#[path = "time/intervals.rs"]
mod intervals;
#[path = "time/limits.rs"]
mod limits;
#[path = "time/nested.rs"]
mod nested;
#[cfg(feature = "tokio")]
#[path = "time/on_tokio.rs"]
mod on_tokio;
#[path = "time/races.rs"]
mod races;
#[path = "time/sleeping.rs"]
mod sleeping;
#[path = "time/timeouts.rs"]
mod timeouts;
