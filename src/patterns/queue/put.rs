//! Putting: futures that wait for room, and room held in advance.

use super::error::{Closed, PutError};
use super::policy::Overflow;
use super::shared::Shared;
use super::state::{Met, Offer, Turn};
use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::line::{Place, Spare};
use crate::runtime::coop;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

const WAITS: &str = "room in a queue";
const MEETS: &str = "a get that takes the item";

/// A stand in the line for room. Dropping it leaves the line, and passes room on that it was given.
#[derive(Debug)]
struct Stand<'a, T> {
    shared: &'a Shared<T>,
    place: At,
}

#[derive(Clone, Copy, Debug)]
enum At {
    Fresh,
    /// It was about to be refused, and gives way to other tasks first.
    GaveWay,
    /// In the line, with the number of its item; also with room, when it gives way to other tasks first.
    Line(Place, u64),
    /// With its item in the line, to meet a get.
    Offer(Place),
}

impl<T> Stand<'_, T> {
    /// Leaves. Gives the item back that stood in the line with it.
    fn leave(&mut self) -> Option<T> {
        let (item, waker) = match mem::replace(&mut self.place, At::Fresh) {
            At::Fresh | At::GaveWay => return None,
            At::Line(place, _) => (None, self.shared.lock().leave_putters(place)),
            At::Offer(place) => self.shared.lock().leave_offers(place),
        };
        discard(waker);
        item
    }
}

impl<T> Drop for Stand<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if !matches!(self.place, At::Fresh | At::GaveWay) {
            discard(self.leave());
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
            .field(
                "done",
                &(self.item.is_none() && matches!(self.stand.place, At::Fresh)),
            )
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
                place: At::Fresh,
            },
            item: Some(item),
        }
    }

    /// Gives up, and gives the item back; `None` when it was put, or handed back with an error. Exact: an item that comes back
    /// is not in the queue and never was.
    pub fn into_item(mut self) -> Option<T> {
        self.stand.leave().or_else(|| self.item.take())
    }

    /// Time is over: puts the item if it can be put without waiting, and no other put has a better right to the room.
    pub(super) fn last_moment(mut self) -> Result<(), PutError<T>> {
        let mut state = self.stand.shared.lock();
        let mut displaced = None;
        match self.stand.place {
            At::Line(place, seq) if state.turn(place) == Turn::Reserved => {
                state.fill(&mut self.item, Some(seq));
                self.stand.place = At::Fresh;
                state.step_out(place);
            }
            At::GaveWay => {
                if let Offer::Taken(item) = state.offer(&mut self.item) {
                    displaced = item;
                }
            }
            At::Fresh | At::Line(..) | At::Offer(_) => {}
        }
        drop(state);
        discard(displaced);
        match self.into_item() {
            Some(item) => Err(PutError::Elapsed(item)),
            None => Ok(()),
        }
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
        let fresh = matches!(this.stand.place, At::Fresh);
        if fresh
            && let Some(item) = &this.item
            && !shared.is_valid(item)
        {
            return this.hand_back(PutError::NotANumber);
        }
        // First, as it may run code of the user.
        let gives_way = fresh && coop::poll_spend(cx).is_pending();
        if fresh && !gives_way && this.item.is_some() {
            let mut state = shared.lock();
            if let Offer::Taken(displaced) = state.offer(&mut this.item) {
                drop(state);
                discard(displaced);
                return Poll::Ready(Ok(()));
            }
        }
        this.poll_slow(cx, gives_way)
    }
}

