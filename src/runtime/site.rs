//! Who is being spawned, for runtimes that want to know.
//!
//! [`Backend::spawn`](super::Backend::spawn) takes a bare future. The virtual-time runtime also wants the name of the task and the place it was
//! spawned at, for its reports; both travel in a thread-local around the call, so that `Backend` stays at
//! four methods and the other runtimes pay nothing.

use std::cell::RefCell;
use std::panic::Location;
use std::sync::Arc;

/// Name and origin of a task. Public only because a sealed trait mentions it; no path leads here.
#[derive(Clone, Debug)]
pub struct Site {
    /// The name its author gave it.
    pub(crate) name: Option<Arc<str>>,
    /// The line that spawned it.
    pub(crate) at: &'static Location<'static>,
}

thread_local!(static SITE: RefCell<Option<Site>> = const { RefCell::new(None) });

/// Calls `spawn` with `site` on show.
pub(super) fn announce<R>(site: Site, spawn: impl FnOnce() -> R) -> R {
    struct Restore(Option<Site>);
    impl Drop for Restore {
        fn drop(&mut self) {
            SITE.with(|s| *s.borrow_mut() = self.0.take());
        }
    }
    let _restore = Restore(SITE.with(|s| s.borrow_mut().replace(site)));
    spawn()
}

/// The task that is being spawned right now on this thread.
pub(crate) fn announced() -> Option<Site> {
    SITE.with(|s| s.borrow().clone())
}
