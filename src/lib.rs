//! Structured concurrency for async Rust, written once for tokio, smol and virtual time.

mod internal;
mod patterns;
pub mod runtime;
pub mod testing;

#[doc(inline)]
pub use patterns::{background, cancel, task, time};
#[doc(inline)]
pub use runtime::{Runtime, run, run_on};
