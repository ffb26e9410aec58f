//! What the programs in `tests/` share.

use regatta::testing::CancelReport;
use std::time::Duration;

/// How often each operation is dropped.
pub const DROPS: u64 = 100_000;

/// A millisecond of virtual time.
pub const MS: Duration = Duration::from_millis(1);

/// Fails when something was left behind, and when the operation was dropped less often than [`DROPS`].
#[track_caller]
pub fn passed(report: &CancelReport) {
    report.unwrap();
    assert!(report.drops >= DROPS, "{report}");
}
