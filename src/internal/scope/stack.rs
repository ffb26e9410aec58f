//! The scopes around the running code.

use super::frame::{Frame, Seed};
use crate::internal::node::Node;
use crate::internal::reason::Reason;
use crate::runtime::Runtime;
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// What lies on the stack for one scope.
#[derive(Debug)]
pub(super) enum Mark {
    Seed(Seed),
    Frame(Arc<Frame>),
    /// Hides everything below.
    Shield,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) mark: Mark,
    /// The outermost scope of a spawned task: what lies below belongs to whoever polls the executor.
    pub(super) root: bool,
    /// The scope is dropping and has no frame that could say so.
    pub(super) dropping: bool,
    /// The scope's future waits, and is polled a second time in one poll of its owner, for those in it who have to hear that it is dropping.
    pub(super) cut: bool,
}

impl Entry {
    pub(super) fn new(mark: Mark, root: bool) -> Self {
        Entry {
            mark,
            root,
            dropping: false,
            cut: false,
        }
    }

    /// From now on the owner drops the scope's future when it can. True when somebody in the scope watched for that.
    pub(super) fn start_dropping(&mut self) -> bool {
        match &self.mark {
            Mark::Frame(frame) => frame.start_dropping(),
            Mark::Seed(_) | Mark::Shield => {
                self.dropping = true;
                false
            }
        }
    }

    fn is_dropping(&self) -> bool {
        match &self.mark {
            Mark::Frame(frame) => frame.is_dropping(),
            Mark::Seed(_) | Mark::Shield => self.dropping,
        }
    }

    /// The frame of this scope, made now if there was none. `None` for a shield.
    pub(super) fn frame(&mut self) -> Option<&Arc<Frame>> {
        if let Mark::Seed(seed) = &self.mark {
            let frame = Frame::grow(seed.clone());
            if self.dropping {
                frame.start_dropping();
            }
            self.mark = Mark::Frame(frame);
        }
        match &self.mark {
            Mark::Frame(frame) => Some(frame),
            Mark::Seed(_) | Mark::Shield => None,
        }
    }
}

/// The scopes, innermost last. Places from `depth` on are empty, and kept for the next scopes.
struct Stack {
    places: Vec<Option<Entry>>,
    depth: usize,
}

impl Stack {
    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        self.places.push(None);
    }
}

thread_local!(static STACK: RefCell<Stack> = const { RefCell::new(Stack { places: Vec::new(), depth: 0 }) });

/// `LocalKey::with` is not inlined, `try_with` is.
#[inline(always)]
fn with_stack<R>(f: impl FnOnce(&mut Stack) -> R) -> R {
    match STACK.try_with(|s| f(&mut s.borrow_mut())) {
        Ok(result) => result,
        Err(gone) => panic!("a scope was polled after the thread-locals of its thread: {gone}"),
    }
}

/// Has a scope on the stack while it lives, and puts it back where it came from afterwards, also when a poll panics.
pub(super) struct Pushed<'a> {
    home: &'a mut Option<Entry>,
    at: usize,
}

impl Drop for Pushed<'_> {
    #[inline]
    fn drop(&mut self) {
        leave(self.home, self.at);
    }
}

#[inline]
pub(super) fn push(home: &mut Option<Entry>) -> Pushed<'_> {
    let at = enter(home);
    Pushed { home, at }
}

// A scope changes places with an empty one instead of being moved out and in: a move goes field by field, and a load that is wider than
// the stores before it waits for them. Neither function is inlined, or the compiler copies in other widths here than there.

#[inline(never)]
fn enter(home: &mut Option<Entry>) -> usize {
    with_stack(|s| {
        let at = s.depth;
        if at == s.places.len() {
            s.grow();
        }
        std::mem::swap(&mut s.places[at], home);
        s.depth = at + 1;
        at
    })
}

#[inline(never)]
fn leave(home: &mut Option<Entry>, at: usize) {
    with_stack(|s| {
        std::mem::swap(&mut s.places[at], home);
        s.depth = at;
    });
}

/// Visits the scopes around the running code from the inside out, as far as the next shield or the root of the task.
fn walk(mut visit: impl FnMut(&mut Entry) -> ControlFlow<()>) {
    with_stack(|s| {
        for entry in s.places[..s.depth].iter_mut().rev().flatten() {
            if matches!(entry.mark, Mark::Shield) {
                return;
            }
            if visit(entry).is_break() || entry.root {
                return;
            }
        }
    });
}

