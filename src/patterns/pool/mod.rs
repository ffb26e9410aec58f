//! Pools: connections, and whatever else is dear to make, used by many in turn.
//!
//! Use one for what is expensive to open, limited in number, and used by one at a time: database connections, sessions,
//! sockets, buffers. For things that many can use at once, share one; for a limit alone, take a
//! [`Semaphore`](crate::sync::Semaphore).
//!
//! | you want | use |
//! |---|---|
//! | to say how objects are made, checked and closed | [`Manager`] |
//! | an object for a while | [`Pool::get`], [`Pool::try_get`] |
//! | to use it | [`Guard::run`], or [`Guard::begin`] and [`InFlight::done`] |
//! | a pool for each host, with a total for all | [`Keyed`] |
//!
//! # Example
//!
//! ```
//! use regatta::pool::{Manager, Pool};
//! use regatta::time;
//! use std::time::Duration;
//!
//! struct Printers;
//! impl Manager for Printers {
//!     type Object = Vec<String>;
//!     type Error = std::io::Error;
//!     async fn connect(&self) -> Result<Vec<String>, std::io::Error> {
//!         time::sleep(Duration::from_millis(50)).await;
//!         Ok(Vec::new())
//!     }
//! }
//!
//! async fn print(paper: &mut Vec<String>, page: u32) -> Result<usize, std::io::Error> {
//!     time::sleep(Duration::from_millis(10)).await;
//!     paper.push(format!("page {page}"));
//!     Ok(paper.len())
//! }
//!
//! regatta::testing::run(async || {
//!     let pool = Pool::builder(Printers).max_size(2).build().expect("virtual time can spawn");
//!     let mut printer = pool.get().await.expect("it works");
//!     assert_eq!(printer.run(async |paper| print(paper, 1).await).await.expect("no jam"), 1);
//!     drop(printer); // back to the pool
//!
//!     let mut printer = pool.get().await.expect("the same one");
//!     let slow = printer.run(async |paper| print(paper, 2).await);
//!     assert!(time::timeout(Duration::from_millis(5), slow).await.is_err());
//!     drop(printer); // half a page is in it: closed
//!     assert_eq!(pool.stats().closed.in_flight, 1);
//! });
//! ```
//!
//! # How it behaves
//!
//! **Clean or closed.** An object is *in flight* from before the first poll of an operation until the operation has
//! succeeded, or was said to be done. One that comes back in flight, because a future was dropped, an operation failed
//! or panicked, is closed, unless its manager can prove that it is clean.
//!
//! **Never more than there may be.** An object counts from the decision to make it until its closing has ended.
//!
//! **First come, first served.** All waiters stand in one line; whatever object comes, returned or new, goes to the
//! first. A waiter that got one that did not pass its check is in its old place again.
//!
//! **Connecting is a task of its own.** One is started for each waiter, as far as there is room. A waiter that gives up
//! leaves it to the next. A failure is told to the first in line, so a wrong password is no timeout; and a
//! [timeout](TimedOut) tells what the last attempt said.
//!
//! **The one used last goes first**, so that those too many grow old and are closed.
//!
//! **Nothing hangs or panics for long.** Connecting, checking and closing have time limits, and a panic of the manager,
//! a hook or the observer ends that step only.
//!
//! **The end.** [`close`](Pool::close) takes no object away from its user; it waits for those in use, and reports where
//! those were taken that did not come back. Dropping the last handle closes what is idle, and what comes back later.
//! Guards outlive the pool.
//!
//! # Several runtimes
//!
//! A pool may stand in a `static`, and be used by one runtime after the other (each `#[tokio::test]` is one), or by
//! several side by side:
//!
//! * **An object is used on the runtime it was made on, and nowhere else**, for a socket dies with its reactor. A
//!   caller on another one gets an object of its own; where there is no room for that, one that lies idle is closed, as
//!   for another key. [`Builder::runtime`] names one runtime for all, which then share the objects.
//! * Connects run on the runtime of the waiter; an object is closed on the runtime of the caller that gives it up, or
//!   where it was made.
//! * **When a runtime ends**, the waiters on it are told ([`ConnectError::Dropped`]), and no other caller notices. What
//!   it left idle is closed through the manager when its room is needed, its time is over, or the pool ends.
//! * Ages and idle times go on from one clock to the next, and never back.
//!
//! Time is that of the caller; without [spans](Builder::spans), and time limits on idle objects, lifetimes or leaks,
//! `get` reads no clock. An uncontended `get` spawns nothing and allocates nothing.
//!
//! The policy is HikariCP's, the connects that outlive their callers are those of Go's `database/sql`.

