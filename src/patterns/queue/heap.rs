//! Items by priority. Comparing runs code of the user, under the lock: it comes before anything is moved, and the thread is marked meanwhile.

use super::store::Entry;
use crate::internal::lock::exempt;
use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

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
        exempt(|| self.compare.compare(a, &b.item))
            .then(a_seq.cmp(&b.seq))
            .is_lt()
    }
}

/// A binary heap, smallest on top, that looks before it moves.
#[derive(Debug)]
pub(super) struct Heap<T> {
    pub(super) list: Vec<Entry<T>>,
    pub(super) rank: Rank<T>,
}

impl<T> Heap<T> {
    pub(super) fn find(&self, item: &T, seq: u64) -> usize {
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

    pub(super) fn insert(&mut self, at: usize, entry: Entry<T>) {
        let mut from = self.list.len();
        self.list.push(entry);
        while from > at {
            let parent = (from - 1) / 2;
            self.list.swap(from, parent);
            from = parent;
        }
    }

    pub(super) fn pop(&mut self) -> Option<Entry<T>> {
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
