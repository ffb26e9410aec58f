//! [`Semaphore`]: at most so many at once.

mod error;
mod permit;
mod state;

pub use error::{AcquireError, MergeError, ResizeError, SplitError, TryAcquireError};
pub use permit::Permit;

use crate::internal::label;
use crate::internal::line::Spare;
use crate::runtime::coop;
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
            step: Step::Fresh,
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
    step: Step,
}

#[derive(Clone, Copy)]
enum Step {
    Fresh,
    Waits(Ticket),
    /// It has the permits, and gives way to other tasks first.
    Has,
    /// It was refused, and gives way to other tasks first.
    Refused(AcquireError),
}

impl Acquire<'_> {
    #[inline(never)]
    fn poll_slow(
        &mut self,
        cx: &mut Context<'_>,
        gives_way: bool,
    ) -> Poll<Result<(), AcquireError>> {
        let Some(inner) = &self.inner else {
            panic!("`Semaphore::acquire` was polled again after it had given its answer");
        };
        let answer = match self.step {
            Step::Has => return Poll::Ready(Ok(())),
            Step::Refused(error) => return Poll::Ready(Err(error)),
            Step::Waits(ticket) => inner.state.look(ticket, cx),
            Step::Fresh if self.count > 0 && inner.state.take(self.count) => Some(Ok(())),
            Step::Fresh => {
                let mut spare = Spare::of(cx);
                match inner.state.enter(self.count, &mut spare) {
                    Entered::Granted => Some(Ok(())),
                    Entered::Refused(error) => Some(Err(error)),
                    Entered::Waits(ticket) => {
                        self.step = Step::Waits(ticket);
                        None
                    }
                }
            }
        };
        match answer {
            Some(Ok(())) if gives_way => self.step = Step::Has,
            Some(Err(error)) if gives_way => self.step = Step::Refused(error),
            Some(answer) => return Poll::Ready(answer),
            None => {}
        }
        label::set(match self.step {
            Step::Has | Step::Refused(_) => "its next turn",
            Step::Fresh | Step::Waits(_) => "a permit",
        });
        Poll::Pending
    }
}

impl<'a> Future for Acquire<'a> {
    type Output = Result<Permit<'a>, AcquireError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let fresh = matches!(this.step, Step::Fresh) && this.inner.is_some();
        // First, as it may run code of the user.
        let gives_way = fresh && coop::poll_spend(cx).is_pending();
        let taken = fresh
            && !gives_way
            && this.count > 0
            && this.inner.is_some_and(|inner| inner.state.take(this.count));
        if !taken {
            match this.poll_slow(cx, gives_way) {
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
        let Some(inner) = self.inner else { return };
        match self.step {
            Step::Fresh | Step::Refused(_) => {}
            Step::Waits(ticket) => inner.state.abandon(ticket, self.count),
            Step::Has => inner.state.give(self.count),
        }
    }
}

impl fmt::Debug for Acquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire")
            .field("count", &self.count)
            .field("waiting", &matches!(self.step, Step::Waits(_)))
            .finish_non_exhaustive()
    }
}
