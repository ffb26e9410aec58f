//! Every async operation of `cancel`, `time` and `runtime`, dropped at every await: nothing is left behind, and the rivals get theirs.
//!
//! What is left behind is seen in the wakers: an operation that is gone and whose waker is still held somewhere has left a waiter,
//! a timer or a frame there.
#![cfg(not(any(feature = "tokio", feature = "smol")))] // virtual time: the same with every feature, so once is enough
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "cancel_safety_scopes/cancel.rs"]
mod cancel;
#[path = "support/ground.rs"]
mod ground;
#[path = "cancel_safety_scopes/probe.rs"]
mod probe;
#[path = "cancel_safety_scopes/runtime.rs"]
mod runtime;
#[path = "cancel_safety_scopes/time.rs"]
mod time;
