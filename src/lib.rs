//! Structured concurrency for async Rust, written once for tokio, smol and virtual time.

mod internal;
pub mod runtime;

#[doc(inline)]
pub use runtime::{Runtime, run, run_on};
