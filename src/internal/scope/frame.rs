//! One scope that somebody has asked about.

use crate::internal::atomic::{AtomicBool, AtomicUsize, AtomicWaker, Ordering};
use crate::internal::deadline::{DeadlineCell, When};
use crate::internal::lock::Lock;
use crate::internal::node::{Node, release};
use crate::internal::reason::Elapsed;
use crate::runtime::Runtime;
use slab::Slab;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

/// What a [`Frame`] is made from when it is needed.
#[derive(Clone, Debug)]
pub(crate) enum Seed {
    /// A scope that only its owner ends.
    Plain,
    /// A scope that is cancelled with this node.
    Follow(Arc<Node>),
    /// A scope with a node of its own below this one.
    Below(Arc<Node>),
    /// A deadline, this long after its first poll, which is going on.
    After(Duration),
    /// A deadline.
    At(Box<(Instant, Option<Duration>)>),
    /// Either of them with a name; boxed, for few have one and all pay for the size.
    Named(Box<Named>),
    /// A deadline that somebody may move.
    Cell(Arc<DeadlineCell>),
}

#[derive(Clone, Debug)]
pub(crate) struct Named {
    when: When,
    limit: Option<Duration>,
    name: Arc<str>,
}

impl Seed {
    pub(crate) fn at(at: Instant, limit: Option<Duration>) -> Self {
        Seed::At(Box::new((at, limit)))
    }

    /// Turns a deadline that starts now into a moment.
    pub(super) fn stamp(&mut self, now: Instant) {
        match self {
            Seed::After(d) => {
                let limit = *d;
                *self = now
                    .checked_add(limit)
                    .map_or(Seed::Plain, |at| Seed::at(at, Some(limit)));
            }
            Seed::Named(named) => {
                if let When::After(d) = named.when {
                    named.when = When::from_now(now, d);
                }
            }
            Seed::Cell(cell) => cell.start(now),
            Seed::Plain | Seed::Follow(_) | Seed::Below(_) | Seed::At(_) => {}
        }
    }

    /// Whether its clock is still to be started.
    pub(super) fn is_unstarted(&self) -> bool {
        match self {
            Seed::After(_) => true,
            Seed::Named(named) => matches!(named.when, When::After(_)),
            Seed::Cell(cell) => cell.is_unstarted(),
            Seed::Plain | Seed::Follow(_) | Seed::Below(_) | Seed::At(..) => false,
        }
    }

    /// Names a deadline that has no name.
    pub(super) fn name(&mut self, name: Arc<str>) {
        let (when, limit) = match *self {
            Seed::After(d) => (When::After(d), Some(d)),
            Seed::At(ref at) => (When::At(at.0), at.1),
            _ => return,
        };
        *self = Seed::Named(Box::new(Named { when, limit, name }));
    }

    /// When its own deadline passes, if it has one that has started.
    pub(super) fn moment(&self) -> Option<Instant> {
        match self {
            Seed::At(at) => Some(at.0),
            Seed::Cell(cell) => cell.at(),
            Seed::Named(named) => match named.when {
                When::At(at) => Some(at),
                When::After(_) | When::Never => None,
            },
            Seed::Plain | Seed::Follow(_) | Seed::Below(_) | Seed::After(_) => None,
        }
    }

    fn node(mut self) -> Arc<Node> {
        if matches!(self, Seed::After(_) | Seed::Named(_) | Seed::Cell(_)) {
            self.stamp(Runtime::current().now());
        }
        match self {
            Seed::Plain | Seed::After(_) => Node::root(),
            Seed::Follow(node) => node,
            Seed::Below(node) => Node::child_of(&[node], None),
            Seed::At(at) => Node::with_deadline(DeadlineCell::new(
                Runtime::current(),
                When::At(at.0),
                at.1,
                None,
            )),
            Seed::Named(named) => Node::with_deadline(DeadlineCell::new(
                Runtime::current(),
                named.when,
                named.limit,
                Some(named.name),
            )),
            Seed::Cell(cell) => Node::with_deadline(cell),
        }
    }
}

/// A scope, shared between its owner and those who observe or shield it.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) node: Arc<Node>,
    dropping: AtomicBool,
    /// How many shields are up somewhere in the scope.
    shields: AtomicUsize,
    /// The owner, while it waits for the last shield.
    owner: AtomicWaker,
    /// Who wants to know when the scope starts dropping.
    watchers: Lock<Slab<Waker>>,
}

impl Frame {
    pub(super) fn grow(seed: Seed) -> Arc<Frame> {
        Arc::new(Frame {
            node: seed.node(),
            dropping: AtomicBool::new(false),
            shields: AtomicUsize::new(0),
            owner: AtomicWaker::new(),
            watchers: Lock::default(),
        })
    }

    pub(crate) fn is_dropping(&self) -> bool {
        self.dropping.load(Ordering::Acquire)
    }

    /// The second step: from now on the owner drops the scope's future when it can. True when somebody was told.
    pub(crate) fn start_dropping(&self) -> bool {
        let mut watchers = self.watchers.lock();
        if self.dropping.swap(true, Ordering::AcqRel) {
            return false;
        }
        let woken = std::mem::take(&mut *watchers);
        drop(watchers);
        let told = !woken.is_empty();
        for (_, waker) in woken {
            waker.wake();
        }
        told
    }

    /// Whether a shield keeps the future alive; has `waker` woken when the last one goes.
    pub(super) fn is_shielded(&self, waker: &Waker) -> bool {
        if self.shields.load(Ordering::Acquire) == 0 {
            return false;
        }
        self.owner.register(waker);
        self.shields.load(Ordering::Acquire) != 0
    }

    pub(super) fn raise_shield(&self) {
        self.shields.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn lower_shield(&self) {
        if self.shields.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Not "if it is dropping": this thread may see the old flag while the owner sees the old count, and both would sleep. Who is not
            // dropping has nobody registered.
            self.owner.wake();
        }
    }

    /// `None` when the scope is dropping already.
    pub(super) fn watch(&self, waker: Waker) -> Option<usize> {
        let mut watchers = self.watchers.lock();
        (!self.is_dropping()).then(|| watchers.insert(waker))
    }

    pub(super) fn unwatch(&self, key: usize) {
        let mut watchers = self.watchers.lock();
        // The list of a dropping scope was emptied for good: the key would name nothing.
        let waker = if self.is_dropping() {
            None
        } else {
            let waker = watchers.try_remove(key);
            release(&mut watchers);
            waker
        };
        drop(watchers);
        drop(waker);
    }

    /// Cancels the scope because its deadline has passed.
    pub(crate) fn expire(&self, elapsed: Elapsed) {
        self.node.cancel(elapsed.into());
    }
}
