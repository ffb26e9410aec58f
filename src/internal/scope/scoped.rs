//! A future inside a scope: the one place where a scope is entered, left and dropped.

use super::frame::{Frame, Seed};
use super::stack::{Entry, Mark, cutting, push};
use crate::internal::reason::Reason;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

pin_project! {
    /// Polls a future with its scope on the stack, and drops it on demand, shields permitting.
    #[derive(Debug)]
    pub(crate) struct Scoped<F> {
        // `None` only while the scope lies on the stack.
        entry: Option<Entry>,
        #[pin]
        future: Option<F>,
        polled: bool,
    }
}

/// What a poll of a [`Scoped`] future came to.
pub(crate) enum Step<T> {
    /// It ended, and is dropped.
    Ready(T),
    /// It waits: for its own things, or, if it is to be dropped, for its shields.
    Pending,
    /// It was dropped on demand.
    Gone,
}

impl<F> Scoped<F> {
    pub(crate) fn new(seed: Seed, future: F) -> Self {
        Scoped {
            entry: Some(Entry::new(Mark::Seed(seed), false)),
            future: Some(future),
            polled: false,
        }
    }

    /// The outermost scope of a spawned task.
    pub(crate) fn root(seed: Seed, future: F) -> Self {
        Scoped {
            entry: Some(Entry::new(Mark::Seed(seed), true)),
            future: Some(future),
            polled: false,
        }
    }

    /// Lets those who look see that this scope is cancelled. Dropping is another matter.
    pub(crate) fn cancel(self: Pin<&mut Self>, reason: Reason) {
        if let Some(frame) = self.project().entry.as_mut().and_then(Entry::frame) {
            frame.node.cancel(reason);
        }
    }

    /// The scope's frame, if anybody has asked about it.
    pub(crate) fn known_frame(&self) -> Option<&Arc<Frame>> {
        match self.entry.as_ref().map(|e| &e.mark) {
            Some(Mark::Frame(frame)) => Some(frame),
            _ => None,
        }
    }

    /// Starts the scope's deadline at `now`, and gives the moment it will pass. `None`: there is none, or never.
    pub(crate) fn stamp(self: Pin<&mut Self>, now: Instant) -> Option<Instant> {
        match self.project().entry.as_mut().map(|e| &mut e.mark) {
            Some(Mark::Seed(seed)) => {
                seed.stamp(now);
                seed.moment()
            }
            Some(Mark::Frame(frame)) => frame.node.effective_deadline().map(|(at, _)| at),
            _ => None,
        }
    }

    /// Names the scope's deadline, as long as nobody has asked about it.
    pub(crate) fn name(&mut self, name: Arc<str>) {
        if let Some(Mark::Seed(seed)) = self.entry.as_mut().map(|e| &mut e.mark) {
            seed.name(name);
        }
    }

    /// Whether the future is gone, by ending or by being dropped.
    pub(crate) fn is_gone(&self) -> bool {
        self.future.is_none()
    }

    /// Drops the future whatever it is doing.
    pub(crate) fn clear(self: Pin<&mut Self>) {
        self.project().future.set(None);
    }
}

impl<F: Future> Scoped<F> {
    /// Polls the future once, which comes before everything: a value that is ready is never lost. With `drop_now` it is told
    /// that its scope is dropping, polled a last time, and dropped unless a shield is up.
    // One function, not two, because of the stack that a thousand scopes inside each other take.
    #[inline]
    pub(crate) fn step(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        drop_now: bool,
    ) -> Step<F::Output> {
        let mut this = self.project();
        // `cut` has told already.
        if drop_now && !this.entry.as_ref().is_some_and(|e| e.cut) {
            // Where a scope around us polls a second time, ours does too.
            let again = *this.polled && cutting();
            if !tell(this.entry, again) && again {
                return give_up(this.entry, this.future, cx);
            }
        }
        *this.polled = true;
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Step::Gone;
        };
        let polled = {
            let _pushed = push(this.entry);
            future.poll(cx)
        };
        match polled {
            Poll::Ready(value) => {
                this.future.set(None);
                Step::Ready(value)
            }
            Poll::Pending if drop_now => {
                if let Some(entry) = this.entry {
                    entry.cut = false;
                }
                give_up(this.entry, this.future, cx)
            }
            Poll::Pending => Step::Pending,
        }
    }

    /// Drops the future, shields permitting, after it was polled and waits. It is polled again only when somebody in it has to hear of
    /// this: what waited a moment ago, like a task that gives way, must not go on past that point.
    pub(crate) fn cut(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Step<F::Output> {
        let this = self.as_mut().project();
        if !tell(this.entry, true) {
            return give_up(this.entry, this.future, cx);
        }
        self.step(cx, true)
    }
}

/// Has the scope start dropping. True when somebody in it watched for that; then, with `again`, its next poll is marked as a second one.
fn tell(entry: &mut Option<Entry>, again: bool) -> bool {
    let Some(entry) = entry else {
        return false;
    };
    let told = entry.start_dropping();
    entry.cut |= told && again;
    told
}

/// Drops a future that waits, unless a shield is up in its scope.
fn give_up<F: Future>(
    entry: &Option<Entry>,
    mut future: Pin<&mut Option<F>>,
    cx: &Context<'_>,
) -> Step<F::Output> {
    if future.is_some() && is_shielded(entry, cx) {
        return Step::Pending;
    }
    future.set(None);
    Step::Gone
}

/// A scope that still is a seed was never asked about, so nothing in it is shielded.
fn is_shielded(entry: &Option<Entry>, cx: &Context<'_>) -> bool {
    matches!(entry.as_ref().map(|e| &e.mark), Some(Mark::Frame(frame)) if frame.is_shielded(cx.waker()))
}
