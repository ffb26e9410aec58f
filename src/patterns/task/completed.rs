//! [`as_completed`]: outputs as they come.

use crate::internal::label;
use crate::internal::member::BUDGET;
use crate::internal::scope;
use crate::internal::slots::Slots;
use crate::runtime::coop;
use futures_core::Stream;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Runs futures side by side, in place, and gives their outputs in the order they end.
///
/// Python's `as_completed`. Dropping the stream cancels the rest: the futures are dropped. They run only while the stream
/// is polled; work that is to go on while the consumer is busy belongs in a [task group](super::task_group).
///
/// # Panics
///
/// A panic of a future goes on in the consumer. A consumer that catches it may ask on: the outputs of the others come.
///
/// # Cancel safety
///
/// Waiting for the next output can be dropped and repeated. Dropping the stream drops the futures at once. For a consumer that is cancelled no more futures start.
///
/// # Examples
///
/// ```
/// use futures::StreamExt;
/// use regatta::{task::as_completed, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let jobs = [30, 10, 20].map(|secs| async move {
///         time::sleep(Duration::from_secs(secs)).await;
///         secs
///     });
///     assert_eq!(as_completed(jobs).collect::<Vec<_>>().await, [10, 20, 30]);
///
///     let jobs = ["slow", "fast"].map(|job| async move {
///         time::sleep(Duration::from_secs(if job == "slow" { 9 } else { 1 })).await;
///         job
///     });
///     assert_eq!(as_completed(jobs).indexed().next().await, Some((1, "fast")));
/// });
/// ```
pub fn as_completed<I>(futures: I) -> AsCompleted<I::IntoIter>
where
    I: IntoIterator,
    I::Item: Future,
{
    AsCompleted {
        futures: Some(futures.into_iter()),
        limit: usize::MAX,
        running: Slots::default(),
        places: Vec::new(),
        next: 0,
        gave_way: false,
    }
}

/// A stream of outputs in the order they come; made by [`as_completed`].
#[must_use = "streams do nothing unless polled"]
pub struct AsCompleted<I: Iterator> {
    futures: Option<I>,
    limit: usize,
    running: Slots<I::Item>,
    places: Vec<usize>,
    next: usize,
    // It owes nothing for its next poll.
    gave_way: bool,
}

// The futures have pinned places of their own; the iterator is not pinned.
impl<I: Iterator> Unpin for AsCompleted<I> {}

impl<I: Iterator> fmt::Debug for AsCompleted<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted")
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}

impl<I: Iterator<Item: Future>> AsCompleted<I> {
    /// Runs at most `n` at once; the iterator is drawn as they end. Default: all at once.
    ///
    /// # Panics
    ///
    /// When `n` is 0.
    pub fn limit(mut self, n: usize) -> Self {
        assert!(
            n > 0,
            "as_completed(..).limit(0): no future would ever run; use at least 1"
        );
        self.limit = n;
        self
    }

    /// Gives with each output the position of its future.
    pub fn indexed(self) -> Indexed<I> {
        Indexed { inner: self }
    }

    fn poll_indexed(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(usize, <I::Item as Future>::Output)>> {
        if !std::mem::replace(&mut self.gave_way, true) {
            ready!(coop::poll_spend(cx));
        }
        self.gave_way = false;
        let mut budget = BUDGET;
        // For a consumer that is cancelled nothing new starts. What it asks first is done, as in every first poll.
        let draws = self.futures.is_some() && (self.next == 0 || !scope::is_cancelled());
        while draws && self.running.len() < self.limit && budget > 0 {
            let Some(future) = self.futures.as_mut().and_then(Iterator::next) else {
                self.futures = None;
                break;
            };
            let index = self.next;
            self.next += 1;
            budget -= 1;
            match self.running.insert_polled(|| future) {
                Ok(slot) => {
                    if slot >= self.places.len() {
                        self.places.resize(slot + 1, 0);
                    }
                    self.places[slot] = index;
                }
                Err(output) => return Poll::Ready(Some((index, output))),
            }
        }
        match self.running.poll_next(cx) {
            Poll::Ready(Some((slot, output))) => Poll::Ready(Some((self.places[slot], output))),
            Poll::Ready(None) if self.futures.is_none() => Poll::Ready(None),
            Poll::Ready(None) | Poll::Pending => {
                if budget == 0 {
                    // There is more to start; the others get their turn first.
                    cx.waker().wake_by_ref();
                }
                label::set("the next to complete");
                Poll::Pending
            }
        }
    }
}

impl<I: Iterator<Item: Future>> Stream for AsCompleted<I> {
    type Item = <I::Item as Future>::Output;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut()
            .poll_indexed(cx)
            .map(|item| item.map(|(_, output)| output))
    }
}

/// A stream of outputs and positions; made by [`AsCompleted::indexed`].
#[must_use = "streams do nothing unless polled"]
#[derive(Debug)]
pub struct Indexed<I: Iterator> {
    inner: AsCompleted<I>,
}

impl<I: Iterator<Item: Future>> Stream for Indexed<I> {
    type Item = (usize, <I::Item as Future>::Output);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().inner.poll_indexed(cx)
    }
}
