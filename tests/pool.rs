//! `pool`: cases 136 to 138 of the conformance cases, every limit, hook and failure, on every runtime; a storm of drops.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "pool/basics.rs"]
mod basics;
#[path = "support/ground.rs"]
mod ground;
#[path = "pool/server.rs"]
mod server;
