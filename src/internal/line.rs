//! A line of waiters in the order they came, with constant-time leaving from anywhere.
//!
//! A doubly linked list in a slab: no allocation per waiter once the slab has grown, keys stay valid, and a waiter that was served
//! keeps its entry (out of the line) until its future has seen that, or is dropped.
//!
//! The memory of a burst is given back: a line that is empty keeps room for a thousand, and one that has emptied by
//! half gives back what its last entries leave free.
//!
//! A line stands behind its owner's lock. What is the user's (values, wakers) comes out of it by return, to be woken or dropped
//! after unlocking: [`Wakers`] collects the wakers.

use super::caught::{discard, quietly};
use super::lock::assert_none_held;
use slab::Slab;
use std::task::{Context, Waker};

/// Names a waiter from its entering the line to its [`leave`](Line::leave).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(usize);

/// No neighbour on this side.
const NOBODY: usize = usize::MAX;

/// So many entries a line may keep for the next burst.
pub(super) const KEPT: usize = 1024;

#[derive(Debug)]
struct Entry<T> {
    value: T,
    waker: Option<Waker>,
    before: usize,
    after: usize,
    /// False: served, and out of the line.
    waiting: bool,
}

/// Waiters with a `T` each: what they wait for, and what they were given.
#[derive(Debug)]
pub(crate) struct Line<T> {
    entries: Slab<Entry<T>>,
    first: usize,
    last: usize,
    waiting: usize,
    /// With so few entries it tries to give memory back; halved by each try.
    shrinks_at: usize,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Line::new()
    }
}

impl<T> Line<T> {
    pub(crate) const fn new() -> Self {
        Line {
            entries: Slab::new(),
            first: NOBODY,
            last: NOBODY,
            waiting: 0,
            shrinks_at: 0,
        }
    }

    /// How many entries there is memory for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// How many stand in line; those who were served do not count.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    #[inline]
    fn insert(&mut self, entry: Entry<T>) -> usize {
        if self.entries.len() == self.entries.capacity() {
            self.shrinks_at = self.entries.len();
        }
        self.entries.insert(entry)
    }

    /// After an entry is gone.
    #[inline]
    fn shrink(&mut self) {
        if self.entries.capacity() > KEPT && self.entries.len() <= self.shrinks_at / 2 {
            self.give_memory_back();
        }
    }

    #[cold]
    fn give_memory_back(&mut self) {
        if self.entries.is_empty() {
            self.entries = Slab::new();
        } else {
            // What is behind the last entry goes; entries keep their keys.
            self.entries.shrink_to_fit();
        }
        self.shrinks_at = self.entries.len();
    }

    /// To the end of the line.
    pub(crate) fn enter(&mut self, value: T, waker: Waker) -> Place {
        let key = self.insert(Entry {
            value,
            waker: Some(waker),
            before: self.last,
            after: NOBODY,
            waiting: true,
        });
        match self.entries.get_mut(self.last) {
            Some(last) => last.after = key,
            None => self.first = key,
        }
        self.last = key;
        self.waiting += 1;
        Place(key)
    }

    /// An entry for one who was served at once, and is to see it later.
    pub(crate) fn enter_served(&mut self, value: T) -> Place {
        Place(self.insert(Entry {
            value,
            waker: None,
            before: NOBODY,
            after: NOBODY,
            waiting: false,
        }))
    }

    /// Back into the line, behind those of whom `stays_ahead` is true: for who was served, and came away with nothing.
    pub(crate) fn enter_again(
        &mut self,
        value: T,
        waker: Waker,
        mut stays_ahead: impl FnMut(&T) -> bool,
    ) -> Place {
        let (mut before, mut after) = (NOBODY, self.first);
        while let Some(entry) = self.entries.get(after).filter(|e| stays_ahead(&e.value)) {
            (before, after) = (after, entry.after);
        }
        let key = self.insert(Entry {
            value,
            waker: Some(waker),
            before,
            after,
            waiting: true,
        });
        match self.entries.get_mut(before) {
            Some(neighbour) => neighbour.after = key,
            None => self.first = key,
        }
        match self.entries.get_mut(after) {
            Some(neighbour) => neighbour.before = key,
            None => self.last = key,
        }
        self.waiting += 1;
        Place(key)
    }

