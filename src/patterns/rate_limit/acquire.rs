//! Waiting for permits.

use super::error::AcquireError;
use super::shared::Shared;
use super::state::{Entered, Look};
use crate::internal::label;
use crate::internal::line::Place;
use crate::runtime::{Sleep, coop};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Waits for permits; made by [`RateLimiter::acquire`](super::RateLimiter::acquire).
#[must_use = "nothing is acquired until it is awaited"]
pub struct Acquire<'a> {
    shared: &'a Shared,
    n: u32,
    stage: Stage,
    /// Of the first in line.
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy)]
enum Stage {
    Fresh,
    Waits(Place),
    /// Had them at once, and gives way to other tasks before it says so. What giving them back is to be told.
    Took(u64),
    /// Can never have them, and gives way before it says so.
    Failed(AcquireError),
}

impl<'a> Acquire<'a> {
    pub(super) fn new(shared: &'a Shared, n: u32) -> Self {
        Acquire {
            shared,
            n,
            stage: Stage::Fresh,
            timer: None,
        }
    }

    fn poll_wait(&mut self, place: Place, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let at = match self.shared.look(place, cx) {
                Look::Granted => {
                    self.stage = Stage::Fresh;
                    return Poll::Ready(());
                }
                Look::Until(at) => at,
                Look::Behind => None,
            };
            label::set("a rate limit");
            let Some(at) = at else {
                self.timer = None;
                return Poll::Pending;
            };
            let armed = self.timer.take();
            let mut timer = match armed.filter(|timer| timer.deadline() == Some(at)) {
                Some(timer) => timer,
                None => Box::pin(self.shared.source.runtime().sleep_until(at)),
            };
            if timer.as_mut().poll_unbudgeted(cx).is_pending() {
                self.timer = Some(timer);
                return Poll::Pending;
            }
        }
    }
}

impl Future for Acquire<'_> {
    type Output = Result<(), AcquireError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let at_once = matches!(this.stage, Stage::Fresh);
        if at_once {
            this.stage = match this.shared.enter(this.n, cx) {
                Ok(Entered::Took(taken)) => Stage::Took(taken),
                Ok(Entered::Waits(place)) => Stage::Waits(place),
                Err(error) => Stage::Failed(error),
            };
        }
        let ended = match this.stage {
            Stage::Waits(place) => return this.poll_wait(place, cx).map(Ok),
            Stage::Failed(error) => Err(error),
            Stage::Fresh | Stage::Took(_) => Ok(()),
        };
        if at_once {
            ready!(coop::poll_spend(cx));
        }
        this.stage = Stage::Fresh;
        Poll::Ready(ended)
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        match self.stage {
            Stage::Waits(place) => self.shared.abandon(place),
            Stage::Took(taken) => self.shared.refund(taken, self.n),
            Stage::Fresh | Stage::Failed(_) => {}
        }
    }
}

impl fmt::Debug for Acquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire")
            .field("n", &self.n)
            .field("waiting", &matches!(self.stage, Stage::Waits(_)))
            .finish_non_exhaustive()
    }
}
