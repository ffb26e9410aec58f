//! What needs other crates: optional features, one folder each.

#[cfg(feature = "http")]
pub mod http;
