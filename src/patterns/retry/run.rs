//! The machine below [`Retry`](super::Retry) and [`RetryWith`](super::RetryWith): makes attempts until one works.

use super::backoff::Backoff;
use super::budget::Budget;
use super::error::{Failed, GaveUp, RetryError};
use super::tries::{Tries, unless_cancelled};
use crate::internal::caught::quietly;
use crate::internal::scope;
use crate::internal::timeline::Timeline;
use crate::runtime::{BoxFuture, Runtime, coop};
use crate::time::{Timeout, sleep, timeout};
use pin_project_lite::pin_project;
use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// An attempt that failed and will be followed by another; given to the hooks of [`Retry`](super::Retry).
#[derive(Debug)]
#[non_exhaustive]
pub struct Retrying<'a, E> {
    /// How many attempts there were.
    pub attempt: u32,
    /// How the last one failed.
    pub error: &'a Failed<E>,
    /// How long until the next.
    pub delay: Duration,
}

type When<'a, E> = dyn FnMut(&E) -> bool + Send + 'a;
type After<'a, E> = dyn FnMut(&E) -> Option<Duration> + Send + 'a;
type Hook<'a, E> = dyn FnMut(&Retrying<'_, E>) + Send + 'a;
type AsyncHook<'a, E> = dyn FnMut(&Retrying<'_, E>) -> BoxFuture<'a, ()> + Send + 'a;

/// What the user chose beyond the delays.
pub(super) struct Options<'a, E> {
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) total: Option<Duration>,
    pub(super) budget: Option<Budget>,
    pub(super) when: Option<Box<When<'a, E>>>,
    pub(super) after: Option<Box<After<'a, E>>>,
    pub(super) hook: Option<Box<Hook<'a, E>>>,
    pub(super) async_hook: Option<Box<AsyncHook<'a, E>>>,
}

impl<E> Default for Options<'_, E> {
    fn default() -> Self {
        Options {
            attempt_timeout: None,
            total: None,
            budget: None,
            when: None,
            after: None,
            hook: None,
            async_hook: None,
        }
    }
}

// Few variants, of which one has something to drop besides the attempt: so dropping it is inlined.
pin_project! {
    #[project = PhaseProj]
    pub(super) enum Phase<'a, F> {
        Fresh,
        // Gave way to others, and goes on.
        Rested,
        Attempt { #[pin] attempt: F },
        Rare { rare: Box<Step<'a, F>> },
        Over,
    }
}

/// What most calls never come to. Boxed inside, too, for it is moved.
pub(super) enum Step<'a, F> {
    Limited(Pin<Box<Timeout<F>>>),
    Hook(BoxFuture<'a, ()>, Duration),
    /// Ends with `None` when the call is cancelled meanwhile.
    Sleep(BoxFuture<'static, Option<()>>),
}

/// Makes the attempts.
pub(super) trait Attempts<F: Future> {
    type Value;
    type Error;
    fn begin(&mut self) -> F;
    fn end(&mut self, output: F::Output) -> Result<Self::Value, Self::Error>;
}

/// How it goes on after a failure. Two words: what most calls do not have is in one box.
pub(super) struct Plan<'a, E> {
    lent: Option<&'a Backoff>,
    rare: Option<Box<Rare<'a, E>>>,
}

struct Rare<'a, E> {
    /// Where none is lent.
    owned: Option<Backoff>,
    options: Option<Options<'a, E>>,
    tries: Option<Box<Tries>>,
    /// How the last attempt failed, until the next begins.
    last: Option<Failed<E>>,
}

impl<E> Default for Rare<'_, E> {
    fn default() -> Self {
        Rare {
            owned: None,
            options: None,
            tries: None,
            last: None,
        }
    }
}

impl<'a, E> Plan<'a, E> {
    #[inline]
    pub(super) fn new(backoff: Cow<'a, Backoff>) -> Self {
        match backoff {
            Cow::Borrowed(backoff) => Plan {
                lent: Some(backoff),
                rare: None,
            },
            Cow::Owned(backoff) => Plan {
                lent: None,
                rare: Some(Box::new(Rare {
                    owned: Some(backoff),
                    ..Rare::default()
                })),
            },
        }
    }

