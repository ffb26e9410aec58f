//! Who takes, waits, gives and closes at the same time.

use super::{AcquireError, Entered, State, Ticket};
use crate::internal::line::Spare;
use crate::support::{Guarded, check};
use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The shell of `Semaphore::acquire`, without its turns and labels.
struct Acquire {
    state: Arc<State>,
    count: usize,
    ticket: Option<Ticket>,
}

fn acquire(state: &Arc<State>, count: usize) -> Acquire {
    Acquire {
        state: state.clone(),
        count,
        ticket: None,
    }
}

/// Whether permits are free, and nobody has to be asked.
fn would_take(state: &State, n: usize) -> bool {
    let free = state.take(n);
    if free {
        state.give(n);
    }
    free
}

impl Future for Acquire {
    type Output = Result<(), AcquireError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(ticket) = self.ticket {
            let answer = self.state.look(ticket, cx);
            if answer.is_some() {
                self.ticket = None;
            }
            return answer.map_or(Poll::Pending, Poll::Ready);
        }
        if self.state.take(self.count) {
            return Poll::Ready(Ok(()));
        }
        match self.state.enter(self.count, &mut Spare::of(cx)) {
            Entered::Granted => Poll::Ready(Ok(())),
            Entered::Refused(error) => Poll::Ready(Err(error)),
            Entered::Waits(ticket) => {
                self.ticket = Some(ticket);
                Poll::Pending
            }
        }
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.state.abandon(ticket, self.count);
        }
    }
}

/// Polls once and drops: a waiter that gives up at any moment.
fn gives_up(state: &Arc<State>, count: usize) {
    let got = block_on(async {
        let mut acquire = acquire(state, count);
        std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut acquire).poll(cx))).await
    });
    if got.is_ready() {
        state.give(count);
    }
}

#[test]
fn one_permit_keeps_threads_apart_and_orders_their_memory() {
    check(|| {
        let state = Arc::new(State::new(1));
        let guarded = Arc::new(Guarded::new());
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (state, guarded) = (state.clone(), guarded.clone());
                thread::spawn(move || {
                    block_on(acquire(&state, 1)).expect("open");
                    guarded.add();
                    state.give(1);
                })
            })
            .collect();
        block_on(acquire(&state, 1)).expect("open");
        guarded.add();
        state.give(1);
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(guarded.get(), 3);
        assert_eq!((state.free(), state.waiting()), (1, 0));
        // The bit is clear again.
        assert!(would_take(&state, 1));
    });
}

#[test]
fn a_release_that_meets_a_waiter_on_its_way_wakes_it() {
    check(|| {
        let state = Arc::new(State::new(0));
        let giver = {
            let state = state.clone();
            thread::spawn(move || state.give(1))
        };
        block_on(acquire(&state, 1)).expect("open");
        giver.join().expect("no panic");
        assert_eq!((state.free(), state.waiting()), (0, 0));
    });
}

#[test]
fn two_releases_meet_a_request_for_two() {
    check(|| {
        let state = Arc::new(State::new(2));
        assert!(state.take(1) && state.take(1));
        let givers = [0, 1].map(|_| {
            let state = state.clone();
            thread::spawn(move || state.give(1))
        });
        block_on(acquire(&state, 2)).expect("open");
        for giver in givers {
            giver.join().expect("no panic");
        }
        assert_eq!((state.free(), state.waiting()), (0, 0));
    });
}

#[test]
fn a_waiter_that_gives_up_passes_its_permit_on() {
    check(|| {
        let state = Arc::new(State::new(1));
        assert!(state.take(1));
        let quitter = {
            let state = state.clone();
            thread::spawn(move || gives_up(&state, 1))
        };
        let giver = {
            let state = state.clone();
            thread::spawn(move || state.give(1))
        };
        block_on(acquire(&state, 1)).expect("open");
        state.give(1);
        quitter.join().expect("no panic");
        giver.join().expect("no panic");
        assert_eq!((state.free(), state.waiting()), (1, 0));
        assert!(would_take(&state, 1));
    });
}

/// Who gives a permit back because of a line that has gone by then must not write over what others give at the same time.
#[test]
fn permits_given_back_while_the_line_empties_are_all_there() {
    check(|| {
        let state = Arc::new(State::new(2));
        assert!(state.take(2));
        let quitter = {
            let state = state.clone();
            thread::spawn(move || gives_up(&state, 1))
        };
        let giver = {
            let state = state.clone();
            thread::spawn(move || state.give(1))
        };
        state.give(1);
        quitter.join().expect("no panic");
        giver.join().expect("no panic");
        assert_eq!((state.free(), state.waiting()), (2, 0));
        assert!(would_take(&state, 2));
    });
}

#[test]
fn resizing_meets_releases_and_takers() {
    check(|| {
        let state = Arc::new(State::new(1));
        assert!(state.take(1));
        let giver = {
            let state = state.clone();
            thread::spawn(move || state.give(1))
        };
        let resizer = {
            let state = state.clone();
            thread::spawn(move || {
                state.resize(0).expect("open");
                state.resize(1).expect("open");
            })
        };
        block_on(acquire(&state, 1)).expect("open");
        state.give(1);
        giver.join().expect("no panic");
        resizer.join().expect("no panic");
        assert_eq!((state.free(), state.waiting(), state.total()), (1, 0, 1));
        assert!(would_take(&state, 1));
    });
}

#[test]
fn closing_reaches_who_is_just_coming() {
    check(|| {
        let state = Arc::new(State::new(0));
        let closer = {
            let state = state.clone();
            thread::spawn(move || state.close())
        };
        assert!(block_on(acquire(&state, 1)).is_err());
        closer.join().expect("no panic");
        assert_eq!(state.waiting(), 0);
    });
}
