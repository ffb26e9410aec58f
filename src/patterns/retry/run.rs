//! The machine below [`Retry`](super::Retry) and [`RetryWith`](super::RetryWith): makes attempts until one works.

use super::backoff::{Backoff, Delays};
use super::budget::Budget;
use super::error::{Failed, GaveUp, RetryError};
use crate::internal::scope;
use crate::runtime::{BoxFuture, Runtime, Sleep};
use crate::time::{Timeout, timeout};
use pin_project_lite::pin_project;
use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

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

/// Known from the first failure on, or when there is a total deadline.
struct Progress {
    delays: Option<Delays>,
    attempts: u32,
    /// When all has to be over.
    end: Option<Instant>,
    /// Attempts in a row that failed without waiting.
    streak: u32,
}

/// So many failures in a row that waited for nothing, and the other tasks get a turn.
const STREAK: u32 = 128;

pin_project! {
    #[project = PhaseProj]
    pub(super) enum Phase<'a, F> {
        Fresh,
        Attempt { #[pin] attempt: F },
        // Boxed: a timer is large, and most calls have none.
        Limited { attempt: Pin<Box<Timeout<F>>> },
        Hook { hook: BoxFuture<'a, ()>, delay: Duration },
        Sleep { sleep: Pin<Box<Sleep>> },
        Over,
    }
}

/// Makes the attempts.
pub(super) trait Attempts<F: Future> {
    type Value;
    type Error;
    fn begin(&mut self) -> F;
    fn end(&mut self, output: F::Output) -> Result<Self::Value, Self::Error>;
}

/// How it goes on after a failure.
pub(super) struct Plan<'a, E> {
    pub(super) backoff: Cow<'a, Backoff>,
    pub(super) options: Option<Box<Options<'a, E>>>,
    progress: Option<Box<Progress>>,
}

impl<'a, E> Plan<'a, E> {
    #[inline]
    pub(super) fn new(backoff: Cow<'a, Backoff>) -> Self {
        Plan {
            backoff,
            options: None,
            progress: None,
        }
    }

    pub(super) fn options(&mut self) -> &mut Options<'a, E> {
        self.options.get_or_insert_default()
    }

    pub(super) fn attempts(&self) -> u32 {
        self.progress.as_ref().map_or(0, |p| p.attempts)
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
    if matches!(*phase, Phase::Fresh) && plan.options.is_none() {
        let attempt = attempts.begin();
        phase.set(Phase::Attempt { attempt });
    }
    loop {
        let ended = match phase.as_mut().project() {
            PhaseProj::Attempt { attempt } => {
                let output = ready!(attempt.poll(cx));
                attempts.end(output).map_err(Failed::With)
            }
            PhaseProj::Limited { attempt } => match ready!(attempt.as_mut().poll(cx)) {
                Ok(output) => attempts.end(output).map_err(Failed::With),
                Err(elapsed) => Err(Failed::TimedOut(elapsed)),
            },
            PhaseProj::Hook { hook, delay } => {
                ready!(hook.as_mut().poll(cx));
                let delay = *delay;
                ready!(wait(phase.as_mut(), &mut plan.progress, delay, cx));
                continue;
            }
            PhaseProj::Sleep { sleep } => {
                ready!(sleep.as_mut().poll(cx));
                phase.set(Phase::Fresh);
                continue;
            }
            PhaseProj::Fresh => {
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
            Ok((delay, None)) => {
                ready!(wait(phase.as_mut(), &mut plan.progress, delay, cx));
            }
            Ok((delay, Some(hook))) => phase.set(Phase::Hook { hook, delay }),
            Err(error) => {
                phase.set(Phase::Over);
                return Poll::Ready(Err(error));
            }
        }
    }
}

/// An attempt with what limits it.
fn begin<'a, F: Future, E>(attempt: F, plan: &mut Plan<'a, E>) -> Phase<'a, F> {
    let Plan {
        options, progress, ..
    } = plan;
    let Some(options) = options else {
        return Phase::Attempt { attempt };
    };
    let first = progress.is_none();
    let started = first && (options.total.is_some() || options.budget.is_some());
    if started {
        let now = Runtime::current().now();
        if let Some(budget) = &options.budget {
            budget.pay_in(now);
        }
        progress.get_or_insert_with(Progress::start).end =
            options.total.and_then(|limit| now.checked_add(limit));
    }
    let end = progress.as_ref().and_then(|p| p.end);
    let left = end.map(|end| end.saturating_duration_since(Runtime::current().now()));
    let limit = match (options.attempt_timeout, left) {
        (Some(a), Some(b)) => a.min(b),
        (Some(limit), None) | (None, Some(limit)) => limit,
        (None, None) => return Phase::Attempt { attempt },
    };
    Phase::Limited {
        attempt: Box::pin(timeout(limit, attempt)),
    }
}

