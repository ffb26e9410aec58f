//! What needs other crates: optional features, one folder each.

#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "tower")]
pub mod tower;
