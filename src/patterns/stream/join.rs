//! One stream out of two: [`merge`](super::StreamOps::merge), [`zip_latest`](super::StreamOps::zip_latest).

use super::Turn;
use crate::internal::label;
use futures_core::Stream;
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The items of two streams; made by [`merge`](super::StreamOps::merge).
    #[must_use = "streams do nothing unless polled"]
    pub struct Merge<A, B> {
        #[pin]
        a: Option<A>,
        #[pin]
        b: Option<B>,
        // Whose turn it is to be asked first.
        b_first: bool,
        turn: Turn,
    }
}

impl<A, B> Merge<A, B> {
    pub(super) fn new(a: A, b: B) -> Self {
        Merge {
            a: Some(a),
            b: Some(b),
            b_first: false,
            turn: Turn::default(),
        }
    }
}

impl<A, B> fmt::Debug for Merge<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Merge")
            .field("ended", &[self.a.is_none(), self.b.is_none()])
            .finish_non_exhaustive()
    }
}

/// The next item; a stream that has ended is dropped.
fn poll_side<S: Stream>(
    mut side: Pin<&mut Option<S>>,
    cx: &mut Context<'_>,
) -> Poll<Option<S::Item>> {
    let Some(stream) = side.as_mut().as_pin_mut() else {
        return Poll::Ready(None);
    };
    let next = ready!(stream.poll_next(cx));
    if next.is_none() {
        side.set(None);
    }
    Poll::Ready(next)
}

impl<A: Stream, B: Stream<Item = A::Item>> Stream for Merge<A, B> {
    type Item = A::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<A::Item>> {
        let mut this = self.project();
        ready!(this.turn.poll(cx));
        for _ in 0..2 {
            let b = *this.b_first;
            *this.b_first = !b;
            let next = if b {
                poll_side(this.b.as_mut(), cx)
            } else {
                poll_side(this.a.as_mut(), cx)
            };
            if let Poll::Ready(Some(item)) = next {
                return Poll::Ready(Some(item));
            }
        }
        if this.a.is_none() && this.b.is_none() {
            return Poll::Ready(None);
        }
        label::set("either of two streams");
        Poll::Pending
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let of = |hint: Option<(usize, Option<usize>)>| hint.unwrap_or((0, Some(0)));
        let a = of(self.a.as_ref().map(Stream::size_hint));
        let b = of(self.b.as_ref().map(Stream::size_hint));
        let high = a.1.zip(b.1).and_then(|(a, b)| a.checked_add(b));
        (a.0.saturating_add(b.0), high)
    }
}

pin_project! {
    /// The newest item of each of two streams, whenever one has a newer one; made by [`zip_latest`](super::StreamOps::zip_latest).
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::StreamExt;
    /// use regatta::{stream::{StreamOps, generate}, time};
    /// use std::time::Duration;
    ///
    /// async fn after(ms: u64) {
    ///     time::sleep(Duration::from_millis(ms)).await;
    /// }
    ///
    /// regatta::testing::run(async || {
    ///     let width = generate(async |y| {
    ///         y.put(100).await;
    ///         after(20).await;
    ///         y.put(200).await;
    ///     });
    ///     let height = generate(async |y| {
    ///         after(10).await;
    ///         y.put(7).await;
    ///     });
    ///     let sizes = width.zip_latest(height);
    ///     assert_eq!(sizes.collect::<Vec<_>>().await, [(100, 7), (200, 7)]);
    /// });
    /// ```
    #[must_use = "streams do nothing unless polled"]
    pub struct ZipLatest<A, B>
    where
        A: Stream,
        B: Stream,
    {
        #[pin]
        a: Option<A>,
        #[pin]
        b: Option<B>,
        latest: (Option<A::Item>, Option<B::Item>),
        b_first: bool,
        turn: Turn,
    }
}

impl<A: Stream, B: Stream> ZipLatest<A, B> {
    pub(super) fn new(a: A, b: B) -> Self {
        ZipLatest {
            a: Some(a),
            b: Some(b),
            latest: (None, None),
            b_first: false,
            turn: Turn::default(),
        }
    }
}

impl<A: Stream, B: Stream> fmt::Debug for ZipLatest<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZipLatest")
            .field("ended", &[self.a.is_none(), self.b.is_none()])
            .finish_non_exhaustive()
    }
}

impl<A, B> Stream for ZipLatest<A, B>
where
    A: Stream<Item: Clone>,
    B: Stream<Item: Clone>,
{
    type Item = (A::Item, B::Item);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        ready!(this.turn.poll(cx));
        let mut budget = super::BUDGET;
        let mut waits = 0;
        while waits < 2 {
            let b = *this.b_first;
            *this.b_first = !b;
            let newer = if b {
                let next = poll_side(this.b.as_mut(), cx);
                next.map(|item| item.map(|item| this.latest.1 = Some(item)))
            } else {
                let next = poll_side(this.a.as_mut(), cx);
                next.map(|item| item.map(|item| this.latest.0 = Some(item)))
            };
            match newer {
                Poll::Ready(Some(())) => {
                    if let (Some(a), Some(b)) = &*this.latest {
                        return Poll::Ready(Some((a.clone(), b.clone())));
                    }
                    waits = 0;
                }
                _ => waits += 1,
            }
            // One that ended without an item leaves nothing to go with the other's.
            let alone = (this.a.is_none() && this.latest.0.is_none())
                || (this.b.is_none() && this.latest.1.is_none());
            if alone || (this.a.is_none() && this.b.is_none()) {
                this.a.set(None);
                this.b.set(None);
                return Poll::Ready(None);
            }
            budget -= 1;
            if budget == 0 {
                ready!(super::poll_more(cx));
                budget = super::BUDGET;
            }
        }
        label::set("either of two streams");
        Poll::Pending
    }
}
