//! A future under a token.

use super::token::{CancelToken, poll_deadline};
use crate::internal::node::{Node, Waiter};
use crate::internal::reason::{Cancelled, Reason};
use crate::internal::scope::{Scoped, Seed, Step};
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
        waiter: Waiter,
        grace: Duration,
        // The token's deadline first, the grace after it is cancelled.
        #[pin]
        timer: Option<Sleep>,
        in_grace: bool,
        drop_now: bool,
    }
}

impl<F> Run<F> {
    pub(super) fn new(token: &CancelToken, grace: Duration, future: F) -> Self {
        let node = if token.node.is_timed() && !grace.is_zero() {
            Node::lenient(&token.node)
        } else {
            token.node.clone()
        };
        Run {
            scoped: Scoped::new(Seed::Follow(node), future),
            waiter: Waiter::new(token.node.clone()),
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
        if *this.drop_now || this.waiter.node().flag() {
            return self.go_on(None, cx);
        }
        match this.scoped.step(cx, false) {
            Step::Ready(value) => Poll::Ready(Ok(value)),
            // The usual case ends here; the frame of the rest alone would cost half of it.
            Step::Pending if this.waiter.is_settled(cx.waker()) => Poll::Pending,
            step => self.go_on(Some(step), cx),
        }
    }
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
        let mut cancelled = step.is_none() && this.waiter.node().flag();
        *this.drop_now |= cancelled && this.grace.is_zero();
        let mut step = match step {
            Some(step) => step,
            None => this.scoped.as_mut().step(cx, *this.drop_now),
        };
        loop {
            match step {
                Step::Ready(value) => return Poll::Ready(Ok(value)),
                Step::Gone => {
                    let reason = this.waiter.node().reason().unwrap_or(Reason::Requested);
                    return Poll::Ready(Err(Cancelled::new(reason)));
                }
                Step::Pending if *this.drop_now => return Poll::Pending,
                Step::Pending => {}
            }
            if !cancelled {
                cancelled = this.waiter.register(cx.waker());
            }
            if !cancelled {
                if !this.waiter.node().is_timed() {
                    return Poll::Pending;
                }
                ready!(poll_deadline(this.waiter.node(), this.timer.as_mut(), cx));
                cancelled = this.waiter.node().flag();
                step = Step::Pending;
                continue;
            }
            if !this.grace.is_zero() {
                if !*this.in_grace {
                    *this.in_grace = true;
                    let runtime = Runtime::current();
                    let now = runtime.now();
                    let over = now.checked_add(*this.grace);
                    this.timer
                        .set(over.map(|at| Sleep::started(runtime, at, now)));
                }
                match this.timer.as_mut().as_pin_mut() {
                    Some(timer) => ready!(timer.poll(cx)),
                    None => return Poll::Pending,
                }
            }
            *this.drop_now = true;
            step = this.scoped.as_mut().cut(cx);
        }
    }
}
