//! [`Semaphore`]: at most so many at once.

mod error;
mod permit;
mod state;

pub use error::{AcquireError, MergeError, ResizeError, SplitError, TryAcquireError};
pub use permit::Permit;

use super::turns::Turns;
use crate::internal::label;
use state::{Entered, State, Ticket};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Gives out a limited number of permits, first come, first served.
///
/// A clone is a handle to the same semaphore. A [`Permit`] borrows the handle it came from, until [`into_owned`](Permit::into_owned) makes it independent.
///
/// * **Strictly fair.** A permit that is given back while somebody waits belongs to the first in line, whoever asks meanwhile: neither
///   [`try_acquire`](Semaphore::try_acquire) nor who gave it back gets past. A request for many permits is not passed by small ones,
///   so it cannot starve.
/// * **Resizable.** [`resize`](Semaphore::resize) below what is out takes nothing away; nothing is given until there is room again.
///   Of a semaphore of size 0, everybody waits.
/// * **Fast.** Without waiters, a permit is taken and given back by one atomic operation each.
///
/// For one permit per *borrower*, with names and statistics, see [`Limiter`](super::Limiter). For a bounded number of futures or
/// tasks, [`gather(..).limit(n)`](crate::task::Gather::limit) and [`TaskGroup::limit`](crate::task::TaskGroup::limit).
///
/// The word-and-line design is that of tokio's and asyncband's semaphores; closing is tokio's, resizing is AnyIO's.
///
/// # Examples
///
/// ```
/// use regatta::{sync::Semaphore, task, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let connections = Semaphore::new(2);
///     let fetches = (0..6).map(|page| {
///         let connections = connections.clone();
///         async move {
///             let _permit = connections.acquire().await.expect("never closed");
///             time::sleep(Duration::from_secs(1)).await;
///             page
///         }
///     });
///     assert_eq!(task::gather(fetches).settled().await, [0, 1, 2, 3, 4, 5]);
///     assert_eq!(regatta::testing::now(), Duration::from_secs(3));
/// });
/// ```
#[derive(Clone)]
pub struct Semaphore {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    state: State,
    turns: Turns,
}

impl Semaphore {
    /// Most permits that a semaphore can have: `usize::MAX / 2`.
    pub const MAX_PERMITS: usize = state::MOST;

    /// A semaphore with `permits` permits. With 0 everybody waits until some are [added](Semaphore::add_permits).
    ///
    /// # Panics
    ///
    /// When `permits` is above [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    pub fn new(permits: usize) -> Self {
        assert!(
            permits <= Self::MAX_PERMITS,
            "Semaphore::new({permits}): there can be {} permits at most; use `Semaphore::MAX_PERMITS` for no limit",
            Self::MAX_PERMITS
        );
        Semaphore {
            inner: Arc::new(Inner {
                state: State::new(permits),
                turns: Turns::new(),
            }),
        }
    }

    /// Waits for a permit. It stands in line from its first poll on.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Closed`], at once or while it waits.
    ///
    /// # Panics
    ///
    /// When it is polled again after it has given its answer.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits it leaves the line; a permit that it was given and never saw goes to the next.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::sync::Semaphore;
    ///
    /// regatta::testing::run(async || {
    ///     let semaphore = Semaphore::new(1);
    ///     let permit = semaphore.acquire().await.expect("open");
    ///     assert!(semaphore.try_acquire().is_err());
    ///     drop(permit);
    ///     assert!(semaphore.try_acquire().is_ok());
    /// });
    /// ```
    #[inline]
    pub fn acquire(&self) -> Acquire<'_> {
        self.acquire_many(1)
    }

    /// Waits for `n` permits at once. Those behind it in line wait until it has got them, also when fewer would do for them.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Closed`]; [`TooMany`](AcquireError::TooMany) when the semaphore has fewer than `n` in all (or is resized to fewer
    /// meanwhile, unless to 0, which is a pause); [`NoneAsked`](AcquireError::NoneAsked) when `n` is 0.
    ///
    /// # Panics
    ///
    /// When it is polled again after it has given its answer.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits it leaves the line, and permits that it was given go to the next.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::sync::Semaphore;
    ///
    /// regatta::testing::run(async || {
    ///     let memory = Semaphore::new(64);
    ///     let big = memory.acquire_many(60).await.expect("open, and 60 of 64");
    ///     assert_eq!((big.count(), memory.available()), (60, 4));
    ///     let error = memory.acquire_many(65).await.expect_err("it would wait for ever");
    ///     assert!(error.to_string().starts_with("acquire_many(65): the semaphore has 64 permits in all"));
    /// });
    /// ```
    #[inline]
    pub fn acquire_many(&self, n: usize) -> Acquire<'_> {
        Acquire {
            inner: Some(&self.inner),
            count: n,
            ticket: None,
        }
    }

    /// Takes a permit if one is free and nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`].
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `n` permits if they are free and nobody waits for them.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`].
    #[inline]
    pub fn try_acquire_many(&self, n: usize) -> Result<Permit<'_>, TryAcquireError> {
        self.inner.state.try_take(n)?;
        Ok(Permit::new(&self.inner, n))
    }

    /// Adds `n` permits; they go to those who wait first.
    ///
    /// # Errors
    ///
    /// [`ResizeError`], and nothing has changed: the semaphore is closed, or there would be more than
    /// [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    pub fn add_permits(&self, n: usize) -> Result<(), ResizeError> {
        self.inner.state.add(n)
    }

    /// From now on there are `n` permits in all. When more are out, they stay valid, and as many that come back are not given out again.
    ///
    /// 0 is a pause: everybody waits. Otherwise who waits for more than `n` is refused, because nobody behind could ever go on.
    ///
    /// # Errors
    ///
    /// [`ResizeError`], and nothing has changed.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::sync::Semaphore;
    ///
    /// let semaphore = Semaphore::new(3);
    /// let three = semaphore.try_acquire_many(3).expect("all free");
    /// semaphore.resize(1).expect("open");
    /// assert_eq!((three.count(), semaphore.available()), (3, 0));
    /// drop(three);
    /// assert_eq!(semaphore.available(), 1);
    /// ```
    pub fn resize(&self, n: usize) -> Result<(), ResizeError> {
        self.inner.state.resize(n)
    }

    /// Gives no more permits: whoever waits or asks gets an error. Permits that are out stay valid. Closing twice is no error.
    pub fn close(&self) {
        self.inner.state.close();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.inner.state.is_closed()
    }

    /// How many permits are free. While somebody waits they are his.
    pub fn available(&self) -> usize {
        self.inner.state.free()
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.inner.state.waiting()
    }

    /// How many permits there are in all, free or not: what it was made with or resized to, and what was added, less what was forgotten.
    pub fn total(&self) -> usize {
        self.inner.state.total()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("total", &self.total())
            .field("available", &self.available())
            .field("waiting", &self.waiting())
            .field("closed", &self.is_closed())
            .finish()
    }
}

