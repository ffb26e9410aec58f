//! The nodes of the cancellation tree: a flag that is read for a nanosecond, and a lock for everything else.
//!
//! Invariants:
//! * A node's lock is held alone: no second node is locked, no waker cloned or woken, and nothing dropped under it.
//! * `reason` is set once, under the lock; the flag follows it before the lock is released.
//! * A node with a reason has no waiters and no children: both were drained when it was set, and registering is refused after.
//! * A child is removed from its parents when it is dropped, so bookkeeping is bounded by what is alive.
//! * Nothing here recurses along the tree, which may be as deep as memory allows, and nobody is visited twice: with several parents
//!   each, there are exponentially many ways up.

use super::atomic::{AtomicBool, Ordering};
use super::deadline::DeadlineCell;
use super::line::wake;
use super::lock::Lock;
use super::reason::Reason;
use crate::runtime::Instant;
use crate::runtime::Runtime;
use slab::Slab;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;

#[derive(Debug)]
pub(crate) struct Node {
    cancelled: AtomicBool,
    /// The members are cancelled: with the node, or before it.
    members_cancelled: AtomicBool,
    /// This node or one above it has a deadline, so asking has to look at the clock.
    timed: bool,
    /// Who works under this node has a grace: a deadline above that passes does not drop the work at once.
    lenient: bool,
    state: Lock<State>,
    parents: OnceLock<Parents>,
    deadline: Option<Arc<DeadlineCell>>,
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
struct Link {
    node: Arc<Node>,
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
    fn make(timed: bool, lenient: bool, deadline: Option<Arc<DeadlineCell>>) -> Arc<Node> {
        Arc::new(Node {
            cancelled: AtomicBool::new(false),
            members_cancelled: AtomicBool::new(false),
            timed,
            lenient,
            state: Lock::default(),
            parents: OnceLock::new(),
            deadline,
        })
    }

    pub(crate) fn root() -> Arc<Node> {
        Node::make(false, false, None)
    }

    pub(crate) fn with_deadline(deadline: Arc<DeadlineCell>) -> Arc<Node> {
        Node::make(true, false, Some(deadline))
    }

    /// A node that is cancelled as soon as one of `parents` is.
    pub(crate) fn child_of(
        parents: &[Arc<Node>],
        deadline: Option<Arc<DeadlineCell>>,
    ) -> Arc<Node> {
        let timed = deadline.is_some() || parents.iter().any(|p| p.timed);
        Node::make(timed, false, deadline).below(parents, Tier::Children)
    }

    /// A node that is cancelled with the members of `parent`.
    pub(crate) fn member_of(parent: &Arc<Node>) -> Arc<Node> {
        Node::make(parent.timed, false, None).below(std::slice::from_ref(parent), Tier::Members)
    }

    /// A child for work that gets a grace when `parent` is cancelled.
    pub(crate) fn lenient(parent: &Arc<Node>) -> Arc<Node> {
        Node::make(parent.timed, true, None).below(std::slice::from_ref(parent), Tier::Children)
    }

    fn below(self: Arc<Node>, parents: &[Arc<Node>], tier: Tier) -> Arc<Node> {
        let child = self;
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
        // Set once, right here: nobody else has the child yet but cancelling parents, who don't look at it.
        let _ = child.parents.set(parents);
        child
    }

    fn adopt(&self, child: &Arc<Node>, tier: Tier) -> Result<usize, Reason> {
        let mut state = self.state.lock();
        match state.reason_of(tier) {
            Some(reason) => Err(reason.clone()),
            None => Ok(state.list(tier).insert(Arc::downgrade(child))),
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
        if !self.flag()
            && let Some(node) = self.outermost_passed()
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

    fn passes(&self) -> bool {
        self.deadline.as_ref().is_some_and(|d| d.pass())
    }

    /// Nodes come after all above them, of several parents the last (the outermost) first; the first that passed wins.
    fn outermost_passed(&self) -> Option<&Node> {
        let (mut node, mut found) = (self, None);
        // The usual case needs no memory: one parent each.
        loop {
            if node.passes() {
                found = Some(node);
            }
            match node.parents() {
                [] => return found,
                [only] if only.node.timed => node = &only.node,
                [_] => return found,
                _ => break,
            }
        }
        let mut seen = HashSet::new();
        let mut path = vec![(node, node.parents().len())];
        while let Some((node, left)) = path.last_mut() {
            if *left == 0 {
                if node.passes() {
                    return Some(node);
                }
                path.pop();
                continue;
            }
            *left -= 1;
            let up: &Node = &node.parents()[*left].node;
            if up.timed && seen.insert(std::ptr::from_ref(up)) {
                path.push((up, up.parents().len()));
            }
        }
        found
    }

    /// Shows `visit` this node and the timed ones above it, each once, as far up as it says true.
    fn ascend<'a>(&'a self, mut visit: impl FnMut(&'a Node) -> bool) {
        let mut seen = HashSet::new();
        let mut next = vec![self];
        while let Some(node) = next.pop() {
            if visit(node) {
                let links = node.parents();
                let above = links.iter().map(|l| &*l.node).filter(|n| n.timed);
                next.extend(
                    above.filter(|n| links.len() == 1 || seen.insert(std::ptr::from_ref(*n))),
                );
            }
        }
    }

    /// The earliest deadline of this node and those above it, and the runtime whose clock it is on.
    pub(crate) fn effective_deadline(&self) -> Option<(Instant, &Runtime)> {
        let mut earliest: Option<(Instant, &Runtime)> = None;
        if self.timed {
            self.ascend(|node| {
                if let Some(deadline) = &node.deadline
                    && let Some(at) = deadline.at()
                    && earliest.is_none_or(|(e, _)| at < e)
                {
                    earliest = Some((at, &deadline.runtime));
                }
                true
            });
        }
        earliest
    }

    /// Whether a deadline has passed for which work under this node is dropped without a grace.
    pub(crate) fn drops_by_deadline(&self) -> bool {
        let mut found = false;
        if self.timed {
            self.ascend(|node| {
                found = found || !node.lenient && node.passes();
                !found && !node.lenient
            });
        }
        found
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
        self.cancelled.store(true, Ordering::Release);
        self.members_cancelled.store(true, Ordering::Release);
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
            // After a cancellation the list is empty, and nobody registers again.
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
