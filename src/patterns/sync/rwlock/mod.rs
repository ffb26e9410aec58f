//! [`RwLock`]: many readers or one writer.

mod guard;
mod state;

pub use guard::{ReadGuard, WriteGuard};

use super::error::TryLockError;
use super::turns::Turns;
use crate::internal::label;
use crate::internal::line::{Place, Wakers};
use crate::internal::lock::Lock;
use state::{Got, Mode, Shared, State};
use std::fmt;
use std::future::Future;
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
    turns: Turns,
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
                turns: Turns::new(),
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
    place: Option<Place>,
}

impl<T> Waiting<T> {
    fn new(inner: &Arc<Inner<T>>, mode: Mode) -> Self {
        Waiting {
            inner: Some(inner.clone()),
            mode,
            place: None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Arc<Inner<T>>, Got<T>)> {
        let Some(inner) = self.inner.take() else {
            panic!("a `RwLock` was asked again after it had given the guard");
        };
        match inner.poll(self.mode, &mut self.place, cx) {
            Poll::Ready(got) => Poll::Ready((inner, got)),
            Poll::Pending => {
                self.inner = Some(inner);
                Poll::Pending
            }
        }
    }
}

impl<T> Inner<T> {
    fn poll(&self, mode: Mode, place: &mut Option<Place>, cx: &mut Context<'_>) -> Poll<Got<T>> {
        if let Some(at) = *place {
            let looked = self.state.lock().look(at, cx.waker());
            if let Ok(got) = looked {
                *place = None;
                return Poll::Ready(got);
            }
        } else {
            // Cloned before the lock is taken: it is not our code.
            let waker = cx.waker().clone();
            let mut state = self.state.lock();
            if let Some(got) = state.take(mode) {
                drop(state);
                if self.turns.go_round(cx) {
                    self.give_back(got);
                    label::set("its next turn");
                    return Poll::Pending;
                }
                self.turns.count();
                return Poll::Ready(got);
            }
            *place = Some(state.enter(mode, waker));
            drop(state);
            self.turns.reset();
        }
        label::set(match mode {
            Mode::Read => "a lock to read",
            Mode::Write => "a lock to write",
        });
        Poll::Pending
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        let (Some(place), Some(inner)) = (self.place, &self.inner) else {
            return;
        };
        let (got, waker, wakers) = inner.state.lock().leave(place);
        drop(waker);
        wakers.wake();
        if let Some(got) = got {
            inner.give_back(got);
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
            .field("waiting", &self.waiting.place.is_some())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Writing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writing")
            .field("waiting", &self.waiting.place.is_some())
            .finish_non_exhaustive()
    }
}
