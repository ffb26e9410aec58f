//! The nodes of the cancellation tree: a flag that is read for a nanosecond, and a lock for everything else.
//!
//! Invariants:
//! * A node's lock is held alone: no second node is locked, no waker woken and nothing dropped under it.
//! * `reason` is set once, under the lock; the flag follows it before the lock is released.
//! * A node with a reason has no waiters and no children: both were drained when it was set, and registering is refused after.
//! * A child is removed from its parents when it is dropped, so bookkeeping is bounded by what is alive.

use super::lock::Lock;
use super::reason::{Elapsed, Reason};
use crate::runtime::Runtime;
use futures_util::task::AtomicWaker;
use slab::Slab;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Node {
    cancelled: AtomicBool,
    /// This node or one above it has a deadline, so asking has to look at the clock.
    timed: bool,
    state: Lock<State>,
    parents: OnceLock<Parents>,
    deadline: Option<Arc<DeadlineCell>>,
}

#[derive(Default)]
struct State {
    reason: Option<Reason>,
    waiters: Slab<Waker>,
    children: Slab<Weak<Node>>,
}

#[derive(Debug)]
enum Parents {
    One(Link),
    Many(Vec<Link>),
}

#[derive(Debug)]
struct Link {
    node: Arc<Node>,
    key: usize,
}

impl Parents {
    fn links(&self) -> &[Link] {
        match self {
            Parents::One(link) => std::slice::from_ref(link),
            Parents::Many(links) => links,
        }
    }
}

/// A deadline that can be moved while somebody waits for it.
#[derive(Debug)]
pub(crate) struct DeadlineCell {
    pub(crate) runtime: Runtime,
    name: Option<Arc<str>>,
    limit: Option<Duration>,
    state: Lock<DeadlineState>,
    /// The future that keeps the deadline; moving the deadline wakes it.
    keeper: AtomicWaker,
}

#[derive(Debug)]
struct DeadlineState {
    when: When,
    passed: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// This long after the work starts.
    After(Duration),
    At(Instant),
    Never,
}

/// The deadline has passed already: too late to move it.
pub(crate) struct TooLate;

impl DeadlineCell {
    pub(crate) fn new(
        runtime: Runtime,
        when: When,
        limit: Option<Duration>,
        name: Option<Arc<str>>,
    ) -> Arc<Self> {
        let state = Lock::new(DeadlineState {
            when,
            passed: false,
        });
        Arc::new(DeadlineCell {
            runtime,
            name,
            limit,
            state,
            keeper: AtomicWaker::new(),
        })
    }

    /// The moment it passes; `None` when that is never, or when the work has not started.
    pub(crate) fn at(&self) -> Option<Instant> {
        match self.state.lock().when {
            When::At(at) => Some(at),
            When::After(_) | When::Never => None,
        }
    }

    /// The work starts now.
    pub(crate) fn start(&self, now: Instant) {
        let mut state = self.state.lock();
        if let When::After(d) = state.when {
            state.when = now.checked_add(d).map_or(When::Never, When::At);
        }
    }

    pub(crate) fn set(&self, when: When) -> Result<(), TooLate> {
        let mut state = self.state.lock();
        if state.passed {
            return Err(TooLate);
        }
        state.when = when;
        drop(state);
        self.keeper.wake();
        Ok(())
    }

    /// Has the keeper woken when the deadline is moved.
    pub(crate) fn keep(&self, waker: &Waker) {
        self.keeper.register(waker);
    }

    /// Notes that the deadline has passed for good; a moved one has not.
    pub(crate) fn pass(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        state.passed |= matches!(state.when, When::At(at) if at <= now);
        state.passed
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.state.lock().passed
    }

    pub(crate) fn elapsed(&self) -> Elapsed {
        Elapsed::new(self.name.clone(), self.limit)
    }
}

impl Node {
    fn make(timed: bool, deadline: Option<Arc<DeadlineCell>>) -> Arc<Node> {
        Arc::new(Node {
            cancelled: AtomicBool::new(false),
            timed,
            state: Lock::default(),
            parents: OnceLock::new(),
            deadline,
        })
    }

    pub(crate) fn root() -> Arc<Node> {
        Node::make(false, None)
    }

    pub(crate) fn with_deadline(deadline: Arc<DeadlineCell>) -> Arc<Node> {
        Node::make(true, Some(deadline))
    }

    /// A node that is cancelled as soon as one of `parents` is.
    pub(crate) fn child_of(
        parents: &[Arc<Node>],
        deadline: Option<Arc<DeadlineCell>>,
    ) -> Arc<Node> {
        let timed = deadline.is_some() || parents.iter().any(|p| p.timed);
        let child = Node::make(timed, deadline);
        let mut links = Vec::new();
        let mut first = None;
        for parent in parents {
            match parent.adopt(&child) {
                Ok(key) => {
                    let link = Link {
                        node: parent.clone(),
                        key,
                    };
                    if parents.len() == 1 {
                        first = Some(link)
                    } else {
                        links.push(link)
                    }
                }
                Err(reason) => {
                    child.cancel(reason);
                }
            }
        }
        let parents = match first {
            Some(link) => Parents::One(link),
            None => Parents::Many(links),
        };
        // Set once, right here: nobody else has the child yet but cancelling parents, who don't look at it.
        let _ = child.parents.set(parents);
        child
    }

