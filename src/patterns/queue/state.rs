//! What a queue decides, as a plain machine: no `async`, no clock, nobody woken here.
//!
//! What always holds when the lock is free:
//!
//! * somebody waits to get ⇒ nothing is in the store: an item that comes is handed over, not stored;
//! * somebody waits to put ⇒ `store + reserved >= capacity`: room that appears is reserved for who is first, at once;
//! * `open` = stored + handed over and not seen yet + out as an [`Item`](super::Item);
//! * once `ended`, the store is empty for ever: what comes back becomes a dead letter.
//!
//! Whoever is served keeps an entry in its line until its future has seen that, or is dropped; then an item goes on to the next, or back to
//! its old place, and reserved room to the next. Wakers are collected in `wakes`, for the shell to wake after unlocking.

use super::policy::{OnDrop, Overflow};
use super::store::{Entry, Store};
use crate::internal::line::{Line, Place};
use std::collections::VecDeque;
use std::task::Waker;

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
    pub(super) limits: Limits,
    /// Room that belongs to somebody: a slot, or a put whose turn it is.
    reserved: usize,
    /// Items handed over to gets that have not seen them yet.
    handed: usize,
    /// Items not acknowledged.
    open: usize,
    /// True: room is reserved.
    putters: Line<bool>,
    getters: Line<Option<Entry<T>>>,
    joiners: Line<()>,
    pub(super) closed: bool,
    ended: bool,
    next_seq: u64,
    /// Operations since one last waited.
    streak: u32,
    dead: VecDeque<T>,
    pub(super) counts: Counts,
    pub(super) wakes: Vec<Waker>,
}

