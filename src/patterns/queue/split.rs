//! The two sides of a queue as handles of their own, which close it when all of a side are gone.

use super::{
    Get, GetMany, Item, Items, Put, PutError, Queue, Reserve, Take, TakeMany, TryPutError,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Closes the queue with the last handle of its side.
struct Side<T>(Queue<T>);

impl<T> Drop for Side<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The putting side of a queue; from [`Queue::split`]. When the last clone is dropped, the queue closes: consumers get what is left, then the end.
pub struct Producer<T>(Arc<Side<T>>);

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.queue().shared.lock().producers -= 1;
    }
}

/// The getting side of a queue; from [`Queue::split`]. When the last clone is dropped, the queue closes: puts fail, those that wait too, and hand their
/// items back. What is in the queue stays there, for whoever holds it through [`queue`](Consumer::queue).
pub struct Consumer<T>(Arc<Side<T>>);

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.queue().shared.lock().consumers -= 1;
    }
}

pub(super) fn split<T>(queue: Queue<T>) -> (Producer<T>, Consumer<T>) {
    {
        let mut state = queue.shared.lock();
        state.producers += 1;
        state.consumers += 1;
    }
    (
        Producer(Arc::new(Side(queue.clone()))),
        Consumer(Arc::new(Side(queue))),
    )
}

impl<T> Producer<T> {
    /// The queue itself. The handle it gives keeps nothing open.
    pub fn queue(&self) -> &Queue<T> {
        &self.0.0
    }

    /// [`Queue::put`].
    pub fn put(&self, item: T) -> Put<'_, T> {
        self.queue().put(item)
    }

    /// [`Queue::try_put`].
    ///
    /// # Errors
    ///
    /// [`TryPutError`], with the item.
    pub fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
        self.queue().try_put(item)
    }

    /// [`Queue::put_timeout`].
    ///
    /// # Errors
    ///
    /// [`PutError`], with the item.
    pub async fn put_timeout(&self, limit: Duration, item: T) -> Result<(), PutError<T>> {
        self.queue().put_timeout(limit, item).await
    }

    /// [`Queue::reserve`].
    pub fn reserve(&self) -> Reserve<'_, T> {
        self.queue().reserve()
    }
}

impl<T> Consumer<T> {
    /// The queue itself. The handle it gives keeps nothing open.
    pub fn queue(&self) -> &Queue<T> {
        &self.0.0
    }

    /// [`Queue::get`].
    pub fn get(&self) -> Get<'_, T> {
        self.queue().get()
    }

    /// [`Queue::take`].
    pub fn take(&self) -> Take<'_, T> {
        self.queue().take()
    }

    /// [`Queue::get_many`].
    ///
    /// # Panics
    ///
    /// When `limit` is 0.
    #[track_caller]
    pub fn get_many<'a>(&'a self, limit: usize, into: &'a mut Vec<Item<T>>) -> GetMany<'a, T> {
        self.queue().get_many(limit, into)
    }

    /// [`Queue::take_many`].
    ///
    /// # Panics
    ///
    /// When `limit` is 0.
    #[track_caller]
    pub fn take_many<'a>(&'a self, limit: usize, into: &'a mut Vec<T>) -> TakeMany<'a, T> {
        self.queue().take_many(limit, into)
    }

    /// [`Queue::items`]. The stream keeps nothing open.
    pub fn items(&self) -> Items<T> {
        self.queue().items()
    }
}

impl<T> Clone for Producer<T> {
    fn clone(&self) -> Self {
        self.queue().shared.lock().producers += 1;
        Producer(self.0.clone())
    }
}

impl<T> Clone for Consumer<T> {
    fn clone(&self) -> Self {
        self.queue().shared.lock().consumers += 1;
        Consumer(self.0.clone())
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Producer").field(self.queue()).finish()
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Consumer").field(self.queue()).finish()
    }
}
