//! The children that are cancelled together: how many live, which of them wait, and how far cancelling has gone.

use super::handle::Origin;
use crate::internal::atomic::{AtomicU8, AtomicUsize, Ordering};
use crate::internal::caught::{discard, quietly};
use crate::internal::lock::Lock;
use crate::runtime::Site;
use slab::Slab;
use std::num::NonZeroUsize;
use std::task::Waker;

/// How far the cancelling of something has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Phase {
    Open = 0,
    /// Observable; nothing is dropped yet.
    Asked = 1,
    /// Dropped at the next suspension, shields permitting.
    Dropping = 2,
    /// Dropped at the next poll, shields or not.
    Abandoned = 3,
}

impl Phase {
    fn from(raw: u8) -> Self {
        match raw {
            0 => Phase::Open,
            1 => Phase::Asked,
            2 => Phase::Dropping,
            _ => Phase::Abandoned,
        }
    }
}

/// A phase that threads share.
#[derive(Debug, Default)]
pub(super) struct PhaseCell(AtomicU8);

impl PhaseCell {
    #[inline]
    pub(super) fn get(&self) -> Phase {
        Phase::from(self.0.load(Ordering::Acquire))
    }

    /// True when it rose.
    pub(super) fn raise(&self, to: Phase) -> bool {
        self.0.fetch_max(to as u8, Ordering::AcqRel) < to as u8
    }
}

/// A child that waits, or is tracked from its start.
struct Registered {
    /// `None`: it has not waited yet, or is being woken.
    waker: Option<Waker>,
    site: Site,
}

/// A place in the registry; no place takes no room of its own.
#[derive(Clone, Copy)]
pub(super) struct Key(NonZeroUsize);

impl Key {
    fn of(place: usize) -> Self {
        Key(NonZeroUsize::MIN.saturating_add(place))
    }

    fn place(self) -> usize {
        self.0.get() - 1
    }
}

#[derive(Default)]
struct Registry {
    children: Slab<Registered>,
    /// Somebody is waking them, and goes round once more if it is `again` asked for.
    waking: bool,
    again: bool,
}

/// The children that are cancelled together: the ordinary ones, or the services.
pub(super) struct Cohort {
    pub(super) phase: PhaseCell,
    registry: Lock<Registry>,
    /// Children whose future is not dropped yet, and the host as long as it may add some.
    alive: AtomicUsize,
}

impl Cohort {
    /// With the place of the host.
    pub(super) fn new() -> Self {
        Cohort {
            phase: PhaseCell::default(),
            registry: Lock::default(),
            alive: AtomicUsize::new(1),
        }
    }

    #[inline]
    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Whether every future of the cohort has been dropped.
    pub(super) fn is_gone(&self) -> bool {
        self.alive.load(Ordering::Acquire) == 0
    }

    /// Takes a place for one more child; false when all are gone.
    #[inline]
    pub(super) fn join(&self) -> bool {
        let one_more = |alive: usize| (alive > 0).then(|| alive + 1);
        self.alive
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .is_ok()
    }

    /// Wakes those who wait, and leaves them their wakers, for the next phase: taken out and put back, for none may be
    /// cloned or woken under the lock.
    pub(super) fn wake_all(&self) {
        let mut registry = self.registry.lock();
        if registry.children.is_empty() {
            return;
        }
        if std::mem::replace(&mut registry.waking, true) {
            registry.again = true;
            return;
        }
        loop {
            let children = registry.children.iter_mut();
            let taken: Vec<(usize, Waker)> = children
                .filter_map(|(key, r)| Some((key, r.waker.take()?)))
                .collect();
            drop(registry);
            for (_, waker) in &taken {
                quietly(|| waker.wake_by_ref());
            }
            registry = self.registry.lock();
            let mut left = Vec::new();
            for (key, waker) in taken {
                match registry.children.get_mut(key) {
                    // A place without a waker is the one it came from: whoever enters brings one.
                    Some(place) if place.waker.is_none() => place.waker = Some(waker),
                    _ => left.push(waker),
                }
            }
            registry.waking = std::mem::take(&mut registry.again);
            let again = registry.waking;
            drop(registry);
            left.into_iter().for_each(discard);
            if !again {
                return;
            }
            registry = self.registry.lock();
        }
    }

    /// Gives up a place. True: it was the last.
    #[inline]
    pub(super) fn leave(&self) -> bool {
        self.alive.fetch_sub(1, Ordering::AcqRel) == 1
    }

    pub(super) fn register(&self, key: &mut Option<Key>, waker: Waker, site: &Site) {
        let mut registry = self.registry.lock();
        let old = match *key {
            Some(k) => registry
                .children
                .get_mut(k.place())
                .and_then(|r| r.waker.replace(waker)),
            None => {
                let entry = Registered {
                    waker: Some(waker),
                    site: site.clone(),
                };
                *key = Some(Key::of(registry.children.insert(entry)));
                None
            }
        };
        drop(registry);
        discard(old);
    }

    /// Enters a child that has not run yet, for its name.
    pub(super) fn track(&self, site: &Site) -> Key {
        let entry = Registered {
            // Not `None`, by which a waker that is on its way back knows its place.
            waker: Some(Waker::noop().clone()),
            site: site.clone(),
        };
        Key::of(self.registry.lock().children.insert(entry))
    }

    pub(super) fn unregister(&self, key: Option<Key>) {
        if let Some(key) = key {
            let mut registry = self.registry.lock();
            let children = &mut registry.children;
            let gone = children.try_remove(key.place());
            // A peak is not paid for ever after.
            let spare = (children.is_empty() && children.capacity() > 1024)
                .then(|| std::mem::take(children));
            drop(registry);
            discard((gone, spare));
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.registry
            .lock()
            .children
            .iter()
            .map(|(_, r)| Origin(&r.site).to_string())
            .collect()
    }
}
