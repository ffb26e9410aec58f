//! Tests of [`Slots`]. Beside it and not in it: `tests/loom` compiles `slots.rs` too, with atomics that run in loom's models only.

use super::slots::Slots;
use futures_util::FutureExt;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};

/// Outputs that are there in one call after another, until one says `Pending`.
fn ready<F: Future>(slots: &mut Slots<F>) -> Vec<(usize, F::Output)> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut all = Vec::new();
    while let Poll::Ready(Some(one)) = slots.poll_next(&mut cx) {
        all.push(one);
    }
    all
}

#[test]
fn only_the_woken_are_polled_wherever_they_are() {
    let mut rng = fastrand::Rng::with_seed(3);
    let polls = Cell::new(0);
    let wakers: Vec<_> = (0..10_000).map(|_| Cell::new(None::<Waker>)).collect();
    let ended: Vec<_> = (0..10_000).map(|_| Cell::new(false)).collect();
    let mut slots = Slots::default();
    for i in 0..10_000 {
        let (polls, waker, ended) = (&polls, &wakers[i], &ended[i]);
        slots.insert(poll_fn(move |cx| {
            polls.set(polls.get() + 1);
            waker.set(Some(cx.waker().clone()));
            if ended.get() {
                Poll::Ready(i)
            } else {
                Poll::Pending
            }
        }));
    }
    assert!(ready(&mut slots).is_empty());
    assert_eq!(polls.replace(0), 10_000);
    for _ in 0..50 {
        let mut chosen: Vec<usize> = (0..rng.usize(1..70))
            .map(|_| rng.usize(0..10_000))
            .collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen.retain(|i| !ended[*i].replace(true));
        for i in &chosen {
            wakers[*i].take().expect("it was polled").wake();
        }
        let want: Vec<_> = chosen.iter().map(|i| (*i, *i)).collect();
        assert_eq!(ready(&mut slots), want);
        assert_eq!(polls.replace(0), chosen.len());
    }
}

#[test]
fn a_future_that_wakes_itself_is_polled_once_a_call_and_gives_way() {
    let polls = Cell::new(0);
    let mut slots = Slots::default();
    slots.insert(
        poll_fn(|cx| {
            polls.set(polls.get() + 1);
            cx.waker().wake_by_ref();
            Poll::<u32>::Pending
        })
        .left_future(),
    );
    slots.insert(std::future::ready(1).right_future());
    // One call gives the output, the next one says `Pending`.
    assert_eq!(ready(&mut slots), [(1, 1)]);
    assert_eq!(polls.get(), 2);
    assert!(ready(&mut slots).is_empty());
    assert_eq!(polls.get(), 3);
}

#[test]
fn a_slot_is_used_again() {
    let mut slots = Slots::default();
    for round in 0..3 {
        assert_eq!(
            slots.insert_polled(|| std::future::ready(round)),
            Err(round)
        );
        assert_eq!(slots.insert(std::future::ready(round)), 0);
        assert_eq!(ready(&mut slots), [(0, round)]);
        assert!(slots.is_empty());
    }
}
