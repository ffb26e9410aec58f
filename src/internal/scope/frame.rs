//! One scope that code inside it has asked about.

use super::mark::Mark;
use crate::internal::atomic::{AtomicBool, AtomicUsize, AtomicWaker, Ordering};
use crate::internal::caught::quietly;
use crate::internal::line::wake;
use crate::internal::lock::Lock;
use crate::internal::node::{Node, release};
use crate::internal::reason::Elapsed;
use slab::Slab;
use std::sync::Arc;
use std::task::Waker;

/// A scope, shared between its owner and what observes or shields it.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) node: Arc<Node>,
    dropping: AtomicBool,
    /// How many shields are up somewhere in the scope.
    shields: AtomicUsize,
    /// The owner, while it waits for the last shield.
    owner: AtomicWaker,
    /// Told when the scope starts dropping.
    watchers: Lock<Slab<Waker>>,
}

impl Frame {
    pub(super) fn grow(seed: Mark) -> Arc<Frame> {
        Arc::new(Frame {
            node: seed.into_node(),
            dropping: AtomicBool::new(false),
            shields: AtomicUsize::new(0),
            owner: AtomicWaker::new(),
            watchers: Lock::default(),
        })
    }

    pub(crate) fn is_dropping(&self) -> bool {
        self.dropping.load(Ordering::Acquire)
    }

    /// The second step: from now on the owner drops the scope's future when it can. True when a watcher was told.
    pub(crate) fn start_dropping(&self) -> bool {
        let mut watchers = self.watchers.lock();
        if self.dropping.swap(true, Ordering::AcqRel) {
            return false;
        }
        let woken = std::mem::take(&mut *watchers);
        drop(watchers);
        let told = !woken.is_empty();
        for (_, waker) in woken {
            wake(waker);
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
        #[cfg(test)]
        crate::internal::effort::note();
        self.shields.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn lower_shield(&self) {
        if self.shields.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Not "if it is dropping": this thread may see the old flag while the owner sees the old count, and both would sleep. An owner that
            // is not dropping has registered no waker.
            quietly(|| self.owner.wake());
        }
    }

    /// `None` when the scope is dropping already.
    pub(super) fn watch(&self, waker: Waker) -> Option<usize> {
        #[cfg(test)]
        crate::internal::effort::note();
        let mut watchers = self.watchers.lock();
        if self.is_dropping() {
            drop(watchers);
            drop(waker);
            return None;
        }
        Some(watchers.insert(waker))
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
