//! A line of waiters in the order they came, with constant-time leaving from anywhere.
//!
//! A doubly linked list in a slab: no allocation per waiter once the slab has grown, keys stay valid, and a waiter that was served
//! keeps its entry (out of the line) until its future has seen that, or is dropped.

use slab::Slab;
use std::task::Waker;

/// Names a waiter from its entering the line to its [`leave`](Line::leave).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(usize);

#[derive(Debug)]
struct Entry<T> {
    value: T,
    waker: Option<Waker>,
    /// `None`: served, and out of the line.
    links: Option<Links>,
}

#[derive(Clone, Copy, Debug)]
struct Links {
    before: Option<usize>,
    after: Option<usize>,
}

/// Waiters with a `T` each: what they wait for, and what they were given.
#[derive(Debug)]
pub(crate) struct Line<T> {
    entries: Slab<Entry<T>>,
    first: Option<usize>,
    last: Option<usize>,
    waiting: usize,
}

impl<T> Line<T> {
    pub(crate) const fn new() -> Self {
        Line {
            entries: Slab::new(),
            first: None,
            last: None,
            waiting: 0,
        }
    }

    /// How many stand in line; those who were served do not count.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// To the end of the line.
    pub(crate) fn enter(&mut self, value: T, waker: Waker) -> Place {
        let links = Links {
            before: self.last,
            after: None,
        };
        let key = self.entries.insert(Entry {
            value,
            waker: Some(waker),
            links: Some(links),
        });
        match self.last {
            Some(last) => self.links_mut(last, |l| l.after = Some(key)),
            None => self.first = Some(key),
        }
        self.last = Some(key);
        self.waiting += 1;
        Place(key)
    }

    /// What the first in line waits for.
    pub(crate) fn front(&self) -> Option<&T> {
        self.first
            .and_then(|key| self.entries.get(key))
            .map(|entry| &entry.value)
    }

    /// What the first in line waits for.
    pub(crate) fn front_mut(&mut self) -> Option<&mut T> {
        self.first
            .and_then(|key| self.entries.get_mut(key))
            .map(|entry| &mut entry.value)
    }

    /// Takes the first out of the line: `serve` gives it what it waited for. Returns the waker, to be woken after unlocking.
    /// `None` when nobody waits.
    pub(crate) fn serve_front(&mut self, serve: impl FnOnce(&mut T)) -> Option<Waker> {
        let key = self.first?;
        self.unlink(key);
        let entry = self.entries.get_mut(key)?;
        serve(&mut entry.value);
        entry.waker.take()
    }

    /// What a waiter has; for its own future.
    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut T> {
        self.entries.get_mut(place.0).map(|entry| &mut entry.value)
    }

    /// Has the waiter woken through another waker. Gives the old one back, to be dropped after unlocking.
    pub(crate) fn set_waker(&mut self, place: Place, waker: &Waker) -> Option<Waker> {
        let entry = self.entries.get_mut(place.0)?;
        match &entry.waker {
            Some(old) if old.will_wake(waker) => None,
            _ => entry.waker.replace(waker.clone()),
        }
    }

    /// Whether the waiter still stands in line.
    pub(crate) fn is_waiting(&self, place: Place) -> bool {
        self.entries
            .get(place.0)
            .is_some_and(|entry| entry.links.is_some())
    }

    /// Takes the waiter away for good, from wherever it stands. The waker is to be dropped after unlocking.
    pub(crate) fn leave(&mut self, place: Place) -> Option<(T, Option<Waker>)> {
        self.unlink(place.0);
        let entry = self.entries.try_remove(place.0)?;
        Some((entry.value, entry.waker))
    }

    fn unlink(&mut self, key: usize) {
        let Some(links) = self.entries.get_mut(key).and_then(|e| e.links.take()) else {
            return;
        };
        match links.before {
            Some(before) => self.links_mut(before, |l| l.after = links.after),
            None => self.first = links.after,
        }
        match links.after {
            Some(after) => self.links_mut(after, |l| l.before = links.before),
            None => self.last = links.before,
        }
        self.waiting -= 1;
    }

    fn links_mut(&mut self, key: usize, change: impl FnOnce(&mut Links)) {
        if let Some(links) = self.entries.get_mut(key).and_then(|e| e.links.as_mut()) {
            change(links);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(n: usize) -> (Line<usize>, Vec<Place>) {
        let mut line = Line::new();
        let places = (0..n)
            .map(|i| line.enter(i, Waker::noop().clone()))
            .collect();
        (line, places)
    }

    fn served(line: &mut Line<usize>) -> Vec<usize> {
        let mut order = Vec::new();
        while line.serve_front(|n| order.push(*n)).is_some() {}
        order
    }

    #[test]
    fn waiters_are_served_in_the_order_they_came() {
        let (mut line, _) = line_of(4);
        assert_eq!(line.front(), Some(&0));
        assert_eq!(served(&mut line), [0, 1, 2, 3]);
        assert!(line.is_empty());
    }

    #[test]
    fn anybody_may_leave_from_anywhere() {
        for leaver in 0..4 {
            let (mut line, places) = line_of(4);
            assert_eq!(line.leave(places[leaver]).map(|l| l.0), Some(leaver));
            assert_eq!(line.len(), 3);
            let rest: Vec<_> = (0..4).filter(|i| *i != leaver).collect();
            assert_eq!(served(&mut line), rest);
        }
    }

    #[test]
    fn who_was_served_keeps_its_entry_until_it_leaves() {
        let (mut line, places) = line_of(2);
        line.serve_front(|n| *n = 100);
        assert!(!line.is_waiting(places[0]) && line.is_waiting(places[1]));
        assert_eq!(line.len(), 1);
        assert_eq!(line.leave(places[0]).map(|l| l.0), Some(100));
        assert!(line.leave(places[0]).is_none());
    }
}
