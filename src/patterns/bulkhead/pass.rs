//! [`Enter`] and [`Pass`]: waiting for a place, and having one.

use super::error::Full;
use super::shared::{End, Shared, Ticket};
use crate::internal::label;
use crate::internal::line::Place;
use crate::runtime::Sleep;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// One that runs; given by [`Bulkhead::enter`](super::Bulkhead::enter) and [`try_enter`](super::Bulkhead::try_enter). Dropped, it makes room for the next. An adaptive limit learns from how it ended, if it is told.
#[must_use = "its place is taken until this is dropped: bind it to a name"]
pub struct Pass {
    shared: Arc<Shared>,
    ticket: Option<Ticket>,
}

impl Pass {
    pub(super) fn new(shared: &Arc<Shared>, ticket: Ticket) -> Self {
        Pass {
            shared: shared.clone(),
            ticket: Some(ticket),
        }
    }

    /// Makes room; it has worked.
    pub fn succeeded(mut self) {
        self.end(End::Succeeded);
    }

    /// Makes room; it has not worked.
    pub fn failed(mut self) {
        self.end(End::Failed);
    }

    fn end(&mut self, end: End) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.leave(ticket, end);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.end(End::Unknown);
    }
}

/// A [`Pass`] that borrows its bulkhead: what policies have.
pub(crate) struct Held<'a> {
    shared: &'a Shared,
    ticket: Option<Ticket>,
}

impl<'a> Held<'a> {
    /// A place, if there is one and nobody waits.
    #[inline]
    pub(super) fn at_once(shared: &'a Shared) -> Option<Self> {
        let ticket = Some(shared.enter_at_once()?);
        Some(Held { shared, ticket })
    }

    pub(super) async fn wait(shared: &'a Arc<Shared>) -> Result<Self, Full> {
        let mut enter = Enter::new(shared);
        let ticket = Some(poll_fn(|cx| enter.poll_ticket(cx)).await?);
        Ok(Held { shared, ticket })
    }

    /// The call itself begins only now: what was before says nothing about the service.
    pub(crate) fn restart(&mut self) {
        if let Some(ticket) = &mut self.ticket {
            self.shared.restart(ticket);
        }
    }

    /// Makes room; whether it has worked.
    #[inline]
    pub(crate) fn end(mut self, worked: bool) {
        self.leave(if worked { End::Succeeded } else { End::Failed });
    }

    #[inline]
    fn leave(&mut self, end: End) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.leave(ticket, end);
        }
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        self.leave(End::Unknown);
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pass")
    }
}

/// Waits for a place; made by [`Bulkhead::enter`](super::Bulkhead::enter).
#[must_use = "nothing is entered until it is awaited"]
pub struct Enter<'a> {
    shared: &'a Arc<Shared>,
    place: Option<Place>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<'a> Enter<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>) -> Self {
        Enter {
            shared,
            place: None,
            timer: None,
        }
    }
}

impl Enter<'_> {
    fn poll_ticket(&mut self, cx: &mut Context<'_>) -> Poll<Result<Ticket, Full>> {
        let this = self;
        let pass = |ticket| Poll::Ready(Ok(ticket));
        let place = match this.place {
            Some(place) => {
                // Before the timer: a place that is there is never lost.
                if let Some(ticket) = this.shared.look(place, cx.waker()) {
                    this.place = None;
                    return pass(ticket);
                }
                place
            }
            None => match this.shared.enter(cx.waker()) {
                Ok(Ok(ticket)) => return pass(ticket),
                Ok(Err(place)) => {
                    this.place = Some(place);
                    let limit = this.shared.max_wait;
                    this.timer = limit.map(|limit| Box::pin(this.shared.runtime.sleep(limit)));
                    place
                }
                Err(full) => return Poll::Ready(Err(full)),
            },
        };
        label::set("a place in a bulkhead");
        let over = match &mut this.timer {
            Some(timer) => timer.as_mut().poll(cx).is_ready(),
            None => false,
        };
        if !over {
            return Poll::Pending;
        }
        this.place = None;
        // Given in this very moment, perhaps, on another thread.
        if let Some(ticket) = this.shared.look(place, cx.waker()) {
            return pass(ticket);
        }
        let full = this.shared.abandon(place, this.shared.max_wait);
        Poll::Ready(Err(full))
    }
}

impl Future for Enter<'_> {
    type Output = Result<Pass, Full>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let shared = this.shared;
        this.poll_ticket(cx)
            .map_ok(|ticket| Pass::new(shared, ticket))
    }
}

impl Drop for Enter<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.shared.abandon(place, None);
        }
    }
}

impl fmt::Debug for Enter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enter")
            .field("waiting", &self.place.is_some())
            .finish_non_exhaustive()
    }
}
