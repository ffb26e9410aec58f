//! The half of a simulation that stays on its thread: the futures.
//!
//! `slots` is borrowed for moments only; polls and destructors of futures run while it is free, so they may spawn and wake.

use super::chooser::FIRST_PRIORITY;
use super::config::Config;
use super::shared::{Meta, Shared, waker};
use crate::runtime::{BoxFuture, Site};
use fastrand::Rng;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

thread_local!(static CURRENT: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) });

/// The simulation of this thread.
pub(super) fn current() -> Option<Rc<Core>> {
    CURRENT.try_with(|c| c.borrow().clone()).ok().flatten()
}

pub(super) fn set_current(core: Option<Rc<Core>>) -> Option<Rc<Core>> {
    CURRENT.with(|c| c.replace(core))
}

pub(super) struct Slot {
    /// Out while it is polled, and always for the root.
    pub(super) future: Option<BoxFuture<'static, ()>>,
    /// Made at the first poll; made anew at each when [`Config::fresh_wakers`] is on.
    pub(super) waker: Option<Waker>,
}

pub(super) struct Core {
    pub(super) shared: Arc<Shared>,
    pub(super) config: Config,
    pub(super) slots: RefCell<Slab<Slot>>,
    rng: RefCell<Rng>,
    /// How many tasks there have been.
    pub(super) spawned: Cell<u64>,
}

impl Core {
    pub(super) fn new(shared: Arc<Shared>, config: Config) -> Self {
        Core {
            rng: RefCell::new(Rng::with_seed(config.seed)),
            shared,
            config,
            slots: RefCell::new(Slab::with_capacity(8)),
            spawned: Cell::new(0),
        }
    }

    /// A new task, runnable at once. `None` is the root, whose future is kept elsewhere.
    pub(super) fn add(&self, future: Option<BoxFuture<'static, ()>>, site: Site) {
        let slot = self.slots.borrow_mut().insert(Slot {
            future,
            waker: None,
        });
        let serial = self.spawned.get();
        self.spawned.set(serial + 1);
        let meta = Meta {
            serial,
            live: true,
            queued: true,
            priority: self.rng.borrow_mut().u64(FIRST_PRIORITY..),
            ..Meta::unstarted(site)
        };
        let mut s = self.shared.lock();
        // The slab gives the lowest unused index or a vacant one, so there are no gaps.
        let old = if slot == s.tasks.len() {
            s.tasks.push(meta);
            None
        } else {
            Some(std::mem::replace(&mut s.tasks[slot], meta))
        };
        s.ready.push_back(slot);
        drop(s);
        drop(old);
    }

    /// Ends the task in `slot`, whose future the caller has taken out, and frees the slot.
    pub(super) fn finish(&self, slot: usize) {
        let gone = self.slots.borrow_mut().try_remove(slot);
        let mut guard = self.shared.lock();
        let s = &mut *guard;
        let task = &mut s.tasks[slot];
        task.live = false;
        if std::mem::take(&mut task.queued) {
            s.ready.retain(|r| *r != slot);
        }
        drop(guard);
        drop(gone);
    }

    /// The waker for the next poll of `slot`.
    pub(super) fn take_waker(&self, slot: usize, serial: u64, generation: u64) -> Waker {
        let kept = self.slots.borrow_mut()[slot].waker.take();
        match kept {
            Some(kept) if !self.config.fresh_wakers => kept,
            _ => waker(&self.shared, slot, serial, generation),
        }
    }

    /// A latency between nothing and `most`, from the seed.
    pub(super) fn latency(&self, most: u64) -> u64 {
        match most {
            0 => 0,
            most => self.rng.borrow_mut().u64(0..=most),
        }
    }
}
