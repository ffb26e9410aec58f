//! [`RwLock`]: many readers or one writer.

mod guard;
mod state;

pub use guard::{ReadGuard, WriteGuard};

use super::error::TryLockError;
use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::line::{Place, Spare, Wakers};
use crate::internal::lock::Lock;
use crate::runtime::coop;
use state::{Got, Look, Mode, Shared, State};
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A value that many tasks read or one writes, first come, first served.
///
/// One line for all: a reader who comes while a writer waits goes behind it, so neither starves; readers next to each other in line go on
/// together. So a task that reads, and reads again while a writer waits, waits for itself: take one guard, or clone what you need.
///
/// A clone is a handle to the same lock, and guards borrow nothing. No poisoning. For short, exclusive use [`Mutex`](super::Mutex) is cheaper.
///
/// Ours, and not a re-export of async-lock's, whose waiting readers (3.5.0) wake one another for as long as a second writer holds the lock.
///
/// # Examples
///
/// ```
/// use regatta::{sync::RwLock, task, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let prices = RwLock::new(vec![3, 1]);
///     let readers = (0..10).map(|_| async {
///         let prices = prices.read().await;
///         time::sleep(Duration::from_secs(1)).await;
///         prices.len()
///     });
///     assert_eq!(task::gather(readers).settled().await, [2; 10]);
///     assert_eq!(regatta::testing::now(), Duration::from_secs(1));
///     prices.write().await.push(4);
///     assert_eq!(*prices.read().await, [3, 1, 4]);
/// });
/// ```
pub struct RwLock<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    state: Lock<State<T>>,
}

impl<T> Inner<T> {
    /// Wakes whom `change` lets go on, after unlocking.
    fn change<R>(&self, change: impl FnOnce(&mut State<T>) -> (R, Wakers)) -> R {
        let (result, wakers) = change(&mut self.state.lock());
        wakers.wake();
        result
    }

    fn end_read(&self, share: Shared<T>) {
        // Before it is counted out: at zero nobody else may have one.
        drop(share);
        self.change(|state| ((), state.end_read()));
    }

    fn end_write(&self, value: Box<T>) {
        self.change(|state| ((), state.end_write(value)));
    }

    fn downgrade(&self, value: Box<T>) -> Shared<T> {
        self.change(|state| state.downgrade(value))
    }

    fn give_back(&self, got: Got<T>) {
        match got {
            Got::Read(share) => self.end_read(share),
            Got::Write(value) => self.end_write(value),
        }
    }
}

impl<T> RwLock<T> {
    /// A lock around `value`.
    pub fn new(value: T) -> Self {
        RwLock {
            inner: Arc::new(Inner {
                state: Lock::new(State::new(value)),
            }),
        }
    }

    /// Waits to read, together with other readers. It stands in line from its first poll on.
    ///
    /// # Panics
    ///
    /// When it is polled again after it has given the guard.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits it leaves the line, and those behind it go on if they can; a lock that it was given and never saw goes on too.
    pub fn read(&self) -> Reading<T> {
        Reading {
            waiting: Waiting::new(&self.inner, Mode::Read),
        }
    }

    /// Waits to write, alone. It stands in line from its first poll on.
    ///
    /// # Panics
    ///
    /// When it is polled again after it has given the guard.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits it leaves the line, and those behind it go on if they can; a lock that it was given and never saw goes on too.
    pub fn write(&self) -> Writing<T> {
        Writing {
            waiting: Waiting::new(&self.inner, Mode::Write),
        }
    }

    /// Reads now, if nobody writes or waits.
    ///
    /// # Errors
    ///
    /// [`TryLockError`].
    pub fn try_read(&self) -> Result<ReadGuard<T>, TryLockError> {
        let got = self.inner.state.lock().take(Mode::Read);
        match got {
            Some(Got::Read(share)) => Ok(ReadGuard::new(self.inner.clone(), share)),
            _ => Err(TryLockError::new("try_read", "read")),
        }
    }

    /// Writes now, if nobody reads, writes or waits.
    ///
    /// # Errors
    ///
    /// [`TryLockError`].
    pub fn try_write(&self) -> Result<WriteGuard<T>, TryLockError> {
        let got = self.inner.state.lock().take(Mode::Write);
        match got {
            Some(Got::Write(value)) => Ok(WriteGuard::new(self.inner.clone(), value)),
            _ => Err(TryLockError::new("try_write", "write")),
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.inner.state.lock().waiting()
    }
}

impl<T> Clone for RwLock<T> {
    fn clone(&self) -> Self {
        RwLock {
            inner: self.inner.clone(),
        }
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        RwLock::new(T::default())
    }
}

impl<T> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (readers, writer, waiting) = {
            let state = self.inner.state.lock();
            (state.readers(), state.has_writer(), state.waiting())
        };
        f.debug_struct("RwLock")
            .field("readers", &readers)
            .field("writer", &writer)
            .field("waiting", &waiting)
            .finish_non_exhaustive()
    }
}

