//! [`Hedge`]: a call that is hedged, and the setters.

use super::delay::Delay;
use super::race::Race;
use crate::internal::caught::quietly;
use crate::internal::member::Member;
use crate::runtime::coop;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A closure that makes futures of results: what [`hedge`](super::hedge()) takes. Implemented for all of them, and not to be implemented elsewhere.
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

// One type parameter, from which the others follow: see `retry/call.rs`.
pin_project! {
    /// A call that is hedged; made by [`hedge`](super::hedge()).
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops all attempts at once, without their async cleanup; nothing is left behind.
    #[must_use = "nothing is called until it is awaited"]
    pub struct Hedge<'a, C>
    where
        C: Call,
    {
        call: C,
        delay: Delay,
        most: u32,
        hook: Option<Box<dyn FnMut(u32) + Send + 'a>>,
        #[pin]
        first: Option<Member<C::Future>>,
        race: Stage<C::Future>,
    }
}

enum Stage<F: Future> {
    Fresh,
    /// Gave way to others, and goes on.
    Rested,
    On(Race<F>),
    Over,
}

impl<'a, C: Call> Hedge<'a, C> {
    pub(super) fn new(delay: Delay, call: C) -> Self {
        Hedge {
            call,
            delay,
            most: 2,
            hook: None,
            first: None,
            race: Stage::Fresh,
        }
    }

    /// How many attempts there may be, the first included; each further one begins as long after the one before. Default: 2.
    ///
    /// # Panics
    ///
    /// When it is 0.
    #[track_caller]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        assert!(
            attempts > 0,
            "a hedge with 0 attempts would never call anything: use at least 1"
        );
        self.most = attempts;
        self
    }

    /// Is called when a further attempt begins, with its number, from 2 on: for logs and counters. What it panics
    /// with goes no further.
    pub fn on_hedge(mut self, hook: impl FnMut(u32) + Send + 'a) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }
}

impl<C: Call> Future for Hedge<'_, C> {
    type Output = Result<C::Value, C::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Stage::Fresh = this.race {
            // Before anything has happened; a first attempt that is ready would never let other tasks run.
            let spent = coop::poll_spend(cx);
            *this.race = Stage::Rested;
            ready!(spent);
        }
        if let Stage::Rested = this.race {
            *this.race = Stage::On(Race::new(this.delay));
            this.first.set(Some(Member::new((this.call)())));
        }
        let Stage::On(race) = this.race else {
            panic!("a hedged call was polled after it had ended")
        };
        let begin = |number| {
            if let Some(hook) = this.hook {
                quietly(|| hook(number));
            }
            (this.call)()
        };
        let limits = (&*this.delay, *this.most);
        let output = ready!(race.poll(this.first, cx, limits, begin, || true));
        *this.race = Stage::Over;
        Poll::Ready(output)
    }
}

impl<C: Call> fmt::Debug for Hedge<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let started = match &self.race {
            Stage::Fresh | Stage::Rested => Some(0),
            Stage::On(race) => Some(race.started()),
            Stage::Over => None,
        };
        f.debug_struct("Hedge")
            .field("delay", &self.delay)
            .field("started", &started)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}
