//! The scopes around the running code.

use super::frame::Frame;
use super::mark::Mark;
use crate::internal::node::Node;
use crate::internal::reason::Reason;
use crate::runtime::Instant;
use crate::runtime::Runtime;
use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::ops::ControlFlow;
use std::sync::Arc;

/// One scope, as its owner has it. While the scope's future is polled, the mark lies on the stack.
#[derive(Debug)]
pub(super) struct Entry {
    /// `None` only while it lies on the stack. Dropped by `drop`, which is small enough to be inlined.
    mark: ManuallyDrop<Option<Mark>>,
    flags: Flags,
}

impl Drop for Entry {
    #[inline]
    fn drop(&mut self) {
        if self.mark.as_ref().is_some_and(Mark::owns) {
            release(self.mark.take());
        }
    }
}

#[inline(never)]
fn release(mark: Option<Mark>) {
    drop(mark);
}

/// What only the owner changes, and not while the scope is on the stack. One byte: moved with every poll.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flags(u8);

impl Flags {
    /// The outermost scope of a spawned task: what lies below belongs to whoever polls the executor.
    const ROOT: u8 = 1;
    /// The scope is dropping and has no frame that could say so.
    const DROPPING: u8 = 2;
    /// The scope's future waits, and is polled a second time in one poll of its owner, for those in it who have to hear that it is dropping.
    const CUT: u8 = 4;
    const POLLED: u8 = 8;
    /// What only gave way has one more poll to come before it is dropped.
    const OWED: u8 = 32;
    /// It has had it.
    const GRANTED: u8 = 64;
    /// Only on the stack: what lies there is to go back to the owner. Without it the owner has kept all there is to it, and nobody has looked.
    const LENT: u8 = 16;

    #[inline]
    fn lent(self) -> Flags {
        Flags(self.0 | Flags::LENT)
    }