/// Waits for permits; made by [`Semaphore::acquire`] and [`Semaphore::acquire_many`].
#[must_use = "futures do nothing unless polled"]
pub struct Acquire<'a> {
    /// Goes into the permit; `None` once it has answered.
    inner: Option<&'a Arc<Inner>>,
    count: usize,
    ticket: Option<Ticket>,
}

impl Acquire<'_> {
    #[inline(never)]
    fn poll_slow(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), AcquireError>> {
        let Some(inner) = &self.inner else {
            panic!("`Semaphore::acquire` was polled again after it had given its answer");
        };
        if self.ticket.is_none() {
            if self.count > 0 && inner.state.would_take(self.count) && inner.turns.go_round(cx) {
                label::set("its next turn");
                return Poll::Pending;
            }
            // Cloned before the lock is taken: it is not our code.
            let waker = cx.waker().clone();
            match inner.state.enter(self.count, waker) {
                Entered::Granted => return Poll::Ready(Ok(())),
                Entered::Refused(error) => return Poll::Ready(Err(error)),
                Entered::Waits(ticket) => self.ticket = Some(ticket),
            }
            inner.turns.reset();
        } else if let Some(ticket) = self.ticket
            && let Some(answer) = inner.state.look(ticket, cx.waker())
        {
            self.ticket = None;
            return Poll::Ready(answer);
        }
        label::set("a permit");
        Poll::Pending
    }
}

impl<'a> Future for Acquire<'a> {
    type Output = Result<Permit<'a>, AcquireError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.ticket.is_none()
            && this.count > 0
            && let Some(inner) = &this.inner
            && !inner.turns.are_up()
            && inner.state.take(this.count)
        {
            inner.turns.count();
        } else {
            match this.poll_slow(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    this.inner = None;
                    return Poll::Ready(Err(error));
                }
            }
        }
        match this.inner.take() {
            Some(inner) => Poll::Ready(Ok(Permit::new(inner, this.count))),
            None => Poll::Pending,
        }
    }
}

impl Drop for Acquire<'_> {
    #[inline]
    fn drop(&mut self) {
        if let (Some(ticket), Some(inner)) = (self.ticket, self.inner) {
            inner.state.abandon(ticket, self.count);
        }
    }
}

impl fmt::Debug for Acquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire")
            .field("count", &self.count)
            .field("waiting", &self.ticket.is_some())
            .finish_non_exhaustive()
    }
}
