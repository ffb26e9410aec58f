//! What a queue decides, as a plain machine: no `async`, no clock, nobody woken here.
//!
//! What always holds when the lock is free:
//!
//! * somebody waits to get ⇒ nothing is in the store: an item that comes is handed over, not stored;
//! * somebody waits to put ⇒ `store + reserved >= capacity`: room that appears is reserved for who is first, at once;
//! * `open` = stored + handed over and not seen yet + out as an [`Item`](super::Item);
//! * once `ended`, the store is empty for ever: what comes back becomes a dead letter;
//! * of capacity 0, a get waits ⇒ every item on offer is promised to a get that was invited.
//!
//! Whoever is served keeps an entry in its line until its future has seen that, or is dropped; then an item goes on to the next, or back to
//! its old place, and reserved room to the next. Wakers are collected in `wakes`, for the shell to wake after unlocking.

mod getting;
mod putting;
mod rendezvous;
#[cfg(test)]
mod tests;

use super::policy::{OnDrop, Overflow};
use super::store::{Entry, Payload, Store};
use crate::internal::caught::discard;
use crate::internal::line::{Line, Place, Spare};
pub(super) use rendezvous::Met;
use rendezvous::Offered;
use std::collections::VecDeque;
use std::task::{Context, Waker};

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) capacity: usize,
    pub(super) on_drop: OnDrop,
    pub(super) overflow: Overflow,
    pub(super) dead_letters: usize,
}

/// How a put that does not wait ended. The item stays with the caller unless it is `Taken`.
#[derive(Debug, PartialEq)]
pub(super) enum Offer<T> {
    /// With the item that was dropped for it, to be dropped after unlocking.
    Taken(Option<T>),
    Full,
    Closed,
}

/// What a waiting put sees.
#[derive(Debug, PartialEq)]
pub(super) enum Turn {
    NotYet,
    Reserved,
    Closed,
}

/// What a waiting get sees.
#[derive(Debug)]
pub(super) enum Arrival<T> {
    NotYet,
    Item(Entry<T>),
    End,
}

/// What comes of an item that comes back, to be dropped after unlocking: a dead letter that there is no room for, and
/// what its comparison panicked with.
pub(super) type Lost<T> = (Option<T>, Option<Payload>);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) puts: u64,
    pub(super) gets: u64,
    pub(super) dropped: u64,
    pub(super) high_water: usize,
    pub(super) dead_letters_dropped: u64,
}

#[derive(Debug)]
pub(super) struct State<T> {
    store: Store<T>,
    limits: Limits,
    /// Room that belongs to somebody: a slot, or a put whose turn it is.
    reserved: usize,
    /// Items handed over to gets that have not seen them yet.
    handed: usize,
    /// Items not acknowledged.
    open: usize,
    /// True: room is reserved.
    putters: Line<bool>,
    getters: Line<Option<Entry<T>>>,
    /// Of a queue of capacity 0: the items that puts bring, in their order.
    offers: Line<Offered<T>>,
    /// Gets that were woken for what is on offer, and have not come for it yet; in the order in which they waited.
    invited: VecDeque<Place>,
    joiners: Line<()>,
    pub(super) closed: bool,
    ended: bool,
    next_seq: u64,
    dead: VecDeque<T>,
    pub(super) counts: Counts,
    pub(super) wakes: Vec<Waker>,
    /// Handles from `split` that are there.
    pub(super) producers: usize,
    pub(super) consumers: usize,
}

impl<T> Drop for State<T> {
    fn drop(&mut self) {
        // One by one: an item whose destructor panics takes no other with it.
        if std::mem::needs_drop::<T>() {
            self.store.drain().into_iter().for_each(discard);
            self.dead.drain(..).for_each(discard);
        }
    }
}

impl<T> State<T> {
    pub(super) fn new(store: Store<T>, limits: Limits) -> Self {
        State {
            store,
            limits,
            reserved: 0,
            handed: 0,
            open: 0,
            putters: Line::new(),
            getters: Line::new(),
            offers: Line::new(),
            invited: VecDeque::new(),
            joiners: Line::new(),
            closed: false,
            ended: false,
            next_seq: 0,
            dead: VecDeque::new(),
            counts: Counts::default(),
            wakes: Vec::new(),
            producers: 0,
            consumers: 0,
        }
    }

    #[inline]
    pub(super) fn acknowledge(&mut self, n: usize) {
        self.open -= n;
        if self.open == 0 {
            while !self.joiners.is_empty() {
                self.wakes.extend(self.joiners.serve_front(|()| ()));
            }
        }
        if self.closed {
            self.check_end();
        }
    }

    pub(super) fn wait_for_acknowledgements(&mut self, waker: Waker) -> Place {
        self.joiners.enter((), waker)
    }

    /// Whether everything was acknowledged since the join began to wait.
    pub(super) fn joined(&self, place: Place) -> bool {
        !self.joiners.is_waiting(place)
    }

    pub(super) fn renew_joiner(
        &mut self,
        place: Place,
        cx: &Context<'_>,
        spare: &mut Spare,
    ) -> bool {
        self.joiners.renew(place, cx, spare)
    }

    pub(super) fn leave_joiners(&mut self, place: Place) -> Option<Waker> {
        self.joiners.leave(place).and_then(|(_, waker)| waker)
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        while !self.putters.is_empty() {
            self.wakes.extend(self.putters.serve_front(|_| ()));
        }
        self.withdraw_offers();
        self.check_end();
    }

    /// Closes, and takes out what nobody has got yet.
    pub(super) fn close_now(&mut self) -> Vec<Entry<T>> {
        self.closed = true;
        let left = self.store.drain();
        self.close();
        self.end();
        self.acknowledge(left.len());
        left
    }

    /// Tells those who wait that nothing more comes, when that is so. While an item may still come back, it is not.
    fn check_end(&mut self) {
        let comes_back = self.limits.on_drop == OnDrop::Requeue && self.open > 0;
        if self.closed && !self.ended && self.store.len() == 0 && self.handed == 0 && !comes_back {
            self.end();
        }
    }

    fn end(&mut self) {
        self.ended = true;
        while !self.getters.is_empty() {
            self.wakes.extend(self.getters.serve_front(|_| ()));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.store.len()
    }

    pub(super) fn open(&self) -> usize {
        self.open
    }

    pub(super) fn dead_letters(&self) -> usize {
        self.dead.len()
    }

    /// How many wait to put, and to get.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (
            self.putters.len() + self.offers.len(),
            self.getters.len() + self.invited.len(),
        )
    }
}
