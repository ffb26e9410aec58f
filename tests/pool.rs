//! `pool`: cases 136 to 138 of the conformance cases, every limit, hook and failure, on every runtime; a storm of drops.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "pool/auto_traits.rs"]
mod auto_traits;
#[path = "pool/basics.rs"]
mod basics;
#[path = "pool/closing.rs"]
mod closing;
#[path = "pool/expiring.rs"]
mod expiring;
#[path = "pool/failing.rs"]
mod failing;
#[path = "support/ground.rs"]
mod ground;
#[path = "pool/keyed.rs"]
mod keyed;
#[path = "pool/keys.rs"]
mod keys;
#[path = "pool/limits.rs"]
mod limits;
#[path = "pool/models.rs"]
mod models;
#[path = "pool/server.rs"]
mod server;
#[cfg(all(feature = "tokio", feature = "smol"))]
#[path = "pool/statics.rs"]
mod statics;
#[path = "pool/storm.rs"]
mod storm;
#[path = "pool/waiting.rs"]
mod waiting;
