//! Locks, permits and signals between tasks.
//!
//! | you want | use |
//! |---|---|
//! | one task at a time to use a value | [`Mutex`] |
//! | many to read it, or one to write it | [`RwLock`] |
//! | to wait until such a value has changed | [`Condition`] |
//! | at most n at once, or n units of something | [`Semaphore`] |
//! | the same with named borrowers, any total, statistics | [`Limiter`] |
//! | to release all who wait for something | [`Event`] |
//! | all to go on together | [`Barrier`] |
//! | a value that is made once, by whoever needs it first | [`OnceCell`] |
//! | an error when two use at once what only one may | [`Exclusive`] |
//!
//! For values on their way from task to task see a queue; for tasks and their results [`task`](crate::task). Between two awaits, and never
//! across one, `std::sync::Mutex` and atomics are cheaper than anything here.
//!
//! # Example
//!
//! ```
//! use regatta::{sync, task, time};
//! use std::time::Duration;
//!
//! regatta::testing::run(async || {
//!     let (permits, total) = (sync::Semaphore::new(2), sync::Mutex::new(0));
//!     let jobs = (1..=4).map(|n| {
//!         let (permits, total) = (permits.clone(), total.clone());
//!         async move {
//!             let _permit = permits.acquire().await.expect("it is never closed");
//!             time::sleep(Duration::from_secs(1)).await;
//!             *total.lock().await += n;
//!         }
//!     });
//!     task::gather(jobs).settled().await;
//!     assert_eq!(*total.lock().await, 10);
//!     assert_eq!(regatta::testing::now(), Duration::from_secs(2));
//! });
//! ```
//!
//! # How it behaves
//!
//! * **Handles.** All are cheap clones, all of one thing ([`OnceCell`] apart, which is the thing itself). Guards and
//!   tokens borrow nothing: they can be sent and stored. A [`Permit`] borrows its semaphore, which saves a reference
//!   count, until [`into_owned`](Permit::into_owned).
//! * **First come, first served.** Who waits is served in the order of its first poll. What is given back goes straight into the hands of the
//!   first in line; nobody passes, not even who gave it back. Replayed with the same seed, everything happens in the same order: no clock is read.
//! * **Cancelled means it did not happen.** Any waiting call can be dropped at any moment, also between being served and seeing it. No waiter
//!   stays in line, nothing that was given is lost: it goes to the next.
//! * **Panics** give back what was held; there is no poisoning.
//! * **Cooperative.** A task that finds everything free some hundreds of times in a row goes round its executor once,
//!   so that a loop cannot keep a thread for itself: under tokio by tokio's budget, elsewhere by one like it. A call
//!   that gives way so keeps what it has got, and its place in line. The `try_` calls never do that.
//! * **Your wakers.** No waker is cloned, woken or dropped under a lock of ours, and one that panics ends nothing.
//! * **Deadlocks** remain possible: locks taken in different orders, a lock taken twice by one task. In [virtual time](crate::testing) they are
//!   reported, with what each task waits for.
//!
//! A future that is ready but not polled holds its place: one that was served and is then neither polled nor dropped keeps the others
//! waiting. Do not leave such a future lying around while you await something else (*futurelock*).
//!
//! [`OnceCell`] is async-lock's with a waker of its own, and has all this but the line.

mod barrier;
mod condition;
mod error;
mod event;
mod exclusive;
mod limiter;
mod mutex;
mod once_cell;
mod rwlock;
mod semaphore;

pub use barrier::{Arrival, Barrier, BarrierError, WaitBarrier};
pub use condition::{Condition, WaitCondition};
pub use error::TryLockError;
pub use event::{Event, WaitEvent};
pub use exclusive::{Conflict, Exclusive, InUse};
pub use limiter::{BorrowError, Borrower, Borrowing, BorrowingFor, Limiter, LimiterStats, Token};
pub use mutex::{Locking, Mutex, MutexGuard};
pub use once_cell::OnceCell;
pub use rwlock::{ReadGuard, Reading, RwLock, WriteGuard, Writing};
pub use semaphore::{
    Acquire, AcquireError, MergeError, Permit, ResizeError, Semaphore, SplitError, TryAcquireError,
};
