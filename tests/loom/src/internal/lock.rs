//! `src/internal/lock.rs`, on loom's mutex.

use loom::sync::Mutex;
pub(crate) use loom::sync::MutexGuard as Locked;
use std::fmt;

#[derive(Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Self {
        Lock(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Locked<'_, T> {
        self.0.lock().expect("loom's mutexes are not poisoned")
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// loom looks for something else than code of users under locks.
pub(crate) fn assert_none_held() {}