/// Visits the frames around the running code; seeds become frames.
pub(super) fn walk_frames(mut visit: impl FnMut(&Arc<Frame>) -> ControlFlow<()>) {
    start_clocks();
    walk(|entry| match entry.frame() {
        Some(frame) => visit(frame),
        None => ControlFlow::Continue(()),
    });
}

/// The frames around the running code, innermost first.
pub(crate) fn chain() -> Vec<Arc<Frame>> {
    let mut frames = Vec::new();
    walk_frames(|f| {
        frames.push(f.clone());
        ControlFlow::Continue(())
    });
    frames
}

/// A new node that is cancelled with any scope around the running code; cancelling it touches none of them.
pub(crate) fn observe() -> Arc<Node> {
    let nodes: Vec<_> = chain().into_iter().map(|f| f.node.clone()).collect();
    Node::child_of(&nodes, None)
}

/// Whether a scope around the running code wants to drop it.
pub(crate) fn dropping() -> bool {
    let mut found = false;
    walk(|entry| {
        found = entry.is_dropping();
        if found {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    found
}

/// Whether this is the second poll of a scope around the running code: what waited in the first is not to go on.
pub(super) fn cutting() -> bool {
    let mut found = false;
    walk(|entry| {
        found = entry.cut;
        if found {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    found
}

/// Why the running code is cancelled, if it is: the outermost scope's reason.
pub(crate) fn reason() -> Option<Reason> {
    start_clocks();
    let mut nodes = Vec::new();
    walk(|entry| {
        match &mut entry.mark {
            // Cheap, and the usual case: asked about a token, a frame is not needed.
            Mark::Seed(Seed::Follow(node)) if node.flag() || node.is_timed() => {
                nodes.push(node.clone())
            }
            Mark::Seed(Seed::Follow(_) | Seed::Plain) | Mark::Shield => {}
            Mark::Seed(_) => nodes.extend(entry.frame().map(|f| f.node.clone())),
            Mark::Frame(frame) => nodes.push(frame.node.clone()),
        }
        ControlFlow::Continue(())
    });
    // Asked outside the stack's borrow: a deadline reads a clock, and cancelling wakes.
    nodes.iter().rev().find_map(|n| n.reason())
}

/// The earliest deadline around the running code; the present moment when it is cancelled already.
pub(crate) fn deadline() -> Option<Instant> {
    if reason().is_some() {
        return Some(Runtime::current().now());
    }
    chain()
        .iter()
        .filter_map(|f| f.node.effective_deadline().map(|(at, _)| at))
        .min()
}

/// Whether a scope around the running code is about to drop it: it is dropping, or its deadline has passed and it gives no grace.
/// Then an inner deadline keeps quiet. A deadline that was found to have passed cannot be moved any more, so the scope does as it was seen to.
pub(crate) fn is_doomed(now: Instant) -> bool {
    let (mut found, mut cells, mut nodes) = (false, Vec::new(), Vec::new());
    walk(|entry| {
        found = entry.is_dropping();
        match &entry.mark {
            Mark::Frame(frame) => nodes.push(frame.node.clone()),
            Mark::Seed(Seed::Follow(node) | Seed::Below(node)) => nodes.push(node.clone()),
            Mark::Seed(Seed::Cell(cell)) => cells.push(cell.clone()),
            Mark::Seed(seed) => found |= seed.moment().is_some_and(|at| at <= now),
            Mark::Shield => {}
        }
        if found {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    // Outside the stack's borrow: reading a clock is a runtime's code.
    found || cells.iter().any(|c| c.pass()) || nodes.iter().any(|n| n.drops_by_deadline())
}

/// Starts the clock of every deadline around the running code that has not started it, so that they agree on the
/// moment: an outer deadline never ends up later than an inner one of the same length.
pub(crate) fn stamp(now: Instant) {
    walk(|entry| {
        if let Mark::Seed(seed) = &mut entry.mark {
            seed.stamp(now);
        }
        ControlFlow::Continue(())
    });
}

/// [`stamp`], for code that asks in a first poll, before anything was suspended.
fn start_clocks() {
    let mut waits = false;
    walk(|entry| {
        waits |= matches!(&entry.mark, Mark::Seed(seed) if seed.is_unstarted());
        ControlFlow::Continue(())
    });
    if waits {
        stamp(Runtime::current().now());
    }
}
