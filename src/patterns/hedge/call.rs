//! [`Hedge`]: attempts side by side, the first success of which counts.
//!
//! The first attempt lies in the future itself, since mostly there is no other; the others are in [`Slots`].

use super::delay::Delay;
use crate::internal::label;
use crate::internal::member::{Member, dismiss};
use crate::internal::scope;
use crate::internal::slots::Slots;
use crate::runtime::{Runtime, Sleep};
use crate::time::sleep;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// A closure that makes futures of results: what [`hedge`](super::hedge()) takes. Implemented for all of them, and not to be implemented elsewhere.
pub trait Call: FnMut() -> Self::Future {
    /// One attempt.
    type Future: Future<Output = Result<Self::Value, Self::Error>>;
    /// What it gives.
    type Value;
    /// How it fails.
    type Error;
}

impl<C, F, T, E> Call for C
where
    C: FnMut() -> F,
    F: Future<Output = Result<T, E>>,
{
    type Future = F;
    type Value = T;
    type Error = E;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Fresh,
    /// Nobody has won yet.
    Open,
    /// Somebody has; the others are on their way out.
    Won,
    Over,
}

// One type parameter, from which the others follow: see `retry/call.rs`.
pin_project! {
    /// A call that is hedged; made by [`hedge`](super::hedge()).
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops all attempts at once, without their async cleanup; nothing is left behind.
    #[must_use = "nothing is called until it is awaited"]
    pub struct Hedge<'a, C>
    where
        C: Call,
    {
        call: C,
        delay: Delay,
        most: u32,
        hook: Option<Box<dyn FnMut(u32) + Send + 'a>>,
        stage: Stage,
        started: u32,
        began: Option<Instant>,
        // Until the next attempt; known when the first attempt does not answer at once. `None`: there is none.
        wait: Option<Option<Duration>>,
        // In boxes: they are large, and most calls have none.
        timer: Option<Pin<Box<Sleep>>>,
        #[pin]
        first: Option<Member<C::Future>>,
        rest: Option<Box<Slots<Member<C::Future>>>>,
        // The winner's value, or the last error.
        result: Option<Result<C::Value, C::Error>>,
    }
}

impl<'a, C: Call> Hedge<'a, C> {
    pub(super) fn new(delay: Delay, call: C) -> Self {
        Hedge {
            call,
            delay,
            most: 2,
            hook: None,
            stage: Stage::Fresh,
            started: 0,
            began: None,
            wait: None,
            timer: None,
            first: None,
            rest: None,
            result: None,
        }
    }

    /// How many attempts there may be, the first included; each further one begins as long after the one before. Default: 2.
    ///
    /// # Panics
    ///
    /// When it is 0.
    #[track_caller]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        assert!(
            attempts > 0,
            "a hedge with 0 attempts would never call anything: use at least 1"
        );
        self.most = attempts;
        self
    }

    /// Is called when a further attempt begins, with its number, from 2 on: for logs and counters.
    pub fn on_hedge(mut self, hook: impl FnMut(u32) + Send + 'a) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }
}

/// The next that ends, and whether it is the first attempt. `Ready(None)`: there is none any more.
fn next<F: Future>(
    mut first: Pin<&mut Option<Member<F>>>,
    rest: &mut Option<Box<Slots<Member<F>>>>,
    cx: &mut Context<'_>,
) -> Poll<Option<(bool, Option<F::Output>)>> {
    let mut left = false;
    if let Some(member) = first.as_mut().as_pin_mut() {
        if let Poll::Ready(output) = member.poll(cx) {
            first.set(None);
            return Poll::Ready(Some((true, output)));
        }
        left = true;
    }
    if let Some(rest) = rest {
        match rest.poll_next(cx) {
            Poll::Ready(Some((_, output))) => return Poll::Ready(Some((false, output))),
            Poll::Ready(None) => {}
            Poll::Pending => left = true,
        }
    }
    if left {
        Poll::Pending
    } else {
        Poll::Ready(None)
    }
}

impl<C: Call> Future for Hedge<'_, C> {
    type Output = Result<C::Value, C::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        match *this.stage {
            Stage::Fresh => {
                if this.delay.latencies().is_some() {
                    *this.began = Some(Runtime::current().now());
                }
                *this.stage = Stage::Open;
                *this.started = 1;
                this.first.set(Some(Member::new((this.call)())));
            }
            Stage::Open | Stage::Won => {}
            Stage::Over => panic!("a hedged call was polled after it had ended"),
        }
        loop {
            match next(this.first.as_mut(), this.rest, cx) {
                Poll::Ready(Some((true, Some(output)))) if this.rest.is_none() => {
                    // The usual case: nobody else is there.
                    *this.stage = Stage::Over;
                    if output.is_ok() {
                        this.delay.record(*this.began);
                    }
                    return Poll::Ready(output);
                }
                Poll::Ready(Some((is_first, Some(output)))) if *this.stage == Stage::Open => {
                    if output.is_ok() {
                        *this.stage = Stage::Won;
                        *this.timer = None;
                        // Of a first attempt that loses, it is known that it takes longer than this.
                        if is_first || this.first.is_some() {
                            this.delay.record(*this.began);
                        }
                        if let Some(first) = this.first.as_mut().as_pin_mut() {
                            first.dismiss();
                        }
                        if let Some(rest) = this.rest {
                            dismiss(rest);
                        }
                    }
                    *this.result = Some(output);
                }
                // What a loser finishes with is dropped.
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) => {
                    *this.stage = Stage::Over;
                    match this.result.take() {
                        Some(result) => return Poll::Ready(result),
                        None => unreachable!("attempts go without an output only when one has won"),
                    }
                }
                Poll::Pending => {
                    label::set("a hedged call");
                    if *this.stage == Stage::Won || *this.started >= *this.most {
                        return Poll::Pending;
                    }
                    let wait = *this.wait.get_or_insert_with(|| this.delay.now());
                    let Some(wait) = wait else {
                        return Poll::Pending;
                    };
                    if !wait.is_zero() {
                        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(wait)));
                        ready!(timer.as_mut().poll(cx));
                        *this.timer = None;
                    }
                    if scope::reason().is_some() {
                        // Cancelled: whoever runs may finish, and nobody is sent after it.
                        *this.wait = Some(None);
                        return Poll::Pending;
                    }
                    *this.started += 1;
                    if let Some(hook) = this.hook {
                        hook(*this.started);
                    }
                    let attempt = Member::new((this.call)());
                    this.rest.get_or_insert_default().insert(attempt);
                }
            }
        }
    }
}

impl<C: Call> fmt::Debug for Hedge<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedge")
            .field("delay", &self.delay)
            .field("started", &self.started)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}
