//! A mutex without poisoning.
//!
//! No code of a user runs while one of our locks is held, so a panic cannot leave half a change behind, and
//! poisoning would only turn one panic into many.

use std::fmt;
pub(crate) use std::sync::MutexGuard as Locked;
use std::sync::{Mutex, PoisonError};

#[derive(Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Lock(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Locked<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}
