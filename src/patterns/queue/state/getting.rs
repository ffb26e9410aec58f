//! Items: who gets them, and where those go that come back.

use super::{Arrival, State};
use crate::internal::line::Place;
use crate::patterns::queue::store::Entry;
use std::task::Waker;

impl<T> State<T> {
    /// The next item, if it is there. May panic in a comparison: then nothing has happened.
    #[inline]
    pub(in crate::patterns::queue) fn pop(&mut self) -> Option<Entry<T>> {
        let mut entry = self.store.pop()?;
        entry.deliveries += 1;
        self.counts.gets += 1;
        self.grant();
        if self.closed {
            self.check_end();
        }
        Some(entry)
    }

    /// Takes up to `most` and acknowledges them; in some orders it takes none, and [`pop`](State::pop) does one by one.
    #[inline]
    pub(in crate::patterns::queue) fn take_many(&mut self, most: usize, into: &mut Vec<T>) {
        let n = self.store.pop_many(most, into);
        if n > 0 {
            self.counts.gets += n as u64;
            self.grant();
            self.acknowledge(n);
        }
    }

    /// Whether nothing will ever come again. Also looks whether it has just become true.
    pub(in crate::patterns::queue) fn has_ended(&mut self) -> bool {
        self.check_end();
        self.ended
    }

    pub(in crate::patterns::queue) fn wait_for_item(&mut self, waker: Waker) -> Place {
        self.streak = 0;
        self.getters.enter(None, waker)
    }

    pub(in crate::patterns::queue) fn arrival(
        &mut self,
        place: Place,
    ) -> (Arrival<T>, Option<Waker>) {
        if self.getters.is_waiting(place) {
            return (Arrival::NotYet, None);
        }
        let Some((Some(mut entry), waker)) = self.getters.leave(place) else {
            return (Arrival::End, None);
        };
        self.handed -= 1;
        entry.deliveries += 1;
        self.counts.gets += 1;
        self.check_end();
        (Arrival::Item(entry), waker)
    }

    pub(in crate::patterns::queue) fn set_get_waker(
        &mut self,
        place: Place,
        waker: &Waker,
    ) -> Option<Waker> {
        self.getters.set_waker(place, waker)
    }

    /// Takes a get out of the line for good. What it was given goes on. Returns what is to be dropped after unlocking.
    pub(in crate::patterns::queue) fn leave_getters(
        &mut self,
        place: Place,
    ) -> (Option<T>, Option<Waker>) {
        let Some((entry, waker)) = self.getters.leave(place) else {
            return (None, None);
        };
        let mut lost = None;
        if let Some(entry) = entry {
            self.handed -= 1;
            lost = self.give_back(entry);
            self.check_end();
        }
        (lost, waker)
    }

    /// Takes back an item that was not acknowledged. Returns a dead letter that there is no room for.
    pub(in crate::patterns::queue) fn give_back(&mut self, entry: Entry<T>) -> Option<T> {
        if self.ended {
            return self.bury(entry.item);
        }
        if self.getters.is_empty() {
            self.store.take_back(entry);
        } else {
            self.hand_over(entry);
        }
        None
    }

    /// Makes the item a dead letter. Returns the one that there is no room for.
    pub(in crate::patterns::queue) fn bury(&mut self, item: T) -> Option<T> {
        self.dead.push_back(item);
        let over = self.dead.len() > self.limits.dead_letters;
        let lost = over.then(|| self.dead.pop_front()).flatten();
        self.counts.dead_letters_dropped += u64::from(lost.is_some());
        self.acknowledge(1);
        lost
    }

    pub(in crate::patterns::queue) fn take_dead_letters(&mut self) -> Vec<T> {
        std::mem::take(&mut self.dead).into()
    }
}
