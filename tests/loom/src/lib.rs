//! What crosses threads without a lock, under loom: in every interleaving, and with every value that the memory model lets a load return.
//!
//! Nothing here is a copy: the modules are the files of `src/`, and only what stands for the standard library's atomics and mutex is loom's
//! ([`internal::atomic`] and [`internal::lock`]). Where such a file needs something that is not compiled here (a runtime, the scopes on a
//! thread's stack), there is a stand-in of a few lines.
//!
//! | atomics | in | models |
//! |---|---|---|
//! | the word of a semaphore, with it `Mutex` and `Limiter` | `sync/semaphore/state.rs` | `semaphore` |
//! | the word of an event | `sync/event.rs` | `event` |
//! | the turnstile before the locks of bulkheads, load shedders and circuit breakers | `internal/gated.rs` | `gated` |
//! | the word before a rate limiter's lock | `rate_limit/word.rs` | `rate_limit` |
//! | the ready bitmaps of `Slots` | `internal/slots.rs` | `slots` |
//! | the flag of a cancellation node | `internal/node.rs` | `node` |
//! | `dropping`, `shields` of a scope | `internal/scope/frame.rs` | `internal::scope` |
//! | phases and flags of a group, the flag of a handle | `task/core.rs`, `task/child.rs`, `task/handle.rs` | `task` |
//!
//! Behind locks alone, and yet here, because on one thread nothing crosses: the branches of a stream (`stream/fork.rs`, models `fork`).
//!
//! Not here, because there is nothing for loom to find:
//!
//! * counts and numbers that order nothing: `Tally` of `blocking`, `count` and `next_id` of `workers`, `SKIPPED` of `cancel/cleanup.rs`,
//!   `number` and `started` of `blocking/process`, the watchdog's figures and ids of `testing`;
//! * `closed` of `Background` and of `Portal`: they refuse early. Who slips past the flag holds a place in the group by then, so the group waits
//!   for it, whatever the flag's order; and the list that a shutdown reads is behind a lock that was taken before the flag was looked at;
//! * `killing` of `blocking/process`: a worker is entered in a locked list before the flag is read, and the list is read after the flag is
//!   written. Whichever of the two takes the lock second sees what the other did before, so the lock alone orders them;
//! * `ENTERED` of `blocking/process/entry.rs`: written before there is a second thread;
//! * everything behind a lock alone: `runtime/join.rs`, the state of `blocking`'s pool, `sync`'s `RwLock`, `Condition` and `Barrier`, the queues and
//!   `workers`. Their orders are tried by `testing::explore_all` and `testing::check`.
#![cfg(test)]
#![allow(
    dead_code,
    reason = "not every function of the shared files is needed here"
)]

mod event;
mod fork;
mod gated;
mod internal;
mod node;
mod rate_limit;
mod runtime;
mod semaphore;
mod slots;
mod support;
mod task;
