//! Runs async code in virtual time, in every order, and drops or cancels it at every await.
//!
//! Use it for tests. Nothing here needs a feature or a real second.
//!
//! | you want | take |
//! |---|---|
//! | a test without real sleeps | [`run`] |
//! | the same under many schedules | [`check`] |
//! | to hunt for a race, or prove there is none in a small program | [`explore`], [`explore_all`] |
//! | to know what dropping a future leaves behind | [`cancel_safety`], [`cancel_safety_all`], [`cancel_safety_drops`] |
//! | to know that cleanup runs wherever a token is cancelled | [`cancel_at_every_await`], [`cancel_at_every_await_all`] |
//! | a stand-in for an async function | [`Mock`] |
//! | to know whether concurrent calls are explained by a sequential program | [`linearizable`] |
//! | one test body on tokio, smol and virtual time | [`matrix!`](crate::matrix) |
//!
//! # Example
//!
//! ```
//! use regatta::{Runtime, testing};
//! use std::time::Duration;
//!
//! testing::check(100, async || {
//!     let runtime = Runtime::current();
//!     let slow = runtime.try_spawn(runtime.sleep(Duration::from_secs(86_400))).expect("it can spawn");
//!     slow.await.expect("no panic");
//!     assert_eq!(testing::now(), Duration::from_secs(86_400));
//! });
//! ```
//!
//! # How it behaves
//!
//! One thread runs all tasks, and picks the next one by a [`Policy`] from a seed. The clock stands still while anything can run, then
//! jumps to the next timer. A run depends on nothing but its seed, so a failure replays: set `REGATTA_SEED` to the number in
//! its message, and run that one test. `REGATTA_SEEDS` sets how many seeds [`check`] takes.
//!
//! What waits on the world outside (a socket, a real timer, a thread of your own) cannot run here, and is reported as
//! [`Failure::ForeignWake`] or [`Failure::Deadlock`]. What draws randomness from elsewhere than `fastrand`'s thread-local generator (a `HashMap`'s
//! order, `futures::select!`) makes a run nondeterministic, which [`check`] detects.
//!
//! The ideas are trio's `MockClock` and `wait_all_tasks_blocked`, FoundationDB's simulation, loom, PCT (Burckhardt et al. 2010) and swarm testing
//! (Groce et al. 2012).

mod backend;
mod cancel;
mod chooser;
mod config;
mod control;
mod core;
#[cfg(test)]
mod depth;
mod env;
mod explore;
mod failure;
mod linear;
mod matrix;
mod mock;
mod report;
mod run;
mod session;
mod shared;
mod timer;
mod watchdog;

pub use cancel::{
    CancelFailure, CancelReport, DropMode, Outcome, cancel_at_every_await,
    cancel_at_every_await_all, cancel_safety, cancel_safety_all, cancel_safety_drops,
};
pub use config::{Blocking, Config, Policy};
pub use control::{advance, in_simulation, label, now, settle, yield_now};
pub use explore::{ExploreFailure, ExploreReport, check, explore, explore_all};
pub use failure::{Failure, Moment, TaskInfo};
pub use linear::{History, Spec, linearizable};
#[doc(hidden)]
pub use matrix::{__real, __sim, __sim_once, Ground, Verdict};
pub use mock::{Call, CallEnd, Mock};
pub use report::Report;
pub use run::{run, run_with};
