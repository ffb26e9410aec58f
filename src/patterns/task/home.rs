//! Where children live: tasks of a runtime, or polled by the host.

use super::gate::Gate;
use crate::internal::atomic::AtomicWaker;
use crate::internal::caught::quietly;
use crate::internal::lock::Lock;
use crate::runtime::{BoxFuture, Runtime, Site};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A child without `Send`.
pub(super) type LocalBox<'env> = Pin<Box<dyn Future<Output = ()> + 'env>>;

/// Takes children in. `B` is a boxed child.
pub trait Push<B> {
    fn push(&self, site: &Site, child: B);
}

/// The line of children that wait for their turn, whatever they are.
pub trait Line {
    /// The group is ending: nobody in line starts any more.
    fn dissolve(&self);
    fn set_limit(&self, limit: usize);
}

/// Children are tasks of a runtime.
pub(super) struct OnRuntime(pub(super) Runtime);

impl Push<BoxFuture<'static, ()>> for OnRuntime {
    fn push(&self, site: &Site, child: BoxFuture<'static, ()>) {
        // The neutral runtime, the only one that refuses, is never put here. A child that is refused all the same is dropped,
        // and settles itself as cancelled.
        let _refused = self.0.spawn_at(site.clone(), child);
    }
}

/// Children are polled by the host; they wait here until it looks.
pub struct Inbox<B> {
    waiting: Lock<Option<Vec<B>>>,
    host: Arc<AtomicWaker>,
}

impl<B> Inbox<B> {
    pub(super) fn new(host: Arc<AtomicWaker>) -> Arc<Self> {
        Arc::new(Inbox {
            waiting: Lock::new(Some(Vec::new())),
            host,
        })
    }

    pub(super) fn take(&self) -> Vec<B> {
        self.waiting
            .lock()
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// From now on children are dropped. Breaks the cycle of an inbox that holds a child that holds the group.
    pub(super) fn close(&self) {
        let left = self.waiting.lock().take();
        drop(left);
    }
}

impl<B> fmt::Debug for Inbox<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inbox")
    }
}

impl<B> Push<B> for Arc<Inbox<B>> {
    fn push(&self, _site: &Site, child: B) {
        let mut waiting = self.waiting.lock();
        let refused = match waiting.as_mut() {
            Some(inbox) => {
                inbox.push(child);
                None
            }
            None => Some(child),
        };
        drop(waiting);
        match refused {
            Some(child) => drop(child),
            None => {
                quietly(|| self.host.wake());
            }
        }
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
pub(super) type LocalHome<'env> = Home<LocalBox<'env>, Arc<Inbox<LocalBox<'env>>>>;

impl<B, P> Home<B, P> {
    pub(super) fn new(push: P) -> Self {
        Home {
            gate: Lock::new(Gate::default()),
            limited: AtomicBool::new(false),
            push,
        }
    }
}

impl<B, P: ?Sized> fmt::Debug for Home<B, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Home")
    }
}
