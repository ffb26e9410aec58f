//! Where the shared files look for `crate::internal`.

#[path = "../../../src/internal/line.rs"]
pub(crate) mod line;

/// `src/internal/lock.rs`, on loom's mutex.
pub(crate) mod lock {
    use loom::sync::{Mutex, MutexGuard};

    pub(crate) struct Lock<T>(Mutex<T>);

    impl<T> Lock<T> {
        pub(crate) fn new(value: T) -> Self {
            Lock(Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("loom's mutexes are not poisoned")
        }
    }
}
