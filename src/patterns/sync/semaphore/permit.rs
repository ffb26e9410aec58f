//! [`Permit`]: what an acquire gives.

use super::Inner;
use super::error::{MergeError, SplitError};
use std::fmt;
use std::sync::Arc;

/// One or more permits of a [`Semaphore`](super::Semaphore); they go back when it is dropped.
///
/// It borrows the semaphore; [`into_owned`](Permit::into_owned) gives one that borrows nothing, to be sent to another task or kept in a struct. Given back from
/// anywhere, also while unwinding and after the semaphore was closed.
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
pub struct Permit<'a> {
    held: Held<'a>,
    count: usize,
}

enum Held<'a> {
    Borrowed(&'a Arc<Inner>),
    Owned(Arc<Inner>),
}

impl<'a> Permit<'a> {
    #[inline]
    pub(super) fn new(inner: &'a Arc<Inner>, count: usize) -> Self {
        let held = Held::Borrowed(inner);
        Permit { held, count }
    }

    #[inline]
    fn inner(&self) -> &Arc<Inner> {
        match &self.held {
            Held::Borrowed(inner) => inner,
            Held::Owned(inner) => inner,
        }
    }

    /// The same permits without the borrow: to be sent to another task or thread, or kept in a struct. Costs a reference count.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::{sync::Semaphore, task};
    ///
    /// regatta::testing::run(async || {
    ///     let semaphore = Semaphore::new(2);
    ///     task::task_group(async |g| {
    ///         for _ in 0..10 {
    ///             let permit = semaphore.acquire().await?.into_owned();
    ///             g.spawn(async move { drop(permit) }); // goes back when the task ends
    ///         }
    ///         Ok::<_, regatta::sync::AcquireError>(())
    ///     })
    ///     .await
    ///     .expect("it stays open");
    /// });
    /// ```
    pub fn into_owned(mut self) -> Permit<'static> {
        Permit {
            count: std::mem::take(&mut self.count),
            held: Held::Owned(self.inner().clone()),
        }
    }

    /// How many permits it stands for.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Never gives them back: the semaphore has so many fewer from now on, until [`add_permits`](super::Semaphore::add_permits).
    pub fn forget(mut self) {
        let count = std::mem::take(&mut self.count);
        self.inner().state.forget(count);
    }

    /// Splits `n` permits off into a permit of their own.
    ///
    /// # Errors
    ///
    /// [`SplitError`], when one of the two would be left with none.
    pub fn split(&mut self, n: usize) -> Result<Permit<'a>, SplitError> {
        if n == 0 || n >= self.count {
            return Err(SplitError {
                asked: n,
                held: self.count,
            });
        }
        self.count -= n;
        let held = match &self.held {
            Held::Borrowed(inner) => Held::Borrowed(inner),
            Held::Owned(inner) => Held::Owned(inner.clone()),
        };
        Ok(Permit { held, count: n })
    }

    /// Takes the permits of `other` in.
    ///
    /// # Errors
    ///
    /// [`MergeError`] with `other`, when it belongs to another semaphore.
    pub fn merge<'b>(&mut self, mut other: Permit<'b>) -> Result<(), MergeError<'b>> {
        if !Arc::ptr_eq(self.inner(), other.inner()) {
            return Err(MergeError(other));
        }
        self.count += std::mem::take(&mut other.count);
        Ok(())
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.count > 0 {
            self.inner().state.give(self.count);
        }
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
