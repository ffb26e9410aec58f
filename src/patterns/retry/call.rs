//! [`Retry`] and [`RetryWith`]: what is retried, and the setters.

use super::backoff::Backoff;
use super::budget::Budget;
use super::error::RetryError;
use super::run::{self, Attempts, Phase, Plan, Retrying};
use pin_project_lite::pin_project;
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A closure that makes futures of results: what [`retry`](super::retry()) takes. Implemented for all of them, and not to be implemented elsewhere.
pub trait Call: FnMut() -> Self::Future {
    /// One attempt.
    type Future: Future<Output = Result<Self::Value, Self::Error>>;
    /// What it gives.
    type Value;
    /// How it fails.
    type Error;
}

impl<C, F, T, E> Call for C
where
    C: FnMut() -> F,
    F: Future<Output = Result<T, E>>,
{
    type Future = F;
    type Value = T;
    type Error = E;
}

/// A future of a state and a result: what the closure of [`retry_with`](super::retry_with) makes. Implemented for all of them, and not to be implemented elsewhere.
pub trait StatefulFuture: Future<Output = (Self::State, Result<Self::Value, Self::Error>)> {
    /// What goes from attempt to attempt.
    type State;
    /// What it gives.
    type Value;
    /// How it fails.
    type Error;
}

impl<F, S, T, E> StatefulFuture for F
where
    F: Future<Output = (S, Result<T, E>)>,
{
    type State = S;
    type Value = T;
    type Error = E;
}

// The type parameters are as few as can be, and the others follow from them: where a future must be `Send`, the compiler forgets lifetimes, each parameter's for
// itself, and then finds that a closure and its state do not fit any more.

pin_project! {
    /// A call that is tried again; made by [`retry`](super::retry()).
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the attempt that is running; nothing is left behind.
    #[must_use = "nothing is called until it is awaited"]
    pub struct Retry<'a, C>
    where
        C: Call,
    {
        call: Each<C>,
        plan: Plan<'a, C::Error>,
        #[pin]
        phase: Phase<'a, C::Future>,
    }
}

pin_project! {
    /// A call with state that is tried again; made by [`retry_with`](super::retry_with).
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the attempt that is running, and the state; nothing is left behind.
    #[must_use = "nothing is called until it is awaited"]
    pub struct RetryWith<'a, C, F>
    where
        F: StatefulFuture,
    {
        call: Stateful<C, F::State>,
        plan: Plan<'a, F::Error>,
        #[pin]
        phase: Phase<'a, F>,
    }
}

struct Each<C>(C);

impl<C: Call> Attempts<C::Future> for Each<C> {
    type Value = C::Value;
    type Error = C::Error;

    #[inline]
    fn begin(&mut self) -> C::Future {
        (self.0)()
    }

    #[inline]
    fn end(&mut self, output: Result<C::Value, C::Error>) -> Result<C::Value, C::Error> {
        output
    }
}

struct Stateful<C, S> {
    call: C,
    state: Option<S>,
}

const HERE: &str = "every attempt gives the state back";

impl<C, F> Attempts<F> for Stateful<C, F::State>
where
    C: FnMut(F::State) -> F,
    F: StatefulFuture,
{
    type Value = F::Value;
    type Error = F::Error;

    fn begin(&mut self) -> F {
        (self.call)(self.state.take().expect(HERE))
    }

    fn end(&mut self, (state, result): F::Output) -> Result<F::Value, F::Error> {
        self.state = Some(state);
        result
    }
}

impl<'a, C: Call> Retry<'a, C> {
    #[inline]
    pub(super) fn new(backoff: Cow<'a, Backoff>, call: C) -> Self {
        Retry {
            call: Each(call),
            plan: Plan::new(backoff),
            phase: Phase::Fresh,
        }
    }

    /// How long each attempt may take. Then it is cancelled, its cleanup is waited for, and it counts as failed.
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.plan.options().attempt_timeout = Some(limit);
        self
    }

    /// How long all of it may take, from the first poll on: attempts are cut there, and none begins after it.
    pub fn total_timeout(mut self, limit: Duration) -> Self {
        self.plan.options().total = Some(limit);
        self
    }
}

impl<'a, C, F: StatefulFuture> RetryWith<'a, C, F> {
    pub(super) fn new(backoff: Cow<'a, Backoff>, state: F::State, call: C) -> Self {
        let state = Some(state);
        RetryWith {
            call: Stateful { call, state },
            plan: Plan::new(backoff),
            phase: Phase::Fresh,
        }
    }
}

