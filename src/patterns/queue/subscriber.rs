//! The receiving side of a broadcast.

use super::broadcast::State;
use super::error::Lagged;
use crate::internal::label;
use crate::internal::line::Place;
use crate::internal::lock::Lock;
use futures_core::Stream;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Receives all that a [`Broadcast`](super::Broadcast) sends; also a stream. A clone goes on from the same item.
pub struct Subscriber<T> {
    shared: Arc<Lock<State<T>>>,
    /// The number of the item it sees next.
    next: u64,
    stand: Option<Place>,
}

impl<T> Subscriber<T> {
    pub(super) fn new(shared: Arc<Lock<State<T>>>, next: u64) -> Self {
        let stand = None;
        Subscriber {
            shared,
            next,
            stand,
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
    pub fn try_recv(&mut self) -> Option<Result<T, Lagged>> {
        let shared = self.shared.clone();
        let state = shared.lock();
        let seen = self.look(&state);
        drop(state);
        seen.map(own)
    }

    fn poll_recv(&mut self, cx: &Context<'_>) -> Poll<Option<Result<T, Lagged>>> {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        let seen = self.look(&state);
        let mut old = None;
        if seen.is_some() || state.closed {
            old = self
                .stand
                .take()
                .and_then(|place| state.waiting.leave(place))
                .and_then(|(_, w)| w);
            drop(state);
            drop(old);
            return Poll::Ready(seen.map(own));
        }
        match self.stand {
            Some(place) if state.waiting.is_waiting(place) => {
                old = state.waiting.set_waker(place, cx.waker());
            }
            // Somebody else's item woke it, which is overwritten by now, or it was not here yet.
            stand => {
                if let Some(place) = stand {
                    old = state.waiting.leave(place).and_then(|(_, w)| w);
                }
                self.stand = Some(state.waiting.enter((), cx.waker().clone()));
            }
        }
        drop(state);
        drop(old);
        label::set("an item of a broadcast");
        Poll::Pending
    }
}

impl<T> Subscriber<T> {
    fn look(&mut self, state: &State<T>) -> Option<Result<Arc<T>, Lagged>> {
        if self.next < state.first {
            let missed = state.first - self.next;
            self.next = state.first;
            return Some(Err(Lagged(missed)));
        }
        let item = state.ring.get((self.next - state.first) as usize)?;
        self.next += 1;
        Some(Ok(item.clone()))
    }
}

/// Clones the item, or takes it when nobody else can see it any more. After unlocking: this runs code of the user.
fn own<T: Clone>(seen: Result<Arc<T>, Lagged>) -> Result<T, Lagged> {
    seen.map(Arc::unwrap_or_clone)
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
            drop(left);
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
        drop(unseen);
    }
}

impl<T> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
