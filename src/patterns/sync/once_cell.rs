//! [`OnceCell`]: a value that is made once.
//!
//! The cell itself is async-lock's. What is added stands between it and the task: it gives way to other tasks, and the
//! task's waker stays out of the lock under which the listeners of that crate are registered.

use crate::internal::caught::discard;
use crate::internal::line::{Spare, wake};
use crate::internal::lock::Lock;
use crate::runtime::coop;
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

/// A value that is made once, by whichever task needs it first; the others wait for it.
///
/// When the task that makes it is cancelled, panics or fails, another that waits makes it. It can stand in a `static`.
///
/// # Examples
///
/// ```
/// use regatta::sync::OnceCell;
///
/// static CONFIG: OnceCell<String> = OnceCell::new();
///
/// async fn config() -> &'static str {
///     CONFIG.get_or_init(async || String::from("read once")).await
/// }
///
/// regatta::testing::run(async || {
///     assert_eq!((config().await, config().await), ("read once", "read once"));
/// });
/// ```
pub struct OnceCell<T> {
    cell: async_lock::OnceCell<T>,
}

impl<T> OnceCell<T> {
    /// A cell without a value.
    pub const fn new() -> Self {
        OnceCell {
            cell: async_lock::OnceCell::new(),
        }
    }

    /// Whether the value is there.
    pub fn is_initialized(&self) -> bool {
        self.cell.is_initialized()
    }

    /// The value, if it is there.
    pub fn get(&self) -> Option<&T> {
        self.cell.get()
    }

    /// The value, if it is there.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.cell.get_mut()
    }

    /// Takes the value out: the cell is as new.
    pub fn take(&mut self) -> Option<T> {
        self.cell.take()
    }

    /// The value, if it is there.
    pub fn into_inner(self) -> Option<T> {
        self.cell.into_inner()
    }

    /// Waits until a task has made the value.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves nothing behind.
    pub async fn wait(&self) -> &T {
        coop::spend().await;
        match self.get() {
            Some(value) => value,
            None => sheltered(self.cell.wait()).await,
        }
    }

    /// The value; made by `init` if no task has made it, and no other task is about to.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for another task, it leaves nothing behind; dropped while it makes the value, another
    /// task that waits makes it.
    pub async fn get_or_init<F: Future<Output = T>>(&self, init: impl FnOnce() -> F) -> &T {
        let made = self.get_or_try_init(move || async move { Ok::<T, Infallible>(init().await) });
        match made.await {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// The value; made by `init` if no task has made it, and no other task is about to.
    ///
    /// # Errors
    ///
    /// That of `init`; another task that waits tries with its own.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_init`](OnceCell::get_or_init).
    pub async fn get_or_try_init<E, F>(&self, init: impl FnOnce() -> F) -> Result<&T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        coop::spend().await;
        match self.get() {
            Some(value) => Ok(value),
            None => sheltered(self.cell.get_or_try_init(init)).await,
        }
    }

    /// Sets the value; waits for a task that is making it, which may fail.
    ///
    /// # Errors
    ///
    /// The value that was to be set, when there is one.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has not set the value, which is dropped.
    pub async fn set(&self, value: T) -> Result<&T, T> {
        coop::spend().await;
        match self.is_initialized() {
            true => Err(value),
            false => sheltered(self.cell.set(value)).await,
        }
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        OnceCell::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> Self {
        OnceCell { cell: value.into() }
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceCell").field(&self.get()).finish()
    }
}

/// Stands for the waker of a task where a lock of another crate is held: to clone and to drop it is a reference count.
struct Relay(Lock<Option<Waker>>);

impl Relay {
    fn set(&self, cx: &Context<'_>) {
        let known = |waker: &Option<Waker>| {
            let waker = waker.as_ref();
            waker.is_some_and(|waker| waker.will_wake(cx.waker()))
        };
        if known(&self.0.lock()) {
            return;
        }
        let mut spare = Spare::of(cx);
        let old = std::mem::replace(&mut *self.0.lock(), spare.take());
        discard(old);
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waker = self.0.lock().take();
        waker.into_iter().for_each(wake);
    }
}

/// Empties the relay before the listener goes, which drops its waker under its lock.
struct Emptied(Arc<Relay>);

impl Drop for Emptied {
    fn drop(&mut self) {
        let waker = self.0.0.lock().take();
        discard(waker);
    }
}

/// Polls `future` with a [`Relay`].
async fn sheltered<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let relay = Emptied(Arc::new(Relay(Lock::new(None))));
    let waker = Waker::from(relay.0.clone());
    poll_fn(move |cx: &mut Context<'_>| {
        // A waker without data belongs to no task, and is to be known as such.
        if cx.waker().data().is_null() {
            return future.as_mut().poll(cx);
        }
        relay.0.set(cx);
        future.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await
}
