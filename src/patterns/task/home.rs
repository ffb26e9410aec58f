//! Where children live: tasks of a runtime, or polled by the host.

use super::child::Seat;
use super::core::Core;
use super::gate::Gate;
use crate::internal::lock::Lock;
use crate::runtime::{BoxFuture, Runtime, Site};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A child without `Send`.
pub(super) type LocalBox<'env> = Pin<Box<dyn Future<Output = ()> + 'env>>;

/// What all in a group share: one allocation.
pub(super) struct Shared<E, H: ?Sized> {
    pub(super) core: Core<E>,
    pub(super) home: H,
}

impl<E, B, P> Shared<E, Home<B, P>> {
    pub(super) fn new(core: Core<E>, push: P) -> Arc<Self> {
        Arc::new(Shared {
            core,
            home: Home {
                gate: Lock::new(Gate::default()),
                limited: AtomicBool::new(false),
                push,
            },
        })
    }
}

/// Takes children in. `B` is a boxed child.
pub trait Push<B> {
    /// True: the host polls it, and is to be woken.
    fn push(&self, site: &Site, child: B) -> bool;

    /// Those that the host has not polled yet.
    fn take(&self) -> Vec<B> {
        Vec::new()
    }

    /// From now on children are dropped. Breaks the cycle of a group that holds a child that holds the group.
    fn close(&self) {}
}

/// The line of children that wait for their turn, whatever they are.
pub trait Line {
    /// The group is ending: no child in line starts any more.
    fn dissolve(&self);

    /// See [`Push::close`].
    fn close(&self);

    /// True: the host is to be woken.
    #[must_use]
    fn set_limit(&self, limit: usize) -> bool;

    /// One of those that run has ended. True: the host is to be woken.
    #[must_use]
    fn give_back(&self) -> bool;
}

/// A home as the host sees that polls some of those who live there.
pub(super) trait Hosted<B>: Line {
    /// See [`Push::take`].
    fn take(&self) -> Vec<B>;
}

/// The seat of a child in a group whose home is `H`.
pub(super) struct InGroup<E, H: Line + ?Sized> {
    pub(super) group: Arc<Shared<E, H>>,
}

impl<E, H: Line + ?Sized> Seat for InGroup<E, H> {
    type Error = E;

    #[inline]
    fn core(&self) -> &Core<E> {
        &self.group.core
    }

    #[inline]
    fn give_back_turn(&self) {
        self.group.give_back();
    }
}

impl<E, H: Line + ?Sized> Shared<E, H> {
    pub(super) fn give_back(&self) {
        if self.home.give_back() {
            self.core.wake_host();
        }
    }

    pub(super) fn set_limit(&self, limit: usize) {
        if self.home.set_limit(limit) {
            self.core.wake_host();
        }
    }
}

/// Children are tasks of a runtime.
pub(super) struct OnRuntime(pub(super) Runtime);

impl Push<BoxFuture<'static, ()>> for OnRuntime {
    fn push(&self, site: &Site, child: BoxFuture<'static, ()>) -> bool {
        // The neutral runtime, the only one that refuses, is never put here. A child that is refused all the same is dropped,
        // and settles itself as cancelled.
        let _refused = self.0.spawn_at(site.clone(), child);
        false
    }
}

/// Children are polled by the host; they wait here until it looks.
pub struct Inbox<B>(Lock<Option<Vec<B>>>);

impl<B> Default for Inbox<B> {
    fn default() -> Self {
        Inbox(Lock::new(Some(Vec::new())))
    }
}

impl<B> fmt::Debug for Inbox<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inbox")
    }
}

impl<B> Push<B> for Inbox<B> {
    fn push(&self, _site: &Site, child: B) -> bool {
        let mut waiting = self.0.lock();
        let refused = match waiting.as_mut() {
            Some(inbox) => {
                inbox.push(child);
                None
            }
            None => Some(child),
        };
        drop(waiting);
        let taken = refused.is_none();
        drop(refused);
        taken
    }

    fn take(&self) -> Vec<B> {
        let mut waiting = self.0.lock();
        waiting.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn close(&self) {
        let left = self.0.lock().take();
        drop(left);
    }
}

/// Where the children of one group go, and how many may run at a time.
pub struct Home<B, P: ?Sized> {
    pub(super) gate: Lock<Gate<B>>,
    /// Whether the gate has a limit; changed under its lock. Most groups have none, and need not take it to find out.
    pub(super) limited: AtomicBool,
    pub(super) push: P,
}

/// The home of children that may cross threads.
pub(super) type SendHome<'env> =
    Home<BoxFuture<'env, ()>, dyn Push<BoxFuture<'env, ()>> + Send + Sync + 'env>;

/// The home of children that stay with their host.
pub(super) type LocalHome<'env> = Home<LocalBox<'env>, Inbox<LocalBox<'env>>>;

impl<B, P: ?Sized> fmt::Debug for Home<B, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Home")
    }
}
