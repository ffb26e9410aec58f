//! Structured concurrency for async Rust, written once for tokio, smol and virtual time.

mod internal;
pub mod runtime;
pub mod testing;

#[doc(inline)]
pub use runtime::{Runtime, run, run_on};
