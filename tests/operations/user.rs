//! Code of a user that counts how often it is called, and panics when it is told to.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Whose closures, hooks and values an object is given.
#[derive(Clone, Default)]
pub(crate) struct User(Arc<Inner>);

#[derive(Default)]
struct Inner {
    calls: AtomicUsize,
    /// The call that panics; 0: none.
    panics_at: AtomicUsize,
    /// Values that live.
    values: AtomicUsize,
}

thread_local!(static HERE: RefCell<User> = RefCell::default());

/// Whose code runs in the futures that are made here.
pub(crate) fn here() -> User {
    HERE.with_borrow(Clone::clone)
}

pub(crate) fn enter(user: &User) {
    HERE.set(user.clone());
}

/// What a panic of a user says.
pub(crate) const PANIC: &str = "the user's code panics on purpose";

impl User {
    /// The n-th call from now on panics.
    pub(crate) fn panics_at(n: usize) -> User {
        let user = User::default();
        user.0.panics_at.store(n, SeqCst);
        user
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.calls.load(SeqCst)
    }

    pub(crate) fn values(&self) -> usize {
        self.0.values.load(SeqCst)
    }

    /// A closure of the user's: its panic is its own.
    pub(crate) fn call(&self) {
        let call = self.0.calls.fetch_add(1, SeqCst) + 1;
        if call == self.0.panics_at.load(SeqCst) {
            std::panic::panic_any(String::from(PANIC));
        }
    }

    /// A value whose `clone` and `Drop` are calls.
    pub(crate) fn value(&self) -> Value {
        self.0.values.fetch_add(1, SeqCst);
        Value(self.clone())
    }
}

#[derive(Debug)]
pub(crate) struct Value(User);

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("User")
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        self.0.call();
        self.0.value()
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.0.0.values.fetch_sub(1, SeqCst);
        // A second panic would end the process, wherever it is.
        if !std::thread::panicking() {
            self.0.call();
        }
    }
}
