//! The getting side of [`Queue`].

use super::Queue;
use super::get::{Get, GetMany, Items, Take, TakeMany};
use super::item::Item;

impl<T> Queue<T> {
    /// Waits for the next item, to be acknowledged when it is processed; `None` at the end. Those who wait are served in order.
    ///
    /// # Panics
    ///
    /// When comparing items by priority panics; the get did not happen.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it did not happen: an item that it was given goes to the next who waits, or back to its place.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::queue::Queue;
    ///
    /// regatta::testing::run(async || {
    ///     let queue = Queue::bounded(8);
    ///     queue.put("mail").await.expect("it is open");
    ///     queue.close();
    ///     while let Some(item) = queue.get().await {
    ///         assert_eq!(item.len(), 4);
    ///         item.done();
    ///     }
    ///     queue.join().await;
    /// });
    /// ```
    #[inline]
    pub fn get(&self) -> Get<'_, T> {
        Get::new(&self.shared)
    }

    /// The next item, if it is there and belongs to nobody who waits.
    ///
    /// # Panics
    ///
    /// As [`get`](Queue::get).
    pub fn try_get(&self) -> Option<Item<T>> {
        let entry = self.shared.lock().pop()?;
        Some(Item::new(self.shared.clone(), entry))
    }

    /// Waits for one item, and takes what else is there up to `limit`, under one lock. Appends to `into`, and says how many came: 0 is the end.
    ///
    /// # Panics
    ///
    /// When `limit` is 0. As [`get`](Queue::get); what was taken before is in `into`.
    ///
    /// # Cancel safety
    ///
    /// As [`get`](Queue::get).
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::queue::Queue;
    ///
    /// regatta::testing::run(async || {
    ///     let queue = Queue::bounded(8);
    ///     for n in 0..5 {
    ///         queue.put(n).await.expect("it is open");
    ///     }
    ///     let mut batch = Vec::new();
    ///     assert_eq!(queue.get_many(3, &mut batch).await, 3);
    ///     assert_eq!(*batch[2], 2);
    /// });
    /// ```
    #[track_caller]
    pub fn get_many<'a>(&'a self, limit: usize, into: &'a mut Vec<Item<T>>) -> GetMany<'a, T> {
        GetMany::new(&self.shared, limit, into)
    }

    /// [`get`](Queue::get) without acknowledgement: the item is acknowledged at once, and its value is yours.
    ///
    /// # Panics
    ///
    /// As [`get`](Queue::get).
    ///
    /// # Cancel safety
    ///
    /// As [`get`](Queue::get).
    #[inline]
    pub fn take(&self) -> Take<'_, T> {
        Take::new(&self.shared)
    }

    /// [`try_get`](Queue::try_get) without acknowledgement.
    ///
    /// # Panics
    ///
    /// As [`get`](Queue::get).
    pub fn try_take(&self) -> Option<T> {
        let mut state = self.shared.lock();
        let entry = state.pop()?;
        state.acknowledge(1);
        Some(entry.item)
    }

    /// [`get_many`](Queue::get_many) without acknowledgement: the quickest way to empty a queue.
    ///
    /// # Panics
    ///
    /// As [`get_many`](Queue::get_many).
    ///
    /// # Cancel safety
    ///
    /// As [`get`](Queue::get).
    #[track_caller]
    pub fn take_many<'a>(&'a self, limit: usize, into: &'a mut Vec<T>) -> TakeMany<'a, T> {
        TakeMany::new(&self.shared, limit, into)
    }

    /// The items as a stream, which ends when the queue does. Any number of streams and gets may share the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::StreamExt;
    /// use regatta::queue::Queue;
    ///
    /// regatta::testing::run(async || {
    ///     let queue = Queue::bounded(8);
    ///     queue.put(3).await.expect("it is open");
    ///     queue.put(4).await.expect("it is open");
    ///     queue.close();
    ///     let words: Vec<_> = queue.items().map(|item| item.into_inner() * 2).collect().await;
    ///     assert_eq!(words, [6, 8]);
    /// });
    /// ```
    pub fn items(&self) -> Items<T> {
        Items::new(self.shared.clone())
    }
}
