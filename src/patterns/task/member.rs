//! A future among others that are polled in place, which may be told to go.

use crate::internal::scope::{Mark, Scoped, Step};
use crate::internal::slots::Slots;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Outputs ready at once that are taken before the task gives way to others.
pub(super) const BUDGET: u32 = 128;

pin_project! {
    /// Ends with the future's output, or with `None` when it was told to go and is dropped, its cleanup done.
    pub(super) struct Member<F> {
        #[pin]
        scoped: Scoped<F>,
        go: bool,
    }
}

impl<F> Member<F> {
    #[inline]
    pub(super) fn new(future: F) -> Self {
        Member {
            scoped: Scoped::new(Mark::Plain, future),
            go: false,
        }
    }
}

impl<F: Future> Future for Member<F> {
    type Output = Option<F::Output>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.scoped.step(cx, *this.go) {
            Step::Ready(output) => Poll::Ready(Some(output)),
            Step::Gone => Poll::Ready(None),
            Step::Pending => Poll::Pending,
        }
    }
}

/// Tells every member to go; they end in the next sweeps.
pub(super) fn dismiss<F>(members: &mut Slots<Member<F>>) {
    members.for_each(|_, member| *member.project().go = true);
}
