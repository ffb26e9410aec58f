//! A future inside a scope: the one place where a scope is entered, left and dropped.

use super::frame::{Frame, Seed};
use super::stack::{Entry, Mark, push};
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
        }
    }

    /// The outermost scope of a spawned task.
    pub(crate) fn root(seed: Seed, future: F) -> Self {
        Scoped {
            entry: Some(Entry::new(Mark::Seed(seed), true)),
            future: Some(future),
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
                match seed {
                    Seed::At(at, _) => Some(*at),
                    Seed::Cell(cell) => cell.at(),
                    _ => None,
                }
            }
            Some(Mark::Frame(frame)) => frame.node.effective_deadline(),
            _ => None,
        }
    }

    /// Drops the future whatever it is doing.
    pub(crate) fn clear(self: Pin<&mut Self>) {
        self.project().future.set(None);
    }
}

impl<F: Future> Scoped<F> {
    /// Polls the future once, which comes before everything: a value that is ready is never lost. With `drop_now` it is told
    /// that its scope is dropping, polled a last time, and dropped unless a shield is up.
    #[inline]
    pub(crate) fn step(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        drop_now: bool,
    ) -> Step<F::Output> {
        let mut this = self.project();
        if drop_now && let Some(entry) = this.entry {
            entry.start_dropping();
        }
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
                // A scope that still is a seed was never asked about, so nothing in it is shielded.
                if let Some(Mark::Frame(frame)) = this.entry.as_ref().map(|e| &e.mark)
                    && frame.is_shielded(cx.waker())
                {
                    return Step::Pending;
                }
                this.future.set(None);
                Step::Gone
            }
            Poll::Pending => Step::Pending,
        }
    }
}
