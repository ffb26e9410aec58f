//! The tokio adapter.

use super::Runtime;
use super::backend::BoxWork;
use super::home::Home;
use super::run::Flavor;
use crate::runtime::Instant;
use ::tokio::runtime::{Builder, Handle, RuntimeFlavor};
use ::tokio::task::{Id, coop};
use std::cell::Cell;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

pub(super) type NativeSleep = ::tokio::time::Sleep;

/// A tokio handle that costs no reference count to look up twice in one task.
///
/// `Handle::try_current` clones an `Arc` (11 ns). `task::try_id` reads a thread-local (under 1 ns), and a task
/// never changes its runtime. So a dropped handle that was looked up in the running task is kept
/// in a thread-local of one place, and the next look-up of the same task takes it back.
#[derive(Clone)]
pub(super) struct TokioHandle {
    handle: Handle,
    seen_in: Option<Id>,
}

/// Has no destructor, which every access would have to ask after; a [`Sweeper`] does its work.
struct Stash {
    /// The task that looked last on this thread: what is in `handle` is its handle.
    task: Cell<Option<Id>>,
    handle: Cell<Option<ManuallyDrop<Handle>>>,
    /// This thread has been in a context of tokio's.
    in_context: Cell<bool>,
    /// The task that asked last for its runtime's name, and that name: a task never changes its runtime.
    named: Cell<Option<(Id, ::tokio::runtime::Id)>>,
}

impl Stash {
    /// Makes `task` the one whose handle is kept, and drops what another one left, perhaps of another runtime.
    fn turn_to(&self, task: Option<Id>) {
        if self.task.replace(task) != task {
            self.clear();
        }
    }

    /// What was there goes out of the thread-local before it is dropped.
    fn clear(&self) {
        drop(self.handle.take().map(ManuallyDrop::into_inner));
    }
}

#[inline(never)]
fn release(handle: Handle) {
    drop(handle);
}

/// Empties the stash when the thread ends; nothing is put there afterwards, for no task runs there any more that has looked.
struct Sweeper;

impl Drop for Sweeper {
    fn drop(&mut self) {
        STASH.with(|s| s.turn_to(None));
    }
}

thread_local! {
    static STASH: Stash = const { Stash { task: Cell::new(None), handle: Cell::new(None), in_context: Cell::new(false), named: Cell::new(None) } };
    static SWEEPER: Sweeper = const { Sweeper };
}

impl TokioHandle {
    pub(super) fn new(handle: Handle) -> Self {
        TokioHandle {
            handle,
            seen_in: None,
        }
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Drops it, into the stash if it is a handle of the task that looked last on this thread.
    #[inline]
    pub(super) fn put_back(self) {
        let TokioHandle { handle, seen_in } = self;
        let handle = Some(ManuallyDrop::new(handle));
        let put = |s: &Stash| {
            if seen_in.is_some() && s.task.get() == seen_in {
                s.handle.replace(handle)
            } else {
                handle
            }
        };
        if let Ok(Some(old)) = STASH.try_with(put) {
            release(ManuallyDrop::into_inner(old));
        }
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
        ambient_now()
    }

    #[inline]
    pub(super) fn sleep_until(&self, at: Instant) -> NativeSleep {
        let _context = (!self.is_ambient()).then(|| self.handle().enter());
        ambient_sleep_until(at)
    }
}

impl std::fmt::Debug for TokioHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.handle().runtime_flavor())
    }
}

/// The handle of the running task, if it has looked before.
#[inline]
pub(super) fn at_hand() -> Option<TokioHandle> {
    let seen_in = ::tokio::task::try_id();
    let take = |s: &Stash| {
        if seen_in.is_some() && s.task.get() == seen_in {
            s.handle.take()
        } else {
            None
        }
    };
    // `with` is not inlined, `try_with` is.
    let handle = STASH.try_with(take).ok()??;
    Some(TokioHandle {
        handle: ManuallyDrop::into_inner(handle),
        seen_in,
    })
}

/// The handle of the tokio context this thread is in.
pub(super) fn look_up() -> Option<TokioHandle> {
    let handle = Handle::try_current().ok()?;
    let seen_in = ::tokio::task::try_id();
    if seen_in.is_some() && SWEEPER.try_with(|_| ()).is_ok() {
        STASH.with(|s| s.turn_to(seen_in));
    }
    Some(TokioHandle { handle, seen_in })
}

/// The clock of the context this thread is in; outside of one, that of the machine.
#[inline]
pub(super) fn ambient_now() -> Instant {
    ::tokio::time::Instant::now().into_std()
}

