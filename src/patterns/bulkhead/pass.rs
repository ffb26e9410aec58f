//! [`Enter`] and [`Pass`]: waiting for a place, and having one.

use super::error::Full;
use super::shared::{End, Shared, Ticket};
use crate::internal::label;
use crate::internal::line::Place;
use crate::runtime::{Sleep, coop};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// One that runs; given by [`Bulkhead::enter`](super::Bulkhead::enter) and [`try_enter`](super::Bulkhead::try_enter).
/// Dropped, it makes room for the next. An adaptive limit learns from how it ended, if it is told.
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
    stage: Stage,
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy)]
enum Stage {
    Fresh,
    Waits(Place),
    /// Was answered at once, and gives way to other tasks before it says so.
    Answered(Result<Ticket, Full>),
}

impl<'a> Enter<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>) -> Self {
        Enter {
            shared,
            stage: Stage::Fresh,
            timer: None,
        }
    }
}

impl Enter<'_> {
    fn poll_ticket(&mut self, cx: &mut Context<'_>) -> Poll<Result<Ticket, Full>> {
        let fresh = matches!(self.stage, Stage::Fresh);
        if fresh {
            self.stage = match self.shared.enter(cx) {
                Ok(Ok(ticket)) => Stage::Answered(Ok(ticket)),
                Ok(Err(place)) => Stage::Waits(place),
                Err(full) => Stage::Answered(Err(full)),
            };
        }
        let place = match self.stage {
            Stage::Waits(place) if fresh => {
                let (limit, source) = (self.shared.max_wait, &self.shared.source);
                self.timer = limit.map(|limit| Box::pin(source.runtime().sleep(limit)));
                place
            }
            Stage::Waits(place) => {
                // Before the timer: a place that is there is never lost.
                if let Some(ticket) = self.shared.look(place, cx) {
                    self.stage = Stage::Fresh;
                    return Poll::Ready(Ok(ticket));
                }
                place
            }
            Stage::Answered(mut answer) => {
                if fresh {
                    ready!(coop::poll_spend(cx));
                } else if let Ok(ticket) = &mut answer {
                    // The time it gave way for is no part of the call.
                    self.shared.restart(ticket);
                }
                self.stage = Stage::Fresh;
                return Poll::Ready(answer);
            }
            Stage::Fresh => return Poll::Pending,
        };
        label::set("a place in a bulkhead");
        let over = match &mut self.timer {
            Some(timer) => timer.as_mut().poll_unbudgeted(cx).is_ready(),
            None => false,
        };
        if !over {
            return Poll::Pending;
        }
        self.stage = Stage::Fresh;
        // Given in this very moment, perhaps, on another thread.
        if let Some(ticket) = self.shared.look(place, cx) {
            return Poll::Ready(Ok(ticket));
        }
        let full = self.shared.abandon(place, self.shared.max_wait);
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
        match self.stage {
            Stage::Waits(place) => {
                self.shared.abandon(place, None);
            }
            Stage::Answered(Ok(_)) => self.shared.undo(),
            Stage::Fresh | Stage::Answered(Err(_)) => {}
        }
    }
}

impl fmt::Debug for Enter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enter")
            .field("waiting", &matches!(self.stage, Stage::Waits(_)))
            .finish_non_exhaustive()
    }
}
