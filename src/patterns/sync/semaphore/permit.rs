//! [`Permit`]: what an acquire gives.

use super::Inner;
use super::error::{MergeError, SplitError};
use std::fmt;
use std::sync::Arc;

/// One or more permits of a [`Semaphore`](super::Semaphore); they go back when it is dropped.
///
/// It borrows nothing: send it to another task or thread, or keep it in a struct. Given back from anywhere, also while unwinding and
/// after the semaphore was closed.
///
/// # Examples
///
/// ```
/// use regatta::sync::Semaphore;
///
/// regatta::testing::run(async || {
///     let semaphore = Semaphore::new(5);
///     let mut batch = semaphore.acquire_many(4).await.expect("open");
///     let one = batch.split(1).expect("4 can be split");
///     drop(batch);
///     assert_eq!((one.count(), semaphore.available()), (1, 4));
/// });
/// ```
#[must_use = "permits go back when it is dropped: bind it to a name"]
pub struct Permit {
    inner: Arc<Inner>,
    count: usize,
}

impl Permit {
    #[inline]
    pub(super) fn new(inner: Arc<Inner>, count: usize) -> Self {
        Permit { inner, count }
    }

    /// How many permits it stands for.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Never gives them back: the semaphore has so many fewer from now on, until [`add_permits`](super::Semaphore::add_permits).
    pub fn forget(mut self) {
        self.inner.state.forget(std::mem::take(&mut self.count));
    }

    /// Splits `n` permits off into a permit of their own.
    ///
    /// # Errors
    ///
    /// [`SplitError`], when one of the two would be left with none.
    pub fn split(&mut self, n: usize) -> Result<Permit, SplitError> {
        if n == 0 || n >= self.count {
            return Err(SplitError {
                asked: n,
                held: self.count,
            });
        }
        self.count -= n;
        Ok(Permit::new(self.inner.clone(), n))
    }

    /// Takes the permits of `other` in.
    ///
    /// # Errors
    ///
    /// [`MergeError`] with `other`, when it belongs to another semaphore.
    pub fn merge(&mut self, mut other: Permit) -> Result<(), MergeError> {
        if !Arc::ptr_eq(&self.inner, &other.inner) {
            return Err(MergeError(other));
        }
        self.count += std::mem::take(&mut other.count);
        Ok(())
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if self.count > 0 {
            self.inner.state.give(self.count);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
