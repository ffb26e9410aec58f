//! Every public operation that is awaited, under every kind of trouble.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "operations/cancels.rs"]
mod cancels;
#[path = "operations/catalogue/mod.rs"]
mod catalogue;
#[cfg(feature = "tokio")]
#[path = "operations/deadlines.rs"]
mod deadlines;
#[path = "operations/failing.rs"]
mod failing;
#[path = "operations/ground.rs"]
mod ground;
#[path = "support/hostile.rs"]
mod hostile;
#[path = "operations/list.rs"]
mod list;
#[path = "operations/panics.rs"]
mod panics;
#[path = "operations/shutdowns.rs"]
mod shutdowns;
#[path = "operations/sources.rs"]
mod sources;
#[path = "operations/statics.rs"]
mod statics;
#[path = "support/house/tokens.rs"]
#[allow(dead_code, reason = "the house rules use the rest")]
mod tokens;
#[path = "operations/user.rs"]
mod user;
#[path = "operations/wakers.rs"]
mod wakers;
#[path = "operations/world.rs"]
mod world;
#[path = "operations/yields.rs"]
mod yields;

#[cfg(unix)]
const FUNCTIONS: &[(&str, regatta::blocking::ProcessFunction)] =
    &[("echo", |input| Ok(input.to_vec()))];

/// The `main` of the worker processes; nothing in a normal run.
#[cfg(unix)]
#[test]
fn process_worker() {
    regatta::blocking::process_entry(FUNCTIONS);
}
