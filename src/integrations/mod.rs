//! What needs other crates: optional features, one folder each.

#[cfg(feature = "tower")]
pub mod tower;
