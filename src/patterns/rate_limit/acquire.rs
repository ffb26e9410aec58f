//! Waiting for permits.

use super::error::AcquireError;
use super::shared::{Look, Shared};
use crate::internal::label;
use crate::internal::line::Place;
use crate::runtime::Sleep;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Waits for permits; made by [`RateLimiter::acquire`](super::RateLimiter::acquire).
#[must_use = "nothing is acquired until it is awaited"]
pub struct Acquire<'a> {
    shared: &'a Shared,
    n: u32,
    place: Option<Place>,
    /// Of the first in line.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<'a> Acquire<'a> {
    pub(super) fn new(shared: &'a Shared, n: u32) -> Self {
        Acquire {
            shared,
            n,
            place: None,
            timer: None,
        }
    }
}

impl Future for Acquire<'_> {
    type Output = Result<(), AcquireError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.place.is_none() {
            match this.shared.enter(this.n, cx.waker()) {
                Ok(None) => return Poll::Ready(Ok(())),
                Ok(Some(place)) => this.place = Some(place),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let Some(place) = this.place else {
            return Poll::Pending;
        };
        loop {
            let at = match this.shared.look(place, cx.waker()) {
                Look::Granted => {
                    this.place = None;
                    return Poll::Ready(Ok(()));
                }
                Look::Until(at) => at,
                Look::Behind => None,
            };
            label::set("a rate limit");
            let Some(at) = at else {
                this.timer = None;
                return Poll::Pending;
            };
            let armed = this.timer.take();
            let mut timer = match armed.filter(|timer| timer.deadline() == Some(at)) {
                Some(timer) => timer,
                None => Box::pin(this.shared.runtime.sleep_until(at)),
            };
            if timer.as_mut().poll(cx).is_pending() {
                this.timer = Some(timer);
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.shared.abandon(place);
        }
    }
}

impl fmt::Debug for Acquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire")
            .field("n", &self.n)
            .field("waiting", &self.place.is_some())
            .finish_non_exhaustive()
    }
}
