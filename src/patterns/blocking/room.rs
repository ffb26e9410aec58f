//! Waiting for room in the queue of a pool.

use super::job::Work;
use super::shared::Shared;
use super::state::Seat;
use crate::internal::label;
use crate::internal::line::Place;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A place in the queue, to be filled or given back.
pub(super) struct Grant<'a> {
    shared: &'a Arc<Shared>,
    number: u64,
    filled: bool,
}

impl<'a> Grant<'a> {
    fn new(shared: &'a Arc<Shared>, number: u64) -> Self {
        Grant {
            shared,
            number,
            filled: false,
        }
    }

    /// `None`: the queue is full, others wait, or the pool is closed.
    pub(super) fn now(shared: &'a Arc<Shared>) -> Option<Self> {
        let mut state = shared.state.lock();
        let number = if state.is_closed() {
            None
        } else {
            state.try_grant()
        };
        drop(state);
        number.map(|n| Grant::new(shared, n))
    }

    /// Names the place.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the job is queued; it is not when the pool was closed meanwhile.
    pub(super) fn fill(mut self, job: Arc<dyn Work>) -> bool {
        self.filled = true;
        let filled = self.shared.state.lock().fill(self.number, job);
        let (queued, after) = match filled {
            Ok(after) => (true, after),
            Err(after) => (false, after),
        };
        self.shared.follow(after);
        queued
    }
}

impl Drop for Grant<'_> {
    fn drop(&mut self) {
        if !self.filled {
            let after = self.shared.state.lock().give_back();
            self.shared.follow(after);
        }
    }
}

/// Waits for a place; `None` when the pool is closed.
pub(super) struct Room<'a> {
    shared: &'a Arc<Shared>,
    place: Option<Place>,
}

impl<'a> Room<'a> {
    pub(super) fn of(shared: &'a Arc<Shared>) -> Self {
        Room {
            shared,
            place: None,
        }
    }
}

impl<'a> Future for Room<'a> {
    type Output = Option<Grant<'a>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = self.shared;
        let mut state = shared.state.lock();
        let Some(place) = self.place else {
            if state.is_closed() {
                return Poll::Ready(None);
            }
            if let Some(number) = state.try_grant() {
                drop(state);
                return Poll::Ready(Some(Grant::new(shared, number)));
            }
            self.place = Some(state.line.enter(Seat::Waiting, cx.waker().clone()));
            drop(state);
            label::set("room in the queue of a thread pool");
            return Poll::Pending;
        };
        let seat = state.line.get(place).copied().unwrap_or(Seat::Closed);
        let (old, polled) = match seat {
            Seat::Waiting => (state.line.set_waker(place, cx.waker()), Poll::Pending),
            Seat::Granted(number) => {
                let old = state.line.leave(place).and_then(|left| left.1);
                self.place = None;
                (old, Poll::Ready(Some(Grant::new(shared, number))))
            }
            Seat::Closed => {
                let old = state.line.leave(place).and_then(|left| left.1);
                self.place = None;
                (old, Poll::Ready(None))
            }
        };
        drop(state);
        drop(old);
        polled
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            let (after, waker) = self.shared.state.lock().leave(place);
            drop(waker);
            self.shared.follow(after);
        }
    }
}
