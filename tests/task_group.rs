//! Task groups: the conformance cases A to C, and what goes beyond them. Numbers in comments are those of the cases.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]
#![allow(
    clippy::duplicate_mod,
    reason = "the same bodies run with `task_group` and with `scope`"
)]

#[path = "task_group/errors.rs"]
mod errors;
#[path = "task_group/hosts.rs"]
mod hosts;
#[path = "task_group/in_place.rs"]
mod in_place;
#[path = "task_group/many.rs"]
mod many;
#[path = "task_group/orders.rs"]
mod orders;
#[path = "task_group/robust.rs"]
mod robust;
#[path = "task_group/spawned.rs"]
mod spawned;
#[path = "task_group/supervisors.rs"]
mod supervisors;
#[path = "task_group/support.rs"]
mod support;
#[path = "task_group/threads.rs"]
mod threads;