    fn adopt(&self, child: &Arc<Node>) -> Result<usize, Reason> {
        let mut state = self.state.lock();
        match &state.reason {
            Some(reason) => Err(reason.clone()),
            None => Ok(state.children.insert(Arc::downgrade(child))),
        }
    }

    fn parents(&self) -> &[Link] {
        self.parents.get().map_or(&[], Parents::links)
    }

    /// Whether the flag is up. Does not look at deadlines: for code that has a timer armed.
    #[inline]
    pub(crate) fn flag(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.flag() || (self.timed && self.expire())
    }

    pub(crate) fn reason(&self) -> Option<Reason> {
        if !self.is_cancelled() {
            return None;
        }
        self.state.lock().reason.clone()
    }

    pub(crate) fn is_timed(&self) -> bool {
        self.timed
    }

    /// Cancels whatever on the way up has a deadline that passed, outermost first, so that it is the outermost
    /// whose reason comes down. True when this node is cancelled then.
    #[cold]
    pub(crate) fn expire(&self) -> bool {
        for link in self.parents() {
            if link.node.timed && !link.node.flag() {
                link.node.expire();
            }
        }
        if !self.flag()
            && let Some(deadline) = &self.deadline
            && deadline.pass(deadline.runtime.now())
        {
            self.cancel(deadline.elapsed().into());
        }
        self.flag()
    }

    /// The earliest deadline of this node and those above it.
    pub(crate) fn effective_deadline(&self) -> Option<Instant> {
        if !self.timed {
            return None;
        }
        let own = self.deadline.as_ref().and_then(|d| d.at());
        self.parents()
            .iter()
            .filter_map(|l| l.node.effective_deadline())
            .chain(own)
            .min()
    }

    /// Cancels this node and all below it. False when it already was.
    pub(crate) fn cancel(&self, reason: Reason) -> bool {
        let mut wakers = Vec::new();
        let mut children = Vec::new();
        if !self.raise(&reason, &mut wakers, &mut children) {
            return false;
        }
        // The whole tree is flagged before the first waiter runs, which might look at another part of it.
        while let Some(child) = children.pop() {
            if let Some(child) = Weak::upgrade(&child) {
                child.raise(&reason, &mut wakers, &mut children);
            }
        }
        for waker in wakers {
            waker.wake();
        }
        true
    }

    fn raise(
        &self,
        reason: &Reason,
        wakers: &mut Vec<Waker>,
        children: &mut Vec<Weak<Node>>,
    ) -> bool {
        let mut state = self.state.lock();
        if state.reason.is_some() {
            return false;
        }
        state.reason = Some(reason.clone());
        self.cancelled.store(true, Ordering::Release);
        wakers.extend(
            std::mem::take(&mut state.waiters)
                .into_iter()
                .map(|(_, w)| w),
        );
        children.extend(
            std::mem::take(&mut state.children)
                .into_iter()
                .map(|(_, c)| c),
        );
        true
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A long chain of only children is taken apart in a loop: dropping link by link would recurse.
        let mut pending: Vec<Link> = Vec::new();
        let take = |parents: Option<Parents>, pending: &mut Vec<Link>| match parents {
            Some(Parents::One(link)) => pending.push(link),
            Some(Parents::Many(links)) => pending.extend(links),
            None => {}
        };
        take(self.parents.take(), &mut pending);
        while let Some(Link { node, key }) = pending.pop() {
            let gone = node.state.lock().children.try_remove(key);
            drop(gone);
            if let Some(mut node) = Arc::into_inner(node) {
                take(node.parents.take(), &mut pending);
            }
        }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// A place in the list of wakers of one node; empties itself when dropped.
#[derive(Debug)]
pub(crate) struct Waiter {
    node: Arc<Node>,
    key: Option<usize>,
    /// A copy of what is registered, so that polls with the same waker take no lock.
    waker: Option<Waker>,
}

impl Waiter {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Waiter {
            node,
            key: None,
            waker: None,
        }
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Has `waker` woken when the node is cancelled. True when it is cancelled already.
    #[inline]
    pub(crate) fn register(&mut self, waker: &Waker) -> bool {
        if self.waker.as_ref().is_some_and(|w| w.will_wake(waker)) {
            return self.node.flag();
        }
        self.register_anew(waker)
    }

    fn register_anew(&mut self, waker: &Waker) -> bool {
        let (copy, mine) = (waker.clone(), waker.clone());
        let mut state = self.node.state.lock();
        if state.reason.is_some() {
            return true;
        }
        let old = match self.key {
            Some(key) => state
                .waiters
                .get_mut(key)
                .map(|slot| std::mem::replace(slot, copy)),
            None => {
                self.key = Some(state.waiters.insert(copy));
                None
            }
        };
        drop(state);
        drop(old);
        self.waker = Some(mine);
        false
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let mut state = self.node.state.lock();
            // After a cancellation the list is empty, and nobody registers again.
            let waker = if state.reason.is_none() {
                state.waiters.try_remove(key)
            } else {
                None
            };
            drop(state);
            drop(waker);
        }
    }
}
