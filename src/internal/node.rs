//! The nodes of the cancellation tree: a flag that is read for a nanosecond, and a lock for everything else.
//!
//! Invariants:
//! * A node's lock is held alone: no second node is locked, no waker cloned or woken, and nothing dropped under it.
//! * `reason` is set once, under the lock; the flag follows it before the lock is released.
//! * A node with a reason has no waiters and no children: both were drained when it was set, and registering is refused after.
//! * A child is removed from its parents when it is dropped, so bookkeeping is bounded by what is alive.
//! * Nothing here recurses along the tree, which may be as deep as memory allows, and no node is visited twice: with several parents
//!   each, there are exponentially many ways up.

use super::atomic::{AtomicBool, Ordering};
use super::deadline::DeadlineCell;
use super::line::wake;
use super::lock::Lock;
use super::look::Look;
use super::reason::Reason;
use slab::Slab;
use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;

#[derive(Debug)]
pub(crate) struct Node {
    cancelled: AtomicBool,
    /// The members are cancelled: with the node, or before it.
    members_cancelled: AtomicBool,
    /// This node or one above it has a deadline, so asking has to look at the clock.
    pub(super) timed: bool,
    /// One of these deadlines can be moved, so which is the earliest has to be looked up.
    pub(super) moves: bool,
    /// Work under this node has a grace: a deadline above that passes does not drop the work at once.
    pub(super) lenient: bool,
    state: Lock<State>,
    parents: OnceLock<Parents>,
    pub(super) deadline: Option<Arc<DeadlineCell>>,
    /// The earliest of these deadlines, if none of them moves: so nodes in a long chain need not ask all above them in each poll.
    pub(super) earliest: Option<Arc<DeadlineCell>>,
}

#[derive(Default)]
struct State {
    reason: Option<Reason>,
    waiters: Slab<Waker>,
    children: Slab<Weak<Node>>,
    /// Made when the first one comes, or when they are cancelled: few nodes have any.
    members: Option<Box<Members>>,
}

/// The nodes below one that can be cancelled before it: the children of a task group, whose body goes on.
#[derive(Default)]
struct Members {
    reason: Option<Reason>,
    nodes: Slab<Weak<Node>>,
}

impl State {
    fn reason_of(&self, tier: Tier) -> Option<&Reason> {
        match (tier, &self.members) {
            (Tier::Members, Some(members)) if members.reason.is_some() => members.reason.as_ref(),
            _ => self.reason.as_ref(),
        }
    }

    fn members(&mut self) -> &mut Members {
        self.members.get_or_insert_default()
    }

    fn list(&mut self, tier: Tier) -> &mut Slab<Weak<Node>> {
        match tier {
            Tier::Children => &mut self.children,
            Tier::Members => &mut self.members().nodes,
        }
    }
}

/// How a node hangs below another.
#[derive(Clone, Copy, Debug)]
enum Tier {
    Children,
    Members,
}

#[derive(Debug)]
enum Parents {
    One(Link),
    Many(Vec<Link>),
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) node: Arc<Node>,
    tier: Tier,
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

impl Node {
    fn make(
        lenient: bool,
        parents: &[Arc<Node>],
        deadline: Option<Arc<DeadlineCell>>,
    ) -> Arc<Node> {
        let moves = deadline.as_ref().is_some_and(|d| d.moves) || parents.iter().any(|p| p.moves);
        let timed = deadline.is_some() || parents.iter().any(|p| p.timed);
        let mut earliest = None;
        if timed && !moves {
            let above = parents.iter().filter_map(|p| p.earliest.as_ref());
            let all = deadline.iter().chain(above);
            earliest = all
                .filter_map(|cell| Some((cell.at()?, cell)))
                .min_by_key(|(at, _)| *at)
                .map(|(_, cell)| cell.clone());
        }
        Arc::new(Node {
            cancelled: AtomicBool::new(false),
            members_cancelled: AtomicBool::new(false),
            timed,
            moves,
            lenient,
            state: Lock::default(),
            parents: OnceLock::new(),
            deadline,
            earliest,
        })
    }

    pub(crate) fn root() -> Arc<Node> {
        Node::make(false, &[], None)
    }

    pub(crate) fn with_deadline(deadline: Arc<DeadlineCell>) -> Arc<Node> {
        Node::make(false, &[], Some(deadline))
    }

    /// A node that is cancelled as soon as one of `parents` is.
    pub(crate) fn child_of(
        parents: &[Arc<Node>],
        deadline: Option<Arc<DeadlineCell>>,
    ) -> Arc<Node> {
        Node::make(false, parents, deadline).below(parents, Tier::Children)
    }

    /// A node that is cancelled with the members of `parent`.
    pub(crate) fn member_of(parent: &Arc<Node>) -> Arc<Node> {
        let parents = std::slice::from_ref(parent);
        Node::make(false, parents, None).below(parents, Tier::Members)
    }

    /// A child for work that gets a grace when `parent` is cancelled.
    pub(crate) fn lenient(parent: &Arc<Node>) -> Arc<Node> {
        let parents = std::slice::from_ref(parent);
        Node::make(true, parents, None).below(parents, Tier::Children)
    }

