//! Where items stand until they are taken, in one of three orders.
//!
//! Comparing two items is the only thing here that runs code of the user, and it happens before anything is moved: a comparison that
//! panics leaves every item where it was. Nothing here drops an item.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// An item with its place.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) item: T,
    /// Counts up from put to put. An item that comes back still has it, and so finds its old place.
    pub(super) seq: u64,
    /// How often it was handed out.
    pub(super) deliveries: u32,
}

thread_local!(static COMPARING: Cell<bool> = const { Cell::new(false) });

/// Whether this thread is comparing two items: then it holds the lock of their queue.
pub(super) fn comparing() -> bool {
    COMPARING.get()
}

type Comparison<T> = dyn Fn(&T, &T) -> Ordering + Send + Sync;

/// How two items compare.
pub(super) enum Compare<T> {
    /// By `Ord`. A pointer: a closure in a box would ask for `T: 'static`.
    Own(fn(&T, &T) -> Ordering),
    By(Arc<Comparison<T>>),
}

impl<T> Compare<T> {
    fn compare(&self, a: &T, b: &T) -> Ordering {
        match self {
            Compare::Own(compare) => compare(a, b),
            Compare::By(compare) => compare(a, b),
        }
    }
}

type Valid<T> = dyn Fn(&T) -> bool + Send + Sync;

/// How the user ranks items.
pub(super) struct Rank<T> {
    pub(super) compare: Compare<T>,
    /// Whether the item has a rank at all. Asked before locking.
    pub(super) valid: Option<Arc<Valid<T>>>,
}

impl<T> fmt::Debug for Rank<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rank")
    }
}

impl<T> Rank<T> {
    /// Whether `a` comes out before `b`; equals in the order in which they were put.
    fn before(&self, (a, a_seq): (&T, u64), b: &Entry<T>) -> bool {
        struct Over;
        impl Drop for Over {
            fn drop(&mut self) {
                COMPARING.set(false);
            }
        }
        COMPARING.set(true);
        let _over = Over;
        self.compare
            .compare(a, &b.item)
            .then(a_seq.cmp(&b.seq))
            .is_lt()
    }
}

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
    pub(super) fn take_back(&mut self, entry: Entry<T>) {
        let found = catch_unwind(AssertUnwindSafe(|| self.find(&entry.item, entry.seq)));
        let at = found.unwrap_or_else(|_| Found(self.len()));
        self.insert(at, entry);
    }

    /// The next one. Runs code of the user, and may panic.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Entry<T>> {
        match self {
            Store::Fifo(list) => list.pop_front(),
            Store::Lifo(list) => list.pop_back(),
            Store::Ranked(heap) => heap.pop(),
        }
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

/// A binary heap, smallest on top, that looks before it moves.
#[derive(Debug)]
pub(super) struct Heap<T> {
    pub(super) list: Vec<Entry<T>>,
    pub(super) rank: Rank<T>,
}

impl<T> Heap<T> {
    fn find(&self, item: &T, seq: u64) -> usize {
        let mut at = self.list.len();
        while at > 0 {
            let parent = (at - 1) / 2;
            if !self.rank.before((item, seq), &self.list[parent]) {
                break;
            }
            at = parent;
        }
        at
    }

    fn insert(&mut self, at: usize, entry: Entry<T>) {
        let mut from = self.list.len();
        self.list.push(entry);
        while from > at {
            let parent = (from - 1) / 2;
            self.list.swap(from, parent);
            from = parent;
        }
    }

    fn pop(&mut self) -> Option<Entry<T>> {
        let last = self.list.len().checked_sub(1)?;
        // The way down of the last entry, which is to fill the gap on top: one bit a level, so 64 levels are enough.
        let (mut way, mut levels, mut at) = (0_u64, 0, 0);
        loop {
            let left = 2 * at + 1;
            if left >= last {
                break;
            }
            let right = left + 1;
            let go_right = right < last && self.precedes(right, left);
            let child = if go_right { right } else { left };
            if !self.precedes(child, last) {
                break;
            }
            way |= u64::from(go_right) << levels;
            levels += 1;
            at = child;
        }
        let top = self.list.swap_remove(0);
        let mut at = 0;
        for level in 0..levels {
            let child = 2 * at + 1 + (way >> level & 1) as usize;
            self.list.swap(at, child);
            at = child;
        }
        Some(top)
    }

    fn precedes(&self, a: usize, b: usize) -> bool {
        let a = &self.list[a];
        self.rank.before((&a.item, a.seq), &self.list[b])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        store.take_back(Entry {
            item,
            seq,
            deliveries,
        });
        assert_eq!(store.len(), 6, "it is kept, out of order");
        assert!(catch_unwind(AssertUnwindSafe(|| store.pop())).is_err());
        assert_eq!(store.drain().len(), 6);
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
