//! What to do about errors in a stream: [`stop_on_error`](super::StreamOps::stop_on_error), [`skip_errors`](super::StreamOps::skip_errors),
//! [`collect_errors`](super::StreamOps::collect_errors).

use super::Turn;
use crate::internal::caught::quietly;
use futures_core::Stream;
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// A stream that ends with its first error; made by [`stop_on_error`](super::StreamOps::stop_on_error).
    #[must_use = "streams do nothing unless polled"]
    pub struct StopOnError<S> {
        #[pin]
        pub(super) stream: Option<S>,
        pub(super) turn: Turn,
    }
}

impl<S> fmt::Debug for StopOnError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopOnError")
            .field("ended", &self.stream.is_none())
            .finish_non_exhaustive()
    }
}

impl<T, E, S: Stream<Item = Result<T, E>>> Stream for StopOnError<S> {
    type Item = Result<T, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        ready!(this.turn.poll(cx));
        let mut stream = this.stream;
        let Some(above) = stream.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let next = ready!(above.poll_next(cx));
        if !matches!(next, Some(Ok(_))) {
            stream.set(None);
        }
        Poll::Ready(next)
    }
}

pin_project! {
    /// A stream without its errors; made by [`skip_errors`](super::StreamOps::skip_errors).
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::{StreamExt, stream};
    /// use regatta::stream::StreamOps;
    ///
    /// regatta::testing::run(async || {
    ///     let mut bad = vec![];
    ///     let lines = stream::iter(["1", "x", "3"]).map(|line| line.parse::<u32>().map_err(|_| line));
    ///     let numbers = lines.skip_errors(|line| bad.push(line));
    ///     assert_eq!(numbers.collect::<Vec<_>>().await, [1, 3]);
    ///     assert_eq!(bad, ["x"]);
    /// });
    /// ```
    #[must_use = "streams do nothing unless polled"]
    pub struct SkipErrors<S, F> {
        #[pin]
        pub(super) stream: S,
        pub(super) sink: F,
        pub(super) skipped: u64,
        pub(super) turn: Turn,
    }
}

impl<S, F> SkipErrors<S, F> {
    /// How many errors the sink was given.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

impl<S, F> fmt::Debug for SkipErrors<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SkipErrors")
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}

/// The next value; errors go to `sink`, and the task gives way after many of them.
fn poll_value<T, E>(
    mut stream: Pin<&mut impl Stream<Item = Result<T, E>>>,
    cx: &mut Context<'_>,
    mut sink: impl FnMut(E),
) -> Poll<Option<T>> {
    loop {
        for _ in 0..super::BUDGET {
            match ready!(stream.as_mut().poll_next(cx)) {
                Some(Ok(value)) => return Poll::Ready(Some(value)),
                Some(Err(error)) => sink(error),
                None => return Poll::Ready(None),
            }
        }
        ready!(super::poll_more(cx));
    }
}

impl<T, E, S, F> Stream for SkipErrors<S, F>
where
    S: Stream<Item = Result<T, E>>,
    F: FnMut(E),
{
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.project();
        ready!(this.turn.poll(cx));
        poll_value(this.stream, cx, |error| {
            *this.skipped += 1;
            // It only looks on: a panic of it costs the consumer no item.
            quietly(|| (this.sink)(error));
        })
    }
}

pin_project! {
    /// A stream whose errors are kept aside; made by [`collect_errors`](super::StreamOps::collect_errors).
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::{StreamExt, stream};
    /// use regatta::stream::StreamOps;
    ///
    /// regatta::testing::run(async || {
    ///     let lines = stream::iter(["1", "x", "3", "y"]).map(|line| line.parse::<u32>().map_err(|_| line));
    ///     let mut numbers = lines.collect_errors(100);
    ///     let mut sum = 0;
    ///     while let Some(number) = numbers.next().await {
    ///         sum += number;
    ///     }
    ///     assert_eq!((sum, numbers.errors()), (4, &["x", "y"][..]));
    /// });
    /// ```
    #[must_use = "streams do nothing unless polled"]
    pub struct CollectErrors<S, E> {
        #[pin]
        stream: S,
        most: usize,
        errors: Vec<E>,
        missed: u64,
        turn: Turn,
    }
}

impl<S, E> CollectErrors<S, E> {
    #[track_caller]
    pub(super) fn new(stream: S, most: usize) -> Self {
        assert!(
            most > 0,
            "collect_errors(0) keeps no error: use at least 1, or `skip_errors`"
        );
        CollectErrors {
            stream,
            most,
            errors: Vec::new(),
            missed: 0,
            turn: Turn::default(),
        }
    }

    /// The errors so far, in order; at most as many as are kept.
    pub fn errors(&self) -> &[E] {
        &self.errors
    }

    /// How many errors there were beyond those that are kept.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Takes the errors out; there is room for others after that.
    pub fn take_errors(self: Pin<&mut Self>) -> Vec<E> {
        std::mem::take(self.project().errors)
    }
}

impl<S, E> fmt::Debug for CollectErrors<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectErrors")
            .field("errors", &self.errors.len())
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}

impl<T, E, S: Stream<Item = Result<T, E>>> Stream for CollectErrors<S, E> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.project();
        ready!(this.turn.poll(cx));
        poll_value(this.stream, cx, |error| {
            if this.errors.len() < *this.most {
                this.errors.push(error);
            } else {
                *this.missed += 1;
            }
        })
    }
}
