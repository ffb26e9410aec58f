//! [`Enter`] and [`Pass`].

use super::error::Shed;
use super::shared::Shared;
use crate::internal::label;
use crate::runtime::coop;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// One that runs; given by [`LoadShed::enter`](super::LoadShed::enter) and [`try_enter`](super::LoadShed::try_enter).
/// It runs until this is dropped.
#[must_use = "it counts as running until this is dropped: bind it to a name"]
pub struct Pass {
    shared: Arc<Shared>,
}

impl Pass {
    pub(super) fn enter(shared: &Arc<Shared>) -> Result<Self, Shed> {
        shared.enter()?;
        Ok(Pass {
            shared: shared.clone(),
        })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.shared.leave();
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pass")
    }
}

/// A [`Pass`] that borrows its load shedder: what policies have.
pub(crate) struct Held<'a> {
    shared: &'a Shared,
}

impl<'a> Held<'a> {
    #[inline]
    pub(super) fn at_once(shared: &'a Shared) -> Option<Self> {
        shared.enter_at_once().then(|| Held { shared })
    }

    pub(super) async fn enter(shared: &'a Arc<Shared>) -> Result<Self, Shed> {
        let mut enter = Enter::new(shared);
        poll_fn(|cx| enter.poll_turn(cx)).await;
        shared.enter()?;
        Ok(Held { shared })
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        self.shared.leave();
    }
}

/// Enters, once in a while after one turn of the executor, which it measures; made by
/// [`LoadShed::enter`](super::LoadShed::enter).
#[must_use = "nothing is entered until it is awaited"]
pub struct Enter<'a> {
    shared: &'a Arc<Shared>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Fresh,
    /// Lets other tasks go first: nothing has happened yet.
    GivesWay,
    Measures,
}

impl<'a> Enter<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>) -> Self {
        Enter {
            shared,
            stage: Stage::Fresh,
        }
    }
}

impl Enter<'_> {
    #[inline]
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.stage {
            Stage::Measures => self.shared.end_measure(true),
            Stage::GivesWay => {}
            Stage::Fresh if coop::poll_spend(cx).is_pending() => {
                self.stage = Stage::GivesWay;
                return Poll::Pending;
            }
            // A call that would not be polled again measures nothing.
            Stage::Fresh if !cx.waker().data().is_null() && self.shared.begin_measure() => {
                self.stage = Stage::Measures;
                label::set("its turn, to measure how late the executor is");
                coop::give_way(cx);
                return Poll::Pending;
            }
            Stage::Fresh => {}
        }
        self.stage = Stage::Fresh;
        Poll::Ready(())
    }
}

impl Future for Enter<'_> {
    type Output = Result<Pass, Shed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.poll_turn(cx));
        Poll::Ready(Pass::enter(self.shared))
    }
}

impl Drop for Enter<'_> {
    fn drop(&mut self) {
        if self.stage == Stage::Measures {
            self.shared.end_measure(false);
        }
    }
}

impl fmt::Debug for Enter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enter")
            .field("measuring", &(self.stage == Stage::Measures))
            .finish_non_exhaustive()
    }
}
