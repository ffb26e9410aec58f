//! A mutex without poisoning.
//!
//! No code of a user runs while one of our locks is held, but where that is the point (an iterator that tasks draw from in turn, which is out of its
//! place meanwhile). So a panic cannot leave half a change behind, and poisoning would only turn one panic into many.

use std::fmt;
use std::hint::spin_loop;
pub(crate) use std::sync::MutexGuard as Locked;
use std::sync::{Mutex, PoisonError, TryLockError};

/// Pauses before it asks again for the first time: a few hundred nanoseconds, in which the other thread takes the lock a dozen times. Who asks sooner takes the lock's
/// cache line away from it each time.
const FIRST: u32 = 8;

/// A thousand pauses in all: some tens of microseconds, about what sleeping and being woken takes.
const ROUNDS: u32 = 7;

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
            Ok(locked) => Some(locked),
            Err(TryLockError::Poisoned(locked)) => Some(locked.into_inner()),
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}