/// After so many operations in a row that did not wait, one lets other tasks run.
const BUDGET: u32 = 256;

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
            joiners: Line::new(),
            closed: false,
            ended: false,
            next_seq: 0,
            streak: 0,
            dead: VecDeque::new(),
            counts: Counts::default(),
            wakes: Vec::new(),
        }
    }

    /// True once in a while: the caller is to let others run first.
    #[inline]
    pub(super) fn out_of_budget(&mut self) -> bool {
        self.streak += 1;
        if self.streak > BUDGET {
            self.streak = 0;
        }
        self.streak == 0
    }

    // ---- putting

    #[inline]
    fn has_room(&self) -> bool {
        self.store.len() + self.reserved < self.limits.capacity
    }

    /// Puts the item without waiting, as the overflow policy says.
    #[inline]
    pub(super) fn offer(&mut self, item: &mut Option<T>) -> Offer<T> {
        if self.closed {
            return Offer::Closed;
        }
        if self.has_room() {
            let seq = self.take_number();
            self.deposit(item, seq);
            return Offer::Taken(None);
        }
        match self.limits.overflow {
            Overflow::Wait | Overflow::Reject => Offer::Full,
            Overflow::DropOldest => self.displace(item),
            Overflow::DropNewest => {
                self.counts.dropped += 1;
                Offer::Taken(item.take())
            }
        }
    }

    /// Puts the item; when there is no room, in place of the oldest.
    pub(super) fn displace(&mut self, item: &mut Option<T>) -> Offer<T> {
        if self.closed {
            return Offer::Closed;
        }
        let mut oldest = None;
        if !self.has_room() {
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

    fn take_number(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq
    }

    /// Hands the item over or stores it. May panic in a comparison: then nothing has happened, and the item is still the caller's.
    #[inline]
    fn deposit(&mut self, item: &mut Option<T>, seq: u64) {
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
    fn hand_over(&mut self, entry: Entry<T>) {
        self.handed += 1;
        self.wakes
            .extend(self.getters.serve_front(|slot| *slot = Some(entry)));
    }

    /// Lines up for room. The number is the place that the item will have.
    pub(super) fn wait_for_room(&mut self, waker: Waker) -> (Place, u64) {
        self.streak = 0;
        (self.putters.enter(false, waker), self.take_number())
    }

    pub(super) fn turn(&mut self, place: Place) -> Turn {
        if self.closed {
            Turn::Closed
        } else if self.putters.is_waiting(place) {
            Turn::NotYet
        } else {
            Turn::Reserved
        }
    }

    pub(super) fn set_put_waker(&mut self, place: Place, waker: &Waker) -> Option<Waker> {
        self.putters.set_waker(place, waker)
    }

    /// Takes room without waiting.
    pub(super) fn reserve(&mut self) -> bool {
        let room = self.has_room();
        self.reserved += usize::from(room);
        room
    }

    /// Puts an item into reserved room. May panic in a comparison: then nothing has happened.
    pub(super) fn fill(&mut self, item: &mut Option<T>, seq: Option<u64>) {
        let seq = seq.unwrap_or_else(|| self.take_number());
        self.deposit(item, seq);
        self.release();
    }

    /// Gives reserved room to the next.
    pub(super) fn release(&mut self) {
        self.reserved -= 1;
        self.grant();
    }

    /// Takes a put out of the line whose turn it is: its room is the caller's now.
    pub(super) fn step_out(&mut self, place: Place) -> Option<Waker> {
        self.putters.leave(place).and_then(|(_, waker)| waker)
    }

    /// Takes a put out of the line for good.
    pub(super) fn leave_putters(&mut self, place: Place) -> Option<Waker> {
        let (reserved, waker) = self.putters.leave(place)?;
        if reserved {
            self.release();
        }
        waker
    }

    /// Reserves what room there is for those who wait, in their order.
    #[inline]
    fn grant(&mut self) {
        while !self.putters.is_empty() && self.has_room() {
            self.reserved += 1;
            self.wakes
                .extend(self.putters.serve_front(|reserved| *reserved = true));
        }
    }

    // ---- getting

    /// The next item, if it is there. May panic in a comparison: then nothing has happened.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Entry<T>> {
        let mut entry = self.store.pop()?;
        entry.deliveries += 1;
        self.counts.gets += 1;
        self.grant();
        if self.closed {
            self.check_end();
        }
        Some(entry)
    }

    /// Whether nothing will ever come again. Also looks whether it has just become true.
    pub(super) fn has_ended(&mut self) -> bool {
        self.check_end();
        self.ended
    }

    pub(super) fn wait_for_item(&mut self, waker: Waker) -> Place {
        self.streak = 0;
        self.getters.enter(None, waker)
    }

    pub(super) fn arrival(&mut self, place: Place) -> (Arrival<T>, Option<Waker>) {
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

    pub(super) fn set_get_waker(&mut self, place: Place, waker: &Waker) -> Option<Waker> {
        self.getters.set_waker(place, waker)
    }

    /// Takes a get out of the line for good. What it was given goes on. Returns what is to be dropped after unlocking.
    pub(super) fn leave_getters(&mut self, place: Place) -> (Option<T>, Option<Waker>) {
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
    pub(super) fn give_back(&mut self, entry: Entry<T>) -> Option<T> {
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
    pub(super) fn bury(&mut self, item: T) -> Option<T> {
        self.dead.push_back(item);
        let over = self.dead.len() > self.limits.dead_letters;
        let lost = over.then(|| self.dead.pop_front()).flatten();
        self.counts.dead_letters_dropped += u64::from(lost.is_some());
        self.acknowledge(1);
        lost
    }

    pub(super) fn take_dead_letters(&mut self) -> Vec<T> {
        std::mem::take(&mut self.dead).into()
    }

    // ---- the end

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

    pub(super) fn set_join_waker(&mut self, place: Place, waker: &Waker) -> Option<Waker> {
        self.joiners.set_waker(place, waker)
    }

    pub(super) fn leave_joiners(&mut self, place: Place) -> Option<Waker> {
        self.joiners.leave(place).and_then(|(_, waker)| waker)
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        while !self.putters.is_empty() {
            self.wakes.extend(self.putters.serve_front(|_| ()));
        }
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

    // ---- figures

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
        (self.putters.len(), self.getters.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(capacity: usize, on_drop: OnDrop, overflow: Overflow) -> State<u32> {
        let dead_letters = 2;
        State::new(
            Store::Fifo(VecDeque::new()),
            Limits {
                capacity,
                on_drop,
                overflow,
                dead_letters,
            },
        )
    }

    fn fifo(capacity: usize) -> State<u32> {
        state(capacity, OnDrop::Done, Overflow::Wait)
    }

    fn put(state: &mut State<u32>, item: u32) -> Offer<u32> {
        state.offer(&mut Some(item))
    }

    fn taken(state: &mut State<u32>) -> Vec<u32> {
        std::iter::from_fn(|| state.pop()).map(|e| e.item).collect()
    }

    fn noop() -> Waker {
        Waker::noop().clone()
    }

    fn item(arrival: (Arrival<u32>, Option<Waker>)) -> Option<Entry<u32>> {
        match arrival.0 {
            Arrival::Item(entry) => Some(entry),
            Arrival::NotYet | Arrival::End => None,
        }
    }

    #[test]
    fn room_that_appears_belongs_to_who_waits() {
        let mut s = fifo(1);
        assert_eq!(put(&mut s, 1), Offer::Taken(None));
        let (first, seq) = s.wait_for_room(noop());
        let (second, _) = s.wait_for_room(noop());
        assert_eq!(taken(&mut s), [1]);
        assert_eq!(put(&mut s, 9), Offer::Full);
        assert_eq!(
            (s.turn(first), s.turn(second)),
            (Turn::Reserved, Turn::NotYet)
        );
        s.step_out(first);
        s.fill(&mut Some(2), Some(seq));
        assert_eq!(taken(&mut s), [2]);
        assert_eq!(s.turn(second), Turn::Reserved);
        s.leave_putters(second);
        assert_eq!(put(&mut s, 3), Offer::Taken(None));
    }

    #[test]
    fn an_item_belongs_to_who_waits_and_goes_on_when_it_leaves() {
        let mut s = fifo(9);
        let places: Vec<_> = (0..3).map(|_| s.wait_for_item(noop())).collect();
        for n in [1, 2] {
            put(&mut s, n);
        }
        assert!(s.pop().is_none());
        s.leave_getters(places[0]);
        assert_eq!(item(s.arrival(places[2])).map(|e| e.item), Some(1));
        put(&mut s, 3);
        s.leave_getters(places[1]);
        assert_eq!(taken(&mut s), [2, 3]);
        assert_eq!(s.handed, 0);
    }

    #[test]
    fn puts_stand_in_the_order_in_which_they_began_to_wait() {
        let mut s = fifo(2);
        put(&mut s, 1);
        put(&mut s, 2);
        let waits = [3, 4].map(|n| (n, s.wait_for_room(noop())));
        assert_eq!(taken(&mut s), [1, 2]);
        for (n, (place, seq)) in waits.into_iter().rev() {
            s.step_out(place);
            s.fill(&mut Some(n), Some(seq));
        }
        assert_eq!(taken(&mut s), [3, 4]);
    }

    #[test]
    fn the_end_comes_when_nothing_can_come_back() {
        let mut s = state(9, OnDrop::Requeue, Overflow::Wait);
        put(&mut s, 1);
        let out = s.pop().expect("it is there");
        let waits = s.wait_for_item(noop());
        s.close();
        assert!(!s.has_ended());
        assert!(s.give_back(out).is_none());
        let again = item(s.arrival(waits)).expect("it came back");
        assert_eq!((again.item, again.deliveries), (1, 2));
        s.acknowledge(1);
        assert!(s.has_ended());
    }

    #[test]
    fn after_the_end_what_comes_back_is_a_dead_letter() {
        let mut s = fifo(9);
        for n in 0..4 {
            put(&mut s, n);
        }
        let out: Vec<_> = (0..3).filter_map(|_| s.pop()).collect();
        assert_eq!(s.close_now().len(), 1);
        assert!(s.has_ended());
        let lost: Vec<_> = out.into_iter().filter_map(|e| s.give_back(e)).collect();
        assert_eq!((lost, s.open()), (vec![0], 0));
        assert_eq!(s.take_dead_letters(), [1, 2]);
        assert_eq!(s.counts.dead_letters_dropped, 1);
    }

    #[test]
    fn overflow_drops_the_oldest_or_the_newest() {
        let mut s = state(2, OnDrop::Done, Overflow::DropOldest);
        let offers = [1, 2, 3].map(|n| put(&mut s, n));
        assert_eq!(offers[2], Offer::Taken(Some(1)));
        assert_eq!((s.open(), s.counts.dropped), (2, 1));
        assert_eq!(taken(&mut s), [2, 3]);
        let mut s = state(2, OnDrop::Done, Overflow::DropNewest);
        let offers = [1, 2, 3].map(|n| put(&mut s, n));
        assert_eq!(offers[2], Offer::Taken(Some(3)));
        assert_eq!(taken(&mut s), [1, 2]);
    }
}
