//! A bounded map from a user's keys to limiters and breakers, in which no code of the user runs under the lock: keys
//! are hashed, compared, cloned and dropped, values made and clocks read outside of it. Under it there are only numbers
//! and references.

use super::by_hash::{ByHash, Entry, Hashes, Shared};
use super::caught::discard;
use super::lock::Lock;
use super::timeline::Reading;
use std::collections::VecDeque;
use std::hash::Hash;
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

struct Table<K, V> {
    by_hash: ByHash<K, V>,
    /// All, in the order in which they were last looked at for a place.
    round: VecDeque<Shared<K, V>>,
}

/// See the [module](self).
pub(crate) struct Keys<K, V> {
    most: usize,
    hashes: Hashes,
    table: Lock<Table<K, V>>,
}

impl<K, V> Keys<K, V> {
    /// For so many keys at once.
    pub(crate) fn new(most: usize) -> Self {
        Keys {
            most,
            hashes: Hashes::default(),
            table: Lock::new(Table {
                by_hash: ByHash::default(),
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
        let hash = self.hashes.of(key);
        let (mut make, mut made) = (Some(make), None);
        let mut looked: Option<Looked<K, V>> = None;
        loop {
            let seen = self.table.lock().by_hash.look_up(hash);
            if let Some((_, value)) = seen.of(key) {
                return Some(value.clone());
            }
            if let Some(make) = make.take() {
                made = Some(Entry::new(hash, key.clone(), make(key)));
            }
            let entry = made.as_ref()?;
            let mut table = self.table.lock();
            if !table.by_hash.has_just(hash, &seen) {
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
                        forgotten.into_iter().for_each(discard);
                        return None;
                    }
                    None => {
                        let round = table.first(LOOKS);
                        drop(table);
                        forgotten.into_iter().for_each(discard);
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
            forgotten.into_iter().for_each(discard);
            return Some(entry.value.clone());
        }
    }
}

impl<K, V: Kept> Table<K, V> {
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
        self.by_hash.insert(entry.clone());
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
        self.by_hash.remove(&entry);
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