/// What both can be told.
macro_rules! options {
    ($name:ident<$life:lifetime, $($param:ident),*> where $bound:ident: $trait:ident, $error:ty) => {
        impl<$life, $($param),*> $name<$life, $($param),*>
        where
            $bound: $trait,
        {
            /// Which errors are worth another attempt. Default: all. Attempts that took too long always are.
            ///
            /// # Examples
            ///
            /// ```
            /// use regatta::retry::{Backoff, GaveUp, retry};
            /// use std::{io, time::Duration};
            ///
            /// regatta::testing::run(async || {
            ///     let read = retry(Backoff::constant(Duration::from_secs(1)), || async { std::fs::read("no such file") })
            ///         .when(|e: &io::Error| e.kind() != io::ErrorKind::NotFound);
            ///     let error = read.await.expect_err("there is no such file");
            ///     assert_eq!((error.attempts, error.gave_up), (1, GaveUp::NotRetryable));
            /// });
            /// ```
            pub fn when(mut self, when: impl FnMut(&$error) -> bool + Send + 'a) -> Self {
                self.plan.options().when = Some(Box::new(when));
                self
            }

            /// What an error says about when to come back, such as the `Retry-After` of HTTP: the delay is at least that, beyond the backoff's own limit. `None`: it says nothing.
            ///
            /// Many may be told the same. With a [`Jitter`](super::Jitter), anything from zero to the backoff's own
            /// delay comes on top, as far as a deadline allows.
            pub fn retry_after(mut self, hint: impl FnMut(&$error) -> Option<Duration> + Send + 'a) -> Self {
                self.plan.options().after = Some(Box::new(hint));
                self
            }

            /// Retries only as far as a budget allows that other calls share.
            pub fn budget(mut self, budget: &Budget) -> Self {
                self.plan.options().budget = Some(budget.clone());
                self
            }

            /// Is called before every delay: for logs and counters. What it panics with goes no further.
            ///
            /// # Examples
            ///
            /// ```
            /// use regatta::retry::{Backoff, retry};
            /// use std::time::Duration;
            ///
            /// regatta::testing::run(async || {
            ///     let down = retry(Backoff::constant(Duration::from_secs(1)).max_attempts(3), || async { Err::<(), _>("no route") })
            ///         .on_retry(|r| println!("attempt {}: {}; again in {:?}", r.attempt, r.error, r.delay));
            ///     assert_eq!(down.await.expect_err("no route").to_string(), "3 attempts failed: no route");
            ///     assert_eq!(regatta::testing::now(), Duration::from_secs(2));
            /// });
            /// ```
            pub fn on_retry(mut self, hook: impl FnMut(&Retrying<'_, $error>) + Send + 'a) -> Self {
                self.plan.options().hook = Some(Box::new(hook));
                self
            }

            /// Is called and awaited before every delay: to reconnect, to refresh a token. The time it takes is not part of the delay.
            pub fn on_retry_async<Fut>(
                mut self,
                mut hook: impl FnMut(&Retrying<'_, $error>) -> Fut + Send + 'a,
            ) -> Self
            where
                Fut: Future<Output = ()> + Send + 'a,
            {
                self.plan.options().async_hook = Some(Box::new(move |retrying| Box::pin(hook(retrying))));
                self
            }
        }

        impl<$life, $($param),*> fmt::Debug for $name<$life, $($param),*>
        where
            $bound: $trait,
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("backoff", &self.plan.backoff())
                    .field("attempts", &self.plan.attempts())
                    .finish_non_exhaustive()
            }
        }
    };
}

options! { Retry<'a, C> where C: Call, C::Error }
options! { RetryWith<'a, C, F> where F: StatefulFuture, F::Error }

impl<C: Call> Future for Retry<'_, C> {
    type Output = Result<C::Value, RetryError<C::Error>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        run::poll(this.call, this.plan, this.phase, cx)
    }
}

impl<C, F> Future for RetryWith<'_, C, F>
where
    C: FnMut(F::State) -> F,
    F: StatefulFuture,
{
    type Output = (F::State, Result<F::Value, RetryError<F::Error>>);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        run::poll(this.call, this.plan, this.phase, cx)
            .map(|end| (this.call.state.take().expect(HERE), end))
    }
}
