//! `pipeline`: rows P09, P10, P33 and P35 of the guides, on every runtime; bounds under every seed, figures, errors, ends.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "pipeline/bounds.rs"]
mod bounds;
#[path = "pipeline/cases.rs"]
mod cases;
#[path = "pipeline/ending.rs"]
mod ending;
#[path = "pipeline/figures.rs"]
mod figures;

use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
