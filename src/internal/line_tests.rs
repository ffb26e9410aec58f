//! The line alone.

use super::line::{KEPT, Line, Place, Wakers};
use std::task::Waker;

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
        assert_eq!(line.is_first(places[leaver]), leaver == 0);
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

#[test]
fn the_first_may_be_taken_out_whole() {
    let (mut line, places) = line_of(3);
    assert_eq!(line.take_front().map(|l| l.0), Some(0));
    assert!(line.get(places[0]).is_none() && line.is_first(places[1]));
    assert_eq!(line.len(), 2);
    line.leave(places[1]);
    assert_eq!(line.take_front().map(|l| l.0), Some(2));
    assert!(line.take_front().is_none() && line.is_empty());
    let place = line.enter(9, Waker::noop().clone());
    assert!(line.is_first(place));
}

#[test]
fn some_are_served_and_the_others_keep_their_order() {
    let (mut line, places) = line_of(5);
    let mut wakers = Wakers::new();
    line.serve_each(&mut wakers, |n| *n % 2 == 0);
    assert!(!line.is_waiting(places[4]) && line.is_waiting(places[3]));
    assert_eq!(served(&mut line), [1, 3]);
    wakers.wake();
}

#[test]
fn who_comes_again_gets_its_old_turn() {
    for n in 0..=8 {
        let mut line = Line::new();
        for turn in [1, 3, 5, 7] {
            line.enter(turn, Waker::noop().clone());
        }
        let again = line.enter_again(n, Waker::noop().clone(), |turn| *turn < n);
        assert_eq!((line.len(), line.is_first(again)), (5, n <= 1));
        line.enter(9, Waker::noop().clone());
        let order = served(&mut line);
        assert!(order.is_sorted() && order.len() == 6, "{order:?}");
    }
}

#[test]
fn the_memory_of_a_burst_is_given_back() {
    let (mut line, mut places) = line_of(200_000);
    // The one that came last stays to the end, so nothing can be given back before.
    let last = places.pop().expect("there are many");
    for place in places {
        line.leave(place);
    }
    assert!(line.capacity() > KEPT && line.is_first(last));
    line.leave(last);
    assert_eq!(line.capacity(), 0);
    // The one that came first stays: the memory behind it is free.
    let (mut line, places) = line_of(200_000);
    for place in &places[1..] {
        line.leave(*place);
    }
    assert!(line.capacity() <= KEPT);
    assert_eq!(served(&mut line), [0]);
    // A small one stays.
    line.leave(places[0]);
    let places: Vec<_> = (0..100)
        .map(|i| line.enter(i, Waker::noop().clone()))
        .collect();
    places.iter().for_each(|place| drop(line.leave(*place)));
    assert!(line.capacity() >= 100);
}

#[test]
fn who_was_served_for_nothing_is_first_again() {
    for n in 1..4 {
        let (mut line, places) = line_of(n);
        assert_eq!(line.first_place(), Some(places[0]));
        line.serve_front(|_| ());
        assert_ne!(line.first_place(), Some(places[0]));
        line.enter_front_again(places[0]);
        line.enter_front_again(places[0]);
        assert!(line.is_first(places[0]) && line.is_waiting(places[0]));
        assert_eq!(line.len(), n);
        line.enter(n, Waker::noop().clone());
        // It has no waker until it brings one.
        let waker = line.serve_front(|_| ());
        assert!(waker.is_none() && !line.is_waiting(places[0]));
        assert_eq!(served(&mut line), (1..=n).collect::<Vec<_>>());
    }
}

#[test]
fn who_is_served_at_once_is_not_in_line() {
    let (mut line, places) = line_of(1);
    let mine = line.enter_served(7);
    assert!(!line.is_waiting(mine) && !line.is_first(mine));
    assert_eq!((line.len(), line.get(mine)), (1, Some(&7)));
    assert_eq!(line.leave(mine).map(|l| l.0), Some(7));
    assert!(line.is_first(places[0]));
}

#[test]
fn a_line_taken_out_whole_gives_the_wakers_of_those_who_wait() {
    let (mut line, places) = line_of(5);
    line.leave(places[1]);
    line.serve_front(|_| ());
    assert_eq!(std::mem::take(&mut line).into_wakers().count(), 3);
    assert!(line.is_empty() && line.front().is_none());
}
