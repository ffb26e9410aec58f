//! Streams and time: [`throttle`](super::StreamOps::throttle), [`debounce`](super::StreamOps::debounce),
//! [`timeout_each`](super::StreamOps::timeout_each).

use crate::internal::label;
use crate::runtime::{Runtime, Sleep};
use crate::time::Elapsed;
use futures_core::Stream;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

pin_project! {
    /// A timer that is made when it is needed first, on the runtime of that moment, and used again.
    struct Alarm {
        #[pin]
        sleep: Option<Sleep>,
        runtime: Option<Runtime>,
        set: bool,
    }
}

impl Alarm {
    fn new() -> Self {
        Alarm {
            sleep: None,
            runtime: None,
            set: false,
        }
    }

    fn set(self: Pin<&mut Self>, after: Duration) {
        let mut this = self.project();
        let runtime = this.runtime.get_or_insert_with(Runtime::current);
        let now = runtime.now();
        let at = now.checked_add(after);
        match this.sleep.as_mut().as_pin_mut() {
            // tokio moves its timers in place.
            Some(sleep) if at.is_some() => sleep.reset(at),
            _ => this
                .sleep
                .set(at.map(|at| Sleep::started(runtime.clone(), at, now))),
        }
        *this.set = true;
    }

    fn stop(self: Pin<&mut Self>) {
        *self.project().set = false;
    }

    /// Ready when it is not set, or when it has rung, which unsets it.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if *this.set {
            match this.sleep.as_pin_mut() {
                Some(sleep) => ready!(sleep.poll(cx)),
                None => return Poll::Pending,
            }
            *this.set = false;
        }
        Poll::Ready(())
    }
}

/// What is to be above zero.
#[track_caller]
fn refuse_zero(time: Duration, call: &str, fix: &str) {
    assert!(!time.is_zero(), "{call}(0s) {fix}");
}

pin_project! {
    /// A stream whose items keep a distance in time; made by [`throttle`](super::StreamOps::throttle).
    #[must_use = "streams do nothing unless polled"]
    pub struct Throttle<S> {
        #[pin]
        stream: S,
        distance: Duration,
        #[pin]
        alarm: Alarm,
    }
}

impl<S> Throttle<S> {
    #[track_caller]
    pub(super) fn new(stream: S, distance: Duration) -> Self {
        refuse_zero(
            distance,
            "throttle",
            "holds nothing up: use more, or leave it out",
        );
        Throttle {
            stream,
            distance,
            alarm: Alarm::new(),
        }
    }
}

impl<S> fmt::Debug for Throttle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("distance", &self.distance)
            .finish_non_exhaustive()
    }
}

impl<S: Stream> Stream for Throttle<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        label::set("a throttled stream");
        ready!(this.alarm.as_mut().poll(cx));
        let next = ready!(this.stream.poll_next(cx));
        if next.is_some() {
            this.alarm.set(*this.distance);
        }
        Poll::Ready(next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}

pin_project! {
    /// A stream of the items after which nothing came for a while; made by [`debounce`](super::StreamOps::debounce).
    #[must_use = "streams do nothing unless polled"]
    pub struct Debounce<S>
    where
        S: Stream,
    {
        #[pin]
        stream: Option<S>,
        quiet: Duration,
        latest: Option<S::Item>,
        #[pin]
        alarm: Alarm,
    }
}

impl<S: Stream> Debounce<S> {
    #[track_caller]
    pub(super) fn new(stream: S, quiet: Duration) -> Self {
        refuse_zero(
            quiet,
            "debounce",
            "never waits for another item: use more, or leave it out",
        );
        Debounce {
            stream: Some(stream),
            quiet,
            latest: None,
            alarm: Alarm::new(),
        }
    }
}

impl<S: Stream> fmt::Debug for Debounce<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Debounce")
            .field("quiet", &self.quiet)
            .finish_non_exhaustive()
    }
}

impl<S: Stream> Stream for Debounce<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        let mut budget = super::BUDGET;
        let mut newer = false;
        while let Some(stream) = this.stream.as_mut().as_pin_mut() {
            match stream.poll_next(cx) {
                Poll::Ready(Some(item)) => {
                    *this.latest = Some(item);
                    newer = true;
                    budget -= 1;
                    if budget == 0 {
                        cx.waker().wake_by_ref();
                        break;
                    }
                }
                Poll::Ready(None) => this.stream.set(None),
                Poll::Pending => break,
            }
        }
        if this.stream.is_none() {
            // Nothing can come any more.
            return Poll::Ready(this.latest.take());
        }
        if newer {
            this.alarm.as_mut().set(*this.quiet);
        }
        label::set("a debounced stream");
        if this.latest.is_none() {
            return Poll::Pending;
        }
        ready!(this.alarm.poll(cx));
        Poll::Ready(this.latest.take())
    }
}

pin_project! {
    /// A stream with a limit on the wait for each item; made by [`timeout_each`](super::StreamOps::timeout_each).
    #[must_use = "streams do nothing unless polled"]
    pub struct TimeoutEach<S> {
        #[pin]
        stream: S,
        limit: Duration,
        #[pin]
        alarm: Alarm,
    }
}

impl<S> TimeoutEach<S> {
    #[track_caller]
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        refuse_zero(
            limit,
            "timeout_each",
            "lets no item take any time: use more, or leave it out",
        );
        TimeoutEach {
            stream,
            limit,
            alarm: Alarm::new(),
        }
    }
}

impl<S> fmt::Debug for TimeoutEach<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutEach")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl<S: Stream> Stream for TimeoutEach<S> {
    type Item = Result<S::Item, Elapsed>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        if let Poll::Ready(next) = this.stream.poll_next(cx) {
            this.alarm.stop();
            return Poll::Ready(next.map(Ok));
        }
        if !this.alarm.set {
            this.alarm.as_mut().set(*this.limit);
        }
        label::set("an item within its time");
        ready!(this.alarm.poll(cx));
        Poll::Ready(Some(Err(Elapsed::new(None, Some(*this.limit)))))
    }
}
