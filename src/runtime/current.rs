//! Which runtime is the ambient one on this thread.

use super::notice::{self, Notice};
use super::{ClockId, Runtime};
use crate::runtime::Instant;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::AccessError;

/// What the thread is doing while a runtime is entered; decides whether blocking on a future is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A plain thread that called [`Runtime::enter`].
    Plain,
    /// Inside the poll of a future: blocking here stops the event loop.
    Polling,
    /// A thread made for blocking work.
    Blocking,
}

struct Ambient {
    runtime: Option<Runtime>,
    role: Role,
}

thread_local! {
    static AMBIENT: RefCell<Ambient> = const { RefCell::new(Ambient { runtime: None, role: Role::Plain }) };
    /// Whether `AMBIENT` has a runtime: one byte, for the many look-ups where it has none.
    static ENTERED: Cell<bool> = const { Cell::new(false) };
}

/// Changes what is ambient, and gives what was: the one place that does, for the two must agree. `Err`: the thread is ending, and a guard
/// kept in another thread-local has outlived ours.
fn replace(ambient: Ambient) -> Result<Ambient, AccessError> {
    let entered = ambient.runtime.is_some();
    let previous = AMBIENT.try_with(|a| a.replace(ambient))?;
    ENTERED.with(|e| e.set(entered));
    Ok(previous)
}

fn replace_while_alive(ambient: Ambient) -> Ambient {
    replace(ambient).expect("no runtime is entered after the thread-locals of its thread")
}

/// Keeps a runtime current on this thread until it is dropped; made by [`Runtime::enter`].
///
/// Drop guards in the reverse order of their making, as scopes do by themselves.
#[must_use = "the runtime is current only while this guard lives"]
#[derive(Debug)]
pub struct Entered {
    previous: Option<Runtime>,
    role: Role,
    // The guard must be dropped on the thread it was made on.
    not_send: PhantomData<*const ()>,
}

impl Entered {
    fn change(runtime: Option<Runtime>, role: Role) -> Self {
        let previous = replace_while_alive(Ambient { runtime, role });
        Entered {
            previous: previous.runtime,
            role: previous.role,
            not_send: PhantomData,
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mine = replace(Ambient {
            runtime: self.previous.take(),
            role: self.role,
        });
        drop(mine);
    }
}

pub(super) fn enter(runtime: Runtime, role: Option<Role>) -> Entered {
    Entered::change(Some(runtime), role.unwrap_or_else(self::role))
}

/// Forgets what was entered, while an executor polls tasks on this thread that find their runtime by themselves.
#[cfg(feature = "tokio")]
pub(super) fn leave() -> Entered {
    Entered::change(None, Role::Plain)
}

/// The role of this thread, as far as regatta knows it.
pub(super) fn role() -> Role {
    AMBIENT.with(|a| a.borrow().role)
}

/// The runtime that was entered on this thread.
pub(super) fn entered() -> Option<Runtime> {
    if !ENTERED.with(Cell::get) {
        return None;
    }
    AMBIENT.with(|a| a.borrow().runtime.clone())
}

#[inline]
pub(super) fn current() -> Runtime {
    #[cfg(feature = "tokio")]
    if !ENTERED.with(Cell::get)
        && let Some(handle) = super::tokio::at_hand()
    {
        return Runtime::from(super::Kind::Tokio(handle));
    }
    resolve()
}

/// Whether a runtime was entered on this thread, which comes before all others.
#[cfg(feature = "tokio")]
#[inline]
pub(super) fn is_entered() -> bool {
    ENTERED.try_with(Cell::get).unwrap_or(false)
}

/// The clock of the current runtime, and what it says: for those who need no runtime besides. tokio, smol and neutral
/// are not told apart.
#[inline]
pub(super) fn clock() -> (ClockId, Instant) {
    // `with` is not inlined, `try_with` is.
    if ENTERED.try_with(Cell::get).unwrap_or(false) {
        return clock_of_entered();
    }
    #[cfg(feature = "tokio")]
    let now = super::tokio::ambient_now();
    #[cfg(not(feature = "tokio"))]
    let now = super::neutral::real_now();
    (ClockId::REAL, now)
}

#[inline(never)]
fn clock_of_entered() -> (ClockId, Instant) {
    let runtime = resolve();
    (runtime.clock(), runtime.now())
}

/// Whether the current runtime is that of the tokio task that is being polled.
#[cfg(feature = "tokio")]
#[inline]
pub(super) fn in_tokio_task() -> bool {
    !ENTERED.with(Cell::get) && super::tokio::in_task()
}

#[inline(never)]
fn resolve() -> Runtime {
    if let Some(runtime) = entered() {
        return runtime;
    }
    #[cfg(feature = "tokio")]
    if let Some(handle) = super::tokio::look_up() {
        return Runtime::from(super::Kind::Tokio(handle));
    }
    // smol's own threads are at home on smol, whatever else runs in the process.
    #[cfg(feature = "smol")]
    if super::smol::on_executor_thread() {
        return Runtime::from(super::Kind::Smol);
    }
    match super::home::last() {
        Some(home) => home,
        None => by_default(),
    }
}

/// Nobody chose.
#[cfg(feature = "smol")]
fn by_default() -> Runtime {
    if cfg!(feature = "tokio") {
        notice::give(Notice::SmolByDefault);
    } else if notice::looks_like_tokio() {
        notice::give(Notice::TokioThreadOnSmol);
    }
    Runtime::from(super::Kind::Smol)
}

/// Nobody chose, and there is nothing to choose.
#[cfg(not(feature = "smol"))]
fn by_default() -> Runtime {
    if !cfg!(feature = "tokio") && notice::looks_like_tokio() {
        notice::give(Notice::TokioThreadOnNeutral);
    }
    Runtime::from(super::Kind::Neutral(super::Chosen::ByDefault))
}

pin_project_lite::pin_project! {
    /// A future that runs with a given runtime as the current one; made by [`Runtime::within`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct Within<F> {
        // Moved into the thread-local for the time of a poll and back again: no reference counting.
        runtime: Option<Runtime>,
        #[pin]
        future: F,
    }
}

impl<F> Within<F> {
    pub(super) fn new(runtime: Runtime, future: F) -> Self {
        Within {
            runtime: Some(runtime),
            future,
        }
    }
}

struct Restore<'a> {
    slot: &'a mut Option<Runtime>,
    previous: Option<Ambient>,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        if let Some(previous) = self.previous.take() {
            *self.slot = replace_while_alive(previous).runtime;
        }
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mine = Ambient {
            runtime: this.runtime.take(),
            role: Role::Polling,
        };
        let previous = replace_while_alive(mine);
        if previous.role != Role::Polling {
            // The outermost one: a task of ours, or the body of `run`.
            super::coop::refill();
        }
        let previous = Some(previous);
        let _restore = Restore {
            slot: this.runtime,
            previous,
        };
        this.future.poll(cx)
    }
}
