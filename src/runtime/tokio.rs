//! The tokio adapter.

use super::backend::BoxWork;
use super::run::Flavor;
use ::tokio::runtime::{Builder, Handle, RuntimeFlavor};
use ::tokio::task::Id;
use std::cell::Cell;
use std::future::Future;
use std::time::Instant;

pub(super) type NativeSleep = ::tokio::time::Sleep;

/// A tokio handle that costs no reference count to look up twice in one task.
///
/// `Handle::try_current` clones an `Arc` (11 ns). `task::try_id` reads a thread-local (under 1 ns), and a task
/// never changes its runtime. So a dropped handle that was looked up in the running task is kept
/// in a thread-local of one place, and the next look-up of the same task takes it back.
///
/// All of it is inlined, so that the handle travels in registers: written to memory word by word and read back as a whole it would
/// stall for 10 ns.
pub(super) struct TokioHandle {
    handle: Option<Handle>,
    seen_in: Option<Id>,
}

thread_local! {
    static STASH: Cell<Option<Handle>> = const { Cell::new(None) };
    /// The task that looked last on this thread: what is in the stash is its handle.
    static LOOKED: Cell<Option<Id>> = const { Cell::new(None) };
}

impl TokioHandle {
    pub(super) fn new(handle: Handle) -> Self {
        TokioHandle {
            handle: Some(handle),
            seen_in: None,
        }
    }

    pub(super) fn handle(&self) -> &Handle {
        // Taken by `drop` only.
        self.handle
            .as_ref()
            .expect("a tokio handle is there until it is dropped")
    }

    /// Whether the calling code runs in the very task this handle was looked up in.
    fn is_ambient(&self) -> bool {
        self.seen_in.is_some() && ::tokio::task::try_id() == self.seen_in
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.handle().spawn(task));
    }

    pub(super) fn spawn_blocking(&self, work: BoxWork) {
        drop(self.handle().spawn_blocking(work));
    }

    /// tokio's clock can be paused, per runtime: it is read in that runtime's context.
    pub(super) fn now(&self) -> Instant {
        let _context = (!self.is_ambient()).then(|| self.handle().enter());
        ::tokio::time::Instant::now().into_std()
    }

    pub(super) fn sleep_until(&self, at: Instant) -> NativeSleep {
        let _context = (!self.is_ambient()).then(|| self.handle().enter());
        ::tokio::time::sleep_until(at.into())
    }
}

impl Clone for TokioHandle {
    fn clone(&self) -> Self {
        TokioHandle {
            handle: self.handle.clone(),
            seen_in: self.seen_in,
        }
    }
}

impl Drop for TokioHandle {
    #[inline]
    fn drop(&mut self) {
        if self.seen_in.is_some()
            && LOOKED.with(Cell::get) == self.seen_in
            && let Some(handle) = self.handle.take()
        {
            // What was there goes out of the thread-local before it is dropped.
            let old = STASH.try_with(|s| s.replace(Some(handle)));
            drop(old);
        }
    }
}

impl std::fmt::Debug for TokioHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.handle().runtime_flavor())
    }
}

/// The handle of the tokio context this thread is in.
#[inline]
pub(super) fn current() -> Option<TokioHandle> {
    let seen_in = ::tokio::task::try_id();
    if seen_in.is_some()
        && LOOKED.with(Cell::get) == seen_in
        && let Ok(Some(handle)) = STASH.try_with(Cell::take)
    {
        return Some(TokioHandle {
            handle: Some(handle),
            seen_in,
        });
    }
    look_up(seen_in)
}

#[inline(never)]
fn look_up(seen_in: Option<Id>) -> Option<TokioHandle> {
    let handle = Handle::try_current().ok()?;
    if seen_in.is_some() && LOOKED.with(|l| l.replace(seen_in)) != seen_in {
        // The handle of another task, perhaps of another runtime.
        let old = STASH.try_with(Cell::take);
        drop(old);
    }
    Some(TokioHandle {
        handle: Some(handle),
        seen_in,
    })
}

/// Whether this thread is in a tokio context.
pub(super) fn in_context() -> bool {
    Handle::try_current().is_ok()
}

/// Runs `wait`, which blocks; the tasks of this worker go to another thread first, as far as it is one.
pub(super) fn handing_over<R>(wait: impl FnOnce() -> R) -> R {
    let worker = ::tokio::task::try_id().is_some()
        && Handle::try_current().is_ok_and(|h| h.runtime_flavor() == RuntimeFlavor::MultiThread);
    if worker {
        ::tokio::task::block_in_place(wait)
    } else {
        wait()
    }
}

/// Runs `future` on a fresh runtime.
pub(super) fn run<F: Future>(flavor: Flavor, future: F) -> F::Output {
    let builder = if flavor == Flavor::TokioCurrent {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    start(builder, future)
}

/// The same with two workers on every machine, so that tests race alike everywhere.
pub(super) fn run_on_two_threads<F: Future>(future: F) -> F::Output {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2);
    start(builder, future)
}

fn start<F: Future>(mut builder: Builder, future: F) -> F::Output {
    let runtime = builder
        .enable_all()
        .build()
        .unwrap_or_else(|e| panic!("regatta::run: tokio could not start: {e}"));
    // The current-thread flavor polls its tasks right here, and they are not inside whatever was entered before.
    let _left = super::current::leave();
    runtime.block_on(future)
}
