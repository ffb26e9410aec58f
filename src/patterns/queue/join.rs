//! Waiting until every item is acknowledged.

use super::shared::Shared;
use crate::internal::label;
use crate::internal::line::Place;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Waits until every item is acknowledged; made by [`Queue::join`](super::Queue::join).
#[must_use = "it waits when it is awaited"]
pub struct Join<'a, T> {
    shared: &'a Shared<T>,
    stand: Option<Place>,
}

impl<T> fmt::Debug for Join<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join")
            .field("waiting", &self.stand.is_some())
            .finish_non_exhaustive()
    }
}

impl<'a, T> Join<'a, T> {
    pub(super) fn new(shared: &'a Shared<T>) -> Self {
        let stand = None;
        Join { shared, stand }
    }
}

impl<T> Future for Join<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let mut state = this.shared.lock();
        let old = match this.stand {
            None if state.open() == 0 => return Poll::Ready(()),
            Some(place) if state.joined(place) => return Poll::Ready(()),
            None => {
                this.stand = Some(state.wait_for_acknowledgements(cx.waker().clone()));
                None
            }
            Some(place) => state.set_join_waker(place, cx.waker()),
        };
        drop(state);
        drop(old);
        label::set("a queue to be worked off");
        Poll::Pending
    }
}

impl<T> Drop for Join<'_, T> {
    fn drop(&mut self) {
        if let Some(place) = self.stand.take() {
            let waker = self.shared.lock().leave_joiners(place);
            drop(waker);
        }
    }
}
