//! Structured concurrency for async Rust, written once for tokio, smol and virtual time.
//!
//! A library depends on `regatta` with no feature and leaves the choice of the runtime to the application, which turns on `tokio` or
//! `smol` (or both). A test turns on nothing, and runs in virtual time.
//!
//! # Which one do I want
//!
//! | use | if you want |
//! |---|---|
//! | [`task::task_group`] | several jobs in parallel that succeed or fail together; none outlives the call |
//! | [`task::scope`], [`task::local_scope`] | the same on the caller's own task: jobs may borrow, and no runtime is needed |
//! | [`task::gather`] | the results of many like jobs, in order, at most n at once |
//! | [`task::as_completed`] | results one by one, the quickest first |
//! | [`task::wait`] | to go on at the first result or the first error, and to keep the others running |
//! | [`task::supervisor_group`] | the value of the body and the errors of the jobs, both |
//! | [`task::race`], [`task::race_ok`], [`task::race_of`], [`task::staggered_race`] | the first result, or the first success; the others are cancelled |
//! | [`sync::Semaphore`], [`sync::Limiter`] | at most n at once, first come, first served |
//! | [`sync::Mutex`], [`sync::RwLock`], [`sync::Condition`] | a value that tasks take turns with, and to wait until it has changed |
//! | [`sync::Event`], [`sync::Barrier`] | to release all who wait; to go on together |
//! | [`queue::Queue`] | tasks that make what others work on: back-pressure, order, acknowledgement, a clean end |
//! | [`queue::Broadcast`] | every consumer to see every item |
//! | [`queue::oneshot`](fn@queue::oneshot) | one value from one task to another |
//! | [`stream::generate`], [`stream::try_generate`] | a stream out of async code with loops and `?`: the pages of an API |
//! | [`stream::StreamOps`] | items of a stream several at once, in batches, spaced out, merged, shared; stages that work ahead |
//! | [`pipeline::Pipeline`] | a whole run from source to sink, with back-pressure, error policies, and figures for each stage |
//! | [`workers::Workers`] | a fixed number of tasks that work off what many submit |
//! | [`background::Background`] | work that outlives the call, with its errors reported and a shutdown that waits |
//! | [`blocking::ThreadPool`], [`blocking::CpuPool`] | calls that block, and computations, on bounded threads |
//! | [`blocking::ProcessPool`] | computations that may crash or hang, in processes of their own |
//! | [`blocking::Portal`] | to call async code from plain threads |
//! | [`retry::retry()`], [`retry::retry_with`] | a call made again after a failure, with backoff, as long as that makes sense |
//! | [`rate_limit::RateLimiter`], [`rate_limit::Keyed`] | so many in such a time, first come, first served; for each user or host |
//! | [`rate_limit::ConcurrencyAndRate`] | so many in such a time, and so many at once |
//! | [`circuit_breaker::CircuitBreaker`], [`circuit_breaker::Keyed`] | to leave a service alone that does not work, and to find out when it works again |
//! | [`bulkhead::Bulkhead`] | at most so many calls at once and so many waiting, the others refused; a limit that finds itself |
//! | [`hedge::hedge()`] | a second attempt beside one that does not answer for a while; the first success counts |
//! | [`fallback::fallback()`] | something else when a call failed |
//! | [`load_shed::LoadShed`] | to refuse work while there is too much of it |
//! | [`policy::Policy`] | one value that says how a call is protected, all of the above in a fixed order, with one observer and figures |
//! | [`pool::Pool`], [`pool::Keyed`] | connections, and whatever else is dear to make, used by many in turn; for each host, with a total |
//! | `integrations::http::HttpClient` (feature `http`) | to ask HTTP servers: limits, timeouts, redirects, TLS; the same client in virtual time |
//! | `runtime::net` (feature `net`) | TCP and Unix sockets of the runtime below, or streams in memory, as `futures::io` |
//! | [`time::timeout`], [`time::Deadline`] | a limit on how long something may take, fixed or movable |
//! | [`time::interval`] | to do something every so often |
//! | [`cancel::CancelToken`] | to stop work from elsewhere, with a reason |
//! | [`cancel::shield`] | a step that must not be cut in half |
//! | [`cancel::finally`], [`cancel::on_cancel`] | async cleanup |
//! | [`testing::run`], [`matrix!`] | a test in virtual time; one test body on every runtime |
//! | [`Runtime`] | to name, hand on or bring along a runtime |
//!
//! # Example
//!
//! ```
//! use regatta::{task, time};
//! use std::time::Duration;
//!
//! async fn fetch(page: u32) -> Result<String, std::io::Error> {
//!     time::sleep(Duration::from_millis(10)).await;
//!     Ok(format!("page {page}"))
//! }
//!
//! regatta::run(async {
//!     let pages = task::task_group(async |g| {
//!         let first = g.spawn(fetch(1));
//!         let second = g.spawn(fetch(2));
//!         Ok([first.await, second.await])
//!     })
//!     .await;
//!     assert_eq!(pages.expect("nothing failed"), ["page 1", "page 2"]);
//! });
//! ```
//!
//! # What holds everywhere
//!
//! * A call that owns work returns when the work has ended and is dropped. Every error is in what it returns.
//! * A value that is ready is never lost to a cancellation or a deadline of the same moment.
//! * Each item's documentation says what its drop leaves behind, under *Cancel safety*; the answer is nothing.
//! * Errors name the value and the fix. Panics are for programming errors, and stand under *Panics*.
//! * No `unsafe`. Features are additive; none is on by default.

pub mod integrations;
mod internal;
mod patterns;
pub mod runtime;
pub mod testing;

#[doc(inline)]
pub use patterns::{
    background, blocking, bulkhead, cancel, circuit_breaker, fallback, hedge, load_shed, pipeline,
    policy, pool, queue, rate_limit, retry, stream, sync, task, time, workers,
};
#[doc(inline)]
pub use runtime::{Runtime, run, run_on};

/// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
