//! [`map_concurrent`](super::StreamOps::map_concurrent): a bounded number of futures at once.
//!
//! Invariant: what was taken from above and is not given yet (running, or ended before its turn) is at most `width`.

use super::{BUDGET, Turn, poll_more};
use crate::internal::label;
use crate::internal::reorder::Reorder;
use crate::internal::slots::Slots;
use futures_core::Stream;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Gives the results in the order of the items; the default.
#[derive(Debug)]
pub struct Ordered(());

/// Gives the results as they come; the mode after [`MapConcurrent::unordered`].
#[derive(Debug)]
pub struct Unordered(());

pin_project! {
    /// A stream of what futures give, of which a bounded number run at once; made by
    /// [`map_concurrent`](super::StreamOps::map_concurrent).
    #[must_use = "streams do nothing unless polled"]
    pub struct MapConcurrent<S, F, Fut, M = Ordered>
    where
        Fut: Future,
    {
        // `None` when it has ended.
        #[pin]
        stream: Option<S>,
        f: F,
        width: usize,
        running: Slots<Fut>,
        turns: Reorder<Fut::Output>,
        mode: M,
        turn: Turn,
    }
}

impl<S, F, Fut: Future> MapConcurrent<S, F, Fut> {
    #[track_caller]
    pub(super) fn new(stream: S, width: usize, f: F) -> Self {
        assert!(
            width > 0,
            "map_concurrent(0, ..): no item would ever be worked on; use at least 1"
        );
        MapConcurrent {
            stream: Some(stream),
            f,
            width,
            running: Slots::default(),
            turns: Reorder::default(),
            mode: Ordered(()),
            turn: Turn::default(),
        }
    }

    /// Gives the results as they come: a slow item holds up nobody else.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::StreamExt;
    /// use regatta::{stream::StreamOps, time};
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let naps = futures::stream::iter([3, 1, 2]).map_concurrent(2, async |s| {
    ///         time::sleep(Duration::from_secs(s)).await;
    ///         s
    ///     });
    ///     assert_eq!(naps.unordered().collect::<Vec<_>>().await, [1, 3, 2]);
    /// });
    /// ```
    pub fn unordered(self) -> MapConcurrent<S, F, Fut, Unordered> {
        MapConcurrent {
            stream: self.stream,
            f: self.f,
            width: self.width,
            running: self.running,
            turns: self.turns,
            mode: Unordered(()),
            turn: self.turn,
        }
    }
}

impl<S, F, Fut: Future, M> fmt::Debug for MapConcurrent<S, F, Fut, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapConcurrent")
            .field("width", &self.width)
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}

impl<S, F, Fut> Stream for MapConcurrent<S, F, Fut, Ordered>
where
    S: Stream,
    F: FnMut(S::Item) -> Fut,
    Fut: Future,
{
    type Item = Fut::Output;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Fut::Output>> {
        let mut this = self.project();
        if let Some(lost) = this.running.mend() {
            this.turns.lost(lost);
        }
        ready!(this.turn.poll(cx));
        if let Some(output) = this.turns.pop() {
            return Poll::Ready(Some(output));
        }
        let mut budget = BUDGET;
        while this.turns.len() < *this.width {
            let Some(stream) = this.stream.as_mut().as_pin_mut() else {
                break;
            };
            match stream.poll_next(cx) {
                Poll::Ready(Some(item)) => {
                    match this.running.insert_polled(|| (this.f)(item)) {
                        Ok(slot) => this.turns.runs_in(slot),
                        Err(output) if this.turns.len() == 0 => {
                            return Poll::Ready(Some(output));
                        }
                        Err(output) => this.turns.ended_at_once(output),
                    }
                    budget -= 1;
                    if budget == 0 {
                        if poll_more(cx).is_pending() {
                            break;
                        }
                        budget = BUDGET;
                    }
                }
                Poll::Ready(None) => this.stream.set(None),
                Poll::Pending => break,
            }
        }
        let mut swept = false;
        while let Poll::Ready(ended) = this.running.poll_next(cx) {
            let Some((slot, output)) = ended else {
                swept = true;
                break;
            };
            this.turns.ended(slot, output);
        }
        if let Some(output) = this.turns.pop() {
            return Poll::Ready(Some(output));
        }
        if swept && this.stream.is_none() {
            return Poll::Ready(None);
        }
        label::set("items of a stream");
        Poll::Pending
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        hint(self.stream.as_ref(), self.turns.len())
    }
}

impl<S, F, Fut> Stream for MapConcurrent<S, F, Fut, Unordered>
where
    S: Stream,
    F: FnMut(S::Item) -> Fut,
    Fut: Future,
{
    type Item = Fut::Output;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Fut::Output>> {
        let mut this = self.project();
        this.running.mend();
        ready!(this.turn.poll(cx));
        let mut budget = BUDGET;
        while this.running.len() < *this.width {
            let Some(stream) = this.stream.as_mut().as_pin_mut() else {
                break;
            };
            match stream.poll_next(cx) {
                Poll::Ready(Some(item)) => {
                    if let Err(output) = this.running.insert_polled(|| (this.f)(item)) {
                        return Poll::Ready(Some(output));
                    }
                    budget -= 1;
                    if budget == 0 {
                        if poll_more(cx).is_pending() {
                            break;
                        }
                        budget = BUDGET;
                    }
                }
                Poll::Ready(None) => this.stream.set(None),
                Poll::Pending => break,
            }
        }
        match this.running.poll_next(cx) {
            Poll::Ready(Some((_, output))) => Poll::Ready(Some(output)),
            Poll::Ready(None) if this.stream.is_none() => Poll::Ready(None),
            _ => {
                label::set("items of a stream");
                Poll::Pending
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        hint(self.stream.as_ref(), self.running.len())
    }
}

/// As many as are to come from above, and these.
fn hint<S: Stream>(stream: Option<&S>, inside: usize) -> (usize, Option<usize>) {
    let (low, high) = stream.map_or((0, Some(0)), Stream::size_hint);
    (
        low.saturating_add(inside),
        high.and_then(|high| high.checked_add(inside)),
    )
}
