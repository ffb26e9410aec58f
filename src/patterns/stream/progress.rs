//! [`progress`](super::StreamOps::progress): tells how far a stream is.

use super::Turn;
use crate::internal::caught::quietly;
use futures_core::Stream;
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// How far a stream has come; given to the observer of [`progress`](super::StreamOps::progress).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many items have come through.
    pub items: u64,
    /// How many there will be in all, when the stream knows.
    pub total: Option<u64>,
    /// Whether it has ended. Said once.
    pub ended: bool,
}

pin_project! {
    /// A stream that tells how far it is; made by [`progress`](super::StreamOps::progress).
    #[must_use = "streams do nothing unless polled"]
    pub struct WithProgress<S, F> {
        #[pin]
        pub(super) stream: S,
        pub(super) observer: F,
        pub(super) items: u64,
        pub(super) ended: bool,
        pub(super) turn: Turn,
    }
}

impl<S, F> fmt::Debug for WithProgress<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithProgress")
            .field("items", &self.items)
            .finish_non_exhaustive()
    }
}

impl<S: Stream, F: FnMut(Progress)> Stream for WithProgress<S, F> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        ready!(this.turn.poll(cx));
        let next = ready!(this.stream.as_mut().poll_next(cx));
        *this.items += u64::from(next.is_some());
        *this.ended = next.is_none();
        let total = match this.stream.size_hint() {
            _ if *this.ended => Some(*this.items),
            (low, Some(high)) if low == high => Some(*this.items + low as u64),
            _ => None,
        };
        let progress = Progress {
            items: *this.items,
            total,
            ended: *this.ended,
        };
        // It only looks on: a panic of it must not cost the consumer the item.
        quietly(|| (this.observer)(progress));
        Poll::Ready(next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}
