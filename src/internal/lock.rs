//! A mutex without poisoning, under which no code of a user runs.
//!
//! No value, waker, closure, key or clock of a user is called, cloned, woken or dropped while one of our locks is held:
//! it might come back for the same lock, or panic half-way through a change. It goes out of the lock by return, and
//! runs after unlocking. Hence no poisoning, which would only turn one panic into many. Two places are exempt, and
//! guard themselves: the comparisons of a queue by priority ([`exempt`]), and an iterator that tasks draw from in turn,
//! which is out of its place meanwhile.
//!
//! Builds with debug assertions count the locks that a thread holds, and whatever calls code of a user asks
//! [`assert_none_held`]: so each test is one of this rule.

use std::cell::Cell;
use std::fmt;
use std::hint::spin_loop;
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// Pauses before it asks again for the first time: a few hundred nanoseconds, in which the other thread takes the lock a dozen times. Who asks sooner takes the lock's
/// cache line away from it each time.
const FIRST: u32 = 8;

/// A thousand pauses in all: some tens of microseconds, about what sleeping and being woken takes.
const ROUNDS: u32 = 7;

thread_local!(static HELD: Cell<u32> = const { Cell::new(0) });

/// One of the locks that this thread holds, while debug assertions are on.
struct Held;

impl Held {
    #[inline]
    fn count() -> Self {
        if cfg!(debug_assertions) {
            HELD.set(HELD.get() + 1);
        }
        Held
    }
}

impl Drop for Held {
    #[inline]
    fn drop(&mut self) {
        if cfg!(debug_assertions) {
            HELD.set(HELD.get() - 1);
        }
    }
}

/// Before code of a user runs. With debug assertions, it panics when this thread holds one of our locks.
#[inline]
#[track_caller]
pub(crate) fn assert_none_held() {
    // Not on top of another panic: that would abort, and hide the first.
    if cfg!(debug_assertions) && HELD.get() > 0 && !std::thread::panicking() {
        panic!(
            "code of a user is about to run under a lock of ours: let it out by return, and run it after unlocking"
        );
    }
}

/// Runs code of a user that is to run under a lock, and says so in its documentation.
#[inline]
pub(crate) fn exempt<R>(call: impl FnOnce() -> R) -> R {
    struct Again(u32);
    impl Drop for Again {
        fn drop(&mut self) {
            HELD.set(self.0);
        }
    }
    let _again = cfg!(debug_assertions).then(|| Again(HELD.replace(0)));
    call()
}

/// What is locked; unlocks when it is dropped.
pub(crate) struct Locked<'a, T> {
    guard: MutexGuard<'a, T>,
    _held: Held,
}

impl<'a, T> Locked<'a, T> {
    #[inline]
    fn of(guard: MutexGuard<'a, T>) -> Self {
        let _held = Held::count();
        Locked { guard, _held }
    }

    /// Unlocks, sleeps until the bell rings, at most for `limit`, and locks again. True: the time is over.
    pub(crate) fn wait_timeout(self, bell: &Condvar, limit: Duration) -> (Self, bool) {
        let Locked { guard, _held } = self;
        let (guard, waited) = bell
            .wait_timeout(guard, limit)
            .unwrap_or_else(PoisonError::into_inner);
        (Locked { guard, _held }, waited.timed_out())
    }
}

impl<T> Deref for Locked<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for Locked<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

#[derive(Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Lock(Mutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_, T> {
        match self.try_lock() {
            Some(locked) => locked,
            None => self.lock_contended(),
        }
    }

    #[inline]
    fn try_lock(&self) -> Option<Locked<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(Locked::of(guard)),
            Err(TryLockError::Poisoned(guard)) => Some(Locked::of(guard.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Stays away for longer and longer before it sleeps.
    ///
    /// What happens under our locks takes nanoseconds, sleeping and being woken takes microseconds, and a lock that two threads ask for
    /// without a pause goes from one cache to the other each time. While one of them stays away, the other gets much done.
    #[cold]
    fn lock_contended(&self) -> Locked<'_, T> {
        for round in 0..ROUNDS {
            for _ in 0..FIRST << round {
                spin_loop();
            }
            if let Some(locked) = self.try_lock() {
                return locked;
            }
        }
        Locked::of(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn code_of_a_user_under_a_lock_is_noticed() {
        assert_none_held();
        let (one, two) = (Lock::new(1), Lock::new(2));
        let (first, second) = (one.lock(), two.lock());
        drop(first);
        let noticed = catch_unwind(assert_none_held).is_err();
        assert_eq!(noticed, cfg!(debug_assertions));
        exempt(assert_none_held);
        assert_eq!(catch_unwind(assert_none_held).is_err(), noticed);
        drop(second);
        assert_none_held();
    }

    #[test]
    fn a_panic_leaves_the_lock_free_and_uncounted() {
        let lock = Lock::new(0);
        let change = || {
            let mut locked = lock.lock();
            *locked = 1;
            panic!("on purpose");
        };
        assert!(catch_unwind(AssertUnwindSafe(change)).is_err());
        assert_none_held();
        assert_eq!(*lock.lock(), 1);
    }
}
