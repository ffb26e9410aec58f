//! Load shedding: work is refused while there is too much of it.
//!
//! Use it at the door of a server: an answer that comes too late helps no caller, and the work for it makes the others
//! late, too. No call waits here: to let some wait, take a [`Bulkhead`](crate::bulkhead).
//!
//! | refuse when | use |
//! |---|---|
//! | too many run | [`Builder::max_in_flight`] |
//! | tasks wait too long for their turn | [`Builder::max_lag`] |
//! | work has waited too long in a queue | [`Builder::max_age`], [`LoadShed::check_age`] |
//!
//! # Example
//!
//! ```
//! use regatta::load_shed::LoadShed;
//! use std::time::Duration;
//!
//! regatta::testing::run(async || {
//!     let shed = LoadShed::builder().max_in_flight(1).max_lag(Duration::from_millis(50)).build();
//!     let pass = shed.enter().await.expect("nothing runs yet");
//!     let refused = shed.call(async { Ok::<_, &str>("never called") }).await;
//!     assert_eq!(refused.expect_err("one runs").to_string(), "overloaded: 1 calls run already");
//!     drop(pass);
//!     assert_eq!(shed.call(async { Ok::<_, &str>("served") }).await, Ok("served"));
//! });
//! ```
//!
//! # How it behaves
//!
//! **How late the executor is** is measured by the calls that come: once in [so long](Builder::measure_every), one of
//! them goes to the end of the run queue and looks at the clock when it is polled again. There is no task. That shows a
//! thread that is blocked or busy, not a machine that is short of memory; and on an executor with several threads it
//! shows the queue of that task. One long turn refuses calls until the next measure.
//!
//! **Dropping.** What is dropped while it runs counts no more; a measure that is dropped counts not at all.
//!
//! **Time** is that of whichever runtime is current at use, unless the load shedder was [given one](Builder::runtime):
//! it may stand in a `static`, and be used by one runtime after another, or by several at once. When another clock
//! comes, time goes on from where it was last seen: a measure counts for what was left of its time. Moments of
//! different clocks are never compared.

mod enter;
mod error;
mod policy;
mod shared;
mod state;

pub(crate) use enter::Held;
pub use enter::{Enter, Pass};
pub use error::{CallError, Shed};
pub use policy::Builder;
pub use state::Stats;

use crate::runtime::Instant;
use shared::Shared;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

/// Refuses work while there is too much of it; see the [module](self). Clones are the same.
///
/// It may stand in a `static`. When another runtime uses it, time goes on from where it was last seen.
#[derive(Clone)]
pub struct LoadShed {
    shared: Arc<Shared>,
}

impl LoadShed {
    /// To choose what is too much.
    pub fn builder() -> Builder {
        Builder::new()
    }

    fn of(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        LoadShed { shared }
    }

    /// Awaits `future`, unless there is too much to do.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`], and then `future` was not polled; [`CallError::Failed`] with its error.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops `future`, which counts no more.
    pub async fn call<F, T, E>(&self, future: F) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        let _pass = self.enter().await.map_err(CallError::Refused)?;
        future.await.map_err(CallError::Failed)
    }

    /// Enters, unless there is too much to do. Once in a while this measures how late the executor is, and is pending
    /// once.
    ///
    /// # Errors
    ///
    /// [`Shed`].
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it did not happen.
    pub fn enter(&self) -> Enter<'_> {
        Enter::new(&self.shared)
    }

    /// [`enter`](LoadShed::enter) with what is known: it does not measure.
    ///
    /// # Errors
    ///
    /// [`Shed`].
    pub fn try_enter(&self) -> Result<Pass, Shed> {
        Pass::enter(&self.shared)
    }

    /// [`hold`](LoadShed::hold), if nothing has to be measured, and nobody refused. Who is refused is not counted.
    #[inline]
    pub(crate) fn hold_at_once(&self) -> Option<Held<'_>> {
        Held::at_once(&self.shared)
    }

    /// [`enter`](LoadShed::enter) with a borrow.
    #[inline]
    pub(crate) async fn hold(&self) -> Result<Held<'_>, Shed> {
        Held::enter(&self.shared).await
    }

    /// Whether work is still worth beginning that came at `since`, on the clock of the runtime that is current now. It
    /// does not count as running: enter with it afterwards.
    ///
    /// # Errors
    ///
    /// [`Shed::Old`].
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::{Runtime, load_shed::LoadShed, time};
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let shed = LoadShed::builder().max_age(Duration::from_secs(1)).build();
    ///     let came = Runtime::current().now();
    ///     assert!(shed.check_age(came).is_ok());
    ///     time::sleep(Duration::from_secs(2)).await;
    ///     assert!(shed.check_age(came).is_err());
    /// });
    /// ```
    pub fn check_age(&self, since: Instant) -> Result<(), Shed> {
        self.shared.check_age(since)
    }

    /// Figures, all of the same moment.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }
}

impl fmt::Debug for LoadShed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadShed")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
