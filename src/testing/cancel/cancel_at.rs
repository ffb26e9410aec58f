//! A future whose scope is cancelled at a given poll.

use super::{DropMode, Outcome, Point, Way};
use crate::patterns::cancel::{CancelToken, Run};
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Cancels the token around an operation, and waits for what it does then.
pub(super) struct CancelIt;

impl Way for CancelIt {
    const VERB: &'static str = "cancelled";
    const INSIDE: bool = true;

    async fn take<F: Future>(
        future: F,
        point: Option<Point>,
        later: u32,
        polls: &Cell<u32>,
    ) -> Outcome<F::Output> {
        let token = CancelToken::new();
        let inside = Inside {
            future,
            token: &token,
            point: point.filter(|point| point.inside),
            polls,
        };
        let run = token.run(inside);
        let outside = CancelAt {
            run,
            token: &token,
            point: point.filter(|point| !point.inside),
            later,
            polls,
        };
        match outside.await {
            Ok(value) => Outcome::Completed(value),
            Err(_) => Outcome::Cancelled {
                polls: point.map_or(polls.get(), |point| point.after),
                mode: point.map_or(DropMode::Pending, |point| point.mode),
            },
        }
    }
}

pin_project_lite::pin_project! {
    /// Inside the scope: counts the polls, and cancels it while it is being polled, as another thread may.
    struct Inside<'a, F> {
        #[pin]
        future: F,
        token: &'a CancelToken,
        point: Option<Point>,
        polls: &'a Cell<u32>,
    }
}

impl<F: Future> Future for Inside<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        // Polls that come after the cancellation are part of its cleanup.
        if this.token.is_cancelled() {
            return this.future.poll(cx);
        }
        let polls = this.polls.get();
        let here = |after| this.point.is_some_and(|point| point.after == after);
        if here(0) && polls == 0 {
            this.token.cancel();
        }
        this.polls.set(polls + 1);
        let polled = this.future.poll(cx);
        if polled.is_pending() && here(polls + 1) {
            this.token.cancel();
        }
        polled
    }
}

pin_project_lite::pin_project! {
    /// Around the scope: cancels it between two polls.
    struct CancelAt<'a, F> {
        #[pin]
        run: Run<F>,
        token: &'a CancelToken,
        point: Option<Point>,
        // How many steps [`DropMode::Later`] waits.
        later: u32,
        polls: &'a Cell<u32>,
    }
}

impl<'a, F: Future> Future for CancelAt<'a, F> {
    type Output = <Run<F> as Future>::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(point) = *this.point
            && this.polls.get() >= point.after
        {
            // Its time came at an earlier poll (or there was none).
            if point.mode == DropMode::Later && *this.later > 0 {
                *this.later -= 1;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            *this.point = None;
            this.token.cancel();
        }
        let polled = this.run.poll(cx);
        if let Some(point) = *this.point
            && polled.is_pending()
            && this.polls.get() == point.after
        {
            match point.mode {
                // Wakes the task, which finds its scope cancelled.
                DropMode::Pending => {
                    *this.point = None;
                    this.token.cancel();
                }
                DropMode::Woken => {}
                DropMode::Later => cx.waker().wake_by_ref(),
            }
        }
        polled
    }
}