mod error;
mod get;
mod guard;
mod keyed;
mod manager;
mod observer;
mod policy;
mod reaper;
mod report;
mod shared;
mod state;
mod tasks;

pub use error::{
    BuildError, CheckError, ConnectError, GetError, ResizeError, TimedOut, TryGetError,
};
pub use guard::{Guard, InFlight};
pub use keyed::{ByKey, Keyed};
pub use manager::{Manager, Metrics};
pub use observer::{Event, Why};
pub use policy::Builder;
pub use report::{Closed, Held, Report, Stats};

use crate::runtime::coop;
use crate::time;
use shared::{Core, Home, Owner, Shared};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// Objects that are used by many in turn; see the [module](self). Clones are the same pool.
pub struct Pool<M: Manager> {
    core: Home<M>,
    owner: Arc<Owner<M>>,
}

impl<M: Manager> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Pool {
            core: self.core.clone(),
            owner: self.owner.clone(),
        }
    }
}

impl<M: Manager> Pool<M> {
    /// To choose sizes, limits and hooks.
    #[track_caller]
    pub fn builder(manager: M) -> Builder<M> {
        Builder::new(manager, Location::caller())
    }

    fn first(shared: &Arc<Shared<M>>, manager: M, max: usize, min_idle: usize) -> Self {
        Pool {
            core: Core::open(shared, manager, max, min_idle),
            owner: Arc::new(Owner(shared.clone())),
        }
    }

    fn another(owner: &Arc<Owner<M>>, manager: M, max: usize) -> Self {
        Pool {
            core: Core::open(&owner.0, manager, max, 0),
            owner: owner.clone(),
        }
    }

