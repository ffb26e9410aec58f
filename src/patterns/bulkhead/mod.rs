//! Bulkheads: at most so many calls at once, and so many waiting; the others are refused.
//!
//! Use one in front of what slows down or breaks when too many come at once, and where it is better to refuse the last
//! ones than to let all of them wait. Without a bound on the waiters, take a [`Semaphore`](crate::sync::Semaphore).
//!
//! | you want | use |
//! |---|---|
//! | a future behind the bulkhead | [`Bulkhead::call`] |
//! | a place for as long as you keep it | [`Bulkhead::enter`], [`Bulkhead::try_enter`] |
//! | a limit that finds itself | [`Aimd`], [`Gradient`] |
//!
//! # Example
//!
//! ```
//! use regatta::bulkhead::{Bulkhead, CallError};
//! use regatta::{task, time};
//! use std::time::Duration;
//!
//! async fn query() -> Result<&'static str, std::io::Error> {
//!     time::sleep(Duration::from_secs(1)).await;
//!     Ok("rows")
//! }
//!
//! regatta::testing::run(async || {
//!     let bulkhead = Bulkhead::builder(2).queue(1).build();
//!     let answers = task::gather((0..4).map(|_| bulkhead.call(query()))).settled().await;
//!     // Two at once, then the one that waited; the fourth was refused.
//!     assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 3);
//!     let refused = answers[3].as_ref().expect_err("there was no place");
//!     assert_eq!(refused.to_string(), "the bulkhead is full: 2 run and 1 wait");
//!     assert_eq!(regatta::testing::now(), Duration::from_secs(2));
//! });
//! ```
//!
//! # How it behaves
//!
//! **First come, first served.** Those who wait stand in one line; newcomers pass nobody.
//!
//! **Dropping.** A waiter that is dropped leaves the line; a place it was given goes to the next. A call that is
//! dropped while it runs makes room at once, and an adaptive limit learns nothing from it.
//!
//! **An adaptive limit** that falls interrupts nobody: places are not given again until so many have ended.
//!
//! **Time** (of a [limit on the wait](Builder::max_wait), and of calls behind an adaptive limit) is that of whichever
//! runtime is current at use, unless the bulkhead was [given one](Builder::runtime): it may stand in a `static`, and be
//! used by one runtime after another, or by several at once. When another clock comes, time goes on from where it was
//! last seen: what was left of a window is still left. Moments of different clocks are never compared: from a call that
//! ends on another clock than it began on, an adaptive limit learns nothing.
//!
//! **What it costs.** With a fixed limit, a call that finds a place takes no lock, and reads no clock: two atomic
//! operations. An adaptive limit takes its lock and reads the clock twice.

mod error;
mod limit;
mod pass;
mod policy;
mod shared;

pub use error::{CallError, Full};
pub(crate) use pass::Held;
pub use pass::{Enter, Pass};
pub use policy::{Aimd, Builder, Gradient, Limit};

use crate::internal::scope;
use shared::Shared;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

/// At most so many calls at once, and so many waiting; see the [module](self). Clones are the same bulkhead.
///
/// It may stand in a `static`. When another runtime uses it, time goes on from where it was last seen.
#[derive(Clone)]
pub struct Bulkhead {
    shared: Arc<Shared>,
}

impl Bulkhead {
    /// `at_once` may run, and `waiting` may wait.
    ///
    /// # Panics
    ///
    /// When `at_once` is 0.
    #[track_caller]
    pub fn new(at_once: usize, waiting: usize) -> Self {
        Bulkhead::builder(at_once).queue(waiting).build()
    }

    /// To choose a limit that adapts, how long to wait, and the runtime.
    pub fn builder(limit: impl Into<Limit>) -> Builder {
        Builder::new(limit.into())
    }

    fn of(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        Bulkhead { shared }
    }

    /// Awaits `future` when there is a place, and makes room when it ends.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`], and then `future` was not polled; [`CallError::Failed`] with its error.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it did not happen, and its turn goes to the next. Dropped while it runs, `future` is
    /// dropped, and there is room.
    pub async fn call<F, T, E>(&self, future: F) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        let pass = self.enter().await.map_err(CallError::Refused)?;
        let result = future.await;
        match &result {
            Ok(_) => pass.succeeded(),
            // That it was cancelled says nothing about the service.
            Err(_) if scope::reason().is_some() => drop(pass),
            Err(_) => pass.failed(),
        }
        result.map_err(CallError::Failed)
    }

    /// Waits for a place.
    ///
    /// # Errors
    ///
    /// [`Full`]: as many wait as may, or it has waited as long as it may.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it did not happen: its turn goes to the next.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::bulkhead::Bulkhead;
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let bulkhead = Bulkhead::builder(1).queue(10).max_wait(Duration::from_secs(3)).build();
    ///     let pass = bulkhead.enter().await.expect("nobody is there");
    ///     let refused = bulkhead.enter().await.expect_err("nobody leaves");
    ///     assert_eq!(refused.waited, Some(Duration::from_secs(3)));
    ///     pass.succeeded();
    ///     assert!(bulkhead.enter().await.is_ok());
    /// });
    /// ```
    pub fn enter(&self) -> Enter<'_> {
        Enter::new(&self.shared)
    }

    /// A place, if there is one and nobody waits.
    ///
    /// # Errors
    ///
    /// [`Full`].
    pub fn try_enter(&self) -> Result<Pass, Full> {
        let ticket = self.shared.try_enter()?;
        Ok(Pass::new(&self.shared, ticket))
    }

    /// [`try_enter`](Bulkhead::try_enter) with a borrow; who finds no place is not counted.
    #[inline]
    pub(crate) fn try_hold(&self) -> Option<Held<'_>> {
        Held::at_once(&self.shared)
    }

    /// [`enter`](Bulkhead::enter) with a borrow.
    pub(crate) async fn hold(&self) -> Result<Held<'_>, Full> {
        Held::wait(&self.shared).await
    }

    /// Figures, all of the same moment.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }
}

impl fmt::Debug for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Figures of a [`Bulkhead`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// How many may run.
    pub limit: usize,
    /// How many run.
    pub running: usize,
    /// How many wait.
    pub waiting: usize,
    /// How many were let in since it was made.
    pub entered: u64,
    /// How many found no place, not even to wait.
    pub refused: u64,
    /// How many waited as long as they may.
    pub expired: u64,
}