    #[inline]
    fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

/// Whether work that only gave way has one more poll before it is dropped.
pub(super) enum Grant {
    None,
    Pending,
    Used,
}

impl Entry {
    #[inline]
    pub(super) fn new(mark: Mark, root: bool) -> Self {
        Entry {
            mark: ManuallyDrop::new(Some(mark)),
            flags: Flags(if root { Flags::ROOT } else { 0 }),
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.flags.has(Flags::CUT)
    }

    pub(super) fn was_polled(&self) -> bool {
        self.flags.has(Flags::POLLED)
    }

    pub(super) fn grant(&self) -> Grant {
        if self.flags.has(Flags::GRANTED) {
            Grant::Used
        } else if self.flags.has(Flags::OWED) {
            Grant::Pending
        } else {
            Grant::None
        }
    }

    pub(super) fn owe(&mut self) {
        self.flags.0 |= Flags::OWED;
    }

    /// Here is the poll that was owed, if one was.
    pub(super) fn use_grant(&mut self) {
        if self.flags.has(Flags::OWED) {
            self.flags.0 |= Flags::GRANTED;
        }
    }

    pub(super) fn set_cut(&mut self, cut: bool) {
        self.flags.0 &= !Flags::CUT;
        self.flags.0 |= if cut { Flags::CUT } else { 0 };
    }

    /// `None` only while it lies on the stack.
    pub(super) fn mark(&mut self) -> Option<&mut Mark> {
        self.mark.as_mut()
    }

    pub(super) fn mark_ref(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    /// The scope's frame, if anybody has asked about it.
    pub(super) fn known_frame(&self) -> Option<&Arc<Frame>> {
        match &*self.mark {
            Some(Mark::Frame(frame)) => Some(frame),
            _ => None,
        }
    }

    /// From now on the owner drops the scope's future when it can. True when somebody in the scope watched for that.
    pub(super) fn start_dropping(&mut self) -> bool {
        match self.known_frame() {
            Some(frame) => frame.start_dropping(),
            None => {
                self.flags.0 |= Flags::DROPPING;
                false
            }
        }
    }

    /// The frame of this scope, made now if there was none. `None` for a shield.
    pub(super) fn frame(&mut self) -> Option<&Arc<Frame>> {
        let flags = self.flags;
        self.mark().and_then(|mark| frame(mark, flags))
    }
}

/// The frame of this scope, made now if there was none. `None` for a shield.
fn frame(mark: &mut Mark, flags: Flags) -> Option<&Arc<Frame>> {
    if !matches!(mark, Mark::Frame(_) | Mark::Shield) {
        let frame = Frame::grow(mark.clone());
        if flags.has(Flags::DROPPING) {
            frame.start_dropping();
        }
        *mark = Mark::Frame(frame);
    }
    match mark {
        Mark::Frame(frame) => Some(frame),
        _ => None,
    }
}

pub(super) fn is_dropping(mark: &Mark, flags: Flags) -> bool {
    match mark {
        Mark::Frame(frame) => frame.is_dropping(),
        _ => flags.has(Flags::DROPPING),
    }
}

/// The scopes, innermost last. Has no destructor, which every access would have to ask after: whoever pushes also takes away.
struct Stack {
    depth: Cell<usize>,
    places: [Place; PLACES],
}

struct Place {
    mark: Cell<Option<ManuallyDrop<Mark>>>,
    flags: Cell<Flags>,
}

impl Place {
    const fn empty() -> Place {
        Place {
            mark: Cell::new(None),
            flags: Cell::new(Flags(0)),
        }
    }
}

/// How many scopes inside each other take the short way. Those further in are in `DEEP`.
const PLACES: usize = 16;

thread_local! {
    static STACK: Stack = const { Stack { depth: Cell::new(0), places: [const { Place::empty() }; PLACES] } };
    static DEEP: RefCell<Vec<(Option<Mark>, Flags)>> = const { RefCell::new(Vec::new()) };
}

/// `LocalKey::with` is not inlined, `try_with` is.
#[inline(always)]
fn with_stack<R>(f: impl FnOnce(&Stack) -> R) -> R {
    match STACK.try_with(f) {
        Ok(result) => result,
        Err(gone) => panic!("a scope was polled after the thread-locals of its thread: {gone}"),
    }
}

impl Stack {
    #[inline]
    fn put(&self, at: usize, mark: Option<Mark>, flags: Flags) {
        match self.places.get(at) {
            Some(place) => {
                place.mark.set(mark.map(ManuallyDrop::new));
                place.flags.set(flags);
            }
            None => put_deep(at - PLACES, mark, flags),
        }
    }

    #[inline]
    fn take(&self, at: usize) -> Option<Mark> {
        match self.places.get(at) {
            Some(place) => place.mark.take().map(ManuallyDrop::into_inner),
            None => take_deep(at - PLACES),
        }
    }

    #[inline]
    fn flags(&self, at: usize) -> Flags {
        match self.places.get(at) {
            Some(place) => place.flags.get(),
            None => DEEP.with_borrow(|deep| deep[at - PLACES].1),
        }
    }
}

#[cold]
#[inline(never)]
fn put_deep(at: usize, mark: Option<Mark>, flags: Flags) {
    DEEP.with_borrow_mut(|deep| match deep.get_mut(at) {
        Some(place) => *place = (mark, flags),
        None => deep.push((mark, flags)),
    });
}

#[cold]
#[inline(never)]
fn take_deep(at: usize) -> Option<Mark> {
    DEEP.with_borrow_mut(|deep| deep.get_mut(at)?.0.take())
}

/// Has a scope on the stack while it lives, and puts it back where it came from afterwards, also when a poll panics.
pub(super) struct Pushed<'a> {
    home: &'a mut Entry,
    at: usize,
}

impl Drop for Pushed<'_> {
    #[inline]
    fn drop(&mut self) {
        with_stack(|s| {
            if s.flags(self.at).has(Flags::LENT) {
                // Nothing is lost: what was at home was taken when this was made, or is a number.
                self.home.mark = ManuallyDrop::new(s.take(self.at));
            }
            s.depth.set(self.at);
        });
    }
}

#[inline]
pub(super) fn push(home: &mut Entry) -> Pushed<'_> {
    let at = with_stack(|s| {
        let at = s.depth.get();
        home.flags.0 |= Flags::POLLED;
        match &*home.mark {
            // Copied, and not fetched back unless somebody has looked: the load would wait for the store.
            Some(Mark::After(nanos)) => s.put(at, Some(Mark::After(*nanos)), home.flags),
            _ => s.put(at, home.mark.take(), home.flags.lent()),
        }
        s.depth.set(at + 1);
        at
    });
    Pushed { home, at }
}