/// What reading and writing have in common.
struct Waiting<T> {
    /// Goes into the guard; `None` once it has answered.
    inner: Option<Arc<Inner<T>>>,
    mode: Mode,
    step: Step<T>,
}

enum Step<T> {
    Fresh,
    Waits(Place),
    /// It has the lock, and gives way to other tasks first.
    Has(Got<T>),
}

impl<T> Waiting<T> {
    fn new(inner: &Arc<Inner<T>>, mode: Mode) -> Self {
        Waiting {
            inner: Some(inner.clone()),
            mode,
            step: Step::Fresh,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Arc<Inner<T>>, Got<T>)> {
        let Some(inner) = &self.inner else {
            panic!("a `RwLock` was asked again after it had given the guard");
        };
        let got = ready!(inner.poll(self.mode, &mut self.step, cx));
        match self.inner.take() {
            Some(inner) => Poll::Ready((inner, got)),
            None => unreachable!("it was there a moment ago"),
        }
    }
}

impl<T> Inner<T> {
    fn poll(&self, mode: Mode, step: &mut Step<T>, cx: &mut Context<'_>) -> Poll<Got<T>> {
        let polled = match mem::replace(step, Step::Fresh) {
            Step::Has(got) => return Poll::Ready(got),
            Step::Fresh => self.first_poll(mode, step, cx),
            Step::Waits(place) => {
                *step = Step::Waits(place);
                let polled = self.look(place, cx);
                if polled.is_ready() {
                    *step = Step::Fresh;
                }
                polled
            }
        };
        if polled.is_pending() {
            label::set(match (&*step, mode) {
                (Step::Has(_), _) => "its next turn",
                (_, Mode::Read) => "a lock to read",
                (_, Mode::Write) => "a lock to write",
            });
        }
        polled
    }

    fn look(&self, place: Place, cx: &Context<'_>) -> Poll<Got<T>> {
        let mut spare = Spare::none();
        loop {
            match self.state.lock().look(place, cx, &mut spare) {
                Look::Got(got) => return Poll::Ready(got),
                Look::Waits => return Poll::Pending,
                Look::NeedsWaker => {}
            }
            spare.fill(cx);
        }
    }

    fn first_poll(&self, mode: Mode, step: &mut Step<T>, cx: &mut Context<'_>) -> Poll<Got<T>> {
        // First, as it may run code of the user.
        let gives_way = coop::poll_spend(cx).is_pending();
        let mut spare = Spare::none();
        let got = loop {
            let mut state = self.state.lock();
            if let Some(got) = state.take(mode) {
                break got;
            }
            if let Some(waker) = spare.take() {
                *step = Step::Waits(state.enter(mode, waker));
                return Poll::Pending;
            }
            drop(state);
            spare.fill(cx);
        };
        if !gives_way {
            return Poll::Ready(got);
        }
        *step = Step::Has(got);
        Poll::Pending
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        let Some(inner) = &self.inner else {
            return;
        };
        match mem::replace(&mut self.step, Step::Fresh) {
            Step::Fresh => {}
            Step::Has(got) => inner.give_back(got),
            Step::Waits(place) => {
                let (got, waker, wakers) = inner.state.lock().leave(place);
                wakers.wake();
                if let Some(got) = got {
                    inner.give_back(got);
                }
                discard(waker);
            }
        }
    }
}

/// Waits to read; made by [`RwLock::read`].
#[must_use = "futures do nothing unless polled"]
pub struct Reading<T> {
    waiting: Waiting<T>,
}

impl<T> Future for Reading<T> {
    type Output = ReadGuard<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ReadGuard<T>> {
        match ready!(self.get_mut().waiting.poll(cx)) {
            (inner, Got::Read(share)) => Poll::Ready(ReadGuard::new(inner, share)),
            (_, Got::Write(_)) => unreachable!("who wants to read gets to read"),
        }
    }
}

/// Waits to write; made by [`RwLock::write`].
#[must_use = "futures do nothing unless polled"]
pub struct Writing<T> {
    waiting: Waiting<T>,
}

impl<T> Future for Writing<T> {
    type Output = WriteGuard<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<WriteGuard<T>> {
        match ready!(self.get_mut().waiting.poll(cx)) {
            (inner, Got::Write(value)) => Poll::Ready(WriteGuard::new(inner, value)),
            (_, Got::Read(_)) => unreachable!("who wants to write gets to write"),
        }
    }
}

impl<T> fmt::Debug for Reading<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("waiting", &matches!(self.waiting.step, Step::Waits(_)))
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Writing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writing")
            .field("waiting", &matches!(self.waiting.step, Step::Waits(_)))
            .finish_non_exhaustive()
    }
}
