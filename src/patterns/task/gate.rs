//! The limit of a group: who may run, and who waits for a turn, in order.

use super::home::{Home, Hosted, Line, Push};
use crate::internal::line::wake;
use crate::internal::lock::{Lock, Locked};
use crate::runtime::Site;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

/// In line for a turn.
enum Queued<B> {
    /// A child that was spawned and has not started.
    Child(Site, B),
    /// A caller of `spawn_when_free`.
    Caller(Arc<Lock<Turn>>),
}

/// Where a caller's wait stands. Changes under the lock of the gate, so that a caller who leaves knows whether its turn
/// has come.
pub(super) enum Turn {
    Waiting(Option<Waker>),
    /// It is this caller's turn, and counted as running.
    Granted,
    /// The group is ending: nobody's turn comes any more.
    Over,
}

pub(super) struct Gate<B> {
    limit: usize,
    running: usize,
    queue: BTreeMap<u64, Queued<B>>,
    next: u64,
    /// Somebody is handing out turns; others leave it to them. Keeps a chain of children that end at once from recursing.
    pumping: bool,
}

impl<B> Default for Gate<B> {
    fn default() -> Self {
        Gate {
            limit: usize::MAX,
            running: 0,
            queue: BTreeMap::new(),
            next: 0,
            pumping: false,
        }
    }
}

impl<B> Gate<B> {
    pub(super) fn is_open(&self) -> bool {
        self.limit == usize::MAX
    }

    /// A turn at once, if nobody is in line.
    pub(super) fn try_enter(&mut self) -> bool {
        let free = self.running < self.limit && self.queue.is_empty();
        self.running += usize::from(free);
        free
    }

    fn enqueue(&mut self, queued: Queued<B>) -> u64 {
        let key = self.next;
        self.next += 1;
        self.queue.insert(key, queued);
        key
    }

    pub(super) fn enqueue_caller(&mut self, turn: Arc<Lock<Turn>>) -> u64 {
        self.enqueue(Queued::Caller(turn))
    }
}

impl<B, P: Push<B> + ?Sized> Home<B, P> {
    /// Whether children may have to wait for their turn.
    pub(super) fn is_limited(&self) -> bool {
        self.limited.load(Ordering::Acquire)
    }

    /// Starts `child` now or puts it in line. `limited`: its turn is counted here. True: the host is to be woken.
    #[must_use]
    pub(super) fn launch(&self, site: &Site, child: B, limited: bool) -> bool {
        if limited {
            let mut gate = self.gate.lock();
            if !gate.try_enter() {
                gate.enqueue(Queued::Child(site.clone(), child));
                return false;
            }
        }
        self.push.push(site, child)
    }

    /// Gives free turns to those in line. True: the host is to be woken.
    fn pump<'a>(&'a self, mut gate: Locked<'a, Gate<B>>) -> bool {
        let mut hosted = false;
        if gate.pumping {
            return hosted;
        }
        gate.pumping = true;
        while gate.running < gate.limit
            && let Some((_, next)) = gate.queue.pop_first()
        {
            gate.running += 1;
            match next {
                Queued::Child(site, child) => {
                    drop(gate);
                    hosted |= self.push.push(&site, child);
                }
                Queued::Caller(turn) => {
                    let waiter = end_wait(&turn, Turn::Granted);
                    drop(gate);
                    if let Some(waiter) = waiter {
                        wake(waiter);
                    }
                }
            }
            gate = self.gate.lock();
        }
        gate.pumping = false;
        hosted
    }

    /// A caller gives up its wait: out of the line, or its turn to the next. True: the host is to be woken.
    #[must_use]
    pub(super) fn leave(&self, key: u64, turn: &Lock<Turn>) -> bool {
        let mut gate = self.gate.lock();
        let removed = gate.queue.remove(&key);
        let granted = removed.is_none() && matches!(*turn.lock(), Turn::Granted);
        let hosted = if granted {
            gate.running -= 1;
            self.pump(gate)
        } else {
            drop(gate);
            false
        };
        drop(removed);
        hosted
    }
}

impl<B, P: Push<B> + ?Sized> Hosted<B> for Home<B, P> {
    fn take(&self) -> Vec<B> {
        self.push.take()
    }
}

impl<B, P: Push<B> + ?Sized> Line for Home<B, P> {
    fn set_limit(&self, limit: usize) -> bool {
        let mut gate = self.gate.lock();
        gate.limit = limit;
        self.limited.store(!gate.is_open(), Ordering::Release);
        self.pump(gate)
    }

    fn give_back(&self) -> bool {
        let mut gate = self.gate.lock();
        gate.running -= 1;
        self.pump(gate)
    }

    /// Children in line are dropped unstarted, callers are let go.
    fn dissolve(&self) {
        let mut gate = self.gate.lock();
        let queue = std::mem::take(&mut gate.queue);
        // Each child in line will give back a turn that was not counted.
        gate.running += queue
            .values()
            .filter(|q| matches!(q, Queued::Child(..)))
            .count();
        let waiters: Vec<Waker> = queue
            .values()
            .filter_map(|q| match q {
                Queued::Child(..) => None,
                Queued::Caller(turn) => end_wait(turn, Turn::Over),
            })
            .collect();
        drop(gate);
        waiters.into_iter().for_each(wake);
        drop(queue);
    }

    fn close(&self) {
        self.push.close();
    }
}

/// Gives the waker of who waited, to be woken after unlocking.
fn end_wait(turn: &Lock<Turn>, end: Turn) -> Option<Waker> {
    match std::mem::replace(&mut *turn.lock(), end) {
        Turn::Waiting(waker) => waker,
        _ => None,
    }
}