/// Whether the running code is in no scope at all.
#[inline]
pub(super) fn is_bare() -> bool {
    with_stack(|s| s.depth.get() == 0)
}

/// Visits the scopes around the running code from the inside out, as far as the next shield or the root of the task.
#[inline]
pub(super) fn walk(mut visit: impl FnMut(&mut Mark, Flags) -> ControlFlow<()>) {
    with_stack(|s| {
        for at in (0..s.depth.get()).rev() {
            let flags = s.flags(at);
            let mut loan = Loan {
                stack: s,
                at,
                flags,
                mark: s.take(at),
            };
            let Some(mark) = &mut loan.mark else {
                continue;
            };
            if matches!(mark, Mark::Shield)
                || visit(mark, flags).is_break()
                || flags.has(Flags::ROOT)
            {
                return;
            }
        }
    });
}

/// A mark that is being looked at; goes back also when that panics.
struct Loan<'a> {
    stack: &'a Stack,
    at: usize,
    flags: Flags,
    mark: Option<Mark>,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.stack.put(self.at, self.mark.take(), self.flags.lent());
    }
}

/// Visits the frames around the running code; seeds become frames.
pub(super) fn walk_frames(mut visit: impl FnMut(&Arc<Frame>) -> ControlFlow<()>) {
    start_clocks();
    walk(|mark, flags| match frame(mark, flags) {
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
    if is_bare() {
        return Node::root();
    }
    let nodes: Vec<_> = chain().into_iter().map(|f| f.node.clone()).collect();
    Node::child_of(&nodes, None)
}

/// Whether a scope around the running code wants to drop it.
pub(crate) fn dropping() -> bool {
    let mut found = false;
    walk(|mark, flags| {
        found = is_dropping(mark, flags);
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
    any(Flags::CUT)
}

/// Whether a scope around the running code is in the one poll it had left, and will not wait for another.
pub(super) fn granted() -> bool {
    any(Flags::GRANTED)
}

fn any(flag: u8) -> bool {
    let mut found = false;
    walk(|_, flags| {
        found = flags.has(flag);
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
    walk(|mark, flags| {
        match mark {
            // Cheap, and the usual case: asked about a token, a frame is not needed.
            Mark::Follow(node) if node.flag() || node.is_timed() => nodes.push(node.clone()),
            Mark::Follow(_) | Mark::Plain | Mark::Shield => {}
            _ => nodes.extend(frame(mark, flags).map(|f| f.node.clone())),
        }
        ControlFlow::Continue(())
    });
    // Asked outside the stack's borrow: a deadline reads a clock, and cancelling wakes.
    nodes.iter().rev().find_map(|n| n.reason())
}

/// Whether a scope around the running code has been cancelled, or wants to drop it: nothing new is to start then. Reads
/// no clock: whoever has a deadline has a timer, and says so when it has passed.
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
        if found {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    found
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
    walk(|mark, flags| {
        found = is_dropping(mark, flags);
        match mark {
            Mark::Frame(frame) => nodes.push(frame.node.clone()),
            Mark::Follow(node) | Mark::Member(node) => nodes.push(node.clone()),
            Mark::Cell(cell) => cells.push(cell.clone()),
            _ => found |= mark.moment().is_some_and(|at| at <= now),
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
    walk(|mark, _| {
        mark.stamp(now);
        ControlFlow::Continue(())
    });
}

/// [`stamp`], for code that asks in a first poll, before anything was suspended.
fn start_clocks() {
    let mut waits = false;
    walk(|mark, _| {
        waits |= mark.is_unstarted();
        ControlFlow::Continue(())
    });
    if waits {
        stamp(Runtime::current().now());
    }
}
