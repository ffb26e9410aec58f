//! [`Mutex`]: one at a time.
//!
//! Without `unsafe` a guard can give `&mut T` only when it *owns* the value. So the value lies in a box that moves: from the mutex
//! into the guard, from the guard straight into the hands of the first in line, or back. Whoever has the box has the lock; there is no
//! flag beside it that could be wrong.

use super::error::TryLockError;
use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::line::{Line, Place, Spare, wake};
use crate::internal::lock::Lock;
use crate::runtime::coop;
use std::fmt;
use std::future::Future;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A value that one task at a time can use, first come, first served.
///
/// A clone is a handle to the same mutex, and a [`MutexGuard`] borrows nothing: both can be sent to other tasks and threads. The guard may
/// be held across an await. For a value that is used between two awaits only, `std::sync::Mutex` is cheaper.
///
/// * **Strictly fair.** Unlocking hands the value to the first in line; who unlocks and locks again goes behind it.
/// * **No poisoning.** When its holder panics the value goes on, as the holder left it.
/// * **No owner.** Locking it twice in one task waits for ever (like asyncio's lock, unlike AnyIO's); in virtual time that is reported
///   as a deadlock. A guard cannot be forgotten by accident: it unlocks when its task ends.
///
/// Ours, and not a re-export of async-lock's: that one lets newcomers pass for the first 500 µs, measured on the real clock, which is neither
/// the order of arrival nor repeatable in virtual time.
///
/// # Examples
///
/// ```
/// use regatta::{sync::Mutex, task, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let counter = Mutex::new(0);
///     let increments = (0..100).map(|_| async {
///         let mut count = counter.lock().await;
///         let old = *count;
///         time::sleep(Duration::from_millis(1)).await;
///         *count = old + 1;
///     });
///     task::gather(increments).settled().await;
///     assert_eq!(*counter.lock().await, 100);
/// });
/// ```
pub struct Mutex<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    state: Lock<State<T>>,
}

struct State<T> {
    /// `None` while somebody has it.
    value: Option<Box<T>>,
    /// The value, for who was served and has not seen it yet.
    line: Line<Option<Box<T>>>,
}

impl<T> Inner<T> {
    fn take(&self) -> Option<Box<T>> {
        self.state.lock().value.take()
    }

    fn give(&self, value: Box<T>) {
        let mut state = self.state.lock();
        // The closure runs at most once, and only when somebody waits.
        let mut value = Some(value);
        let next = state.line.serve_front(|slot| *slot = value.take());
        if value.is_some() {
            state.value = value;
        }
        drop(state);
        if let Some(next) = next {
            wake(next);
        }
    }
}

impl<T> Mutex<T> {
    /// A mutex around `value`.
    pub fn new(value: T) -> Self {
        Mutex {
            inner: Arc::new(Inner {
                state: Lock::new(State {
                    value: Some(Box::new(value)),
                    line: Line::new(),
                }),
            }),
        }
    }

    /// Waits for the value. It stands in line from its first poll on.
    ///
    /// # Panics
    ///
    /// When it is polled again after it has given the guard.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits it leaves the line; when it was handed the value and never saw it, the next in line gets it.
    pub fn lock(&self) -> Locking<T> {
        Locking {
            inner: Some(self.inner.clone()),
            step: Step::Fresh,
        }
    }

    /// Takes the value if nobody has it or waits for it.
    ///
    /// # Errors
    ///
    /// [`TryLockError`].
    pub fn try_lock(&self) -> Result<MutexGuard<T>, TryLockError> {
        match self.inner.take() {
            Some(value) => Ok(MutexGuard::new(self.inner.clone(), value)),
            None => Err(TryLockError::new("try_lock", "lock")),
        }
    }

    /// Whether somebody has it.
    pub fn is_locked(&self) -> bool {
        self.inner.state.lock().value.is_none()
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.inner.state.lock().line.len()
    }

    /// The value, when this is the last handle, and there is no guard and no waiter.
    ///
    /// # Errors
    ///
    /// The mutex itself.
    pub fn try_into_inner(self) -> Result<T, Self> {
        let inner = Arc::try_unwrap(self.inner).map_err(|inner| Mutex { inner })?;
        let value = inner.take();
        match value {
            Some(value) => Ok(*value),
            // A guard was forgotten with `std::mem::forget`.
            None => Err(Mutex {
                inner: Arc::new(inner),
            }),
        }
    }
}

