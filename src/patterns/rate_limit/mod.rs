//! Rate limits: so many in such a time.
//!
//! Use them where calls are counted: an API with a quota, a crawler that is polite, a mail server. To limit how many
//! run *at once*, take a [`Semaphore`](crate::sync::Semaphore); for both, [`ConcurrencyAndRate`].
//!
//! | you want | use |
//! |---|---|
//! | to wait for your turn | [`RateLimiter::acquire`] |
//! | to refuse, and say when to come back | [`RateLimiter::try_acquire`] |
//! | a limit for each user or host | [`Keyed`] |
//! | a limit on the rate and on how many run | [`ConcurrencyAndRate`] |
//! | a server's own way of counting | [`Algorithm`] |
//!
//! # Example
//!
//! ```
//! use regatta::rate_limit::{Quota, RateLimiter};
//! use std::time::Duration;
//!
//! regatta::testing::run(async || {
//!     let limiter = RateLimiter::new(Quota::per_second(10).burst(2));
//!     for _request in 0..52 {
//!         limiter.acquire(1).await.expect("one can always be had");
//!     }
//!     // Two at once, then ten a second.
//!     assert_eq!(regatta::testing::now(), Duration::from_secs(5));
//! });
//! ```
//!
//! # How it behaves
//!
//! **First come, first served.** The waiters stand in one line, whatever they ask for: one that wants many is not
//! passed by those that want few, and newcomers pass no waiter.
//!
//! **Dropping.** An acquire that is dropped before it is ready did not happen: what it was granted goes back, and the
//! next has its turn. What was acquired is used up.
//!
//! **No task, one timer.** Only the first in line has a timer. It serves all waiters that are due when it fires; the
//! line keeps the moments that were planned, so a timer that is late costs no throughput. (A window's promise counts
//! from when its permits are really given.)
//!
//! **Time** is that of whichever runtime is current at use, unless the limiter was [given one](Builder::runtime): a
//! limiter may stand in a `static`, and be used by one runtime after another, or by several at once. When another clock
//! comes (a simulation's, after the machine's), time goes on from where it was last seen: what was left of a wait or of
//! a window is still left. Moments of different clocks are never compared; of clocks that are used in turns, the faster
//! one leads. A clock that stands still or goes back gives nothing away.

mod acquire;
mod error;
mod in_flight;
mod keyed;
mod policy;
mod quota;
mod rule;
mod shared;
mod state;
mod word;
#[cfg(test)]
mod word_tests;

pub use acquire::Acquire;
pub use error::{AcquireError, TooManyKeys, TryAcquireError};
pub use in_flight::{ConcurrencyAndRate, InFlight};
pub use keyed::Keyed;
pub use policy::Builder;
pub use quota::{InvalidRate, Quota};
pub use rule::Algorithm;

use crate::internal::keyed::Kept;
use crate::internal::timeline::Reading;
use shared::Shared;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Lets so many through in such a time; see the [module](self). Clones are the same limiter.
///
/// It may stand in a `static`. When another runtime uses it, time goes on from where it was last seen: what was left of
/// a wait is still left.
#[derive(Clone)]
pub struct RateLimiter {
    shared: Arc<Shared>,
}

impl RateLimiter {
    /// An even flow with bursts ([`Algorithm::Gcra`]), full at the start.
    pub fn new(quota: Quota) -> Self {
        RateLimiter::builder(quota).build()
    }

    /// To choose the algorithm, how full it is at the start, and the runtime.
    pub fn builder(quota: Quota) -> Builder {
        Builder::new(quota)
    }

    fn of(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        RateLimiter { shared }
    }

    /// Waits for `n` permits.
    ///
    /// # Errors
    ///
    /// [`AcquireError`], when there can never be so many at once, or none were asked for.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it did not happen: its permits and its turn go to the next.
    pub fn acquire(&self, n: u32) -> Acquire<'_> {
        Acquire::new(&self.shared, n)
    }

    /// `n` permits, if they are there and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`], with the time after which it is worth another try.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::rate_limit::{Quota, RateLimiter, TryAcquireError};
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let limiter = RateLimiter::new(Quota::per_second(2));
    ///     assert!(limiter.try_acquire(2).is_ok());
    ///     let refused = limiter.try_acquire(1).expect_err("the quota is used up");
    ///     let retry_after = Duration::from_millis(500);
    ///     assert_eq!(refused, TryAcquireError::NotYet { retry_after });
    /// });
    /// ```
    #[inline]
    pub fn try_acquire(&self, n: u32) -> Result<(), TryAcquireError> {
        self.shared.try_take(n)
    }

    /// One permit, if it is there and nobody waits; who finds none is not counted.
    #[inline]
    pub(crate) fn take_one(&self) -> bool {
        self.shared.take_at_once(1)
    }

    /// How long somebody who comes now would wait for `n` permits, behind those who wait; takes none.
    ///
    /// # Errors
    ///
    /// [`AcquireError`], when it would wait for ever.
    pub fn check(&self, n: u32) -> Result<Duration, AcquireError> {
        self.shared.wait_for(n)
    }

    /// Changes the quota. What was taken stays taken; those who wait are planned anew.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TooMany`], when a waiter asks for more than the new one can ever give at once. Then nothing is
    /// changed.
    pub fn set_quota(&self, quota: Quota) -> Result<(), AcquireError> {
        self.shared.change(quota)
    }

    /// The quota.
    pub fn quota(&self) -> Quota {
        self.shared.lock().rule.quota()
    }

    /// Figures, all of the same moment.
    pub fn stats(&self) -> Stats {
        let state = self.shared.lock();
        Stats {
            granted: state.granted,
            refused: state.refused,
            refunded: state.refunded,
            waiting: state.waiting(),
        }
    }
}

impl Kept for RateLimiter {
    const FADES: bool = true;

    fn read(&self) -> Reading {
        self.shared.source.read()
    }

    fn loss(&self, now: Reading) -> Option<u8> {
        let unused = Arc::strong_count(&self.shared) == 1 && self.shared.is_unused(now);
        unused.then_some(0)
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("quota", &self.quota())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Figures of a [`RateLimiter`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Permits that were given, less those that came back.
    pub granted: u64,
    /// Calls of [`try_acquire`](RateLimiter::try_acquire) that were told to come back.
    pub refused: u64,
    /// Permits that came back, because who they were for was dropped.
    pub refunded: u64,
    /// How many wait.
    pub waiting: usize,
}
