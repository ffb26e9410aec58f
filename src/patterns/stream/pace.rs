//! Streams and time: [`throttle`](super::StreamOps::throttle), [`debounce`](super::StreamOps::debounce),
//! [`timeout_each`](super::StreamOps::timeout_each).

use super::Turn;
use super::alarm::Alarm;
use crate::internal::label;
use crate::time::Elapsed;
use futures_core::Stream;
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

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
        alarm: Alarm,
        turn: Turn,
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
            alarm: Alarm::default(),
            turn: Turn::default(),
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
        let this = self.project();
        ready!(this.turn.poll(cx));
        label::set("a throttled stream");
        ready!(this.alarm.poll(cx));
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
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::StreamExt;
    /// use regatta::{stream::{StreamOps, generate}, time};
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let keys = generate(async |y| {
    ///         for (pause, text) in [(0, "r"), (80, "re"), (90, "reg"), (2000, "rega"), (50, "regatta")] {
    ///             time::sleep(Duration::from_millis(pause)).await;
    ///             y.put(text).await;
    ///         }
    ///     });
    ///     let searches = keys.debounce(Duration::from_millis(300));
    ///     assert_eq!(searches.collect::<Vec<_>>().await, ["reg", "regatta"]);
    /// });
    /// ```
    #[must_use = "streams do nothing unless polled"]
    pub struct Debounce<S>
    where
        S: Stream,
    {
        #[pin]
        stream: Option<S>,
        quiet: Duration,
        latest: Option<S::Item>,
        alarm: Alarm,
        turn: Turn,
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
            alarm: Alarm::default(),
            turn: Turn::default(),
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
        ready!(this.turn.poll(cx));
        let mut budget = super::BUDGET;
        let mut newer = false;
        while let Some(stream) = this.stream.as_mut().as_pin_mut() {
            match stream.poll_next(cx) {
                Poll::Ready(Some(item)) => {
                    *this.latest = Some(item);
                    newer = true;
                    budget -= 1;
                    if budget == 0 {
                        if super::poll_more(cx).is_pending() {
                            break;
                        }
                        budget = super::BUDGET;
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
            this.alarm.set(*this.quiet);
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
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::StreamExt;
    /// use regatta::{stream::{StreamOps, generate}, time};
    /// use std::{pin::pin, time::Duration};
    ///
    /// regatta::testing::run(async || {
    ///     let beats = generate(async |y| {
    ///         for pause in [1, 8] {
    ///             time::sleep(Duration::from_secs(pause)).await;
    ///             y.put(pause).await;
    ///         }
    ///     });
    ///     let mut beats = pin!(beats.timeout_each(Duration::from_secs(5)));
    ///     assert_eq!(beats.next().await.map(|beat| beat.ok()), Some(Some(1)));
    ///     assert!(beats.next().await.is_some_and(|late| late.is_err()));
    ///     assert_eq!(beats.next().await.map(|beat| beat.ok()), Some(Some(8)));
    /// });
    /// ```
    #[must_use = "streams do nothing unless polled"]
    pub struct TimeoutEach<S> {
        #[pin]
        stream: S,
        limit: Duration,
        alarm: Alarm,
        turn: Turn,
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
            alarm: Alarm::default(),
            turn: Turn::default(),
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
        let this = self.project();
        ready!(this.turn.poll(cx));
        if let Poll::Ready(next) = this.stream.poll_next(cx) {
            this.alarm.stop();
            return Poll::Ready(next.map(Ok));
        }
        if !this.alarm.is_set() {
            this.alarm.set(*this.limit);
        }
        label::set("an item within its time");
        ready!(this.alarm.poll(cx));
        Poll::Ready(Some(Err(Elapsed::new(None, Some(*this.limit)))))
    }
}
