//! A bounded map from a user's keys to limiters and breakers, in which no code of the user runs under the lock: keys
//! are hashed, compared, cloned and dropped, values made and clocks read outside of it. Under it there are only numbers
//! and references.

use super::lock::Lock;
use super::timeline::Reading;
use std::collections::VecDeque;
use std::collections::hash_map::{Entry as Slot, HashMap, RandomState};
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

/// How many keys are looked at for one place: most can be spared, or the map is too small.
const LOOKS: usize = 32;

/// So many at first: mostly one of them can be spared without any loss. More than one, so that those who
/// [fade](Kept::FADES) do so faster than new ones come.
const FIRST_LOOKS: usize = 2;

/// So few keys may stay, and their room.
const FEW: usize = 1024;

/// What is kept for a key. Clones are the same thing, and cloning calls nobody.
pub(crate) trait Kept: Clone {
    /// Whether those are forgotten in passing with which nothing is lost, so that a burst of keys leaves nothing
    /// behind. Others wait until their place is needed.
    const FADES: bool;

    /// Its clock, which may be a user's: read outside of the lock.
    fn read(&self) -> Reading;

    /// How much would be lost with it; `None` when it is in use by somebody, or needed. Under the lock.
    fn loss(&self, now: Reading) -> Option<u8>;
}

struct Entry<K, V> {
    hash: u64,
    key: K,
    value: V,
}

type Shared<K, V> = Arc<Entry<K, V>>;

/// Those of whom one may be forgotten, with what their clocks said. Dropped outside of the lock.
struct Looked<K, V> {
    those: Vec<(Shared<K, V>, Reading)>,
    /// All who are looked at; at first it is a few.
    all: bool,
}

