//! Room: who gets it, and what happens when there is none.

use super::{Offer, State, Turn};
use crate::internal::line::{Place, Spare};
use crate::patterns::queue::policy::Overflow;
use crate::patterns::queue::store::Entry;
use std::task::{Context, Waker};

impl<T> State<T> {
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.store.len() + self.reserved < self.limits.capacity
    }

    /// Puts the item without waiting, as the overflow policy says.
    #[inline]
    pub(in crate::patterns::queue) fn offer(&mut self, item: &mut Option<T>) -> Offer<T> {
        if self.closed {
            return Offer::Closed;
        }
        if self.has_room() {
            self.deposit_newest(item);
            return Offer::Taken(None);
        }
        match self.limits.overflow {
            Overflow::Wait => Offer::Full,
            _ if self.has_hand() => {
                self.deposit_newest(item);
                Offer::Taken(None)
            }
            Overflow::Reject => Offer::Full,
            Overflow::DropOldest => self.displace(item),
            Overflow::DropNewest => {
                self.counts.dropped += 1;
                Offer::Taken(item.take())
            }
        }
    }

    /// [`offer`](State::offer) for a put that cannot wait: the item goes to a get that waits, although that may not
    /// come for it.
    pub(in crate::patterns::queue) fn offer_now(&mut self, item: &mut Option<T>) -> Offer<T> {
        if !self.closed && self.has_hand() {
            self.deposit_newest(item);
            return Offer::Taken(None);
        }
        self.offer(item)
    }

    /// Puts the item; when there is no room, in place of the oldest.
    pub(in crate::patterns::queue) fn displace(&mut self, item: &mut Option<T>) -> Offer<T> {
        if self.closed {
            return Offer::Closed;
        }
        let mut oldest = None;
        if !self.has_room() && !self.has_hand() {
            oldest = self.store.pop_oldest();
            if oldest.is_none() {
                return Offer::Full;
            }
            self.counts.dropped += 1;
        }
        let seq = self.take_number();
        self.deposit(item, seq);
        if oldest.is_some() {
            self.acknowledge(1);
        }
        Offer::Taken(oldest.map(|entry| entry.item))
    }

    /// [`deposit`](State::deposit) with the next number, which in most orders is the quickest way.
    #[inline]
    fn deposit_newest(&mut self, item: &mut Option<T>) {
        let seq = self.take_number();
        if self.getters.is_empty()
            && let Some(list) = self.store.by_number()
        {
            let Some(item) = item.take() else { return };
            let deliveries = 0;
            list.push_back(Entry {
                item,
                seq,
                deliveries,
            });
            let len = list.len();
            self.open += 1;
            self.counts.puts += 1;
            self.counts.high_water = self.counts.high_water.max(len);
        } else {
            self.deposit(item, seq);
        }
    }

    pub(super) fn take_number(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq
    }

    /// Hands the item over or stores it. May panic in a comparison: then nothing has happened, and the item is still the caller's.
    #[inline]
    pub(super) fn deposit(&mut self, item: &mut Option<T>, seq: u64) {
        let Some(new) = item.as_ref() else { return };
        let at = self.getters.is_empty().then(|| self.store.find(new, seq));
        let Some(item) = item.take() else { return };
        let deliveries = 0;
        let entry = Entry {
            item,
            seq,
            deliveries,
        };
        self.open += 1;
        self.counts.puts += 1;
        match at {
            Some(at) => {
                self.store.insert(at, entry);
                self.counts.high_water = self.counts.high_water.max(self.store.len());
            }
            None => self.hand_over(entry),
        }
    }

    /// Gives the entry to the get that is first in line; there must be one.
    pub(super) fn hand_over(&mut self, entry: Entry<T>) {
        self.handed += 1;
        self.wakes
            .extend(self.getters.serve_front(|slot| *slot = Some(entry)));
    }

    /// Lines up for room. The number is the place that the item will have.
    pub(in crate::patterns::queue) fn wait_for_room(&mut self, waker: Waker) -> (Place, u64) {
        (self.putters.enter(false, waker), self.take_number())
    }

    /// Reserves room for a put that gives way to other tasks first, as if it had waited for it.
    pub(in crate::patterns::queue) fn hold_room(&mut self) -> Option<(Place, u64)> {
        let held = !self.closed && self.reserve();
        held.then(|| (self.putters.enter_served(true), self.take_number()))
    }

    pub(in crate::patterns::queue) fn turn(&mut self, place: Place) -> Turn {
        if self.closed {
            Turn::Closed
        } else if self.putters.is_waiting(place) {
            Turn::NotYet
        } else {
            Turn::Reserved
        }
    }

    pub(in crate::patterns::queue) fn renew_putter(
        &mut self,
        place: Place,
        cx: &Context<'_>,
        spare: &mut Spare,
    ) -> bool {
        self.putters.renew(place, cx, spare)
    }

    /// Takes room without waiting.
    pub(in crate::patterns::queue) fn reserve(&mut self) -> bool {
        let room = self.has_room() || self.has_hand();
        self.reserved += usize::from(room);
        room
    }

    /// Puts an item into reserved room. May panic in a comparison: then nothing has happened.
    pub(in crate::patterns::queue) fn fill(&mut self, item: &mut Option<T>, seq: Option<u64>) {
        let seq = seq.unwrap_or_else(|| self.take_number());
        self.deposit(item, seq);
        self.release();
    }

    /// Gives reserved room to the next.
    pub(in crate::patterns::queue) fn release(&mut self) {
        self.reserved -= 1;
        self.grant();
    }

    /// Takes a put out of the line whose turn it is: its room is the caller's now.
    pub(in crate::patterns::queue) fn step_out(&mut self, place: Place) {
        // Its waker was taken to wake it.
        self.putters.leave(place);
    }

    /// Takes a put out of the line for good.
    pub(in crate::patterns::queue) fn leave_putters(&mut self, place: Place) -> Option<Waker> {
        let (reserved, waker) = self.putters.leave(place)?;
        if reserved {
            self.release();
        }
        waker
    }

    /// Reserves what room there is for those who wait, in their order.
    #[inline]
    pub(super) fn grant(&mut self) {
        while !self.putters.is_empty() && (self.has_room() || self.has_hand()) {
            self.reserved += 1;
            self.wakes
                .extend(self.putters.serve_front(|reserved| *reserved = true));
        }
    }
}
