//! [`broadcast`](super::StreamOps::broadcast): every subscriber gets every item.

use super::fork::{Branch, Fork, Rule};
use futures_core::Stream;
use slab::Slab;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The items that not everybody has taken, and where everybody stands.
pub(super) struct Ring<T> {
    items: VecDeque<Arc<T>>,
    /// The number of the first of them.
    first: u64,
    /// The number of the next item of each subscriber.
    next: Slab<u64>,
    room: usize,
}

impl<T> Ring<T> {
    fn end(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    /// Takes out what everybody has.
    fn trim(&mut self) -> Vec<Arc<T>> {
        let slowest = self.next.iter().map(|(_, next)| *next).min();
        let done = slowest.unwrap_or(self.end()) - self.first;
        if done == 0 {
            return Vec::new();
        }
        self.first += done;
        self.items.drain(..done as usize).collect()
    }
}

impl<T> Rule for Ring<T> {
    type In = T;
    type Out = Arc<T>;
    type Waste = Vec<Arc<T>>;

    fn has_room(&self) -> bool {
        self.items.len() < self.room
    }

    fn push(&mut self, item: T) -> Vec<Arc<T>> {
        self.items.push_back(Arc::new(item));
        // The subscriber that polled for it may be gone.
        self.trim()
    }

    fn pop(&mut self, branch: usize) -> Option<(Arc<T>, Vec<Arc<T>>)> {
        let (first, end) = (self.first, self.end());
        let next = self.next.get_mut(branch).filter(|next| **next < end)?;
        let item = self.items[(*next - first) as usize].clone();
        *next += 1;
        // Only who stood at the first can make room.
        let waste = if *next == first + 1 {
            self.trim()
        } else {
            Vec::new()
        };
        Some((item, waste))
    }

    fn leave(&mut self, branch: usize) -> Vec<Arc<T>> {
        self.next.try_remove(branch);
        self.trim()
    }
}

type RingFork<S> = Fork<S, Ring<<S as Stream>::Item>>;

/// A stream that several subscribers share; made by [`broadcast`](super::StreamOps::broadcast). Clones share the same one.
///
/// # Examples
///
/// ```
/// use futures::{StreamExt, future, stream};
/// use regatta::stream::StreamOps;
///
/// regatta::testing::run(async || {
///     let numbers = stream::iter(1..=100).broadcast(8);
///     let (sum, count) = (numbers.subscribe(), numbers.subscribe());
///     let both = future::join(sum.fold(0, async |a, n| a + n), count.count());
///     assert_eq!(both.await, (5050, 100));
/// });
/// ```
#[must_use = "nothing happens until somebody subscribes"]
pub struct Broadcast<S: Stream> {
    fork: Arc<RingFork<S>>,
}

impl<S: Stream> Broadcast<S> {
    #[track_caller]
    pub(super) fn new(stream: S, room: usize) -> Self {
        assert!(
            room > 0,
            "broadcast(0): no item could ever be handed on; use at least 1"
        );
        let ring = Ring {
            items: VecDeque::new(),
            first: 0,
            next: Slab::new(),
            room,
        };
        Broadcast {
            fork: Fork::new(stream, ring),
        }
    }

    /// A stream of every item from here on.
    pub fn subscribe(&self) -> Subscriber<S> {
        let number = self.fork.with(|ring| {
            let end = ring.end();
            ring.next.insert(end)
        });
        Subscriber {
            branch: Branch::new(self.fork.clone(), number),
        }
    }

    /// How many subscribers there are.
    pub fn subscribers(&self) -> usize {
        self.fork.with(|ring| ring.next.len())
    }

    /// How many items not everybody has taken; at most the `n` of [`broadcast`](super::StreamOps::broadcast).
    pub fn queued(&self) -> usize {
        self.fork.with(|ring| ring.items.len())
    }
}

impl<S: Stream> Clone for Broadcast<S> {
    fn clone(&self) -> Self {
        let fork = self.fork.clone();
        Broadcast { fork }
    }
}

impl<S: Stream> fmt::Debug for Broadcast<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("subscribers", &self.subscribers())
            .field("queued", &self.queued())
            .finish_non_exhaustive()
    }
}

/// A stream of every item of another one; made by [`Broadcast::subscribe`].
#[must_use = "streams do nothing unless polled, and one that is not polled holds up the others"]
pub struct Subscriber<S: Stream> {
    branch: Branch<S, Ring<S::Item>>,
}

impl<S: Stream> fmt::Debug for Subscriber<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("number", &self.branch.number)
            .finish_non_exhaustive()
    }
}

impl<S: Stream<Item: Clone>> Stream for Subscriber<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let next = self.branch.poll(cx);
        // The last to take an item needs no copy.
        next.map(|item| item.map(Arc::unwrap_or_clone))
    }
}