    /// What the first in line waits for.
    pub(crate) fn front(&self) -> Option<&T> {
        self.entries.get(self.first).map(|entry| &entry.value)
    }

    /// Where the first in line stands.
    pub(crate) fn first_place(&self) -> Option<Place> {
        (self.waiting > 0).then_some(Place(self.first))
    }

    /// Back to the front of the line, for who was served, has not seen it, and is to wait all the same. It was woken,
    /// and will bring a new waker.
    pub(crate) fn enter_front_again(&mut self, place: Place) {
        let first = self.first;
        let Some(entry) = self.entries.get_mut(place.0).filter(|entry| !entry.waiting) else {
            return;
        };
        entry.waiting = true;
        (entry.before, entry.after) = (NOBODY, first);
        match self.entries.get_mut(first) {
            Some(neighbour) => neighbour.before = place.0,
            None => self.last = place.0,
        }
        self.first = place.0;
        self.waiting += 1;
    }

    /// Takes the first out of the line: `serve` gives it what it waited for. Returns the waker, to be woken after unlocking.
    /// `None` when nobody waits.
    pub(crate) fn serve_front(&mut self, serve: impl FnOnce(&mut T)) -> Option<Waker> {
        self.serve(self.first, serve)
    }

    /// Takes out of the line, in order, everybody whom `serve` says it has served.
    pub(crate) fn serve_each(
        &mut self,
        wakers: &mut Wakers,
        mut serve: impl FnMut(&mut T) -> bool,
    ) {
        let mut key = self.first;
        while let Some(entry) = self.entries.get_mut(key) {
            let after = entry.after;
            if serve(&mut entry.value) {
                wakers.extend(self.serve(key, |_| ()));
            }
            key = after;
        }
    }

    /// Shows what everybody in line waits for, in order.
    pub(crate) fn each(&self, mut see: impl FnMut(&T)) {
        let mut key = self.first;
        while let Some(entry) = self.entries.get(key) {
            see(&entry.value);
            key = entry.after;
        }
    }

    /// The waker of the first in line, who stays there and is to give a new one.
    pub(crate) fn rouse_front(&mut self) -> Option<Waker> {
        self.entries.get_mut(self.first)?.waker.take()
    }

    /// Takes the first out of the line, entry and all.
    #[inline]
    pub(crate) fn take_front(&mut self) -> Option<(T, Option<Waker>)> {
        let entry = self.entries.try_remove(self.first)?;
        self.first = entry.after;
        match self.entries.get_mut(entry.after) {
            Some(next) => next.before = NOBODY,
            None => self.last = NOBODY,
        }
        self.waiting -= 1;
        self.shrink();
        Some((entry.value, entry.waker))
    }

    fn serve(&mut self, key: usize, serve: impl FnOnce(&mut T)) -> Option<Waker> {
        self.unlink(key);
        let entry = self.entries.get_mut(key)?;
        serve(&mut entry.value);
        entry.waker.take()
    }

    /// What a waiter has; for its own future.
    pub(crate) fn get(&self, place: Place) -> Option<&T> {
        self.entries.get(place.0).map(|entry| &entry.value)
    }

    /// Has the waiter woken by `cx`, with the help of `spare`. False: unlock, [`fill`](Spare::fill) the spare one,
    /// lock, look again, and come back.
    #[must_use = "a waiter whose waker was not taken over waits for ever"]
    pub(crate) fn renew(&mut self, place: Place, cx: &Context<'_>, spare: &mut Spare) -> bool {
        let Some(entry) = self.entries.get_mut(place.0) else {
            return true;
        };
        match &entry.waker {
            Some(old) if old.will_wake(cx.waker()) => true,
            _ if spare.0.is_none() => false,
            _ => {
                std::mem::swap(&mut entry.waker, &mut spare.0);
                true
            }
        }
    }

    /// Whether the waiter still stands in line.
    pub(crate) fn is_waiting(&self, place: Place) -> bool {
        self.entries.get(place.0).is_some_and(|entry| entry.waiting)
    }

    /// Whether the waiter stands first in line.
    pub(crate) fn is_first(&self, place: Place) -> bool {
        self.first == place.0
    }

    /// Takes the waiter away for good, from wherever it stands. The waker is to be dropped after unlocking.
    pub(crate) fn leave(&mut self, place: Place) -> Option<(T, Option<Waker>)> {
        self.unlink(place.0);
        let entry = self.entries.try_remove(place.0)?;
        self.shrink();
        Some((entry.value, entry.waker))
    }

