//! Items: who gets them, and where those go that come back.

use super::{Arrival, Lost, State};
use crate::internal::line::{Place, Spare};
use crate::patterns::queue::store::Entry;
use std::task::{Context, Waker};

impl<T> State<T> {
    /// The next item, if it is there. May panic in a comparison: then nothing has happened.
    #[inline]
    pub(in crate::patterns::queue) fn pop(&mut self) -> Option<Entry<T>> {
        let mut entry = match self.store.pop() {
            Some(entry) => entry,
            None if self.has_free_offer() => self.take_offer()?,
            None => return None,
        };
        entry.deliveries += 1;
        self.counts.gets += 1;
        self.grant();
        if self.closed {
            self.check_end();
        }
        Some(entry)
    }

    /// Takes the next item out for a get that gives way to other tasks first, as if it had waited for it. May panic in
    /// a comparison, as [`pop`](State::pop).
    pub(in crate::patterns::queue) fn hold(&mut self) -> Option<Place> {
        let Some(entry) = self.store.pop() else {
            return self.keep_offer();
        };
        self.handed += 1;
        let place = self.getters.enter_served(Some(entry));
        self.grant();
        Some(place)
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
        let place = self.getters.enter(None, waker);
        if self.is_rendezvous() {
            // A get that waits is room.
            self.grant();
        }
        place
    }

    /// What a get sees; its place is gone unless it still waits.
    pub(in crate::patterns::queue) fn arrival(&mut self, place: Place) -> Arrival<T> {
        if self.getters.is_waiting(place) {
            return Arrival::NotYet;
        }
        // A get that was served has no waker any more.
        let handed = self.getters.leave(place).and_then(|(entry, _)| entry);
        let mut entry = match handed {
            Some(entry) => {
                self.handed -= 1;
                entry
            }
            None if self.accept(place) => match self.take_offer() {
                Some(entry) => entry,
                None => unreachable!("who is invited is one of as many as are on offer"),
            },
            None => return Arrival::End,
        };
        entry.deliveries += 1;
        self.counts.gets += 1;
        self.check_end();
        Arrival::Item(entry)
    }

    pub(in crate::patterns::queue) fn renew_getter(
        &mut self,
        place: Place,
        cx: &Context<'_>,
        spare: &mut Spare,
    ) -> bool {
        self.getters.renew(place, cx, spare)
    }

    /// Takes a get out of the line for good. What it was given goes on. Returns what is to be dropped after unlocking.
    pub(in crate::patterns::queue) fn leave_getters(
        &mut self,
        place: Place,
    ) -> (Lost<T>, Option<Waker>) {
        let Some((entry, waker)) = self.getters.leave(place) else {
            return ((None, None), None);
        };
        let mut lost = (None, None);
        if let Some(entry) = entry {
            self.handed -= 1;
            lost = self.give_back(entry);
            self.check_end();
        } else if self.accept(place) {
            self.invite();
        }
        (lost, waker)
    }

    /// Takes back an item that was not acknowledged.
    pub(in crate::patterns::queue) fn give_back(&mut self, entry: Entry<T>) -> Lost<T> {
        if self.ended {
            return (self.bury(entry.item), None);
        }
        if self.getters.is_empty() {
            return (None, self.store.take_back(entry));
        }
        self.hand_over(entry);
        (None, None)
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
