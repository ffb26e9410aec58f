//! Tokens, scopes, shields and cleanup. Numbers are cases of the conformance list.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "cancel/ambient.rs"]
mod ambient;
#[path = "cancel/cleanups.rs"]
mod cleanups;
#[path = "cancel/combinators.rs"]
mod combinators;
#[path = "cancel/foreign.rs"]
mod foreign;
#[path = "cancel/giving_way.rs"]
mod giving_way;
#[path = "support/ground.rs"]
mod ground;
#[path = "cancel/models.rs"]
mod models;
#[path = "cancel/nests.rs"]
mod nests;
#[path = "cancel/runs.rs"]
mod runs;
#[path = "cancel/shields.rs"]
mod shields;
#[path = "cancel/tokens.rs"]
mod tokens;
#[path = "cancel/tree.rs"]
mod tree;
