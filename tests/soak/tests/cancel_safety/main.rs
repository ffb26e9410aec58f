//! Every public async operation, dropped at every await, a hundred thousand times each, in virtual time: nothing is left behind, nothing is lost.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

mod blocking;
mod bulkhead;
mod circuit_breaker;
mod fallback;
mod gather;
#[path = "../../../support/ground.rs"]
mod ground;
mod groups;
mod hedge;
mod http;
mod load_shed;
mod policy;
mod pool;
mod probe;
mod queue;
mod rate_limit;
mod retry;
mod scopes;
mod stream;
mod sync;
mod tower;
mod workers;
