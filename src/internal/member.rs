//! A future among others that are polled in place, which may be told to go.

use super::scope::{Mark, Scoped, Step};
use super::slots::Slots;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The poll of a future or stream `S`, kept as a pointer: see `task::Gathering`.
pub(crate) type Poller<S, O> = fn(&mut S, &mut Context<'_>) -> Poll<O>;

/// Outputs ready at once that are taken before the task gives way to others.
pub(crate) const BUDGET: u32 = 128;

pin_project! {
    /// Ends with the future's output, or with `None` when it was told to go and is dropped, its cleanup done.
    pub(crate) struct Member<F> {
        #[pin]
        scoped: Scoped<F>,
        go: bool,
    }
}

impl<F> Member<F> {
    #[inline]
    pub(crate) fn new(future: F) -> Self {
        Member {
            scoped: Scoped::new(Mark::Plain, future),
            go: false,
        }
    }

    /// Tells it to go; it ends in the next polls.
    pub(crate) fn dismiss(self: Pin<&mut Self>) {
        *self.project().go = true;
    }
}

impl<F: Future> Future for Member<F> {
    type Output = Option<F::Output>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if *this.go && !this.scoped.was_polled() {
            // It has not started: who is sent home then never does.
            this.scoped.as_mut().clear();
        }
        match this.scoped.step(cx, *this.go) {
            Step::Ready(output) => Poll::Ready(Some(output)),
            Step::Gone => Poll::Ready(None),
            Step::Pending => Poll::Pending,
        }
    }
}

/// Tells every member to go; they end in the next sweeps.
pub(crate) fn dismiss<F>(members: &mut Slots<Member<F>>) {
    members.for_each(|_, member| member.dismiss());
}
