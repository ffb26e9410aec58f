//! Which runtime is the ambient one on this thread.

use super::Runtime;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

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

/// Changes what is ambient, and gives what was.
fn replace(ambient: Ambient) -> Option<Ambient> {
    let entered = ambient.runtime.is_some();
    // `try_with`: a guard kept in another thread-local may outlive ours.
    let previous = AMBIENT.try_with(|a| a.replace(ambient)).ok()?;
    ENTERED.with(|e| e.set(entered));
    Some(previous)
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
    ENTERED.with(|e| e.set(true));
    AMBIENT.with(|a| {
        let mut a = a.borrow_mut();
        let previous = (a.runtime.replace(runtime), a.role);
        if let Some(role) = role {
            a.role = role;
        }
        Entered {
            previous: previous.0,
            role: previous.1,
            not_send: PhantomData,
        }
    })
}

/// Forgets what was entered, while an executor polls tasks on this thread that find their runtime by themselves.
#[cfg(feature = "tokio")]
pub(super) fn leave() -> Entered {
    let previous = AMBIENT.with(|a| {
        a.replace(Ambient {
            runtime: None,
            role: Role::Plain,
        })
    });
    Entered {
        previous: previous.runtime,
        role: previous.role,
        not_send: PhantomData,
    }
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
        && let Some(handle) = super::tokio::current()
    {
        return Runtime(super::Kind::Tokio(handle));
    }
    entered_or_default()
}

#[inline(never)]
fn entered_or_default() -> Runtime {
    if let Some(runtime) = entered() {
        return runtime;
    }
    #[cfg(feature = "smol")]
    return super::smol::chosen_by_default();
    #[cfg(not(feature = "smol"))]
    Runtime(super::Kind::Neutral)
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
            *self.slot = replace(previous).and_then(|mine| mine.runtime);
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
        let previous = replace(mine);
        let _restore = Restore {
            slot: this.runtime,
            previous,
        };
        this.future.poll(cx)
    }
}