impl<K, V: Kept> Looked<K, V> {
    /// Reads their clocks.
    fn at(those: Vec<Shared<K, V>>) -> Self {
        let with_time = |entry: Shared<K, V>| {
            let now = entry.value.read();
            (entry, now)
        };
        Looked {
            those: those.into_iter().map(with_time).collect(),
            all: false,
        }
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

    fn remove(&mut self, which: impl Fn(&T) -> bool) {
        if self.first.as_ref().is_some_and(&which) {
            self.first = self.more.pop();
        } else {
            self.more.retain(|one| !which(one));
        }
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

struct Table<K, V> {
    by_hash: HashMap<u64, Few<Shared<K, V>>, BuildHasherDefault<Same>>,
    /// All, in the order in which they were last looked at for a place.
    round: VecDeque<Shared<K, V>>,
}

/// See the [module](self).
pub(crate) struct Keys<K, V> {
    most: usize,
    hasher: RandomState,
    table: Lock<Table<K, V>>,
}

impl<K, V> Keys<K, V> {
    /// For so many keys at once.
    pub(crate) fn new(most: usize) -> Self {
        Keys {
            most,
            hasher: RandomState::new(),
            table: Lock::new(Table {
                by_hash: HashMap::default(),
                round: VecDeque::new(),
            }),
        }
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }

    pub(crate) fn len(&self) -> usize {
        self.table.lock().round.len()
    }
}

impl<K: Hash + Eq + Clone, V: Kept> Keys<K, V> {
    /// What is kept for `key`, if need be made by `make`, in the place of another that can be spared. `None`: there is
    /// no place.
    pub(crate) fn get(&self, key: &K, make: impl FnOnce(&K) -> V) -> Option<V> {
        let hash = self.hasher.hash_one(key);
        let (mut make, mut made) = (Some(make), None);
        let mut looked: Option<Looked<K, V>> = None;
        loop {
            let seen = self.look_up(hash);
            if let Some((_, value)) = seen.iter().find(|(entry, _)| entry.key == *key) {
                return Some(value.clone());
            }
            if let Some(make) = make.take() {
                made = Some(Arc::new(Entry {
                    hash,
                    value: make(key),
                    key: key.clone(),
                }));
            }
            let entry = made.as_ref()?;
            let mut table = self.table.lock();
            if !table.has_just(hash, &seen) {
                // Somebody else was quicker, perhaps with this key.
                continue;
            }
            let fades = V::FADES && table.is_full(FEW);
            if looked.is_none() && (fades || table.is_full(self.most)) {
                let round = table.first(FIRST_LOOKS);
                drop(table);
                looked = Some(Looked::at(round));
                continue;
            }
            let mut forgotten = Vec::new();
            if let Some(looked) = looked.as_ref().filter(|looked| fades && !looked.all) {
                forgotten = table.fade(looked);
            }
            if table.is_full(self.most) {
                match looked.as_ref().and_then(|looked| table.forget_one(looked)) {
                    Some(one) => forgotten.push(one),
                    None if looked.as_ref().is_some_and(|looked| looked.all) => {
                        // The others have their turn the next time.
                        table.rotate(LOOKS);
                        drop(table);
                        drop(forgotten);
                        return None;
                    }
                    None => {
                        let round = table.first(LOOKS);
                        drop(table);
                        drop(forgotten);
                        looked = Some(Looked {
                            all: true,
                            ..Looked::at(round)
                        });
                        continue;
                    }
                }
            }
            table.insert(entry.clone());
            drop(table);
            drop(forgotten);
            return Some(entry.value.clone());
        }
    }

    /// Those that may be it. While somebody compares their keys, they are in use.
    fn look_up(&self, hash: u64) -> Few<(Shared<K, V>, V)> {
        let table = self.table.lock();
        let few = table.by_hash.get(&hash);
        few.map_or_else(Few::none, |few| {
            few.map(|entry| (entry.clone(), entry.value.clone()))
        })
    }
}

impl<K, V: Kept> Table<K, V> {
    /// Whether those with this hash are still the ones that were seen.
    fn has_just(&self, hash: u64, seen: &Few<(Shared<K, V>, V)>) -> bool {
        let mut now = self.by_hash.get(&hash).into_iter().flat_map(Few::iter);
        let mut seen = seen.iter();
        let same = now.all(|entry| seen.next().is_some_and(|(old, _)| Arc::ptr_eq(entry, old)));
        same && seen.next().is_none()
    }

    fn is_full(&self, most: usize) -> bool {
        self.round.len() >= most
    }

    fn first(&self, n: usize) -> Vec<Shared<K, V>> {
        self.round.iter().take(n).cloned().collect()
    }

    /// Forgets those with which nothing is lost; the others have their turn again in a round.
    fn fade(&mut self, looked: &Looked<K, V>) -> Vec<Shared<K, V>> {
        let mut faded = Vec::new();
        for (entry, now) in &looked.those {
            if !self
                .round
                .front()
                .is_some_and(|first| Arc::ptr_eq(entry, first))
            {
                break;
            }
            if entry.value.loss(*now) == Some(0) {
                faded.extend(self.remove(0));
            } else {
                self.rotate(1);
            }
        }
        faded
    }

    fn insert(&mut self, entry: Shared<K, V>) {
        let few = self.by_hash.entry(entry.hash).or_insert_with(Few::none);
        few.push(entry.clone());
        self.round.push_back(entry);
    }

    /// Forgets the one with which the least is lost, of those who were looked at and are still there.
    fn forget_one(&mut self, looked: &Looked<K, V>) -> Option<Shared<K, V>> {
        let most = if looked.all { u8::MAX } else { 0 };
        let mut best: Option<(u8, usize)> = None;
        for (n, (entry, now)) in looked.those.iter().enumerate() {
            let is_it = |other: &Shared<K, V>| Arc::ptr_eq(entry, other);
            let place = match self.round.get(n) {
                Some(other) if is_it(other) => Some(n),
                _ => self.round.iter().take(2 * LOOKS).position(is_it),
            };
            if let Some(place) = place
                && let Some(loss) = entry.value.loss(*now)
                && loss <= most
                && best.is_none_or(|(least, _)| loss < least)
            {
                best = Some((loss, place));
                if loss == 0 {
                    break;
                }
            }
        }
        let (_, place) = best?;
        let entry = self.remove(place)?;
        self.rotate(place);
        Some(entry)
    }

    fn remove(&mut self, place: usize) -> Option<Shared<K, V>> {
        let entry = self.round.remove(place)?;
        if let Slot::Occupied(mut few) = self.by_hash.entry(entry.hash) {
            few.get_mut().remove(|other| Arc::ptr_eq(&entry, other));
            if few.get().first.is_none() {
                few.remove();
            }
        }
        // After a burst. With room to spare, so that the next key needs none.
        let len = self.round.len();
        if self.round.capacity() > FEW && len < self.round.capacity() / 8 {
            self.round.shrink_to(2 * len);
            self.by_hash.shrink_to(2 * len);
        }
        Some(entry)
    }

    fn rotate(&mut self, places: usize) {
        let places = places.min(self.round.len());
        self.round.rotate_left(places);
    }
}
