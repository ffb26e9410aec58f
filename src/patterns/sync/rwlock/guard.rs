//! What readers and writers hold.

use super::Inner;
use super::state::Shared;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

const HELD: &str = "a guard has the value until it is dropped";

/// A share of the value of a [`RwLock`](super::RwLock); given back when it is dropped.
#[must_use = "the lock is given back when it is dropped: bind it to a name"]
pub struct ReadGuard<T> {
    inner: Arc<Inner<T>>,
    /// There until it is dropped.
    value: Option<Shared<T>>,
}

impl<T> ReadGuard<T> {
    pub(super) fn new(inner: Arc<Inner<T>>, value: Shared<T>) -> Self {
        ReadGuard {
            inner,
            value: Some(value),
        }
    }
}

impl<T> Deref for ReadGuard<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value.as_deref().expect(HELD)
    }
}

impl<T> Drop for ReadGuard<T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.inner.end_read(value);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for ReadGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// The value of a [`RwLock`](super::RwLock), for one; given back when it is dropped.
#[must_use = "the lock is given back when it is dropped: bind it to a name"]
pub struct WriteGuard<T> {
    inner: Arc<Inner<T>>,
    /// There until it is dropped.
    value: Option<Box<T>>,
}

impl<T> WriteGuard<T> {
    pub(super) fn new(inner: Arc<Inner<T>>, value: Box<T>) -> Self {
        WriteGuard {
            inner,
            value: Some(value),
        }
    }

    /// Goes on as a reader, without letting a writer in between; readers who are first in line come along. Not a method, so that it
    /// hides none of the value's.
    pub fn downgrade(mut guard: Self) -> ReadGuard<T> {
        let Some(value) = guard.value.take() else {
            unreachable!("{HELD}");
        };
        let inner = guard.inner.clone();
        let value = inner.downgrade(value);
        ReadGuard::new(inner, value)
    }
}

impl<T> Deref for WriteGuard<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value.as_deref().expect(HELD)
    }
}

impl<T> DerefMut for WriteGuard<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_deref_mut().expect(HELD)
    }
}

impl<T> Drop for WriteGuard<T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.inner.end_write(value);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for WriteGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