impl<T> Put<'_, T> {
    #[inline(never)]
    fn poll_slow(&mut self, cx: &Context<'_>, gives_way: bool) -> Poll<Result<(), PutError<T>>> {
        let shared = self.stand.shared;
        let mut spare = Spare::none();
        loop {
            let mut state = shared.lock();
            match self.stand.place {
                At::Fresh | At::GaveWay => {
                    if self.item.is_none() {
                        drop(state);
                        panic!("a put was polled after it had ended");
                    }
                    let refused = state.closed || shared.limits.overflow != Overflow::Wait;
                    if gives_way {
                        let meets = state.is_rendezvous() && !refused;
                        if !meets && let Some((place, seq)) = state.hold_room() {
                            self.stand.place = At::Line(place, seq);
                            label::set(WAITS);
                            return Poll::Pending;
                        }
                        if refused {
                            self.stand.place = At::GaveWay;
                            return Poll::Pending;
                        }
                    } else {
                        match state.offer(&mut self.item) {
                            Offer::Taken(displaced) => {
                                drop(state);
                                discard(displaced);
                                return Poll::Ready(Ok(()));
                            }
                            Offer::Closed => {
                                drop(state);
                                return self.hand_back(PutError::Closed);
                            }
                            Offer::Full if refused => {
                                drop(state);
                                return self.hand_back(PutError::Full);
                            }
                            Offer::Full => {}
                        }
                    }
                    if let Some(waker) = spare.take() {
                        self.stand.place = match self.item.take() {
                            Some(item) if state.is_rendezvous() => {
                                At::Offer(state.offer_in_line(item, waker))
                            }
                            item => {
                                self.item = item;
                                let (place, seq) = state.wait_for_room(waker);
                                At::Line(place, seq)
                            }
                        };
                        label::set(match self.stand.place {
                            At::Offer(_) => MEETS,
                            _ => WAITS,
                        });
                        return Poll::Pending;
                    }
                }
                At::Line(place, seq) => match state.turn(place) {
                    Turn::NotYet => {
                        if state.renew_putter(place, cx, &mut spare) {
                            label::set(WAITS);
                            return Poll::Pending;
                        }
                    }
                    Turn::Closed => {
                        drop(state);
                        return self.hand_back(PutError::Closed);
                    }
                    Turn::Reserved => {
                        state.fill(&mut self.item, Some(seq));
                        // Only now: had a comparison panicked, dropping this would pass the room on.
                        self.stand.place = At::Fresh;
                        state.step_out(place);
                        return Poll::Ready(Ok(()));
                    }
                },
                At::Offer(place) => match state.met(place) {
                    Met::NotYet => {
                        if state.renew_offer(place, cx, &mut spare) {
                            label::set(MEETS);
                            return Poll::Pending;
                        }
                    }
                    Met::Taken => {
                        self.stand.place = At::Fresh;
                        return Poll::Ready(Ok(()));
                    }
                    Met::Closed(item) => {
                        self.stand.place = At::Fresh;
                        self.item = item;
                        drop(state);
                        return self.hand_back(PutError::Closed);
                    }
                },
            }
            drop(state);
            spare.fill(cx);
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
                place: At::Fresh,
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
        let fresh = matches!(this.stand.place, At::Fresh);
        // First, as it may run code of the user.
        let gives_way = fresh && coop::poll_spend(cx).is_pending();
        let mut spare = Spare::none();
        loop {
            let mut state = this.stand.shared.lock();
            if let At::Line(place, _) = this.stand.place {
                match state.turn(place) {
                    Turn::NotYet => {
                        if state.renew_putter(place, cx, &mut spare) {
                            break;
                        }
                    }
                    Turn::Closed => return Poll::Ready(Err(Closed)),
                    Turn::Reserved => {
                        this.stand.place = At::Fresh;
                        state.step_out(place);
                        return Poll::Ready(Ok(this.slot()));
                    }
                }
            } else if gives_way && state.closed {
                this.stand.place = At::GaveWay;
                break;
            } else if state.closed {
                return Poll::Ready(Err(Closed));
            } else if gives_way && let Some((place, seq)) = state.hold_room() {
                this.stand.place = At::Line(place, seq);
                break;
            } else if !gives_way && state.reserve() {
                return Poll::Ready(Ok(this.slot()));
            } else if let Some(waker) = spare.take() {
                let (place, seq) = state.wait_for_room(waker);
                this.stand.place = At::Line(place, seq);
                break;
            }
            drop(state);
            spare.fill(cx);
        }
        label::set(WAITS);
        Poll::Pending
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
