//! What may cross threads, and what may not.

use regatta::sync::*;
use std::cell::Cell;
use std::fmt::Debug;
use std::panic::{RefUnwindSafe, UnwindSafe};

fn crosses<T: Send + Sync + Unpin + Debug + 'static>() {}
fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}

#[test]
fn everything_crosses_threads() {
    crosses::<Semaphore>();
    crosses::<Permit>();
    crosses::<Acquire>();
    crosses::<Limiter>();
    crosses::<Token>();
    crosses::<Borrower>();
    crosses::<Borrowing>();
    crosses::<BorrowingFor>();
    crosses::<Event>();
    crosses::<WaitEvent<'static>>();
    crosses::<Condition>();
    crosses::<WaitCondition<u8>>();
    crosses::<Mutex<u8>>();
    crosses::<MutexGuard<u8>>();
    crosses::<Locking<u8>>();
    crosses::<RwLock<u8>>();
    crosses::<ReadGuard<u8>>();
    crosses::<WriteGuard<u8>>();
    crosses::<Reading<u8>>();
    crosses::<Writing<u8>>();
    crosses::<Barrier>();
    crosses::<WaitBarrier>();
    crosses::<Arrival>();
    crosses::<Exclusive>();
    crosses::<InUse>();
    crosses::<OnceCell<u8>>();
}

#[test]
fn errors_are_errors_and_cross_threads() {
    fn error<T: std::error::Error + Send + Sync + 'static>() {}
    error::<AcquireError>();
    error::<TryAcquireError>();
    error::<ResizeError>();
    error::<SplitError>();
    error::<MergeError>();
    error::<BorrowError>();
    error::<TryLockError>();
    error::<Conflict>();
}

#[test]
fn nothing_is_poisoned() {
    is_unwind_safe::<Semaphore>();
    is_unwind_safe::<Limiter>();
    is_unwind_safe::<Event>();
    is_unwind_safe::<Condition>();
    is_unwind_safe::<Barrier>();
    is_unwind_safe::<Mutex<u8>>();
    is_unwind_safe::<RwLock<u8>>();
    is_unwind_safe::<Exclusive>();
}

/// A mutex makes a `Send` value `Sync`; a read-write lock cannot, because its readers share the value.
#[test]
fn a_mutex_needs_only_send() {
    fn both<T: Send + Sync>() {}
    both::<Mutex<Cell<u8>>>();
    fn send<T: Send>() {}
    send::<MutexGuard<Cell<u8>>>();
}

/// Futures are their own: spawned without a borrow of the lock.
#[test]
fn calls_borrow_nothing() {
    fn own<T: Send + 'static>(_: T) {}
    let condition = Condition::new();
    let mutex = Mutex::new(1);
    own(mutex.lock());
    own(condition.wait_for(mutex.try_lock().unwrap(), |n| *n > 0));
    own(RwLock::new(1).read());
    own(Limiter::new(1).borrow_for("me"));
}