    /// Takes an object, or waits for one. It stands in line from its first poll on.
    ///
    /// An object that lay in the pool is [checked](Manager::check) first; those that do not pass are closed, and it
    /// goes on with another, in its old turn.
    ///
    /// # Errors
    ///
    /// [`GetError`]: the pool is closed, it took longer than [`wait_timeout`](Builder::wait_timeout), or an object
    /// could not be made when its turn had come.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits it leaves the line; an object that it was given goes to the next, and a connect that was
    /// started for it goes on for the next. Dropped during the check the object is closed (unless the manager proves it
    /// clean), and its place is free when
    /// it is. Cancelled, with a grace, it goes on; but when its object does not pass the check then, no other is made
    /// for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::pool::{GetError, Manager, Pool};
    ///
    /// struct Locked;
    /// impl Manager for Locked {
    ///     type Object = ();
    ///     type Error = &'static str;
    ///     async fn connect(&self) -> Result<(), &'static str> { Err("wrong password") }
    /// }
    ///
    /// regatta::testing::run(async || {
    ///     let pool = Pool::builder(Locked).build().expect("virtual time can spawn");
    ///     let error = pool.get().await.expect_err("it is locked");
    ///     assert_eq!(error.to_string(), "cannot connect: wrong password");
    /// });
    /// ```
    #[track_caller]
    pub fn get(
        &self,
    ) -> impl Future<Output = Result<Guard<M>, GetError<M::Error>>> + Send + use<'_, M> {
        get::get(&self.core, Location::caller())
    }

    /// Takes an object that lies idle. It is not [checked](Manager::check): that may take a while.
    ///
    /// # Errors
    ///
    /// [`TryGetError`].
    #[track_caller]
    pub fn try_get(&self) -> Result<Guard<M>, TryGetError> {
        if let Some(guard) = get::try_get(&self.core, Location::caller()) {
            return Ok(guard);
        }
        let stats = self.stats();
        Err(if self.is_closed() {
            TryGetError::Closed
        } else {
            TryGetError::NoneIdle {
                size: stats.size,
                waiting: stats.waiting,
            }
        })
    }

    /// Waits until [`min_idle`](Builder::min_idle) objects are ready, by taking so many and giving them back.
    ///
    /// # Errors
    ///
    /// [`GetError`], the first; the others go on.
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, what is being made is made for the pool.
    pub async fn warm_up(&self) -> Result<(), GetError<M::Error>> {
        coop::spend().await;
        let kept = self.core.shared.lock().begin_warm_up(self.core.bucket);
        let _end = WarmUp(&self.core);
        let taken = (0..kept).map(|_| self.get());
        futures_util::future::try_join_all(taken).await.map(drop)
    }

    /// Changes how many objects there may be. What is idle and too much is closed at once, what is in use when it comes
    /// back.
    ///
    /// # Errors
    ///
    /// [`ResizeError`], and nothing has changed.
    pub fn resize(&self, max_size: usize) -> Result<(), ResizeError> {
        let bucket = self.core.bucket;
        self.core.shared.change(|state, todo| {
            let least = state.min_idle(bucket).max(1);
            if max_size < least {
                let asked = max_size;
                return Err(ResizeError::TooSmall { asked, least });
            }
            if state.is_closed(bucket) {
                return Err(ResizeError::Closed);
            }
            state.resize(bucket, max_size, todo);
            Ok(())
        })
    }

    /// Has every object replaced: those that lie idle are closed at once, those in use when they come back, those being
    /// made as soon as they are. For an owner that learns that the other side has changed, as after a failover.
    ///
    /// # Examples
    ///
    /// ```
    /// # use regatta::pool::{Manager, Pool};
    /// # use std::sync::atomic::{AtomicU32, Ordering};
    /// # struct Numbers(AtomicU32);
    /// # impl Manager for Numbers {
    /// #     type Object = u32;
    /// #     type Error = String;
    /// #     async fn connect(&self) -> Result<u32, String> { Ok(self.0.fetch_add(1, Ordering::Relaxed)) }
    /// # }
    /// # regatta::testing::run(async || {
    /// # let pool = Pool::builder(Numbers(AtomicU32::new(1))).build().expect("virtual time can spawn");
    /// let in_use = pool.get().await.expect("it works");
    /// pool.expire();
    /// drop(in_use);
    /// assert_eq!(pool.get().await.expect("another one").detach(), 2);
    /// # });
    /// ```
    pub fn expire(&self) {
        self.core.expire();
    }

    /// Gives no more objects: waiters get an error, connects are given up, what is idle is closed. Waits up to
    /// `limit` for those in use to come back and for all to be closed, and reports. [`Duration::MAX`] waits for ever.
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, it stays closed, and it can be called again.
    ///
    /// # Examples
    ///
    /// ```
    /// # use regatta::pool::{Manager, Pool};
    /// # struct Numbers;
    /// # impl Manager for Numbers {
    /// #     type Object = u32;
    /// #     type Error = String;
    /// #     async fn connect(&self) -> Result<u32, String> { Ok(1) }
    /// # }
    /// # use std::time::Duration;
    /// # regatta::testing::run(async || {
    /// # let pool = Pool::builder(Numbers).build().expect("virtual time can spawn");
    /// let forgotten = pool.get().await.expect("it works");
    /// let report = pool.close(Duration::from_secs(10)).await;
    /// assert!(!report.is_complete());
    /// println!("{}", report.held[0]); // taken at src/main.rs:12:22
    /// # drop(forgotten);
    /// # });
    /// ```
    pub async fn close(&self, limit: Duration) -> Report {
        let core = &self.core;
        core.close();
        let _in_time = time::timeout(limit, core.ended.wait()).await;
        core.report()
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.core.shared.lock().is_closed(self.core.bucket)
    }

    /// Figures, all of the same moment.
    pub fn stats(&self) -> Stats {
        self.core.shared.lock().stats(self.core.bucket)
    }

    /// What is in use, and where it was taken: to look for leaks.
    pub fn held(&self) -> Vec<Held> {
        self.core.shared.lock().held(self.core.bucket)
    }
}

impl<M: Manager> Core<M> {
    fn report(&self) -> Report {
        let state = self.shared.lock();
        let stats = state.stats(self.bucket);
        Report {
            held: state.held(self.bucket),
            busy: stats.connecting + stats.closing,
        }
    }
}

/// Ends a warm-up, when what it took is back.
struct WarmUp<'a, M: Manager>(&'a Core<M>);

impl<M: Manager> Drop for WarmUp<'_, M> {
    fn drop(&mut self) {
        let bucket = self.0.bucket;
        let shared = &self.0.shared;
        shared.change(|state, todo| state.end_warm_up(bucket, todo));
    }
}

impl<M: Manager> fmt::Debug for Pool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
