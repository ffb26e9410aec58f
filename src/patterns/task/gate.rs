//! The limit of a group: who may run, and who waits for a turn, in order.

use super::home::{Home, Line, Push};
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

/// One running child's share of the limit; the next in line gets it when this is dropped.
pub(super) struct Ticket<B, P: Push<B> + ?Sized> {
    home: Arc<Home<B, P>>,
}

impl<B, P: Push<B> + ?Sized> Drop for Ticket<B, P> {
    fn drop(&mut self) {
        let mut gate = self.home.gate.lock();
        gate.running -= 1;
        self.home.pump(gate);
    }
}

impl<B, P: Push<B> + ?Sized> Home<B, P> {
    /// Whether children may have to wait for their turn.
    pub(super) fn is_limited(&self) -> bool {
        self.limited.load(Ordering::Acquire)
    }

    /// For a turn that is counted already.
    pub(super) fn ticket(self: &Arc<Self>) -> Ticket<B, P> {
        Ticket { home: self.clone() }
    }

    /// Starts `child` now or puts it in line. `limited`: it holds a ticket, whose turn is counted here.
    pub(super) fn launch(&self, site: &Site, child: B, limited: bool) {
        if limited {
            let mut gate = self.gate.lock();
            if !gate.try_enter() {
                gate.enqueue(Queued::Child(site.clone(), child));
                return;
            }
        }
        self.push.push(site, child);
    }

    /// Gives free turns to those in line.
    fn pump<'a>(&'a self, mut gate: Locked<'a, Gate<B>>) {
        if gate.pumping {
            return;
        }
        gate.pumping = true;
        while gate.running < gate.limit
            && let Some((_, next)) = gate.queue.pop_first()
        {
            gate.running += 1;
            match next {
                Queued::Child(site, child) => {
                    drop(gate);
                    self.push.push(&site, child);
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
    }

    /// A caller gives up its wait: out of the line, or its turn to the next.
    pub(super) fn leave(&self, key: u64, turn: &Lock<Turn>) {
        let mut gate = self.gate.lock();
        let removed = gate.queue.remove(&key);
        let granted = removed.is_none() && matches!(*turn.lock(), Turn::Granted);
        if granted {
            gate.running -= 1;
            self.pump(gate);
        } else {
            drop(gate);
        }
        drop(removed);
    }
}

impl<B, P: Push<B> + ?Sized> Line for Home<B, P> {
    fn set_limit(&self, limit: usize) {
        let mut gate = self.gate.lock();
        gate.limit = limit;
        self.limited.store(!gate.is_open(), Ordering::Release);
        self.pump(gate);
    }

    /// The group is ending: children in line are dropped unstarted, callers are let go.
    fn dissolve(&self) {
        let mut gate = self.gate.lock();
        let queue = std::mem::take(&mut gate.queue);
        // Each child in line holds a ticket that will be given back uncounted.
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
}

/// Gives the waker of who waited, to be woken after unlocking.
fn end_wait(turn: &Lock<Turn>, end: Turn) -> Option<Waker> {
    match std::mem::replace(&mut *turn.lock(), end) {
        Turn::Waiting(waker) => waker,
        _ => None,
    }
}
