//! Shields: what keeps the scopes around a future from dropping it.

use super::ask::chain_to;
use super::flags::Flags;
use super::frame::Frame;
use super::mark::Mark;
use super::stack::{Entry, is_bare, push, walk};
use crate::internal::node::Node;
use pin_project_lite::pin_project;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Counts as one shield in every scope around the code that took it, until dropped. As far out as the next scope whose owner has a hold itself:
/// while this one holds that scope, its owner lives, and holds those further out.
#[derive(Debug)]
pub(crate) struct Hold {
    frames: Vec<Arc<Frame>>,
    /// The last of the frames covers those further out, or there are none.
    is_covered: bool,
}

impl Hold {
    /// Holds the scopes around the running code.
    #[inline]
    pub(crate) fn take() -> Hold {
        if is_bare() {
            return Hold {
                frames: Vec::new(),
                is_covered: true,
            };
        }
        Hold::take_scopes()
    }

    #[inline(never)]
    fn take_scopes() -> Hold {
        let mut hold = Hold {
            frames: chain_to(Flags::HOLDS),
            is_covered: false,
        };
        for frame in &hold.frames {
            frame.raise_shield();
        }
        hold.is_as_before();
        hold
    }

    /// Follows a future that is now polled inside other scopes than before.
    #[inline]
    pub(crate) fn follow(&mut self) {
        if self.frames.is_empty() && is_bare() {
            self.is_covered = true;
        } else if !self.is_as_before() {
            *self = Hold::take();
        }
    }

    fn is_as_before(&mut self) -> bool {
        let (mut same, mut seen) = (true, 0);
        self.is_covered = true;
        walk(|mark, flags| {
            same = matches!((mark, self.frames.get(seen)), (Mark::Frame(f), Some(held)) if Arc::ptr_eq(f, held));
            seen += 1;
            let last = flags.has(Flags::HOLDS);
            self.is_covered &= !last || flags.has(Flags::COVERS);
            if same && !last {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        same && seen == self.frames.len()
    }

    /// Whether `node` is below the nodes of all scopes that are held, by this or further out. Not so for a group that was made elsewhere.
    pub(crate) fn reaches(&self, node: &Node) -> bool {
        self.is_covered && node.is_right_below(self.frames.iter().map(|f| &f.node))
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
        // Taken when it waits for the first time: before that, its poll is not over, and no scope drops it.
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
            entry: Entry::new(Mark::Shield, 0),
            future,
        }
    }
}

impl<F: Future> Future for Shield<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = {
            let _pushed = push(this.entry);
            this.future.poll(cx)
        };
        match &mut *this.hold {
            hold if polled.is_ready() => *hold = None,
            Some(hold) => hold.follow(),
            hold => *hold = Some(Hold::take()),
        }
        polled
    }
}