impl Progress {
    fn start() -> Box<Self> {
        Box::new(Progress {
            delays: None,
            attempts: 0,
            end: None,
            streak: 0,
        })
    }
}

type Next<'a, E> = Result<(Duration, Option<BoxFuture<'a, ()>>), RetryError<E>>;

/// What comes after a failure: a delay, perhaps with a hook before it, or the end.
fn next<'a, E>(plan: &mut Plan<'a, E>, failed: Failed<E>) -> Next<'a, E> {
    let Plan {
        backoff,
        options,
        progress,
    } = plan;
    let progress = progress.get_or_insert_with(Progress::start);
    progress.attempts = progress.attempts.saturating_add(1);
    let attempts = progress.attempts;
    let error = |gave_up, last| RetryError {
        attempts,
        gave_up,
        last,
    };
    if scope::reason().is_some() {
        return Err(error(GaveUp::Cancelled, failed));
    }
    let mut hint = None;
    if let (Some(options), Failed::With(e)) = (options.as_mut(), &failed) {
        if options.when.as_mut().is_some_and(|when| !when(e)) {
            return Err(error(GaveUp::NotRetryable, failed));
        }
        hint = options.after.as_mut().and_then(|after| after(e));
    }
    let delays = progress.delays.get_or_insert_with(|| backoff.delays());
    let Some(delay) = delays.next() else {
        return Err(error(GaveUp::Attempts, failed));
    };
    let delay = delay.max(hint.unwrap_or_default());
    let budget = options.as_ref().and_then(|o| o.budget.as_ref());
    if !delay.is_zero() || progress.end.is_some() || budget.is_some() {
        let now = Runtime::current().now();
        let earliest = scope::deadline().into_iter().chain(progress.end).min();
        let begins = now.checked_add(delay);
        if earliest.is_some_and(|end| begins.is_none_or(|begins| begins >= end)) {
            return Err(error(GaveUp::Deadline, failed));
        }
        if budget.is_some_and(|budget| !budget.take_out(now)) {
            return Err(error(GaveUp::Budget, failed));
        }
    }
    let mut hook = None;
    if let Some(options) = options {
        let retrying = Retrying {
            attempt: attempts,
            error: &failed,
            delay,
        };
        if let Some(hook) = &mut options.hook {
            hook(&retrying);
        }
        hook = options.async_hook.as_mut().map(|hook| hook(&retrying));
    }
    Ok((delay, hook))
}

/// Goes on to the next attempt at once, or after the delay. Pending once in a while, for the others.
fn wait<F: Future>(
    mut phase: Pin<&mut Phase<'_, F>>,
    progress: &mut Option<Box<Progress>>,
    delay: Duration,
    cx: &Context<'_>,
) -> Poll<()> {
    if delay.is_zero() {
        // A zero delay never touches a timer.
        phase.set(Phase::Fresh);
        if let Some(progress) = progress {
            progress.streak += 1;
            if progress.streak == STREAK {
                progress.streak = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        return Poll::Ready(());
    }
    if let Some(progress) = progress {
        progress.streak = 0;
    }
    let sleep = Box::pin(crate::time::sleep(delay));
    phase.set(Phase::Sleep { sleep });
    Poll::Ready(())
}
