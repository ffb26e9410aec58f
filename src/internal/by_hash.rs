//! A table of a user's keys in which no code of the user runs: it knows hashes and references. Keys are hashed,
//! compared, cloned and dropped outside of the lock that the table is behind.
//!
//! A caller hashes its key, [looks](ByHash::look_up) under the lock who has that hash, compares outside, and before it
//! changes the table asks under the lock whether [those are still the same](ByHash::has_just).

use super::caught::Quiet;
use super::lock::assert_none_held;
use std::collections::hash_map::{Entry as Slot, HashMap, RandomState};
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

/// A key, and what is kept for it.
pub(crate) struct Entry<K, V> {
    hash: u64,
    pub(crate) value: V,
    key: Quiet<K>,
}

pub(crate) type Shared<K, V> = Arc<Entry<K, V>>;

impl<K, V> Entry<K, V> {
    pub(crate) fn new(hash: u64, key: K, value: V) -> Shared<K, V> {
        let key = Quiet::new(key);
        Arc::new(Entry { hash, value, key })
    }
}

/// How keys are hashed.
#[derive(Default)]
pub(crate) struct Hashes(RandomState);

impl Hashes {
    pub(crate) fn of<K: Hash>(&self, key: &K) -> u64 {
        assert_none_held();
        self.0.hash_one(key)
    }
}

/// Those with one hash: one, but for collisions.
struct Few<T> {
    first: Option<T>,
    more: Vec<T>,
}

impl<T> Few<T> {
    fn none() -> Self {
        Few {
            first: None,
            more: Vec::new(),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.more)
    }

    fn push(&mut self, one: T) {
        match self.first {
            None => self.first = Some(one),
            Some(_) => self.more.push(one),
        }
    }

    fn remove(&mut self, which: impl Fn(&T) -> bool) -> Option<T> {
        if self.first.as_ref().is_some_and(&which) {
            return std::mem::replace(&mut self.first, self.more.pop());
        }
        let at = self.more.iter().position(which)?;
        Some(self.more.remove(at))
    }

    fn map<U>(&self, f: impl Fn(&T) -> U) -> Few<U> {
        Few {
            first: self.first.as_ref().map(&f),
            more: self.more.iter().map(f).collect(),
        }
    }
}

/// Hashes are not hashed again.
#[derive(Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Those that have a hash, in use meanwhile: the clones of what is kept for them were made under the lock. Dropped
/// outside of it.
pub(crate) struct Seen<K, V>(Few<(Shared<K, V>, V)>);

impl<K: Eq, V> Seen<K, V> {
    /// The one for `key`. Not under the lock.
    pub(crate) fn of(&self, key: &K) -> Option<&(Shared<K, V>, V)> {
        self.0.iter().find(|(entry, _)| {
            assert_none_held();
            *entry.key == *key
        })
    }
}

/// See the [module](self).
pub(crate) struct ByHash<K, V> {
    few: HashMap<u64, Few<Shared<K, V>>, BuildHasherDefault<Same>>,
    len: usize,
}

impl<K, V> Default for ByHash<K, V> {
    fn default() -> Self {
        ByHash {
            few: HashMap::default(),
            len: 0,
        }
    }
}

impl<K, V> ByHash<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// In no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Shared<K, V>> {
        self.few.values().flat_map(Few::iter)
    }

    /// Those that may be it.
    pub(crate) fn look_up(&self, hash: u64) -> Seen<K, V>
    where
        V: Clone,
    {
        let few = self.few.get(&hash);
        Seen(few.map_or_else(Few::none, |few| {
            few.map(|entry| (entry.clone(), entry.value.clone()))
        }))
    }

    /// Whether those with this hash are still the ones that were seen.
    pub(crate) fn has_just(&self, hash: u64, seen: &Seen<K, V>) -> bool {
        let mut now = self.few.get(&hash).into_iter().flat_map(Few::iter);
        let mut seen = seen.0.iter();
        let same = now.all(|entry| seen.next().is_some_and(|(old, _)| Arc::ptr_eq(entry, old)));
        same && seen.next().is_none()
    }

    pub(crate) fn insert(&mut self, entry: Shared<K, V>) {
        self.few
            .entry(entry.hash)
            .or_insert_with(Few::none)
            .push(entry);
        self.len += 1;
    }

    /// To be dropped outside of the lock.
    pub(crate) fn remove(&mut self, entry: &Shared<K, V>) -> Option<Shared<K, V>> {
        let Slot::Occupied(mut few) = self.few.entry(entry.hash) else {
            return None;
        };
        let removed = few.get_mut().remove(|other| Arc::ptr_eq(entry, other))?;
        if few.get().first.is_none() {
            few.remove();
        }
        self.len -= 1;
        Some(removed)
    }

    pub(crate) fn shrink_to(&mut self, room: usize) {
        self.few.shrink_to(room);
    }
}
