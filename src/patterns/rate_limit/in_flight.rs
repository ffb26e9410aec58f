//! [`ConcurrencyAndRate`]: so many in such a time, and so many at once.

use super::acquire::Acquire;
use super::error::{AcquireError, TryAcquireError};
use super::policy::Builder;
use super::quota::Quota;
use super::shared::Shared;
use std::fmt;
use std::sync::Arc;

/// Limits how many begin in a time *and* how many run at once, in one line: first come, first served.
///
/// Many services state both. Two limiters one after the other would hold a permit of the one while they wait for the
/// other. A caller that waits for others to end saves no permits up: when there is room again, the rate goes on from
/// there, with the burst that there is by then. Clones are the same limiter.
///
/// It may stand in a `static`. When another runtime uses it, time goes on from where it was last seen: what was left of
/// a wait is still left.
///
/// # Examples
///
/// ```
/// use regatta::rate_limit::{ConcurrencyAndRate, Quota};
///
/// regatta::testing::run(async || {
///     let limiter = ConcurrencyAndRate::new(Quota::per_second(10), 2);
///     let first = limiter.acquire().await;
///     let second = limiter.acquire().await;
///     assert!(limiter.try_acquire().is_err(), "two run already");
///     drop(first);
///     assert!(limiter.try_acquire().is_ok());
///     # drop(second);
/// });
/// ```
#[derive(Clone)]
pub struct ConcurrencyAndRate {
    shared: Arc<Shared>,
}

impl ConcurrencyAndRate {
    /// A limiter of the default algorithm; for others, see [`Builder::max_in_flight`].
    ///
    /// # Panics
    ///
    /// When `in_flight` is 0.
    #[track_caller]
    pub fn new(quota: Quota, in_flight: usize) -> Self {
        Builder::new(quota).max_in_flight(in_flight)
    }

    pub(super) fn of(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        ConcurrencyAndRate { shared }
    }

    /// Waits until one more may begin, and may run.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it did not happen: its turn goes to the next.
    pub async fn acquire(&self) -> InFlight {
        match Acquire::new(&self.shared, 1).await {
            Ok(()) => InFlight {
                shared: self.shared.clone(),
            },
            Err(AcquireError::TooMany { .. } | AcquireError::NoneAsked) => {
                unreachable!("one can always be had")
            }
        }
    }

    /// One more, if it may begin and run at once.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`]; its time is that of the rate, and may be zero when it is the others who have to end first.
    pub fn try_acquire(&self) -> Result<InFlight, TryAcquireError> {
        self.shared.try_take(1).map(|()| InFlight {
            shared: self.shared.clone(),
        })
    }

    /// How many run.
    pub fn in_flight(&self) -> usize {
        self.shared.lock().in_flight
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting()
    }
}

impl fmt::Debug for ConcurrencyAndRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (quota, in_flight, waiting) = {
            let state = self.shared.lock();
            (state.rule.quota(), state.in_flight, state.waiting())
        };
        // What it is written to is the user's.
        f.debug_struct("ConcurrencyAndRate")
            .field("quota", &quota)
            .field("in_flight", &in_flight)
            .field("waiting", &waiting)
            .finish_non_exhaustive()
    }
}

/// One that runs; dropped, it makes room for the next. Given by [`ConcurrencyAndRate::acquire`].
#[must_use = "it counts as running until this is dropped: bind it to a name"]
pub struct InFlight {
    shared: Arc<Shared>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.shared.land();
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InFlight")
    }
}
