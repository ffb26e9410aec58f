//! A future under a token.

use super::token::{CancelToken, poll_deadline};
use crate::internal::node::{Node, Waiter};
use crate::internal::reason::{Cancelled, Reason};
use crate::internal::scope::{Mark, Scoped, Step};
use crate::runtime::{Runtime, Sleep};
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

pin_project! {
    /// A future inside the cancel scope of a token; made by [`CancelToken::run`] and [`CancelToken::run_graceful`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct Run<F> {
        #[pin]
        scoped: Scoped<F>,
        // Made when the future waits for the first time. Until then, and for the look at the flag, the scope knows the node.
        waiter: Option<Waiter>,
        grace: Duration,
        // The token's deadline first, the grace after it is cancelled. In a box: most tokens need neither.
        timer: Option<Pin<Box<Sleep>>>,
        in_grace: bool,
        drop_now: bool,
    }
}

impl<F> Run<F> {
    #[inline]
    pub(super) fn new(token: &CancelToken, grace: Duration, future: F) -> Self {
        let node = if token.node.is_timed() && !grace.is_zero() {
            Node::lenient(&token.node)
        } else {
            token.node.clone()
        };
        Run {
            scoped: Scoped::new(Mark::Follow(node), future),
            waiter: None,
            grace,
            timer: None,
            in_grace: false,
            drop_now: false,
        }
    }
}

impl<F: Future> Future for Run<F> {
    type Output = Result<F::Output, Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        if *this.drop_now || this.scoped.followed().is_some_and(|n| n.flag()) {
            return self.go_on(None, cx);
        }
        match this.scoped.step(cx, false) {
            Step::Ready(value) => Poll::Ready(Ok(value)),
            // The usual case ends here; the frame of the rest alone would cost half of it.
            Step::Pending if is_settled(this.waiter, cx) => Poll::Pending,
            step => self.go_on(Some(step), cx),
        }
    }
}

#[inline]
fn is_settled(waiter: &Option<Waiter>, cx: &Context<'_>) -> bool {
    waiter.as_ref().is_some_and(|w| w.is_settled(cx.waker()))
}

impl<F: Future> Run<F> {
    /// After `step`, or under a token that is cancelled: registers, arms timers, and drops the future when it is time.
    #[inline(never)]
    fn go_on(
        self: Pin<&mut Self>,
        step: Option<Step<F::Output>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<F::Output, Cancelled>> {
        let mut this = self.project();
        // Under a token that is cancelled all is over in the first poll: a loop around that gives way now and then.
        if step.is_none() {
            ready!(this.scoped.as_mut().poll_spend(cx));
        }
        let scoped = this.scoped.as_ref();
        let waiter = this.waiter.get_or_insert_with(|| {
            let node = scoped.followed().cloned();
            Waiter::new(node.unwrap_or_else(Node::root))
        });
        let mut cancelled = step.is_none() && waiter.node().flag();
        *this.drop_now |= cancelled && this.grace.is_zero();
        let mut step = match step {
            Some(step) => step,
            None => this.scoped.as_mut().step(cx, *this.drop_now),
        };
        loop {
            match step {
                Step::Ready(value) => return Poll::Ready(Ok(value)),
                Step::Gone => {
                    let reason = waiter.node().reason().unwrap_or(Reason::Requested);
                    return Poll::Ready(Err(Cancelled::new(reason)));
                }
                Step::Pending if *this.drop_now => return Poll::Pending,
                Step::Pending => {}
            }
            if !cancelled {
                cancelled = waiter.register(cx.waker());
            }
            if !cancelled {
                if !waiter.node().is_timed() {
                    return Poll::Pending;
                }
                ready!(poll_deadline(waiter.node(), this.timer, cx));
                cancelled = waiter.node().flag();
                step = Step::Pending;
                continue;
            }
            if !this.grace.is_zero() {
                if !*this.in_grace {
                    *this.in_grace = true;
                    let runtime = Runtime::current();
                    let now = runtime.now();
                    let over = now.checked_add(*this.grace);
                    *this.timer = over.map(|at| Sleep::boxed(runtime, at, now));
                }
                match this.timer {
                    Some(timer) => ready!(timer.as_mut().poll_unbudgeted(cx)),
                    None => return Poll::Pending,
                }
            }
            *this.drop_now = true;
            step = this.scoped.as_mut().cut(cx);
        }
    }
}
