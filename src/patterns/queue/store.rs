//! Where items stand until they are taken, in one of three orders.
//!
//! Comparing two items is the only thing that runs code of the user, and it happens before anything is moved: a comparison that
//! panics leaves every item where it was. Nothing here drops an item.

use super::heap::Heap;
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An item with its place.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) item: T,
    /// Counts up from put to put. An item that comes back still has it, and so finds its old place.
    pub(super) seq: u64,
    /// How often it was handed out.
    pub(super) deliveries: u32,
}

/// So many places may stay for the next burst. Of more, half goes when three quarters are empty, which costs each item
/// less than one move.
const KEPT: usize = 1024;

#[inline]
fn is_roomy(len: usize, capacity: usize) -> bool {
    capacity > KEPT && len <= capacity / 4
}

/// What a comparison panicked with, to be dropped after unlocking.
pub(super) type Payload = Box<dyn Any + Send>;

/// The items, in the order of the queue.
#[derive(Debug)]
pub(super) enum Store<T> {
    /// Both ends sorted by number: the front is the oldest.
    Fifo(VecDeque<Entry<T>>),
    Lifo(VecDeque<Entry<T>>),
    Ranked(Heap<T>),
}

/// A place in a store that was found before anything is moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found(usize);

impl<T> Store<T> {
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Store::Fifo(list) | Store::Lifo(list) => list.len(),
            Store::Ranked(heap) => heap.list.len(),
        }
    }

    /// The list that is sorted by number alone: what has the highest belongs at its back.
    #[inline]
    pub(super) fn by_number(&mut self) -> Option<&mut VecDeque<Entry<T>>> {
        match self {
            Store::Fifo(list) | Store::Lifo(list) => Some(list),
            Store::Ranked(_) => None,
        }
    }

    /// Takes up to `most` at once where no comparison and no order stands in the way; gives how many.
    #[inline]
    pub(super) fn pop_many(&mut self, most: usize, into: &mut Vec<T>) -> usize {
        let Store::Fifo(list) = self else { return 0 };
        let n = list.len().min(most);
        into.extend(list.drain(..n).map(|entry| entry.item));
        self.shrink();
        n
    }

    /// Gives memory back after items have left.
    #[inline]
    fn shrink(&mut self) {
        let (len, capacity) = match self {
            Store::Fifo(list) | Store::Lifo(list) => (list.len(), list.capacity()),
            Store::Ranked(heap) => (heap.list.len(), heap.list.capacity()),
        };
        if is_roomy(len, capacity) {
            self.shrink_to(capacity / 2);
        }
    }

    #[cold]
    fn shrink_to(&mut self, capacity: usize) {
        match self {
            Store::Fifo(list) | Store::Lifo(list) => list.shrink_to(capacity),
            Store::Ranked(heap) => heap.list.shrink_to(capacity),
        }
    }

    /// Where an item with this number belongs. Runs code of the user, and may panic.
    #[inline]
    pub(super) fn find(&self, item: &T, seq: u64) -> Found {
        Found(match self {
            Store::Fifo(list) | Store::Lifo(list) => match list.back() {
                Some(last) if last.seq > seq => list.partition_point(|e| e.seq < seq),
                _ => list.len(),
            },
            Store::Ranked(heap) => heap.find(item, seq),
        })
    }

    /// Puts an entry where it was found to belong; nothing may come between.
    #[inline]
    pub(super) fn insert(&mut self, at: Found, entry: Entry<T>) {
        match self {
            Store::Fifo(list) | Store::Lifo(list) if at.0 == list.len() => list.push_back(entry),
            Store::Fifo(list) | Store::Lifo(list) => list.insert(at.0, entry),
            Store::Ranked(heap) => heap.insert(at.0, entry),
        }
    }

    /// Takes an entry back in, whatever its comparison does: one that panics puts it at the end.
    pub(super) fn take_back(&mut self, entry: Entry<T>) -> Option<Payload> {
        let found = catch_unwind(AssertUnwindSafe(|| self.find(&entry.item, entry.seq)));
        let (at, payload) = match found {
            Ok(at) => (at, None),
            Err(payload) => (Found(self.len()), Some(payload)),
        };
        self.insert(at, entry);
        payload
    }

    /// The next one. Runs code of the user, and may panic.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Entry<T>> {
        let entry = match self {
            Store::Fifo(list) => list.pop_front(),
            Store::Lifo(list) => list.pop_back(),
            Store::Ranked(heap) => heap.pop(),
        };
        self.shrink();
        entry
    }

    /// The one that was put first. Not for ranked stores: the builder refuses that.
    pub(super) fn pop_oldest(&mut self) -> Option<Entry<T>> {
        match self {
            Store::Fifo(list) | Store::Lifo(list) => list.pop_front(),
            Store::Ranked(_) => None,
        }
    }

    /// Everything, next one first where no comparison is needed to know it.
    pub(super) fn drain(&mut self) -> Vec<Entry<T>> {
        match self {
            Store::Fifo(list) => std::mem::take(list).into(),
            Store::Lifo(list) => std::mem::take(list).into_iter().rev().collect(),
            Store::Ranked(heap) => std::mem::take(&mut heap.list),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patterns::queue::heap::{Compare, Rank, comparing};
    use std::sync::Arc;

    fn ranked() -> Store<u32> {
        let rank = Rank {
            // Tens decide.
            compare: Compare::By(Arc::new(|a: &u32, b: &u32| {
                assert!(*a != 666 && *b != 666, "no such number");
                (a / 10).cmp(&(b / 10))
            })),
            valid: None,
        };
        let list = Vec::new();
        Store::Ranked(Heap { list, rank })
    }

    fn put(store: &mut Store<u32>, seq: u64, item: u32) {
        let at = store.find(&item, seq);
        let deliveries = 0;
        store.insert(
            at,
            Entry {
                item,
                seq,
                deliveries,
            },
        );
    }

    fn drained(store: &mut Store<u32>) -> Vec<u32> {
        std::iter::from_fn(|| store.pop()).map(|e| e.item).collect()
    }

    #[test]
    fn the_smallest_comes_first_and_equals_in_order() {
        fastrand::seed(7);
        for n in 0..80 {
            let mut store = ranked();
            let mut items: Vec<u32> = (0..n).map(|_| fastrand::u32(0..200)).collect();
            for (seq, item) in items.iter().enumerate() {
                put(&mut store, seq as u64, *item);
            }
            items.sort_by_key(|i| i / 10);
            assert_eq!(drained(&mut store), items);
        }
    }

    #[test]
    fn a_panic_in_a_comparison_moves_nothing() {
        let mut store = ranked();
        for (seq, item) in [50, 30, 70, 10, 20].into_iter().enumerate() {
            put(&mut store, seq as u64, item);
        }
        let found = catch_unwind(AssertUnwindSafe(|| store.find(&666, 9)));
        assert!(found.is_err() && !comparing());
        let (item, seq, deliveries) = (666, 9, 0);
        let payload = store.take_back(Entry {
            item,
            seq,
            deliveries,
        });
        assert!(payload.is_some());
        assert_eq!(store.len(), 6, "it is kept, out of order");
        assert!(catch_unwind(AssertUnwindSafe(|| store.pop())).is_err());
        assert_eq!(store.drain().len(), 6);
    }

    #[test]
    fn the_memory_of_a_burst_is_given_back() {
        let capacity = |store: &Store<u32>| match store {
            Store::Fifo(list) | Store::Lifo(list) => list.capacity(),
            Store::Ranked(heap) => heap.list.capacity(),
        };
        for mut store in [
            Store::Fifo(VecDeque::new()),
            Store::Lifo(VecDeque::new()),
            ranked(),
        ] {
            for seq in 0..50_000 {
                put(&mut store, seq, seq as u32 % 600);
            }
            // What half is needed of stays.
            let full = capacity(&store);
            for _ in 0..20_000 {
                assert!(store.pop().is_some());
            }
            assert_eq!(capacity(&store), full);
            while store.pop().is_some() {}
            assert!(capacity(&store) <= 2 * KEPT, "{}", capacity(&store));
        }
    }

    #[test]
    fn what_comes_back_finds_its_old_place() {
        for mut store in [
            Store::Fifo(VecDeque::new()),
            Store::Lifo(VecDeque::new()),
            ranked(),
        ] {
            for seq in 0..5 {
                put(&mut store, seq, seq as u32);
            }
            let order: Vec<_> = drained(&mut store);
            for seq in 0..5 {
                put(&mut store, seq, seq as u32);
            }
            let out: Vec<_> = (0..3).filter_map(|_| store.pop()).collect();
            for i in [1, 0, 2] {
                let (item, seq) = (out[i].item, out[i].seq);
                store.take_back(Entry {
                    item,
                    seq,
                    deliveries: 1,
                });
            }
            assert_eq!(drained(&mut store), order);
        }
    }
}
