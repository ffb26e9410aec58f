//! [`as_completed`]: outputs as they come.

use crate::internal::label;
use crate::internal::member::{BUDGET, Poller};
use crate::internal::scope;
use crate::internal::slots::Slots;
use crate::runtime::coop;
use futures_core::Stream;
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Runs futures side by side, in place, and gives their outputs in the order they end.
///
/// Python's `as_completed`. Take the outputs with [`next`](AsCompleted::next), or with whatever takes a [`Stream`].
/// Dropping the stream cancels the rest: the futures are dropped. They run only while the stream is polled; work that
/// is to go on while the consumer is busy belongs in a [task group](super::task_group).
///
/// # Panics
///
/// A panic of a future goes on in the consumer. A consumer that catches it may ask on: the outputs of the others come.
///
/// # Cancel safety
///
/// Waiting for the next output can be dropped and repeated. Dropping the stream drops the futures at once. For a
/// consumer that is cancelled no more futures start.
///
/// # Examples
///
/// ```
/// use regatta::{task::as_completed, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let jobs = [30, 10, 20].map(|secs| async move {
///         time::sleep(Duration::from_secs(secs)).await;
///         secs
///     });
///     let mut outputs = as_completed(jobs);
///     let mut seen = vec![];
///     while let Some(secs) = outputs.next().await {
///         seen.push(secs);
///     }
///     assert_eq!(seen, [10, 20, 30]);
///
///     let jobs = ["slow", "fast"].map(|job| async move {
///         time::sleep(Duration::from_secs(if job == "slow" { 9 } else { 1 })).await;
///         job
///     });
///     assert_eq!(as_completed(jobs).indexed().next().await, Some((1, "fast")));
/// });
/// ```
pub fn as_completed<I>(
    futures: I,
) -> AsCompleted<I::IntoIter, <I::Item as IntoFuture>::IntoFuture, <I::Item as IntoFuture>::Output>
where
    I: IntoIterator,
    I::Item: IntoFuture,
{
    AsCompleted {
        futures: Some(futures.into_iter()),
        limit: usize::MAX,
        running: Slots::default(),
        places: Vec::new(),
        next: 0,
        gave_way: false,
        poll: poll_indexed,
    }
}

/// A stream of outputs in the order they come; made by [`as_completed`]. Runs the futures `F` of the iterator `I`,
/// which give `O`.
// `F` and `O` stand here although `I` says what they are, and `poll` is a pointer, for the reason given at `Gathering`.
#[must_use = "streams do nothing unless polled"]
pub struct AsCompleted<I, F, O> {
    futures: Option<I>,
    limit: usize,
    running: Slots<F>,
    places: Vec<usize>,
    next: usize,
    // It owes nothing for its next poll.
    gave_way: bool,
    poll: Poller<AsCompleted<I, F, O>, Option<(usize, O)>>,
}

// The futures have pinned places of their own; the iterator is not pinned.
impl<I, F, O> Unpin for AsCompleted<I, F, O> {}

impl<I, F, O> fmt::Debug for AsCompleted<I, F, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted")
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}

impl<I, F, O> AsCompleted<I, F, O> {
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

    /// The next output; `None` after the last.
    ///
    /// # Panics
    ///
    /// With the panic of a future; asked again, it gives the outputs of the others.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, nothing is lost: the futures stay where they are, and what ends meanwhile comes with the
    /// next call.
    ///
    /// An example stands at [`as_completed`].
    #[expect(
        clippy::should_implement_trait,
        reason = "the name that every crate gives it on streams"
    )]
    pub fn next(&mut self) -> impl Future<Output = Option<O>> + Unpin {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx))
    }

    /// Gives with each output the position of its future.
    pub fn indexed(self) -> Indexed<I, F, O> {
        Indexed { inner: self }
    }
}

fn poll_indexed<I, F>(
    all: &mut AsCompleted<I, F, F::Output>,
    cx: &mut Context<'_>,
) -> Poll<Option<(usize, F::Output)>>
where
    I: Iterator<Item: IntoFuture<IntoFuture = F, Output = F::Output>>,
    F: Future,
{
    all.running.mend();
    if !std::mem::replace(&mut all.gave_way, true) {
        ready!(coop::poll_spend(cx));
    }
    all.gave_way = false;
    let mut budget = BUDGET;
    // For a consumer that is cancelled nothing new starts. What it asks first is done, as in every first poll.
    let draws = all.futures.is_some() && (all.next == 0 || !scope::is_cancelled());
    while draws && all.running.len() < all.limit && budget > 0 {
        let Some(future) = all.futures.as_mut().and_then(Iterator::next) else {
            all.futures = None;
            break;
        };
        let index = all.next;
        all.next += 1;
        budget -= 1;
        match all.running.insert_polled(|| future.into_future()) {
            Ok(slot) => {
                if slot >= all.places.len() {
                    all.places.resize(slot + 1, 0);
                }
                all.places[slot] = index;
            }
            Err(output) => return Poll::Ready(Some((index, output))),
        }
    }
    match all.running.poll_next(cx) {
        Poll::Ready(Some((slot, output))) => Poll::Ready(Some((all.places[slot], output))),
        Poll::Ready(None) if all.futures.is_none() => Poll::Ready(None),
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

impl<I, F, O> Stream for AsCompleted<I, F, O> {
    type Item = O;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        (this.poll)(this, cx).map(|item| item.map(|(_, output)| output))
    }
}

/// A stream of outputs and positions; made by [`AsCompleted::indexed`].
#[must_use = "streams do nothing unless polled"]
#[derive(Debug)]
pub struct Indexed<I, F, O> {
    inner: AsCompleted<I, F, O>,
}

impl<I, F, O> Indexed<I, F, O> {
    /// The next output and its position; `None` after the last.
    ///
    /// # Panics
    ///
    /// As [`AsCompleted::next`].
    ///
    /// # Cancel safety
    ///
    /// As [`AsCompleted::next`].
    ///
    /// An example stands at [`as_completed`].
    #[expect(
        clippy::should_implement_trait,
        reason = "the name that every crate gives it on streams"
    )]
    pub fn next(&mut self) -> impl Future<Output = Option<(usize, O)>> + Unpin {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx))
    }
}

impl<I, F, O> Stream for Indexed<I, F, O> {
    type Item = (usize, O);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut self.get_mut().inner;
        (this.poll)(this, cx)
    }
}
