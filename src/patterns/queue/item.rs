//! An item that is out: acknowledged by what happens to it.

use super::policy::OnDrop;
use super::shared::Shared;
use super::store::Entry;
use crate::internal::caught::discard;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// An item that was got and not acknowledged yet: [`join`](super::Queue::join) waits for it.
///
/// It is acknowledged once, because all that acknowledges consumes it: [`done`](Item::done), [`into_inner`](Item::into_inner),
/// [`dead_letter`](Item::dead_letter), or its drop, as the queue's [`OnDrop`] says, in a panic and a cancellation too. The value is dropped before that
/// counts. An item that is kept for ever keeps `join` waiting, and nothing else; one that is leaked (`std::mem::forget`) likewise.
///
/// # Examples
///
/// ```
/// use regatta::queue::{OnDrop, Queue};
///
/// regatta::testing::run(async || {
///     let queue = Queue::builder(10).on_drop(OnDrop::Requeue).build();
///     queue.put("letter").await.expect("it is open");
///
///     let item = queue.get().await.expect("it is there");
///     drop(item); // as a `?` or a panic would
///
///     let item = queue.get().await.expect("it came back");
///     assert_eq!((item.len(), item.deliveries()), (6, 2));
///     item.done();
///     queue.join().await;
/// });
/// ```
#[must_use = "dropping it settles it as the queue's OnDrop says"]
pub struct Item<T> {
    shared: Arc<Shared<T>>,
    /// `None` only while it is being consumed.
    entry: Option<Entry<T>>,
}

const THERE: &str = "it is there until it is consumed";

impl<T> Item<T> {
    pub(super) fn new(shared: Arc<Shared<T>>, entry: Entry<T>) -> Self {
        let entry = Some(entry);
        Item { shared, entry }
    }

    fn entry(&self) -> &Entry<T> {
        self.entry.as_ref().expect(THERE)
    }

    fn take(&mut self) -> Entry<T> {
        self.entry.take().expect(THERE)
    }

    /// Drops the value and acknowledges it.
    pub fn done(mut self) {
        let entry = self.take();
        self.settle(entry, OnDrop::Done);
    }

    /// Acknowledges the item and gives the value: from now on it is yours alone. To keep `join` waiting until you have used it, use it through
    /// the item, and call [`done`](Item::done).
    pub fn into_inner(mut self) -> T {
        let entry = self.take();
        self.shared.lock().acknowledge(1);
        entry.item
    }

    /// Puts it back, whatever the queue's [`OnDrop`]: to its old place, to be delivered again. After the end of the queue, when no consumer would come, it
    /// becomes a dead letter.
    pub fn requeue(mut self) {
        let entry = self.take();
        self.settle(entry, OnDrop::Requeue);
    }

    /// Acknowledges it, and keeps the value for [`dead_letters`](super::Queue::dead_letters).
    pub fn dead_letter(mut self) {
        let entry = self.take();
        self.settle(entry, OnDrop::DeadLetter);
    }

    /// How often it was handed out, this time included.
    pub fn deliveries(&self) -> u32 {
        self.entry().deliveries
    }

    fn settle(&self, entry: Entry<T>, how: OnDrop) {
        match how {
            OnDrop::Done => {
                // The count must go down although the value's drop panics.
                let _ack = Acknowledge(&self.shared);
                drop(entry);
            }
            OnDrop::Requeue => {
                let lost = self.shared.lock().give_back(entry);
                discard(lost);
            }
            OnDrop::DeadLetter => {
                let lost = self.shared.lock().bury(entry.item);
                discard(lost);
            }
        }
    }
}

struct Acknowledge<'a, T>(&'a Shared<T>);

impl<T> Drop for Acknowledge<'_, T> {
    fn drop(&mut self) {
        self.0.lock().acknowledge(1);
    }
}

impl<T> Drop for Item<T> {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.settle(entry, self.shared.limits.on_drop);
        }
    }
}

impl<T> Deref for Item<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.entry().item
    }
}

impl<T> DerefMut for Item<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.entry.as_mut().expect(THERE).item
    }
}

impl<T: fmt::Debug> fmt::Debug for Item<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Item").field(&**self).finish()
    }
}
