//! A queue of capacity 0: items go from a put to a get, and are never in between.
//!
//! A put stands in a line with its item, and its item stays its own until a get takes it: only then is the put over. A
//! get that had to wait is *invited* when a put comes, and the item on offer is kept for it; it is not in its hands, so
//! nothing has to come back when the get is dropped instead of coming.

use super::State;
use crate::internal::line::{Place, Spare};
use crate::patterns::queue::store::Entry;
use std::task::{Context, Waker};

/// What a put brings.
#[derive(Debug)]
pub(in crate::patterns::queue) struct Offered<T> {
    /// `None`: a get has taken it.
    item: Option<T>,
    seq: u64,
}

/// How a put stands.
#[derive(Debug, PartialEq)]
pub(in crate::patterns::queue) enum Met<T> {
    NotYet,
    Taken,
    /// The queue was closed meanwhile.
    Closed(Option<T>),
}

impl<T> State<T> {
    pub(in crate::patterns::queue) fn is_rendezvous(&self) -> bool {
        self.limits.capacity == 0
    }

    /// Whether a get waits that no producer has reserved: the room of a queue without any.
    pub(super) fn has_hand(&self) -> bool {
        self.is_rendezvous() && self.reserved < self.getters.len()
    }

    /// Whether an item is on offer that is kept for no get.
    pub(super) fn has_free_offer(&self) -> bool {
        self.offers.len() > self.invited.len()
    }

    /// Takes the first item on offer. Its put is over.
    pub(super) fn take_offer(&mut self) -> Option<Entry<T>> {
        let mut taken = None;
        let waker = self
            .offers
            .serve_front(|offered| taken = offered.item.take().map(|item| (item, offered.seq)));
        self.wakes.extend(waker);
        let (item, seq) = taken?;
        self.open += 1;
        self.counts.puts += 1;
        Some(Entry {
            item,
            seq,
            deliveries: 0,
        })
    }

    /// Offers an item.
    pub(in crate::patterns::queue) fn offer_in_line(&mut self, item: T, waker: Waker) -> Place {
        let seq = self.take_number();
        let item = Some(item);
        let place = self.offers.enter(Offered { item, seq }, waker);
        self.invite();
        place
    }

    /// Whether the item was taken; the put's place is gone unless it still waits.
    pub(in crate::patterns::queue) fn met(&mut self, place: Place) -> Met<T> {
        if self.offers.is_waiting(place) {
            return Met::NotYet;
        }
        match self
            .offers
            .leave(place)
            .and_then(|(offered, _)| offered.item)
        {
            Some(item) => Met::Closed(Some(item)),
            None => Met::Taken,
        }
    }

    pub(in crate::patterns::queue) fn renew_offer(
        &mut self,
        place: Place,
        cx: &Context<'_>,
        spare: &mut Spare,
    ) -> bool {
        self.offers.renew(place, cx, spare)
    }

    /// A put goes, with its item if no get has taken that. Returns what is to be dropped after unlocking, too.
    pub(in crate::patterns::queue) fn leave_offers(
        &mut self,
        place: Place,
    ) -> (Option<T>, Option<Waker>) {
        let Some((offered, waker)) = self.offers.leave(place) else {
            return (None, None);
        };
        self.uninvite();
        (offered.item, waker)
    }

    /// The queue closes: every put gets its item back.
    pub(super) fn withdraw_offers(&mut self) {
        while !self.offers.is_empty() {
            self.wakes.extend(self.offers.serve_front(|_| ()));
        }
        self.uninvite();
    }

    /// Invites the gets that wait, in order, as far as there are items for them.
    pub(super) fn invite(&mut self) {
        while self.has_free_offer()
            && let Some(place) = self.getters.first_place()
        {
            self.wakes.extend(self.getters.serve_front(|_| ()));
            self.invited.push_back(place);
        }
    }

    /// Gets for which nothing is left wait again, first in line. Those that waited longest keep their invitations.
    fn uninvite(&mut self) {
        while self.invited.len() > self.offers.len()
            && let Some(place) = self.invited.pop_back()
        {
            self.getters.enter_front_again(place);
        }
    }

    /// True: the get was invited, and is not any more.
    pub(super) fn accept(&mut self, place: Place) -> bool {
        let at = self.invited.iter().position(|invited| *invited == place);
        at.and_then(|at| self.invited.remove(at)).is_some()
    }

    /// Keeps an item on offer for a get that gives way to other tasks first.
    pub(super) fn keep_offer(&mut self) -> Option<Place> {
        self.has_free_offer().then(|| {
            let place = self.getters.enter_served(None);
            self.invited.push_back(place);
            place
        })
    }
}
