//! What code asks about the scopes around it.
//!
//! A question visits all scopes around, as far as it has to. Those that scopes ask by themselves, at each poll or when they end, stop where
//! the same was answered in this poll: where many scopes lie in each other, all their questions together visit each scope a few times.

use super::flags::Flags;
use super::frame::Frame;
use super::mark::Mark;
use super::stack::{flag_from, frame, is_bare, is_dropping, walk, walk_from, walk_once};
use crate::internal::deadline::DeadlineCell;
use crate::internal::look::Look;
use crate::internal::node::Node;
use crate::internal::reason::Reason;
use crate::runtime::Instant;
use crate::runtime::Runtime;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Goes on with a walk unless it was `found`.
fn unless(found: bool) -> ControlFlow<()> {
    if found {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

/// The frames around the running code, innermost first, up to and with the first that has the flag `last`; seeds become frames.
pub(super) fn chain_to(last: u16) -> Vec<Arc<Frame>> {
    start_clocks();
    let mut frames = Vec::new();
    walk(|mark, flags| {
        frames.extend(frame(mark, flags).cloned());
        unless(flags.has(last))
    });
    frames
}

/// A new node that is cancelled with any scope around the running code; cancelling it touches none of them.
pub(crate) fn observe() -> Arc<Node> {
    if is_bare() {
        return Node::root();
    }
    let frames = chain_to(Flags::COVERS).into_iter();
    let nodes: Vec<_> = frames.map(|f| f.node.clone()).collect();
    Node::child_of(&nodes, None)
}

/// Whether a scope around the running code wants to drop it.
pub(crate) fn dropping() -> bool {
    let mut found = false;
    walk(|mark, flags| {
        found = is_dropping(mark, flags);
        unless(found)
    });
    found
}

/// Whether this is the second poll of a scope around the running code: what waited in the first is not to go on.
pub(super) fn cutting() -> bool {
    any(Flags::CUT, Flags::UNCUT)
}

/// Whether a scope around the running code is in the one poll it had left, and will not wait for another.
pub(super) fn granted() -> bool {
    any(Flags::GRANTED, Flags::UNGRANTED)
}

/// Whether a scope around the running code has `flag`. `none` marks those that neither have it nor lie in one that has. (While they are on the
/// stack their owners cannot change it.)
fn any(flag: u16, none: u16) -> bool {
    let mut found = false;
    walk_once(none, |_, flags| {
        found = flags.has(flag);
        unless(found)
    });
    found
}

/// Why the running code is cancelled, if it is: the outermost scope's reason.
pub(crate) fn reason() -> Option<Reason> {
    outermost_cancelled(0).map(|(_, reason)| reason)
}

/// Has what follows a scope around the running code hear of the outermost that is cancelled, or whose deadline has passed: for a scope that is
/// about to tell a reason of its own to what follows both.
pub(crate) fn tell_followers() {
    if let Some((at, _)) = outermost_cancelled(Flags::TOLD) {
        flag_from(at + 1, Flags::TOLD);
    }
}

/// The number and the reason of the outermost scope that is cancelled; visits no scope further out than the first with the flag `done`.
fn outermost_cancelled(done: u16) -> Option<(usize, Reason)> {
    start_clocks();
    let mut nodes = Vec::new();
    walk_from(usize::MAX, |at, mark, flags| {
        if flags.has(done) {
            return ControlFlow::Break(());
        }
        match mark {
            // Cheap, and the usual case: asked about a token, a frame is not needed.
            Mark::Follow(node) if node.flag() || node.is_timed() => nodes.push((at, node.clone())),
            Mark::Follow(_) | Mark::Plain | Mark::Shield => {}
            _ => nodes.extend(frame(mark, flags).map(|f| (at, f.node.clone()))),
        }
        ControlFlow::Continue(())
    });
    // Asked outside the stack's borrow: a deadline reads a clock, and cancelling wakes.
    nodes
        .iter()
        .rev()
        .find_map(|(at, node)| Some((*at, node.reason()?)))
}

/// Whether a scope around the running code has been cancelled, or wants to drop it: nothing new is to start then. Reads
/// no clock: a scope with a deadline has a timer, and says so when it has passed.
pub(crate) fn is_cancelled() -> bool {
    let mut found = false;
    walk(|mark, flags| {
        found = is_dropping(mark, flags)
            || match mark {
                Mark::Frame(frame) => frame.node.flag(),
                Mark::Follow(node) => node.flag(),
                Mark::Member(node) => node.members_flag(),
                _ => false,
            };
        unless(found)
    });
    found
}

/// The earliest deadline around the running code; the present moment when it is cancelled already.
pub(crate) fn deadline() -> Option<Instant> {
    if reason().is_some() {
        return Some(Runtime::current().now());
    }
    let (frames, mut look) = (chain_to(0), Look::default());
    let deadlines = frames
        .iter()
        .filter_map(|f| f.node.deadline_seen_by(&mut look));
    deadlines.map(|(at, _)| at).min()
}

/// What may have a deadline that has passed, and is asked outside the stack's borrow: reading a clock is a runtime's code.
enum Timed {
    Cell(Arc<DeadlineCell>),
    Node(Arc<Node>),
}

/// Whether a scope around the running code is about to drop it: it is dropping, or its deadline has passed and it gives no grace.
/// Then an inner deadline keeps quiet. A deadline that was found to have passed cannot be moved any more, so the scope does as it was seen to.
/// Where deadlines in each other pass, the answer is near, and those further out are not visited.
pub(crate) fn is_doomed(now: Instant) -> bool {
    let (mut from, mut is_last, mut look) = (usize::MAX, false, Look::default());
    loop {
        let (mut found, mut ask) = (false, None);
        walk_from(from, |at, mark, flags| {
            (from, is_last) = (at, flags.has(Flags::ROOT));
            found = is_dropping(mark, flags);
            match mark {
                _ if found => {}
                Mark::Frame(frame) => ask = Some(Timed::Node(frame.node.clone())),
                Mark::Follow(node) | Mark::Member(node) => ask = Some(Timed::Node(node.clone())),
                Mark::Cell(cell) => ask = Some(Timed::Cell(cell.clone())),
                _ => found = mark.moment().is_some_and(|at| at <= now),
            }
            unless(found || ask.is_some())
        });
        let passed = match ask {
            None => return found,
            Some(Timed::Cell(cell)) => cell.pass(),
            Some(Timed::Node(node)) => node.drops_by_deadline(&mut look),
        };
        if passed || is_last {
            return passed;
        }
    }
}

/// Starts the clock of every deadline around the running code that has not started it, so that they agree on the
/// moment: an outer deadline never ends up later than an inner one of the same length.
pub(crate) fn stamp(now: Instant) {
    walk_once(Flags::STAMPED, |mark, _| {
        mark.stamp(now);
        ControlFlow::Continue(())
    });
}

/// [`stamp`], for code that asks in a first poll, before anything was suspended.
fn start_clocks() {
    let mut waits = false;
    walk_once(Flags::STAMPED, |mark, _| {
        waits = mark.is_unstarted();
        unless(waits)
    });
    if waits {
        stamp(Runtime::current().now());
    }
}
