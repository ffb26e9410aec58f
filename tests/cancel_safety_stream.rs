//! Drops whoever reads from each operator at every await, 100,000 times each, reads on, and counts: every item once, in order. And drops pipelines and stages as a whole:
//! no task left, no item both saved and failed.
#![cfg(not(any(feature = "tokio", feature = "smol")))] // virtual time: the same with every feature, so once is enough
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "cancel_safety_stream/operators.rs"]
mod operators;
#[path = "cancel_safety_stream/wholes.rs"]
mod wholes;

use regatta::testing::CancelReport;
use std::time::Duration;

const DROPS: u64 = 100_000;
const MS: Duration = Duration::from_millis(1);

#[track_caller]
fn passed(report: &CancelReport) {
    report.unwrap();
    assert!(report.drops >= DROPS, "{report}");
}
