//! The stack of the scopes around the running code.

use super::flags::Flags;
use super::frame::Frame;
use super::mark::Mark;
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

/// Whether work that only gave way has one more poll before it is dropped.
pub(super) enum Grant {
    None,
    Pending,
    Used,
}

impl Entry {
    #[inline]
    pub(super) fn new(mark: Mark, flag: u16) -> Self {
        let mut flags = Flags::NONE;
        flags.add(flag);
        Entry {
            mark: ManuallyDrop::new(Some(mark)),
            flags,
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.flags.has(Flags::CUT)
    }

    pub(super) fn was_polled(&self) -> bool {
        self.flags.has(Flags::POLLED)
    }

    #[inline]
    pub(super) fn may_give_way(&self) -> bool {
        !self.flags.has(Flags::POLLED | Flags::GAVE_WAY)
    }

    pub(super) fn gave_way(&mut self) {
        self.flags.add(Flags::GAVE_WAY);
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
        self.flags.add(Flags::OWED);
    }

    /// Here is the poll that was owed, if one was.
    pub(super) fn use_grant(&mut self) {
        if self.flags.has(Flags::OWED) {
            self.flags.add(Flags::GRANTED);
        }
    }

    pub(super) fn set_cut(&mut self, cut: bool) {
        self.flags.set(Flags::CUT, cut);
    }

    /// Whether the scope's node is below those of all scopes around it, in the poll to come.
    pub(super) fn set_covers(&mut self, covers: bool) {
        self.flags.set(Flags::COVERS, covers);
    }

    /// `None` only while it lies on the stack.
    pub(super) fn mark(&mut self) -> Option<&mut Mark> {
        self.mark.as_mut()
    }

    pub(super) fn mark_ref(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    /// The scope's frame, if it has one: if code inside has asked about it.
    pub(super) fn known_frame(&self) -> Option<&Arc<Frame>> {
        match &*self.mark {
            Some(Mark::Frame(frame)) => Some(frame),
            _ => None,
        }
    }

    /// From now on the owner drops the scope's future when it can. True when a watcher in the scope was told.
    pub(super) fn start_dropping(&mut self) -> bool {
        match self.known_frame() {
            Some(frame) => frame.start_dropping(),
            None => {
                self.flags.add(Flags::DROPPING);
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
pub(super) fn frame(mark: &mut Mark, flags: Flags) -> Option<&Arc<Frame>> {
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

/// The scopes, innermost last. Has no destructor, which every access would have to ask after: the code that pushes also takes away.
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
            flags: Cell::new(Flags::NONE),
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

    /// Marks a scope until the end of its poll.
    fn add_flag(&self, at: usize, flag: u16) {
        let mut flags = self.flags(at);
        flags.add(flag);
        match self.places.get(at) {
            Some(place) => place.flags.set(flags),
            None => DEEP.with_borrow_mut(|deep| deep[at - PLACES].1 = flags),
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
        home.flags.add(Flags::POLLED);
        match &*home.mark {
            // Copied, and not fetched back unless it was looked at: the load would wait for the store.
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
    walk_from(usize::MAX, |_, mark, flags| visit(mark, flags));
}

/// [`walk`], on from the scope that had the number `from`, or from the innermost. Each scope comes with its number.
#[inline]
pub(super) fn walk_from(
    from: usize,
    mut visit: impl FnMut(usize, &mut Mark, Flags) -> ControlFlow<()>,
) {
    with_stack(|s| {
        for at in (0..s.depth.get().min(from)).rev() {
            #[cfg(test)]
            crate::internal::effort::note();
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
                || visit(at, mark, flags).is_break()
                || flags.has(Flags::ROOT)
            {
                return;
            }
        }
    });
}

/// [`walk`], as far as the first scope with the flag `done`. All that were visited get it, unless `visit` broke off: where scopes inside each
/// other walk, one after the other, each is visited once in a poll.
pub(super) fn walk_once(done: u16, mut visit: impl FnMut(&mut Mark, Flags) -> ControlFlow<()>) {
    let (mut outermost, mut broke) = (None, false);
    walk_from(usize::MAX, |at, mark, flags| {
        if flags.has(done) {
            return ControlFlow::Break(());
        }
        outermost = Some(at);
        let flow = visit(mark, flags);
        broke = flow.is_break();
        flow
    });
    if let (Some(outermost), false) = (outermost, broke) {
        flag_from(outermost, done);
    }
}

/// Marks the scopes from the one with the number `outermost` to the innermost, until the ends of their polls.
pub(super) fn flag_from(outermost: usize, flag: u16) {
    with_stack(|s| {
        for at in outermost..s.depth.get() {
            s.add_flag(at, flag);
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
