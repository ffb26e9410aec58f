//! Where the shared files look for `super`.

#[path = "../../../../src/patterns/task/child.rs"]
mod child;
#[path = "../../../../src/patterns/task/cohort.rs"]
mod cohort;
#[path = "../../../../src/patterns/task/core.rs"]
mod core;
#[path = "../../../../src/patterns/task/error.rs"]
mod error;
#[path = "../../../../src/patterns/task/error_text.rs"]
mod error_text;
#[path = "../../../../src/patterns/task/handle.rs"]
mod handle;
mod models;
#[path = "../../../../src/patterns/task/policy.rs"]
mod policy;
