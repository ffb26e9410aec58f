//! [`Call`]: a future behind a breaker.

use super::error::CallError;
use super::shared::{Hold, Shared};
use super::state::Verdict;
use crate::internal::scope;
use crate::runtime::coop;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Says what the end of a call counts as. Implemented for what [`Call`] can be told, and not to be implemented
/// elsewhere.
pub trait Judge<T, E> {
    /// What it counts as.
    fn judge(&mut self, result: &Result<T, E>) -> Verdict;
}

/// Every error is a failure.
#[derive(Clone, Copy, Debug)]
pub struct EveryError(());

/// Some errors are failures; see [`Call::is_failure`].
#[derive(Clone, Copy, Debug)]
pub struct SomeErrors<P>(P);

/// See [`Call::judge`].
#[derive(Clone, Copy, Debug)]
pub struct ByResult<P>(P);

fn fails(is_failure: bool) -> Verdict {
    if is_failure {
        Verdict::Failure
    } else {
        Verdict::Success
    }
}

impl<T, E> Judge<T, E> for EveryError {
    #[inline]
    fn judge(&mut self, result: &Result<T, E>) -> Verdict {
        fails(result.is_err())
    }
}

impl<T, E, P: FnMut(&E) -> bool> Judge<T, E> for SomeErrors<P> {
    #[inline]
    fn judge(&mut self, result: &Result<T, E>) -> Verdict {
        fails(result.as_ref().is_err_and(&mut self.0))
    }
}

impl<T, E, P: FnMut(&Result<T, E>) -> Verdict> Judge<T, E> for ByResult<P> {
    #[inline]
    fn judge(&mut self, result: &Result<T, E>) -> Verdict {
        (self.0)(result)
    }
}

enum Stage<'a> {
    Fresh,
    /// Lets other tasks go first, and enters at the next poll: nothing has happened yet.
    GivesWay,
    Running(Hold<&'a Shared>),
    Over,
}

pin_project! {
    /// A call behind a breaker; made by [`CircuitBreaker::call`](super::CircuitBreaker::call).
    #[must_use = "nothing is called until it is awaited"]
    pub struct Call<'a, F, J = EveryError> {
        shared: &'a Shared,
        stage: Stage<'a>,
        judge: J,
        #[pin]
        future: F,
    }
}

impl<'a, F> Call<'a, F> {
    #[inline]
    pub(super) fn new(shared: &'a Shared, future: F) -> Self {
        Call {
            shared,
            stage: Stage::Fresh,
            judge: EveryError(()),
            future,
        }
    }

    fn with<J>(self, judge: J) -> Call<'a, F, J> {
        Call {
            shared: self.shared,
            stage: self.stage,
            judge,
            future: self.future,
        }
    }

    /// Which errors speak against the service. With others it has answered, and they count as successes: "not found" is
    /// an answer. Default: all.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::circuit_breaker::CircuitBreaker;
    /// use std::io;
    ///
    /// regatta::testing::run(async || {
    ///     let breaker = CircuitBreaker::builder().consecutive_failures(1).build();
    ///     let read = breaker
    ///         .call(async { std::fs::read("no such file") })
    ///         .is_failure(|e: &io::Error| e.kind() != io::ErrorKind::NotFound);
    ///     assert!(read.await.is_err());
    ///     assert_eq!(breaker.stats().succeeded, 1);
    /// });
    /// ```
    pub fn is_failure<P, T, E>(self, is_failure: P) -> Call<'a, F, SomeErrors<P>>
    where
        F: Future<Output = Result<T, E>>,
        P: FnMut(&E) -> bool,
    {
        self.with(SomeErrors(is_failure))
    }

    /// What each result counts as, for values that are failures and for errors that say nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::circuit_breaker::{CircuitBreaker, Verdict};
    ///
    /// regatta::testing::run(async || {
    ///     let breaker = CircuitBreaker::new();
    ///     let status = breaker.call(async { Ok::<u16, &str>(503) }).judge(|result| match result {
    ///         Ok(500..) => Verdict::Failure,
    ///         Err(_) => Verdict::Ignore,
    ///         Ok(_) => Verdict::Success,
    ///     });
    ///     assert_eq!(status.await, Ok(503));
    ///     assert_eq!(breaker.stats().failed, 1);
    /// });
    /// ```
    pub fn judge<P, T, E>(self, judge: P) -> Call<'a, F, ByResult<P>>
    where
        F: Future<Output = Result<T, E>>,
        P: FnMut(&Result<T, E>) -> Verdict,
    {
        self.with(ByResult(judge))
    }
}

impl<F, J, T, E> Future for Call<'_, F, J>
where
    F: Future<Output = Result<T, E>>,
    J: Judge<T, E>,
{
    type Output = Result<T, CallError<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Taken out: when the future panics, it is dropped by the panic, also where a runtime catches that.
        let hold = match std::mem::replace(this.stage, Stage::Over) {
            Stage::Running(hold) => hold,
            Stage::Fresh if coop::poll_spend(cx).is_pending() => {
                *this.stage = Stage::GivesWay;
                return Poll::Pending;
            }
            Stage::Fresh | Stage::GivesWay => match Hold::enter(*this.shared) {
                Ok(hold) => hold,
                Err(refused) => return Poll::Ready(Err(CallError::Refused(refused))),
            },
            Stage::Over => panic!("a call behind a circuit breaker was polled after it had ended"),
        };
        let Poll::Ready(result) = this.future.poll(cx) else {
            *this.stage = Stage::Running(hold);
            return Poll::Pending;
        };
        if result.is_err() && scope::reason().is_some() {
            // It was cancelled, which says nothing about the service: as if it had been dropped.
            drop(hold);
        } else {
            hold.end(this.judge.judge(&result));
        }
        Poll::Ready(result.map_err(CallError::Failed))
    }
}

impl<F, J> fmt::Debug for Call<'_, F, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("running", &matches!(self.stage, Stage::Running(_)))
            .finish_non_exhaustive()
    }
}
