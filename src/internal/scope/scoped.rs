//! A future inside a scope: the one place where a scope is entered, left and dropped.

use super::ask::{cutting, granted};
use super::flags::Flags;
use super::frame::Frame;
use super::mark::Mark;
use super::stack::{Entry, Grant, push};
use crate::internal::deadline::DeadlineCell;
use crate::internal::node::Node;
use crate::internal::reason::{Elapsed, Reason};
use crate::runtime::Instant;
use crate::runtime::coop;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pin_project! {
    /// Polls a future with its scope on the stack, and drops it on demand, shields permitting.
    #[derive(Debug)]
    pub(crate) struct Scoped<F> {
        entry: Entry,
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
    #[inline]
    pub(crate) fn new(mark: Mark, future: F) -> Self {
        Scoped::flagged(mark, 0, future)
    }

    /// For an owner that watches for the dropping of the scopes around it ([`DropWatch`](super::DropWatch)) at the start of each of its polls,
    /// and then steps with `drop_now`.
    #[inline]
    pub(crate) fn relaying(mark: Mark, future: F) -> Self {
        Scoped::flagged(mark, Flags::RELAYS, future)
    }

    /// [`relaying`](Scoped::relaying), and the owner holds the scopes around it ([`Hold`](super::Hold)) as long as the future lives.
    pub(crate) fn hosted(mark: Mark, future: F) -> Self {
        Scoped::flagged(mark, Flags::RELAYS | Flags::HOLDS, future)
    }

    #[inline]
    fn flagged(mark: Mark, flag: u16, future: F) -> Self {
        Scoped {
            entry: Entry::new(mark, flag),
            future: Some(future),
        }
    }

    /// The outermost scope of a spawned task.
    pub(crate) fn root(mark: Mark, future: F) -> Self {
        Scoped::flagged(mark, Flags::ROOT, future)
    }

    /// Lets code that looks see that this scope is cancelled. Dropping is another matter.
    pub(crate) fn cancel(self: Pin<&mut Self>, reason: Reason) {
        if let Some(frame) = self.project().entry.frame() {
            frame.node.cancel(reason);
        }
    }

    /// Says whether the scope's node is below those of all scopes around it ([`Hold::reaches`](super::Hold::reaches)), in the poll to come.
    pub(crate) fn set_covers(self: Pin<&mut Self>, covers: bool) {
        self.project().entry.set_covers(covers);
    }

    /// The scope's frame, if it has one: if code inside has asked about it.
    pub(crate) fn known_frame(&self) -> Option<&Arc<Frame>> {
        self.entry.known_frame()
    }

    /// The node that a [`Mark::Follow`] follows.
    #[inline]
    pub(crate) fn followed(&self) -> Option<&Arc<Node>> {
        match self.entry.mark_ref() {
            Some(Mark::Follow(node)) => Some(node),
            Some(Mark::Frame(frame)) => Some(&frame.node),
            _ => None,
        }
    }

    /// What is said when the scope's own deadline has passed.
    pub(crate) fn elapsed(&self) -> Elapsed {
        self.entry
            .mark_ref()
            .map_or_else(|| Elapsed::new(None, None), Mark::elapsed)
    }

    /// The scope's own deadline, in a cell.
    pub(crate) fn cell(&self) -> Option<Arc<DeadlineCell>> {
        self.entry.mark_ref().and_then(Mark::cell)
    }

    /// Starts the scope's deadline at `now`, and gives the moment it will pass. `None`: there is none, or never.
    pub(crate) fn stamp(self: Pin<&mut Self>, now: Instant) -> Option<Instant> {
        let mark = self.project().entry.mark()?;
        mark.stamp(now);
        mark.moment()
    }

    /// Names the scope's deadline, as long as it has no frame.
    pub(crate) fn name(&mut self, name: Arc<str>) {
        if let Some(mark) = self.entry.mark() {
            mark.name(name);
        }
    }

    /// Whether the future has started.
    #[inline]
    pub(crate) fn was_polled(&self) -> bool {
        self.entry.was_polled()
    }

    /// Before the first poll: work that is ready at once spends, too, so that a loop around it gives way now and then.
    #[inline]
    pub(crate) fn poll_spend(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.entry.may_give_way() && coop::poll_spend(cx).is_pending() {
            self.project().entry.gave_way();
            return Poll::Pending;
        }
        Poll::Ready(())
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
    #[inline]
    pub(crate) fn step(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        drop_now: bool,
    ) -> Step<F::Output> {
        // Apart, so that the usual poll is small enough to become part of its caller.
        if drop_now {
            return self.step_out(cx);
        }
        self.once(cx)
    }

    #[inline(always)]
    fn once(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Step<F::Output> {
        let mut this = self.project();
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
            Poll::Pending => Step::Pending,
        }
    }

    #[inline(never)]
    fn step_out(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Step<F::Output> {
        let this = self.as_mut().project();
        let mut beside = false;
        // `cut` has told already.
        if !this.entry.is_cut() {
            // Where a scope around us polls a second time, ours does too.
            let again = this.entry.was_polled() && cutting();
            if !tell(this.entry, again) && again {
                return give_up(this.entry, this.future, cx);
            }
            if !again {
                this.entry.use_grant();
                // What gave way beside us, or in an earlier poll, says nothing about us. A second poll is about what
                // the
                // first one left.
                beside = coop::take_gave_way();
            }
        }
        let step = self.as_mut().once(cx);
        if !matches!(step, Step::Pending) {
            return step;
        }
        let this = self.project();
        this.entry.set_cut(false);
        let step = give_up(this.entry, this.future, cx);
        if beside {
            coop::note_gave_way();
        }
        step
    }

    /// Drops the future, shields permitting, after it was polled and waits. It is polled again only when a watcher in it has to hear of
    /// this: what waited a moment ago, like a task that gives way, must not go on past that point.
    pub(crate) fn cut(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Step<F::Output> {
        let this = self.as_mut().project();
        if !tell(this.entry, true) {
            return give_up(this.entry, this.future, cx);
        }
        self.step_out(cx)
    }
}

/// Has the scope start dropping. True when a watcher in it was told; then, with `again`, its next poll is marked as a second one.
fn tell(entry: &mut Entry, again: bool) -> bool {
    let told = entry.start_dropping();
    if told && again {
        entry.set_cut(true);
    }
    told
}

/// Drops a future that waits, unless a shield is up in its scope, or it only gave way: then it has one more poll,
/// once, for a yield is not a suspension at which its work could have been pending.
fn give_up<F: Future>(
    entry: &mut Entry,
    mut future: Pin<&mut Option<F>>,
    cx: &Context<'_>,
) -> Step<F::Output> {
    if future.is_some() {
        if is_shielded(entry, cx) {
            return Step::Pending;
        }
        if may_go_on(entry) {
            cx.waker().wake_by_ref();
            return Step::Pending;
        }
    }
    future.set(None);
    Step::Gone
}

/// Whether work that is about to be dropped has one more poll to come, because it only gave way.
fn may_go_on(entry: &mut Entry) -> bool {
    // It may be asked twice in a poll, by scopes further out that cut it as well.
    let owed = match entry.grant() {
        Grant::Pending => true,
        Grant::Used => false,
        // Nor is there another poll when a scope around it has used up its own.
        Grant::None => coop::take_gave_way() && !granted(),
    };
    if owed {
        entry.owe();
        // Scopes further out that are about to give up the same work see it as well.
        coop::note_gave_way();
    }
    owed
}

/// A scope that still is a seed was never asked about, so nothing in it is shielded.
fn is_shielded(entry: &Entry, cx: &Context<'_>) -> bool {
    entry
        .known_frame()
        .is_some_and(|frame| frame.is_shielded(cx.waker()))
}