/// A timer of the context this thread is in.
#[inline]
pub(super) fn ambient_sleep_until(at: Instant) -> NativeSleep {
    ::tokio::time::sleep_until(within(at).into())
}

/// Moves a timer.
pub(super) fn move_to(sleep: Pin<&mut NativeSleep>, at: Instant) {
    sleep.reset(within(at).into());
}

/// tokio rounds up to whole milliseconds, and panics where there is no such moment: its timers stay away from the end
/// of the clock.
#[inline]
fn within(at: Instant) -> Instant {
    at.checked_add(END).map_or_else(|| at - END, |_| at)
}

const END: Duration = Duration::from_secs(1);

/// The name of the runtime of the running task.
#[inline]
pub(super) fn name_of_runtime() -> Option<::tokio::runtime::Id> {
    let task = ::tokio::task::try_id()?;
    match STASH.try_with(|s| s.named.get()).unwrap_or_default() {
        Some((of, name)) if of == task => Some(name),
        _ => ask_for_name(task),
    }
}

#[cold]
fn ask_for_name(task: Id) -> Option<::tokio::runtime::Id> {
    let name = Handle::try_current().ok()?.id();
    STASH.with(|s| s.named.set(Some((task, name))));
    Some(name)
}

/// Moves a timer so far away that it does not matter.
pub(super) fn put_off(sleep: Pin<&mut NativeSleep>) {
    const DECADES: Duration = Duration::from_secs(30 * 365 * 86_400);
    // What is no moment any more is further than decades away already.
    if let Some(far) = sleep.deadline().checked_add(DECADES + END) {
        sleep.reset(far - END);
    }
}

/// Whether this thread is polling a task of a runtime.
///
/// A `LocalSet` that a foreign executor polls has tasks, too, and no runtime. To ask for the context each time would
/// cost a reference count; threads of a runtime stay threads of it, so a thread is asked until it has been in a context
/// once.
#[inline]
pub(super) fn in_task() -> bool {
    ::tokio::task::try_id().is_some()
        && (STASH.try_with(|s| s.in_context.get()).unwrap_or(false) || find_context())
}

#[cold]
fn find_context() -> bool {
    let found = in_context();
    STASH.with(|s| s.in_context.set(found));
    found
}

/// Spends one unit of the running task's budget; ready where there is none. Pending: it is used up, and the task is
/// woken when it has gone round.
pub(super) fn poll_budget(cx: &mut Context<'_>) -> Poll<()> {
    coop::poll_proceed(cx).map(|unit| unit.made_progress())
}

/// False: whatever is tokio's gives way until the next poll of this task.
pub(super) fn has_budget() -> bool {
    coop::has_budget_remaining()
}

/// Polls without a look at the budget.
#[cold]
pub(super) fn poll_unbudgeted<F: Future>(
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    std::pin::pin!(coop::unconstrained(future)).poll(cx)
}

impl TokioHandle {
    /// Whether its clock is paused, and goes ahead by itself when nothing is to be done; only a current-thread
    /// runtime's can.
    #[inline]
    pub(super) fn is_paused(&self) -> bool {
        self.handle.runtime_flavor() == RuntimeFlavor::CurrentThread && self.stands_still()
    }

    /// A clock that goes shows a time between two moments of the real one.
    #[inline(never)]
    fn stands_still(&self) -> bool {
        let before = super::neutral::real_now();
        let now = self.now();
        now < before || now > super::neutral::real_now()
    }

    /// Whether its tasks run while the thread that started it does something else.
    pub(super) fn has_threads(&self) -> bool {
        self.handle.runtime_flavor() != RuntimeFlavor::CurrentThread
    }
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
pub(super) fn run<F: Future>(flavor: Flavor, known: bool, future: F) -> F::Output {
    let builder = if flavor == Flavor::TokioCurrent {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    start(builder, known, future)
}

/// The same with two workers on every machine, so that tests race alike everywhere.
pub(super) fn run_on_two_threads<F: Future>(future: F) -> F::Output {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2);
    start(builder, false, future)
}

fn start<F: Future>(mut builder: Builder, known: bool, future: F) -> F::Output {
    let runtime = builder
        .enable_all()
        .build()
        .unwrap_or_else(|e| panic!("regatta::run: tokio could not start: {e}"));
    // The current-thread flavor polls its tasks right here, and they are not inside whatever was entered before.
    let _left = super::current::leave();
    let _home = known.then(|| Home::of(Runtime::tokio(runtime.handle().clone())));
    runtime.block_on(future)
}
