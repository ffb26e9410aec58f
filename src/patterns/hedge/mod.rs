//! Hedging: when a call does not answer for a while, it is made a second time beside the first, and the first success counts.
//!
//! Use it where a few calls take far longer than most, for reasons of their own: a replica in a pause, a packet that was lost. Hedge only what may happen twice. Against failures,
//! take a [`retry`](crate::retry).
//!
//! # Example
//!
//! ```
//! use regatta::{hedge::hedge, time};
//! use std::time::Duration;
//!
//! regatta::testing::run(async || {
//!     let mut replicas = [("slow", 9000), ("quick", 20)].into_iter();
//!     let read = hedge(Duration::from_millis(100), || {
//!         let (name, ms) = replicas.next().expect("two attempts");
//!         async move {
//!             time::sleep(Duration::from_millis(ms)).await;
//!             Ok::<_, std::io::Error>(name)
//!         }
//!     });
//!     assert_eq!(read.await.expect("one answers"), "quick");
//!     assert_eq!(regatta::testing::now(), Duration::from_millis(120));
//! });
//! ```
//!
//! # How it behaves
//!
//! **In place.** Attempts are polled by the caller's own task: nothing is spawned, and they may borrow.
//!
//! **The losers are cancelled and waited for**: their [cleanup](crate::cancel::finally) runs, and nothing is left when the call returns. What a loser finishes with meanwhile is dropped.
//!
//! **A failure is not hedged.** While others run, they are waited for; when all that were begun have failed, the last error comes back at once, and no further attempt begins.
//!
//! **What it costs.** A call that answers at once makes no timer. Each hedge is load: a fixed delay doubles it when a service gets slow as a whole, a
//! [percentile](Delay::percentile) does not.

mod call;
mod delay;
mod latencies;
mod race;

pub use call::{Call, Hedge};
pub use delay::Delay;
pub use latencies::Latencies;
pub(crate) use race::Race;

/// Calls `call`, and again beside it when there is no answer after `delay`; await what it returns. The first success counts.
///
/// # Errors
///
/// The last error, when every attempt that was begun has failed.
///
/// # Panics
///
/// A panic of an attempt goes on in the caller.
///
/// # Cancel safety
///
/// Dropping it drops all attempts at once, without their async cleanup; nothing is left behind.
///
/// # Examples
///
/// ```
/// use regatta::hedge::{Delay, Latencies, hedge};
/// use regatta::time;
/// use std::time::Duration;
///
/// async fn ask() -> Result<u32, std::io::Error> {
///     time::sleep(Duration::from_millis(10)).await;
///     Ok(42)
/// }
///
/// regatta::testing::run(async || {
///     let latencies = Latencies::new(100);
///     let delay = Delay::percentile(&latencies, 0.9);
///     for _ in 0..20 {
///         let answer = hedge(delay.clone(), ask).max_attempts(3).on_hedge(|n| println!("attempt {n}"));
///         assert_eq!(answer.await.expect("it answers"), 42);
///     }
///     assert_eq!(latencies.percentile(0.9), Some(Duration::from_millis(10)));
/// });
/// ```
pub fn hedge<'a, C: Call>(delay: impl Into<Delay>, call: C) -> Hedge<'a, C> {
    Hedge::new(delay.into(), call)
}
