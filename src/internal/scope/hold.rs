//! Shields: what keeps the scopes around a future from dropping it.

use super::frame::Frame;
use super::mark::Mark;
use super::stack::{Entry, chain, push, walk_frames};
use pin_project_lite::pin_project;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Counts as one shield in every scope around the code that took it, until dropped.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    frames: Vec<Arc<Frame>>,
}

impl Hold {
    /// Holds the scopes around the running code.
    pub(crate) fn take() -> Hold {
        let frames = chain();
        for frame in &frames {
            frame.raise_shield();
        }
        Hold { frames }
    }

    /// Follows a future that is now polled inside other scopes than before.
    pub(crate) fn follow(&mut self) {
        let (mut same, mut seen) = (true, 0);
        walk_frames(|frame| {
            same = self.frames.get(seen).is_some_and(|f| Arc::ptr_eq(f, frame));
            seen += 1;
            if same {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        if !same || seen != self.frames.len() {
            *self = Hold::take();
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        for frame in &self.frames {
            frame.lower_shield();
        }
    }
}

pin_project! {
    /// Runs a future to its end although the scopes around it are dropping.
    #[derive(Debug)]
    pub(crate) struct Shield<F> {
        // Taken at the first poll. A future that nobody has polled has nothing to save.
        hold: Option<Hold>,
        entry: Entry,
        #[pin]
        future: F,
    }
}

impl<F> Shield<F> {
    pub(crate) fn new(future: F) -> Self {
        Shield {
            hold: None,
            entry: Entry::new(Mark::Shield, false),
            future,
        }
    }
}

impl<F: Future> Future for Shield<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.hold {
            Some(hold) => hold.follow(),
            None => *this.hold = Some(Hold::take()),
        }
        let polled = {
            let _pushed = push(this.entry);
            this.future.poll(cx)
        };
        if polled.is_ready() {
            *this.hold = None;
        }
        polled
    }
}
