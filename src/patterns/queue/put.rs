//! Putting: futures that wait for room, and room held in advance.

use super::error::{Closed, PutError};
use super::policy::Overflow;
use super::shared::Shared;
use super::state::{Offer, Turn};
use crate::internal::label;
use crate::internal::line::Place;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

const WAITS: &str = "room in a queue";

/// A stand in the line for room. Dropping it leaves the line, and passes room on that it was given.
#[derive(Debug)]
struct Stand<'a, T> {
    shared: &'a Shared<T>,
    place: Option<(Place, u64)>,
}

impl<T> Drop for Stand<'_, T> {
    fn drop(&mut self) {
        if let Some((place, _)) = self.place.take() {
            let waker = self.shared.lock().leave_putters(place);
            drop(waker);
        }
    }
}

/// Waits for room; made by [`Queue::put`](super::Queue::put).
#[must_use = "nothing is put until it is awaited"]
pub struct Put<'a, T> {
    stand: Stand<'a, T>,
    item: Option<T>,
}

impl<T> fmt::Debug for Put<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Put")
            .field("done", &self.item.is_none())
            .finish_non_exhaustive()
    }
}

// The item is never pinned: it is moved into the queue.
impl<T> Unpin for Put<'_, T> {}

impl<'a, T> Put<'a, T> {
    pub(super) fn new(shared: &'a Shared<T>, item: T) -> Self {
        Put {
            stand: Stand {
                shared,
                place: None,
            },
            item: Some(item),
        }
    }

    /// Gives up, and gives the item back; `None` when it was put, or handed back with an error. Exact: an item that comes back
    /// is not in the queue and never was.
    pub fn into_item(mut self) -> Option<T> {
        self.item.take()
    }

    fn hand_back(&mut self, error: fn(T) -> PutError<T>) -> Poll<Result<(), PutError<T>>> {
        let item = self.item.take().expect("a put is over when it has ended");
        Poll::Ready(Err(error(item)))
    }
}

impl<T> Future for Put<'_, T> {
    type Output = Result<(), PutError<T>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let shared = this.stand.shared;
        let Some((place, seq)) = this.stand.place else {
            match &this.item {
                Some(item) if !shared.is_valid(item) => {
                    return this.hand_back(PutError::NotANumber);
                }
                Some(_) => {}
                None => panic!("a put was polled after it had ended"),
            }
            let mut state = shared.lock();
            if state.out_of_budget() {
                drop(state);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match state.offer(&mut this.item) {
                Offer::Taken(displaced) => {
                    drop(state);
                    drop(displaced);
                    return Poll::Ready(Ok(()));
                }
                Offer::Closed => {
                    drop(state);
                    return this.hand_back(PutError::Closed);
                }
                Offer::Full if shared.limits.overflow != Overflow::Wait => {
                    drop(state);
                    return this.hand_back(PutError::Full);
                }
                Offer::Full => this.stand.place = Some(state.wait_for_room(cx.waker().clone())),
            }
            label::set(WAITS);
            return Poll::Pending;
        };
        let mut state = shared.lock();
        match state.turn(place) {
            Turn::NotYet => {
                let old = state.set_put_waker(place, cx.waker());
                drop(state);
                drop(old);
                label::set(WAITS);
                Poll::Pending
            }
            Turn::Closed => {
                drop(state);
                this.hand_back(PutError::Closed)
            }
            Turn::Reserved => {
                state.fill(&mut this.item, Some(seq));
                // Only now: had a comparison panicked, dropping this would pass the room on.
                this.stand.place = None;
                let waker = state.step_out(place);
                drop(state);
                drop(waker);
                Poll::Ready(Ok(()))
            }
        }
    }
}

/// Waits for room and keeps it; made by [`Queue::reserve`](super::Queue::reserve).
#[must_use = "nothing is reserved until it is awaited"]
pub struct Reserve<'a, T> {
    stand: Stand<'a, T>,
    queue: &'a Arc<Shared<T>>,
}

impl<T> fmt::Debug for Reserve<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserve").finish_non_exhaustive()
    }
}

impl<'a, T> Reserve<'a, T> {
    pub(super) fn new(queue: &'a Arc<Shared<T>>) -> Self {
        Reserve {
            stand: Stand {
                shared: queue,
                place: None,
            },
            queue,
        }
    }

    fn slot(&self) -> Slot<T> {
        Slot {
            shared: self.queue.clone(),
            held: true,
        }
    }
}

impl<T> Future for Reserve<'_, T> {
    type Output = Result<Slot<T>, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut state = this.stand.shared.lock();
        let Some((place, _)) = this.stand.place else {
            if state.closed {
                return Poll::Ready(Err(Closed));
            }
            if state.reserve() {
                return Poll::Ready(Ok(this.slot()));
            }
            this.stand.place = Some(state.wait_for_room(cx.waker().clone()));
            drop(state);
            label::set(WAITS);
            return Poll::Pending;
        };
        match state.turn(place) {
            Turn::NotYet => {
                let old = state.set_put_waker(place, cx.waker());
                drop(state);
                drop(old);
                label::set(WAITS);
                Poll::Pending
            }
            Turn::Closed => Poll::Ready(Err(Closed)),
            Turn::Reserved => {
                this.stand.place = None;
                let waker = state.step_out(place);
                drop(state);
                drop(waker);
                Poll::Ready(Ok(this.slot()))
            }
        }
    }
}

/// Room in a queue for one item. Dropping it gives the room to the next.
#[must_use = "dropping it gives the room away"]
pub struct Slot<T> {
    shared: Arc<Shared<T>>,
    held: bool,
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

impl<T> Slot<T> {
    /// Puts the item, without waiting.
    ///
    /// # Errors
    ///
    /// [`PutError::Closed`] when the queue was closed meanwhile, [`PutError::NotANumber`]; both hand the item back.
    pub fn put(mut self, item: T) -> Result<(), PutError<T>> {
        if !self.shared.is_valid(&item) {
            return Err(PutError::NotANumber(item));
        }
        let mut item = Some(item);
        let mut state = self.shared.lock();
        if !state.closed {
            state.fill(&mut item, None);
            self.held = false;
        }
        drop(state);
        match item {
            Some(item) => Err(PutError::Closed(item)),
            None => Ok(()),
        }
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        if self.held {
            self.shared.lock().release();
        }
    }
}
