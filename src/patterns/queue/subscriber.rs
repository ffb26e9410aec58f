//! The receiving side of a broadcast.

use super::broadcast::State;
use super::error::Lagged;
use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::line::{Place, Spare};
use crate::internal::lock::Lock;
use crate::runtime::coop;
use futures_core::Stream;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

const WAITS: &str = "an item of a broadcast";

/// Receives all that a [`Broadcast`](super::Broadcast) sends; also a stream. A clone goes on from the same item.
pub struct Subscriber<T> {
    shared: Arc<Lock<State<T>>>,
    /// The number of the item it sees next.
    next: u64,
    stand: Option<Place>,
    /// What it has seen and not handed out yet: it gave way to other tasks, or the clone of the item panicked.
    held: Option<Result<Arc<T>, Lagged>>,
    gave_way: bool,
}

impl<T> Subscriber<T> {
    pub(super) fn new(shared: Arc<Lock<State<T>>>, next: u64) -> Self {
        let stand = None;
        Subscriber {
            shared,
            next,
            stand,
            held: None,
            gave_way: false,
        }
    }
}

impl<T: Clone> Subscriber<T> {
    /// The next item; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`Lagged`] with the number of items that were missed; the next call goes on after them.
    ///
    /// # Panics
    ///
    /// When the clone of an item panics; the item is for the next call.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing: the item is for the next call.
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv(self)
    }

    /// The next item, if it is there: `None` when nothing is there yet, and at the end.
    ///
    /// # Errors
    ///
    /// As [`recv`](Subscriber::recv).
    ///
    /// # Panics
    ///
    /// As [`recv`](Subscriber::recv).
    pub fn try_recv(&mut self) -> Option<Result<T, Lagged>> {
        if self.held.is_none() {
            self.held = self.look();
        }
        self.hand_out()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Lagged>>> {
        if self.held.is_none() && !self.gave_way && self.stand.is_none() {
            // First, as it may run code of the user.
            self.gave_way = coop::poll_spend(cx).is_pending();
            self.held = self.look();
            if self.gave_way && (self.held.is_some() || self.shared.lock().closed) {
                label::set(WAITS);
                return Poll::Pending;
            }
        }
        if self.held.is_none() && !self.wait(cx) {
            return Poll::Pending;
        }
        self.gave_way = false;
        Poll::Ready(self.hand_out())
    }

    /// Hands out what was seen. After unlocking: this runs code of the user.
    fn hand_out(&mut self) -> Option<Result<T, Lagged>> {
        match self.held.take()? {
            Err(lagged) => Some(Err(lagged)),
            // No other subscriber can see it any more, or it is cloned.
            Ok(item) => Some(Ok(Arc::try_unwrap(item).unwrap_or_else(|item| {
                let item = self.held.insert(Ok(item));
                let clone = match item {
                    Ok(item) => T::clone(item),
                    Err(_) => unreachable!("it is an item"),
                };
                discard(self.held.take());
                clone
            }))),
        }
    }
}

impl<T> Subscriber<T> {
    /// True: something is held now, or it is the end.
    fn wait(&mut self, cx: &Context<'_>) -> bool {
        let mut spare = Spare::none();
        loop {
            let mut state = self.shared.lock();
            let seen = see(&mut self.next, &state);
            if seen.is_some() || state.closed {
                let left = self
                    .stand
                    .take()
                    .and_then(|place| state.waiting.leave(place));
                drop(state);
                self.held = seen;
                discard(left);
                return true;
            }
            match self.stand {
                Some(place) if state.waiting.is_waiting(place) => {
                    if state.waiting.renew(place, cx, &mut spare) {
                        break;
                    }
                }
                // Woken for what is overwritten by now.
                Some(place) => {
                    state.waiting.leave(place);
                    self.stand = None;
                    continue;
                }
                None => {
                    if let Some(waker) = spare.take() {
                        self.stand = Some(state.waiting.enter((), waker));
                        break;
                    }
                }
            }
            drop(state);
            spare.fill(cx);
        }
        label::set(WAITS);
        false
    }

    fn look(&mut self) -> Option<Result<Arc<T>, Lagged>> {
        let state = self.shared.lock();
        see(&mut self.next, &state)
    }
}

/// What a subscriber that is to see `next` sees now; it goes on after that.
fn see<T>(next: &mut u64, state: &State<T>) -> Option<Result<Arc<T>, Lagged>> {
    if *next < state.first {
        let missed = state.first - *next;
        *next = state.first;
        return Some(Err(Lagged(missed)));
    }
    let item = state.ring.get((*next - state.first) as usize)?;
    *next += 1;
    Some(Ok(item.clone()))
}

/// Waits for the next item; made by [`Subscriber::recv`].
#[must_use = "nothing is received until it is awaited"]
#[derive(Debug)]
pub struct Recv<'a, T>(&'a mut Subscriber<T>);

impl<T: Clone> Future for Recv<'_, T> {
    type Output = Option<Result<T, Lagged>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().0.poll_recv(cx)
    }
}

impl<T> Drop for Recv<'_, T> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl<T: Clone> Stream for Subscriber<T> {
    type Item = Result<T, Lagged>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recv(cx)
    }
}

impl<T> Subscriber<T> {
    fn leave(&mut self) {
        if let Some(place) = self.stand.take() {
            let left = self.shared.lock().waiting.leave(place);
            discard(left);
        }
    }
}

impl<T> Clone for Subscriber<T> {
    fn clone(&self) -> Self {
        self.shared.lock().subscribers += 1;
        Subscriber {
            shared: self.shared.clone(),
            next: self.next,
            stand: None,
            held: self.held.clone(),
            gave_way: false,
        }
    }
}

impl<T> Drop for Subscriber<T> {
    fn drop(&mut self) {
        self.leave();
        let mut state = self.shared.lock();
        state.subscribers -= 1;
        // Nobody can see them any more; they are dropped after unlocking.
        let unseen = if state.subscribers == 0 {
            state.first = state.next();
            std::mem::take(&mut state.ring)
        } else {
            VecDeque::new()
        };
        drop(state);
        unseen.into_iter().for_each(discard);
        discard(self.held.take());
    }
}

impl<T> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