    pub(super) fn options(&mut self) -> &mut Options<'a, E> {
        let rare = self.rare.get_or_insert_default();
        rare.options.get_or_insert_default()
    }

    #[inline]
    fn has_options(&self) -> bool {
        self.rare
            .as_ref()
            .is_some_and(|rare| rare.options.is_some())
    }

    pub(super) fn backoff(&self) -> Option<&Backoff> {
        self.lent.or_else(|| self.rare.as_ref()?.owned.as_ref())
    }

    pub(super) fn attempts(&self) -> u32 {
        let tries = self.rare.as_ref().and_then(|rare| rare.tries.as_ref());
        tries.map_or(0, |tries| tries.attempts)
    }

    /// The call was cancelled between two attempts: there is no further one.
    fn cancelled(&mut self) -> Option<RetryError<E>> {
        let rare = self.rare.as_mut()?;
        let last = rare.last.take()?;
        let tries = rare.tries.as_ref()?;
        Some(gives_up(tries, GaveUp::Cancelled, last))
    }

    /// [`cancelled`](Plan::cancelled), if it is; what there was otherwise is dropped before the next attempt begins.
    fn goes_on(&mut self) -> Result<(), RetryError<E>> {
        if let Some(rare) = &mut self.rare
            && rare.last.is_some()
        {
            if scope::reason().is_some()
                && let Some(error) = self.cancelled()
            {
                return Err(error);
            }
            self.forget();
        }
        Ok(())
    }

    fn forget(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.last = None;
        }
    }
}

/// Goes on until an attempt works, or there is none any more.
#[inline]
pub(super) fn poll<'a, A, F>(
    attempts: &mut A,
    plan: &mut Plan<'a, A::Error>,
    mut phase: Pin<&mut Phase<'a, F>>,
    cx: &mut Context<'_>,
) -> Poll<Result<A::Value, RetryError<A::Error>>>
where
    A: Attempts<F>,
    F: Future,
{
    if matches!(*phase, Phase::Fresh) {
        // Before anything has happened; a first attempt that is ready would never let other tasks run.
        if coop::poll_spend(cx).is_pending() {
            phase.set(Phase::Rested);
            return Poll::Pending;
        }
        if plan.has_options() {
            phase.set(Phase::Rested);
        } else {
            let attempt = attempts.begin();
            phase.set(Phase::Attempt { attempt });
        }
    }
    loop {
        let ended = match phase.as_mut().project() {
            PhaseProj::Attempt { attempt } => {
                let output = ready!(attempt.poll(cx));
                match attempts.end(output) {
                    // At once: a value that is first made part of something larger is moved slowly.
                    Ok(value) => {
                        phase.set(Phase::Over);
                        return Poll::Ready(Ok(value));
                    }
                    Err(error) => Err(Failed::With(error)),
                }
            }
            PhaseProj::Rare { rare } => match &mut **rare {
                Step::Limited(attempt) => match ready!(attempt.as_mut().poll(cx)) {
                    Ok(output) => attempts.end(output).map_err(Failed::With),
                    Err(elapsed) => Err(Failed::TimedOut(elapsed)),
                },
                Step::Hook(hook, delay) => {
                    ready!(hook.as_mut().poll(cx));
                    let delay = *delay;
                    wait(phase.as_mut(), delay);
                    continue;
                }
                Step::Sleep(sleep) => {
                    if ready!(sleep.as_mut().poll(cx)).is_none()
                        && let Some(error) = plan.cancelled()
                    {
                        phase.set(Phase::Over);
                        return Poll::Ready(Err(error));
                    }
                    phase.set(Phase::Rested);
                    continue;
                }
            },
            PhaseProj::Fresh => {
                let spent = coop::poll_spend(cx);
                phase.set(Phase::Rested);
                ready!(spent);
                continue;
            }
            PhaseProj::Rested => {
                if let Err(error) = plan.goes_on() {
                    phase.set(Phase::Over);
                    return Poll::Ready(Err(error));
                }
                let attempt = attempts.begin();
                phase.set(begin(attempt, plan));
                continue;
            }
            PhaseProj::Over => panic!("a retry was polled after it had ended"),
        };
        let failed = match ended {
            Ok(value) => {
                phase.set(Phase::Over);
                return Poll::Ready(Ok(value));
            }
            Err(failed) => failed,
        };
        match next(plan, failed) {
            Ok((delay, None)) => wait(phase.as_mut(), delay),
            Ok((delay, Some(hook))) => {
                let rare = Box::new(Step::Hook(hook, delay));
                phase.set(Phase::Rare { rare });
            }
            Err(error) => {
                phase.set(Phase::Over);
                return Poll::Ready(Err(error));
            }
        }
    }
}

