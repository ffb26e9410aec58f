//! Models of `internal::slots`.

use crate::internal::slots::Slots;
use crate::support::{Guarded, check};
use loom::future::block_on;
use loom::thread;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Ends when its count, which has no ordering of its own, is `enough`; nobody but its waker says when to look.
struct Waits {
    seen: Arc<Guarded>,
    enough: usize,
    waker: Rc<RefCell<Option<Waker>>>,
}

impl Future for Waits {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        crate::support::ready(self.seen.get() >= self.enough)
    }
}

/// Puts a future in, and polls it once. Gives what another thread needs to end it.
fn insert(slots: &mut Slots<Waits>) -> (Arc<Guarded>, Waker) {
    let (seen, waker) = (Arc::new(Guarded::new()), Rc::default());
    let future = Waits {
        seen: seen.clone(),
        enough: 1,
        waker: Rc::clone(&waker),
    };
    assert!(slots.insert_polled(|| future).is_ok());
    let waker = waker.borrow_mut().take().expect("it was polled");
    (seen, waker)
}

/// A thread that lets a future end.
fn ends((seen, waker): (Arc<Guarded>, Waker)) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        seen.add();
        waker.wake();
    })
}

fn all(slots: &mut Slots<Waits>, expected: usize) {
    for _ in 0..expected {
        let ended = block_on(poll_fn(|cx| slots.poll_next(cx)));
        assert!(ended.is_some());
    }
}

#[test]
fn two_wakes_in_one_word_reach_the_parent() {
    check(|| {
        let mut slots = Slots::default();
        let threads = [insert(&mut slots), insert(&mut slots)].map(ends);
        all(&mut slots, 2);
        assert!(slots.is_empty());
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
}

#[test]
fn two_wakes_in_two_words_reach_the_parent() {
    check(|| {
        let mut slots = Slots::default();
        let first = insert(&mut slots);
        for _ in 1..64 {
            insert(&mut slots);
        }
        let threads = [first, insert(&mut slots)].map(ends);
        all(&mut slots, 2);
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
}

#[test]
fn a_wake_during_a_sweep_is_seen_by_the_next() {
    check(|| {
        let mut slots = Slots::default();
        let thread = ends(insert(&mut slots));
        // Inserted, not polled: the sweep that polls it does not collect.
        let waker = Rc::default();
        slots.insert(Waits {
            seen: Arc::new(Guarded::new()),
            enough: 1,
            waker,
        });
        all(&mut slots, 1);
        thread.join().expect("no panic");
    });
}

#[test]
fn a_future_woken_twice_is_polled_again_for_the_second() {
    check(|| {
        let mut slots = Slots::default();
        let (seen, waker) = (Arc::new(Guarded::new()), Rc::default());
        let future = Waits {
            seen: seen.clone(),
            enough: 2,
            waker: Rc::clone(&waker),
        };
        assert!(slots.insert_polled(|| future).is_ok());
        let waker = waker.borrow_mut().take().expect("it was polled");
        let thread = thread::spawn(move || {
            for _ in 0..2 {
                seen.add();
                waker.wake_by_ref();
            }
        });
        all(&mut slots, 1);
        thread.join().expect("no panic");
    });
}
