//! Waiting for room in the queue of a pool.

use super::job::Work;
use super::shared::Shared;
use super::state::Seat;
use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::line::{Place, Spare};
use crate::runtime::coop;
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
    granted: Option<Grant<'a>>,
}

impl<'a> Room<'a> {
    pub(super) fn of(shared: &'a Arc<Shared>) -> Self {
        Room {
            shared,
            place: None,
            granted: None,
        }
    }
}

impl<'a> Future for Room<'a> {
    type Output = Option<Grant<'a>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let shared = this.shared;
        if let Some(grant) = this.granted.take() {
            return Poll::Ready(Some(grant));
        }
        let mut spare = Spare::none();
        let grant = loop {
            let mut state = shared.state.lock();
            let Some(place) = this.place else {
                if state.is_closed() {
                    return Poll::Ready(None);
                }
                if let Some(number) = state.try_grant() {
                    drop(state);
                    break Grant::new(shared, number);
                }
                if let Some(waker) = spare.take() {
                    this.place = Some(state.line.enter(Seat::Waiting, waker));
                    return waiting();
                }
                drop(state);
                spare.fill(cx);
                continue;
            };
            match state.line.get(place).copied().unwrap_or(Seat::Closed) {
                Seat::Waiting if state.line.renew(place, cx, &mut spare) => return waiting(),
                Seat::Waiting => {
                    drop(state);
                    spare.fill(cx);
                }
                seat => {
                    let left = state.line.leave(place);
                    this.place = None;
                    drop(state);
                    discard(left);
                    match seat {
                        Seat::Granted(number) => break Grant::new(shared, number),
                        _ => return Poll::Ready(None),
                    }
                }
            }
        };
        // The place is kept while others get their turn.
        if coop::poll_spend(cx).is_pending() {
            this.granted = Some(grant);
            return Poll::Pending;
        }
        Poll::Ready(Some(grant))
    }
}

fn waiting<T>() -> Poll<T> {
    label::set("room in the queue of a thread pool");
    Poll::Pending
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            let (after, waker) = self.shared.state.lock().leave(place);
            discard(waker);
            self.shared.follow(after);
        }
    }
}