/// An attempt with what limits it.
fn begin<'a, F: Future, E>(attempt: F, plan: &mut Plan<'a, E>) -> Phase<'a, F> {
    let Some(Rare {
        options: Some(options),
        tries,
        ..
    }) = plan.rare.as_deref_mut()
    else {
        return Phase::Attempt { attempt };
    };
    let first = tries.is_none();
    if first && (options.total.is_some() || options.budget.is_some()) {
        let (clock, now) = Timeline::read(&Runtime::current());
        if let Some(budget) = &options.budget {
            budget.pay_in((clock, now));
        }
        tries.get_or_insert_with(Tries::new).end =
            options.total.and_then(|limit| now.checked_add(limit));
    }
    let end = tries.as_ref().and_then(|tries| tries.end);
    let left = end.map(|end| end.saturating_duration_since(Runtime::current().now()));
    let limit = match (options.attempt_timeout, left) {
        (Some(a), Some(b)) => a.min(b),
        (Some(limit), None) | (None, Some(limit)) => limit,
        (None, None) => return Phase::Attempt { attempt },
    };
    let limited = Step::Limited(Box::pin(timeout(limit, attempt)));
    let rare = Box::new(limited);
    Phase::Rare { rare }
}

type Next<'a, E> = Result<(Duration, Option<BoxFuture<'a, ()>>), RetryError<E>>;

/// What comes after a failure: a delay, perhaps with a hook before it, or the end.
fn next<'a, E>(plan: &mut Plan<'a, E>, failed: Failed<E>) -> Next<'a, E> {
    let lent = plan.lent;
    let Rare {
        owned,
        options,
        tries,
        last,
    } = &mut **plan.rare.get_or_insert_default();
    let Some(backoff) = lent.or(owned.as_ref()) else {
        unreachable!("a backoff is lent or owned")
    };
    let tries = tries.get_or_insert_with(Tries::new);
    let Some(options) = options else {
        return match tries.next(backoff, None, || Some(Duration::ZERO)) {
            Ok(delay) => {
                *last = Some(failed);
                Ok((delay, None))
            }
            Err(gave_up) => Err(gives_up(tries, gave_up, failed)),
        };
    };
    let Options {
        budget,
        when,
        after,
        ..
    } = options;
    let hint = || match &failed {
        Failed::With(e) if when.as_mut().is_some_and(|when| !when(e)) => None,
        Failed::With(e) => {
            let hint = after.as_mut().and_then(|after| after(e));
            Some(hint.unwrap_or_default())
        }
        Failed::TimedOut(_) => Some(Duration::ZERO),
    };
    let delay = match tries.next(backoff, budget.as_ref(), hint) {
        Ok(delay) => delay,
        Err(gave_up) => return Err(gives_up(tries, gave_up, failed)),
    };
    let retrying = Retrying {
        attempt: tries.attempts,
        error: &failed,
        delay,
    };
    if let Some(hook) = &mut options.hook {
        // It only looks on: what it panics with ends nothing.
        quietly(|| hook(&retrying));
    }
    let hook = options.async_hook.as_mut().map(|hook| hook(&retrying));
    *last = Some(failed);
    Ok((delay, hook))
}

fn gives_up<E>(tries: &Tries, gave_up: GaveUp, last: Failed<E>) -> RetryError<E> {
    RetryError {
        attempts: tries.attempts,
        gave_up,
        last,
    }
}

/// Goes on to the next attempt at once, or after the delay.
fn wait<F: Future>(mut phase: Pin<&mut Phase<'_, F>>, delay: Duration) {
    if delay.is_zero() {
        // A zero delay never touches a timer.
        phase.set(Phase::Fresh);
        return;
    }
    let rare = Box::new(Step::Sleep(Box::pin(unless_cancelled(sleep(delay)))));
    phase.set(Phase::Rare { rare });
}
