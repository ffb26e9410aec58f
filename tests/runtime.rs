//! Which runtime is current, what its handles do, and what `run` refuses.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "runtime/ambient.rs"]
mod ambient;
#[path = "runtime/blocking.rs"]
mod blocking;
#[path = "support/ground.rs"]
mod ground;
#[path = "runtime/handles.rs"]
mod handles;
#[cfg(all(feature = "tokio", feature = "smol"))]
#[path = "runtime/on_both.rs"]
mod on_both;
#[cfg(feature = "smol")]
#[path = "runtime/on_smol.rs"]
mod on_smol;
#[cfg(feature = "tokio")]
#[path = "runtime/on_tokio.rs"]
mod on_tokio;
#[path = "runtime/starting.rs"]
mod starting;