    fn below(self: Arc<Node>, parents: &[Arc<Node>], tier: Tier) -> Arc<Node> {
        let child = self;
        if parents.is_empty() {
            return child;
        }
        let mut links = Vec::new();
        let mut first = None;
        for parent in parents {
            match parent.adopt(&child, tier) {
                Ok(key) => {
                    let link = Link {
                        node: parent.clone(),
                        tier,
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
        // Set once, right here: only cancelling parents have the child yet, and they don't look at it.
        let _ = child.parents.set(parents);
        child
    }

    /// Whether it was made under just these nodes, and none of them was cancelled then.
    pub(super) fn is_right_below<'a>(
        &self,
        mut nodes: impl ExactSizeIterator<Item = &'a Arc<Node>>,
    ) -> bool {
        let links = self.parents();
        links.len() == nodes.len()
            && links
                .iter()
                .all(|l| nodes.next().is_some_and(|n| Arc::ptr_eq(n, &l.node)))
    }

    fn adopt(&self, child: &Arc<Node>, tier: Tier) -> Result<usize, Reason> {
        #[cfg(test)]
        super::effort::note();
        let mut state = self.state.lock();
        match state.reason_of(tier) {
            Some(reason) => Err(reason.clone()),
            None => Ok(state.list(tier).insert(Arc::downgrade(child))),
        }
    }

    pub(super) fn parents(&self) -> &[Link] {
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
        self.reason_seen_by(&mut Look::default())
    }

    /// [`reason`](Node::reason), in a look at several nodes.
    pub(crate) fn reason_seen_by(&self, look: &mut Look) -> Option<Reason> {
        if !(self.flag() || self.timed && self.expire_seen_by(look)) {
            return None;
        }
        self.state.lock().reason.clone()
    }

    /// Whether the flag of the members is up. As [`flag`](Node::flag), it does not look at deadlines.
    #[inline]
    pub(crate) fn members_flag(&self) -> bool {
        self.members_cancelled.load(Ordering::Acquire)
    }

    /// Why the members are cancelled, if they are.
    pub(crate) fn members_reason(&self) -> Option<Reason> {
        if !(self.members_flag() || self.is_cancelled()) {
            return None;
        }
        self.state.lock().reason_of(Tier::Members).cloned()
    }

    pub(crate) fn is_timed(&self) -> bool {
        self.timed
    }

    /// Cancels what has a deadline that passed: of this node and those above it the outermost, so that it is the outermost whose
    /// reason comes down. True when this node is cancelled then.
    #[cold]
    pub(crate) fn expire(&self) -> bool {
        self.expire_seen_by(&mut Look::default())
    }

    fn expire_seen_by(&self, look: &mut Look) -> bool {
        if !self.flag()
            && let Some(node) = self.outermost_passed(look)
            && let Some(deadline) = &node.deadline
        {
            node.cancel(deadline.elapsed().into());
        }
        self.flag()
    }

    /// The node's own deadline.
    pub(super) fn deadline(&self) -> Option<&Arc<DeadlineCell>> {
        self.deadline.as_ref()
    }

    /// Cancels this node and all below it. False when it already was.
    pub(crate) fn cancel(&self, reason: Reason) -> bool {
        let mut wakers = Vec::new();
        let mut below = Vec::new();
        if !self.raise(&reason, &mut wakers, &mut below) {
            return false;
        }
        raise_all(&reason, wakers, below);
        true
    }

    /// Cancels the members of this node and all below them, and leaves the node itself alone.
    pub(crate) fn cancel_members(&self, reason: &Reason) {
        let mut state = self.state.lock();
        if state.reason_of(Tier::Members).is_some() {
            return;
        }
        let members = state.members();
        members.reason = Some(reason.clone());
        let nodes = std::mem::take(&mut members.nodes);
        self.members_cancelled.store(true, Ordering::Release);
        drop(state);
        let below = nodes.into_iter().map(|(_, node)| node).collect();
        raise_all(reason, Vec::new(), below);
    }

    fn raise(&self, reason: &Reason, wakers: &mut Vec<Waker>, below: &mut Vec<Weak<Node>>) -> bool {
        let mut state = self.state.lock();
        if state.reason.is_some() {
            return false;
        }
        state.reason = Some(reason.clone());
        // Code that has seen the flag of the node sees that of its members.
        self.members_cancelled.store(true, Ordering::Release);
        self.cancelled.store(true, Ordering::Release);
        wakers.extend(drain(&mut state.waiters));
        below.extend(drain(&mut state.children));
        if let Some(members) = &mut state.members {
            below.extend(drain(&mut members.nodes));
        }
        true
    }
}

fn drain<T>(list: &mut Slab<T>) -> impl Iterator<Item = T> + use<T> {
    std::mem::take(list).into_iter().map(|(_, item)| item)
}

/// The whole tree is flagged before the first waiter runs, which might look at another part of it.
fn raise_all(reason: &Reason, mut wakers: Vec<Waker>, mut below: Vec<Weak<Node>>) {
    while let Some(node) = below.pop() {
        if let Some(node) = Weak::upgrade(&node) {
            node.raise(reason, &mut wakers, &mut below);
        }
    }
    wakers.into_iter().for_each(wake);
}

/// Gives the memory of a crowd back when the last of it has gone.
pub(super) fn release<T>(list: &mut Slab<T>) {
    const FEW: usize = 64;
    if list.is_empty() && list.capacity() > FEW {
        *list = Slab::new();
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
        while let Some(Link { node, tier, key }) = pending.pop() {
            let mut state = node.state.lock();
            let list = state.list(tier);
            let gone = list.try_remove(key);
            release(list);
            drop(state);
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

    /// Nothing is left to do for this poll: `waker` is registered, the node is not cancelled, and no deadline needs a timer.
    #[inline]
    pub(crate) fn is_settled(&self, waker: &Waker) -> bool {
        self.waker.as_ref().is_some_and(|w| w.will_wake(waker))
            && !self.node.flag()
            && !self.node.is_timed()
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
            // After a cancellation the list is empty, and no waiter registers again.
            let waker = if state.reason.is_none() {
                let waker = state.waiters.try_remove(key);
                release(&mut state.waiters);
                waker
            } else {
                None
            };
            drop(state);
            drop(waker);
        }
    }
}
