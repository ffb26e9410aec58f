//! The machine alone, one call after the other.

use super::*;
use crate::patterns::queue::policy::{OnDrop, Overflow};
use crate::patterns::queue::store::Store;

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

fn item(arrival: Arrival<u32>) -> Option<Entry<u32>> {
    match arrival {
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
    assert!(s.give_back(out).0.is_none());
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
    let lost: Vec<_> = out.into_iter().filter_map(|e| s.give_back(e).0).collect();
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

#[test]
fn of_capacity_0_a_put_is_over_when_its_item_is_taken() {
    use super::rendezvous::Met;
    let mut s = fifo(0);
    assert_eq!(put(&mut s, 1), Offer::Full);
    let [first, second] = [1, 2].map(|n| s.offer_in_line(n, noop()));
    assert_eq!((s.met(first), s.len()), (Met::NotYet, 0));
    assert_eq!(taken(&mut s), [1, 2]);
    assert_eq!((s.met(first), s.met(second)), (Met::Taken, Met::Taken));
    // The gets that wait are invited in order, and a newcomer passes none of them.
    let gets: Vec<_> = (0..3).map(|_| s.wait_for_item(noop())).collect();
    let third = s.offer_in_line(3, noop());
    assert!(s.pop().is_none());
    s.leave_getters(gets[0]);
    assert_eq!(s.met(third), Met::NotYet);
    assert_eq!(item(s.arrival(gets[1])).map(|e| e.item), Some(3));
    assert_eq!(s.met(third), Met::Taken);
    assert!(item(s.arrival(gets[2])).is_none());
}

#[test]
fn of_capacity_0_who_was_invited_for_nothing_is_first_again() {
    use super::rendezvous::Met;
    let mut s = fifo(0);
    let gets: Vec<_> = (0..3).map(|_| s.wait_for_item(noop())).collect();
    let puts = [1, 2].map(|n| s.offer_in_line(n, noop()));
    assert_eq!(s.leave_offers(puts[0]).0, Some(1));
    assert_eq!(item(s.arrival(gets[0])).map(|e| e.item), Some(2));
    assert!(item(s.arrival(gets[1])).is_none());
    let last = s.offer_in_line(3, noop());
    assert!(item(s.arrival(gets[2])).is_none(), "it waited less long");
    s.close();
    assert_eq!(s.met(last), Met::Closed(Some(3)));
    assert!(matches!(s.arrival(gets[1]), Arrival::End));
    assert!(matches!(s.arrival(gets[2]), Arrival::End));
    // One was taken, and is not acknowledged.
    assert_eq!((s.waiting(), s.open()), ((0, 0), 1));
}
