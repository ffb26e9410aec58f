//! Waiting until every item is acknowledged.

use super::shared::Shared;
use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::line::{Place, Spare};
use crate::runtime::coop;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Waits until every item is acknowledged; made by [`Queue::join`](super::Queue::join).
#[must_use = "it waits when it is awaited"]
pub struct Join<'a, T> {
    shared: &'a Shared<T>,
    stand: Stand,
}

#[derive(Clone, Copy)]
enum Stand {
    Fresh,
    In(Place),
    /// All was acknowledged when it came, and it gives way to other tasks first.
    Done,
}

impl<T> fmt::Debug for Join<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join")
            .field("waiting", &matches!(self.stand, Stand::In(_)))
            .finish_non_exhaustive()
    }
}

impl<'a, T> Join<'a, T> {
    pub(super) fn new(shared: &'a Shared<T>) -> Self {
        let stand = Stand::Fresh;
        Join { shared, stand }
    }
}

impl<T> Future for Join<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // First, as it may run code of the user.
        let gives_way = matches!(this.stand, Stand::Fresh) && coop::poll_spend(cx).is_pending();
        let mut spare = Spare::none();
        loop {
            let mut state = this.shared.lock();
            match this.stand {
                Stand::Done => return Poll::Ready(()),
                Stand::In(place) if state.joined(place) => return Poll::Ready(()),
                Stand::In(place) => {
                    if state.renew_joiner(place, cx, &mut spare) {
                        break;
                    }
                }
                Stand::Fresh if state.open() == 0 => {
                    if !gives_way {
                        return Poll::Ready(());
                    }
                    this.stand = Stand::Done;
                    break;
                }
                Stand::Fresh => {
                    if let Some(waker) = spare.take() {
                        this.stand = Stand::In(state.wait_for_acknowledgements(waker));
                        break;
                    }
                }
            }
            drop(state);
            spare.fill(cx);
        }
        label::set("a queue to be worked off");
        Poll::Pending
    }
}

impl<T> Drop for Join<'_, T> {
    fn drop(&mut self) {
        if let Stand::In(place) = self.stand {
            let waker = self.shared.lock().leave_joiners(place);
            discard(waker);
        }
    }
}