impl<T> Clone for Mutex<T> {
    fn clone(&self) -> Self {
        Mutex {
            inner: self.inner.clone(),
        }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex")
            .field("locked", &self.is_locked())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

/// Waits for the value of a mutex; made by [`Mutex::lock`].
#[must_use = "futures do nothing unless polled"]
pub struct Locking<T> {
    /// Goes into the guard; `None` once it has answered.
    inner: Option<Arc<Inner<T>>>,
    step: Step<T>,
}

enum Step<T> {
    Fresh,
    Waits(Place),
    /// It has the value, and gives way to other tasks first.
    Has(Box<T>),
}

impl<T> Inner<T> {
    fn poll(&self, step: &mut Step<T>, cx: &mut Context<'_>) -> Poll<Box<T>> {
        match mem::replace(step, Step::Fresh) {
            Step::Fresh => self.first_poll(step, cx),
            Step::Has(value) => Poll::Ready(value),
            Step::Waits(place) => {
                *step = Step::Waits(place);
                let polled = self.look(place, cx);
                if polled.is_ready() {
                    *step = Step::Fresh;
                }
                polled
            }
        }
    }

    fn first_poll(&self, step: &mut Step<T>, cx: &mut Context<'_>) -> Poll<Box<T>> {
        // Before anything is taken: it may run code of the user.
        let gives_way = coop::poll_spend(cx).is_pending();
        let mut free = self.take();
        if free.is_none() {
            let mut spare = Spare::of(cx);
            let mut state = self.state.lock();
            free = state.value.take();
            if free.is_none()
                && let Some(waker) = spare.take()
            {
                *step = Step::Waits(state.line.enter(None, waker));
            }
        }
        match free {
            Some(value) if gives_way => *step = Step::Has(value),
            Some(value) => return Poll::Ready(value),
            None => {}
        }
        label::set(match step {
            Step::Has(_) => "its next turn",
            _ => "a mutex",
        });
        Poll::Pending
    }

    fn look(&self, place: Place, cx: &mut Context<'_>) -> Poll<Box<T>> {
        let mut spare = Spare::none();
        loop {
            let mut state = self.state.lock();
            if !state.line.is_waiting(place) {
                let left = state.line.leave(place);
                drop(state);
                let Some((Some(value), _)) = left else {
                    unreachable!("who was served has the value");
                };
                return Poll::Ready(value);
            }
            if state.line.renew(place, cx, &mut spare) {
                drop(state);
                label::set("a mutex");
                return Poll::Pending;
            }
            drop(state);
            spare.fill(cx);
        }
    }
}

impl<T> Future for Locking<T> {
    type Output = MutexGuard<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<MutexGuard<T>> {
        let this = self.get_mut();
        let Some(inner) = &this.inner else {
            panic!("`Mutex::lock` was polled again after it had given the guard");
        };
        let value = ready!(inner.poll(&mut this.step, cx));
        match this.inner.take() {
            Some(inner) => Poll::Ready(MutexGuard::new(inner, value)),
            None => unreachable!("it was there a moment ago"),
        }
    }
}

impl<T> Drop for Locking<T> {
    fn drop(&mut self) {
        let Some(inner) = &self.inner else {
            return;
        };
        match mem::replace(&mut self.step, Step::Fresh) {
            Step::Fresh => {}
            Step::Has(value) => inner.give(value),
            Step::Waits(place) => {
                let left = inner.state.lock().line.leave(place);
                let Some((value, waker)) = left else {
                    return;
                };
                if let Some(value) = value {
                    inner.give(value);
                }
                discard(waker);
            }
        }
    }
}

impl<T> fmt::Debug for Locking<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locking")
            .field("waiting", &matches!(self.step, Step::Waits(_)))
            .finish_non_exhaustive()
    }
}

/// The value of a locked [`Mutex`]; unlocks when it is dropped.
#[must_use = "the mutex is unlocked when it is dropped: bind it to a name"]
pub struct MutexGuard<T> {
    inner: Arc<Inner<T>>,
    /// There until it is dropped.
    value: Option<Box<T>>,
}

const HELD: &str = "a guard has the value until it is dropped";

impl<T> MutexGuard<T> {
    fn new(inner: Arc<Inner<T>>, value: Box<T>) -> Self {
        MutexGuard {
            inner,
            value: Some(value),
        }
    }

    /// The mutex it belongs to. Not a method, so that it hides none of the value's.
    pub fn mutex(guard: &Self) -> Mutex<T> {
        Mutex {
            inner: guard.inner.clone(),
        }
    }
}

impl<T> Deref for MutexGuard<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value.as_deref().expect(HELD)
    }
}

impl<T> DerefMut for MutexGuard<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_deref_mut().expect(HELD)
    }
}

impl<T> Drop for MutexGuard<T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.inner.give(value);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for MutexGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: fmt::Display> fmt::Display for MutexGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
