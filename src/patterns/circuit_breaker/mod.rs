//! Circuit breakers: a service that does not work is left alone for a while.
//!
//! Use one around calls that leave the process. When too many fail, or take too long, the breaker *opens*: calls are
//! refused at once, so that callers do not wait for what will fail, and the service can recover. After a time it is
//! *half open*: a few calls go through as probes, and decide whether it closes. Share one breaker among all callers
//! of the same service.
//!
//! | you want | use |
//! |---|---|
//! | a future behind the breaker | [`CircuitBreaker::call`] |
//! | to say yourself how a call ended | [`CircuitBreaker::try_enter`] |
//! | to choose when it opens and closes | [`CircuitBreaker::builder`] |
//! | a breaker for each host | [`Keyed`] |
//!
//! # Example
//!
//! ```
//! use regatta::circuit_breaker::{CallError, CircuitBreaker, State};
//! use regatta::time;
//! use std::time::Duration;
//!
//! regatta::testing::run(async || {
//!     let breaker = CircuitBreaker::builder().consecutive_failures(3).open_for(Duration::from_secs(5)).build();
//!     for _ in 0..3 {
//!         let failed = breaker.call(async { Err::<(), _>("no route") }).await;
//!         assert_eq!(failed, Err(CallError::Failed("no route")));
//!     }
//!     let refused = breaker.call(async { Ok::<_, &str>("never called") }).await;
//!     assert_eq!(refused.expect_err("it is open").to_string(), "the circuit breaker is open: try again in 5s");
//!
//!     time::sleep(Duration::from_secs(5)).await;
//!     assert_eq!(breaker.call(async { Ok::<_, &str>("back again") }).await, Ok("back again"));
//!     assert_eq!(breaker.state(), State::Closed);
//! });
//! ```
//!
//! # How it behaves
//!
//! **Closed**, it counts how calls end, and opens with the failed (or slow) one that is one too many: [`Window`],
//! [`Builder::min_calls`], [`Builder::failure_rate`], [`Builder::slow_calls`]. **Open**, it refuses, for [so
//! long](Builder::open_for). **Half open**, it lets [so many probes](Builder::probes) run at once; enough successes
//! close it, one failure opens it again. There is no task: the first call after the open time finds it half open.
//!
//! **Late answers do not count.** A call that began before the last change of the state changes nothing when it ends:
//! the last calls before a breaker opened cannot close it, nor open it again.
//!
//! **Dropping.** A call that is dropped counts as [`OnDrop`] says, at once; a probe that is dropped frees its place for
//! another. So does an error that a call gives while a scope around it is cancelled. A panic is a failure.
//!
//! **Time** is that of whichever runtime is current at use, unless the breaker was [given one](Builder::runtime): a
//! breaker may stand in a `static`, and be used by one runtime after another, or by several at once. When another clock
//! comes (a simulation's, after the machine's), time goes on from where it was last seen: what was left of the open
//! time or of a window is still left. Moments of different clocks are never compared; of clocks that are used in turns,
//! the faster one leads. How long a call took is known if it ends on the clock it began on, and counts as no time
//! otherwise. A clock that goes back counts as one that stands still.
//!
//! **What it costs.** Where neither time windows nor slow calls are asked for, a call that succeeds reads no clock and,
//! while the breaker is closed, takes no lock: it costs two atomic operations. With a window of time it reads the clock
//! when it ends, and with slow calls also when it begins.

mod call;
mod error;
mod keyed;
mod observer;
mod pass;
mod policy;
mod shared;
mod state;
mod window;

pub use call::{ByResult, Call, EveryError, Judge, SomeErrors};
pub use error::{CallError, Refused, TooManyKeys};
pub use keyed::Keyed;
pub use observer::Event;
pub(crate) use pass::Held;
pub use pass::Pass;
pub use policy::{Builder, OnDrop, Window};
pub use state::{State, Stats, Verdict};
pub use window::Counts;

use crate::internal::keyed::Kept;
use crate::internal::timeline::Reading;
use shared::{Hold, Shared};
use std::fmt;
use std::future::Future;
use std::sync::Arc;

/// Refuses calls to a service that does not work; see the [module](self). Clones are the same breaker.
///
/// It may stand in a `static`. When another runtime uses it, time goes on from where it was last seen: what was left of
/// the open time is still left.
#[derive(Clone)]
pub struct CircuitBreaker {
    shared: Arc<Shared>,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        CircuitBreaker::new()
    }
}

impl CircuitBreaker {
    /// Opens for 30 seconds when half of the last 100 calls failed, and at least 20 were made; one probe decides.
    pub fn new() -> Self {
        Builder::new().build()
    }

    /// To choose when it opens and closes, who observes it, and the runtime.
    pub fn builder() -> Builder {
        Builder::new()
    }

    fn of(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        CircuitBreaker { shared }
    }

    /// Awaits `future`, unless the breaker refuses, which it decides when this is first polled; see [`Call`] for what
    /// counts as a failure.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`], and then `future` was not polled; [`CallError::Failed`] with its error.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops `future`, and counts as the rule for [dropped calls](OnDrop) says. Before the first poll it
    /// did not happen.
    #[inline]
    pub fn call<F, T, E>(&self, future: F) -> Call<'_, F>
    where
        F: Future<Output = Result<T, E>>,
    {
        Call::new(&self.shared, future)
    }

    /// Enters for one call that is made by hand.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the time after which it is worth another try.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::circuit_breaker::CircuitBreaker;
    ///
    /// regatta::testing::run(async || {
    ///     let breaker = CircuitBreaker::new();
    ///     let pass = breaker.try_enter().expect("it is closed");
    ///     match "a call".parse::<u32>() {
    ///         Ok(_) => pass.succeeded(),
    ///         Err(_) => pass.failed(),
    ///     }
    ///     assert_eq!(breaker.stats().failed, 1);
    /// });
    /// ```
    pub fn try_enter(&self) -> Result<Pass, Refused> {
        Hold::enter(self.shared.clone()).map(Pass::new)
    }

    /// [`try_enter`](CircuitBreaker::try_enter) with a borrow.
    #[inline]
    pub(crate) fn hold(&self) -> Result<Held<'_>, Refused> {
        Hold::enter(&*self.shared).map(Held::new)
    }

    /// Refuses every call until it is told otherwise.
    pub fn force_open(&self) {
        self.shared.force(true);
    }

    /// Lets every call through until it is told otherwise, and counts none.
    pub fn force_closed(&self) {
        self.shared.force(false);
    }

    /// Ends [`force_open`](CircuitBreaker::force_open) and [`force_closed`](CircuitBreaker::force_closed): it is
    /// closed, and as new. Does nothing when it is not forced.
    pub fn automatic(&self) {
        self.shared.reset(true);
    }

    /// Closes it and forgets what it has counted, whatever its state. The figures of [`stats`](CircuitBreaker::stats)
    /// go on.
    pub fn reset(&self) {
        self.shared.reset(false);
    }

    /// What it would do with a call now: open for so long that the next call would be a probe, it is half open already.
    pub fn state(&self) -> State {
        self.shared.state()
    }

    /// Figures, all of the same moment.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }
}

impl Kept for CircuitBreaker {
    const FADES: bool = false;

    fn read(&self) -> Reading {
        self.shared.read()
    }

    fn loss(&self, now: Reading) -> Option<u8> {
        let unused = Arc::strong_count(&self.shared) == 1;
        unused.then(|| self.shared.loss(now)).flatten()
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("state", &self.state())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
