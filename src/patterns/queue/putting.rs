//! The putting side of [`Queue`].

use super::Queue;
use super::error::{PutError, TryPutError};
use super::put::{Put, Reserve};
use super::state::{Offer, State};
use crate::time;
use std::time::Duration;

impl<T> Queue<T> {
    /// Puts an item; waits while there is no room, if the queue's [`Overflow`](super::Overflow) says so. Those who wait are served in order.
    ///
    /// # Errors
    ///
    /// [`PutError`], with the item: the queue is closed, or was closed meanwhile; it is full and does not wait; the priority is NaN.
    ///
    /// # Panics
    ///
    /// When comparing items by priority panics; the put did not happen.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it did not happen: nothing is enqueued, and the item is dropped. [`Put::into_item`] gives the item back instead, and so do
    /// [`put_timeout`](Queue::put_timeout) and [`reserve`](Queue::reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::{queue::{PutError, Queue}, time};
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let queue = Queue::bounded(1);
    ///     queue.put("first").await.expect("it is open");
    ///     let mut second = queue.put("second");
    ///     assert!(time::timeout(Duration::from_secs(1), &mut second).await.is_err());
    ///     assert_eq!(second.into_item(), Some("second"));
    ///     queue.close();
    ///     assert_eq!(queue.put("third").await, Err(PutError::Closed("third")));
    /// });
    /// ```
    #[inline]
    pub fn put(&self, item: T) -> Put<'_, T> {
        Put::new(&self.shared, item)
    }

    /// Puts an item if it can be done at once, as the queue's [`Overflow`](super::Overflow) says.
    ///
    /// # Errors
    ///
    /// [`TryPutError`], with the item.
    pub fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
        self.offer(item, |state, item| state.offer_now(item))
            .map(drop)
    }

    /// Puts an item without waiting, in place of the oldest when there is no room, and hands that one back. It counts as acknowledged, and as dropped in
    /// the [`stats`](Queue::stats).
    ///
    /// # Errors
    ///
    /// [`TryPutError`], with the item; [`Full`](TryPutError::Full) when there is no oldest: in a queue by priority, and when all room is reserved.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::queue::Queue;
    ///
    /// let chunks = Queue::bounded(2);
    /// assert_eq!(chunks.displace('a'), Ok(None));
    /// assert_eq!(chunks.displace('b'), Ok(None));
    /// assert_eq!(chunks.displace('c'), Ok(Some('a')));
    /// ```
    pub fn displace(&self, item: T) -> Result<Option<T>, TryPutError<T>> {
        self.offer(item, |state, item| state.displace(item))
    }

    fn offer(
        &self,
        item: T,
        offer: impl FnOnce(&mut State<T>, &mut Option<T>) -> Offer<T>,
    ) -> Result<Option<T>, TryPutError<T>> {
        if !self.shared.is_valid(&item) {
            return Err(TryPutError::NotANumber(item));
        }
        let mut item = Some(item);
        let offered = offer(&mut self.shared.lock(), &mut item);
        match (offered, item) {
            (Offer::Taken(displaced), _) => Ok(displaced),
            (Offer::Full, Some(item)) => Err(TryPutError::Full(item)),
            (Offer::Closed, Some(item)) => Err(TryPutError::Closed(item)),
            (Offer::Full | Offer::Closed, None) => unreachable!("what is not taken stays"),
        }
    }

    /// Puts an item, unless that takes longer than `limit`. An item that can be put in the last moment is put.
    ///
    /// # Errors
    ///
    /// [`PutError`], with the item; [`Elapsed`](PutError::Elapsed) when the time has passed.
    ///
    /// # Cancel safety
    ///
    /// As [`put`](Queue::put).
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::queue::{PutError, Queue};
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let queue = Queue::bounded(1);
    ///     let second = Duration::from_secs(1);
    ///     queue.put_timeout(second, 1).await.expect("there is room");
    ///     assert_eq!(queue.put_timeout(second, 2).await, Err(PutError::Elapsed(2)));
    /// });
    /// ```
    pub async fn put_timeout(&self, limit: Duration, item: T) -> Result<(), PutError<T>> {
        let mut put = self.put(item);
        match time::timeout_in_line(limit, &mut put).await {
            Ok(ended) => ended,
            Err(_) => put.last_moment(),
        }
    }

    /// Waits for room and keeps it: the item can be made when there is a place for it. Waits also where the queue's [`Overflow`](super::Overflow) would not.
    ///
    /// # Errors
    ///
    /// [`Closed`](super::Closed), when the queue is, or was closed meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives its room to the next; so does dropping the [`Slot`](super::Slot).
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::queue::Queue;
    ///
    /// regatta::testing::run(async || {
    ///     let queue = Queue::bounded(1);
    ///     let slot = queue.reserve().await.expect("it is open");
    ///     assert!(queue.try_put("no").is_err(), "the room is taken");
    ///     slot.put("yes").expect("it is open");
    ///     assert_eq!(queue.take().await, Some("yes"));
    /// });
    /// ```
    pub fn reserve(&self) -> Reserve<'_, T> {
        Reserve::new(&self.shared)
    }
}
