//! What the user chooses when a queue is built.

use super::Queue;
use super::heap::{Compare, Heap, Rank};
use super::shared::Shared;
use super::store::Store;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// The capacity of a queue that takes any number of items: only memory bounds it.
pub const UNBOUNDED: usize = usize::MAX;

/// What happens to an [`Item`](super::Item) that is dropped without a word: by an early return, a `?`, a panic, a cancellation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDrop {
    /// It counts as done: nothing can make [`join`](super::Queue::join) hang.
    #[default]
    Done,
    /// It goes back to its old place, which in a FIFO queue is the front, and is delivered again. Consumers see the end only when
    /// no item is out. [`Item::deliveries`](super::Item::deliveries) tells an item that fails for ever.
    Requeue,
    /// It counts as done, and is kept for [`dead_letters`](super::Queue::dead_letters).
    DeadLetter,
}

/// What a put does when there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// It waits: a slow consumer slows its producers.
    #[default]
    Wait,
    /// It fails at once, and hands the item back.
    Reject,
    /// It drops the item that was put first, and counts it. [`displace`](super::Queue::displace) hands that one back. For live data, where new is
    /// worth more than old.
    DropOldest,
    /// It drops the item it brings, and counts it.
    DropNewest,
}

enum Order<T> {
    Fifo,
    Lifo,
    Ranked(Rank<T>),
}

/// How many dead letters are kept, unless told otherwise.
const DEAD_LETTERS: usize = 1000;

/// A [`Queue`] that is being set up; see [`Queue::builder`].
pub struct Builder<T> {
    capacity: usize,
    order: Order<T>,
    on_drop: OnDrop,
    overflow: Overflow,
    dead_letters: usize,
}

impl<T> fmt::Debug for Builder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("capacity", &self.capacity)
            .field("on_drop", &self.on_drop)
            .field("overflow", &self.overflow)
            .finish_non_exhaustive()
    }
}

impl<T> Builder<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Builder {
            capacity,
            order: Order::Fifo,
            on_drop: OnDrop::Done,
            overflow: Overflow::Wait,
            dead_letters: DEAD_LETTERS,
        }
    }

    /// Last in, first out. Default: first in, first out.
    pub fn lifo(mut self) -> Self {
        self.order = Order::Lifo;
        self
    }

    /// The smallest first, equals in the order in which they were put.
    ///
    /// `Ord` runs while the queue is locked: keep it short. A panic in it goes on in the put or the get that compared, and loses no item;
    /// using a ranked queue from inside it panics.
    pub fn smallest_first(mut self) -> Self
    where
        T: Ord,
    {
        let compare = Compare::Own(T::cmp);
        let valid = None;
        self.order = Order::Ranked(Rank { compare, valid });
        self
    }

    /// The item with the smallest key first, equals in the order in which they were put. For the largest first, use
    /// [`Reverse`](std::cmp::Reverse). `key` runs while the queue is locked, like `Ord` in [`smallest_first`](Builder::smallest_first).
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::queue::Queue;
    /// use std::cmp::Reverse;
    ///
    /// let longest = Queue::builder(10).by_key(|word: &&str| Reverse(word.len())).build();
    /// longest.try_put("oar").expect("there is room");
    /// longest.try_put("rudder").expect("there is room");
    /// assert_eq!(longest.try_take(), Some("rudder"));
    /// ```
    pub fn by_key<K: Ord>(mut self, key: impl Fn(&T) -> K + Send + Sync + 'static) -> Self {
        let compare = Compare::By(Arc::new(move |a: &T, b: &T| key(a).cmp(&key(b))));
        let valid = None;
        self.order = Order::Ranked(Rank { compare, valid });
        self
    }

    /// [`by_key`](Builder::by_key) for floating-point numbers. An item whose number is NaN is refused when it is put.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::queue::{Queue, TryPutError};
    ///
    /// let nearest = Queue::builder(10).by_number(|(_, metres): &(&str, f64)| *metres).build();
    /// nearest.try_put(("buoy", 80.5)).expect("there is room");
    /// nearest.try_put(("jetty", 12.0)).expect("there is room");
    /// let refused = nearest.try_put(("fog", f64::NAN)).expect_err("NaN is refused");
    /// assert!(matches!(refused, TryPutError::NotANumber(("fog", _))));
    /// assert_eq!(nearest.try_take(), Some(("jetty", 12.0)));
    /// ```
    pub fn by_number(mut self, number: impl Fn(&T) -> f64 + Send + Sync + 'static) -> Self {
        let number = Arc::new(number);
        let valid = number.clone();
        self.order = Order::Ranked(Rank {
            // Adding zero makes -0.0 equal to 0.0.
            compare: Compare::By(Arc::new(move |a: &T, b: &T| -> Ordering {
                (number(a) + 0.0).total_cmp(&(number(b) + 0.0))
            })),
            valid: Some(Arc::new(move |item: &T| !valid(item).is_nan())),
        });
        self
    }

    /// What happens to an item that is dropped unprocessed. Default: [`OnDrop::Done`].
    pub fn on_drop(mut self, on_drop: OnDrop) -> Self {
        self.on_drop = on_drop;
        self
    }

    /// What a put does when there is no room. Default: [`Overflow::Wait`].
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// How many dead letters are kept for [`Queue::dead_letters`]; of more, the oldest are dropped and counted. Default: 1000.
    pub fn dead_letters(mut self, limit: usize) -> Self {
        self.dead_letters = limit;
        self
    }

    /// The queue.
    ///
    /// # Panics
    ///
    /// With [`Overflow::DropOldest`] in a queue by priority, which knows no oldest; with an order other than first in,
    /// first out in a queue of capacity 0, where nothing stands that could be ordered.
    pub fn build(self) -> Queue<T> {
        let ranked = matches!(self.order, Order::Ranked(_));
        assert!(
            !(ranked && self.overflow == Overflow::DropOldest),
            "Overflow::DropOldest does not go with a queue by priority, which knows no oldest: use Overflow::Reject or Overflow::DropNewest"
        );
        assert!(
            self.capacity > 0 || matches!(self.order, Order::Fifo),
            "a queue of capacity 0 holds no items that could be ordered: use at least 1, or queue::UNBOUNDED"
        );
        let (store, valid) = match self.order {
            Order::Fifo => (Store::Fifo(VecDeque::new()), None),
            Order::Lifo => (Store::Lifo(VecDeque::new()), None),
            Order::Ranked(rank) => {
                let valid = rank.valid.clone();
                let list = Vec::new();
                (Store::Ranked(Heap { list, rank }), valid)
            }
        };
        let limits = super::state::Limits {
            capacity: self.capacity,
            on_drop: self.on_drop,
            overflow: self.overflow,
            dead_letters: self.dead_letters,
        };
        Queue::of(Shared::new(store, limits, ranked, valid))
    }
}