    /// Everybody's waker, in order, for a line that was taken out whole: its places mean nothing any more.
    pub(crate) fn into_wakers(mut self) -> impl Iterator<Item = Waker> {
        std::iter::from_fn(move || {
            let entry = self.entries.get_mut(self.first)?;
            self.first = entry.after;
            Some(entry.waker.take())
        })
        .flatten()
    }

    fn unlink(&mut self, key: usize) {
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.waiting) else {
            return;
        };
        entry.waiting = false;
        let (before, after) = (entry.before, entry.after);
        match self.entries.get_mut(before) {
            Some(neighbour) => neighbour.after = after,
            None => self.first = after,
        }
        match self.entries.get_mut(after) {
            Some(neighbour) => neighbour.before = before,
            None => self.last = before,
        }
        self.waiting -= 1;
    }
}

/// Who is to be woken after unlocking, in order. No allocation for one, which is the common case.
#[derive(Debug, Default)]
#[must_use = "whoever is not woken waits for ever"]
pub(crate) struct Wakers {
    first: Option<Waker>,
    rest: Vec<Waker>,
}

impl Wakers {
    pub(crate) const fn new() -> Self {
        Wakers {
            first: None,
            rest: Vec::new(),
        }
    }

    /// Adds one, if there is one.
    #[inline]
    pub(crate) fn add(&mut self, waker: Option<Waker>) {
        if self.first.is_none() {
            self.first = waker;
        } else {
            self.rest.extend(waker);
        }
    }

    /// Wakes everybody: also those after one whose waker panics.
    pub(crate) fn wake(self) {
        if let Some(first) = self.first {
            wake(first);
        }
        for waker in self.rest {
            wake(waker);
        }
    }
}

/// Wakes one waiter. A waker is the user's code: a panic of it ends neither its waker nor the others.
#[inline]
#[track_caller]
pub(crate) fn wake(waker: Waker) {
    quietly(|| waker.wake());
}

/// A waker at hand, for registering under a lock, where none may be cloned or dropped: a waker's `clone` and `drop` are
/// code of the user, which may come back to the very object. Make it *before* the lock is taken, so that it is dropped
/// after unlocking.
///
/// ```text
/// let mut spare = Spare::none();
/// loop {
///     let mut state = lock.lock();
///     ..                                    // look; answer if it is our turn
///     if state.line.renew(place, cx, &mut spare) { break }
///     drop(state);
///     spare.fill(cx);
/// }
/// ```
#[derive(Debug, Default)]
pub(crate) struct Spare(Option<Waker>);

impl Spare {
    pub(crate) const fn none() -> Self {
        Spare(None)
    }

    /// One that is filled.
    #[track_caller]
    pub(crate) fn of(cx: &Context<'_>) -> Self {
        let mut spare = Spare::none();
        spare.fill(cx);
        spare
    }

    /// [`Line::renew`] for a waiter that stands in no line.
    #[must_use = "a waiter whose waker was not taken over waits for ever"]
    pub(crate) fn renew(&mut self, place: &mut Option<Waker>, cx: &Context<'_>) -> bool {
        match place {
            Some(old) if old.will_wake(cx.waker()) => true,
            _ if self.0.is_none() => false,
            _ => {
                std::mem::swap(place, &mut self.0);
                true
            }
        }
    }

    /// Clones the waker: not under a lock.
    #[track_caller]
    pub(crate) fn fill(&mut self, cx: &Context<'_>) {
        assert_none_held();
        let old = self.0.replace(cx.waker().clone());
        debug_assert!(old.is_none(), "it was filled and not used");
    }

    /// For [`Line::enter`]: there, if it was filled. `None`: unlock, fill it, lock, and look again.
    pub(crate) fn take(&mut self) -> Option<Waker> {
        self.0.take()
    }
}

impl Drop for Spare {
    #[inline]
    fn drop(&mut self) {
        if let Some(waker) = self.0.take() {
            discard(waker);
        }
    }
}

impl Extend<Waker> for Wakers {
    fn extend<I: IntoIterator<Item = Waker>>(&mut self, wakers: I) {
        for waker in wakers {
            self.add(Some(waker));
        }
    }
}
