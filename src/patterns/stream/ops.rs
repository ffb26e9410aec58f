//! [`StreamOps`]: the operators, as methods.

use super::Turn;
use super::batch::{Batch, Each};
use super::broadcast::Broadcast;
use super::errors::{CollectErrors, SkipErrors, StopOnError};
use super::join::{Merge, ZipLatest};
use super::map::MapConcurrent;
use super::pace::{Debounce, Throttle, TimeoutEach};
use super::partition::Partition;
use super::progress::{Progress, WithProgress};
use super::stage::Stage;
use futures_core::Stream;
use std::future::Future;
use std::time::Duration;

/// Operators on every stream; see the [module](super) for which one to take.
///
/// ```
/// use regatta::stream::StreamOps;
/// ```
pub trait StreamOps: Stream + Sized {
    /// Works on up to `n` items at once: calls `f` with each, and gives what its futures give, in the order of the items, or
    /// [as they come](MapConcurrent::unordered).
    ///
    /// In place: concurrent, not parallel; the futures may borrow. At most `n` items are out of the stream above and not given yet, finished ones that
    /// wait for their turn included. `futures` calls the two `buffered` and `buffer_unordered`; these here allocate nothing per item, and refuse an `n` of 0 instead of
    /// hanging.
    ///
    /// # Panics
    ///
    /// When `n` is 0. A panic of `f` or of a future goes on in the consumer.
    ///
    /// # Cancel safety
    ///
    /// Dropping a `next` that waits loses nothing; the futures stay, and go on when the stream is polled again. Dropping the stream drops them.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::StreamExt;
    /// use regatta::{stream::StreamOps, time};
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let naps = futures::stream::iter([3, 1, 2]).map_concurrent(3, async |s| {
    ///         time::sleep(Duration::from_secs(s)).await;
    ///         s
    ///     });
    ///     assert_eq!(naps.collect::<Vec<_>>().await, [3, 1, 2]);
    ///     assert_eq!(regatta::testing::now(), Duration::from_secs(3));
    /// });
    /// ```
    #[track_caller]
    fn map_concurrent<F, Fut>(self, n: usize, f: F) -> MapConcurrent<Self, F, Fut>
    where
        F: FnMut(Self::Item) -> Fut,
        Fut: Future,
    {
        MapConcurrent::new(self, n, f)
    }

    /// Makes what is above a task of its own, which works ahead by up to `n` items while the consumer is busy.
    ///
    /// The task starts at the first poll, on the runtime that is current then. It sees the cancel scopes around that poll (their deadlines too), and ends with the
    /// stream: dropped, the stream above is dropped at its task's next poll. When the stream says that it has ended, the stream above is gone.
    ///
    /// Without a runtime to spawn on (the neutral one) the stream above is polled in place, and does not work ahead.
    ///
    /// # Panics
    ///
    /// When `n` is 0. A panic above goes on in the consumer, after the items before it. When the runtime of the task stops before the stream has
    /// ended: what was to come is lost, and that must not look like the end.
    ///
    /// # Cancel safety
    ///
    /// Dropping a `next` that waits loses nothing. Dropping the stream drops the items that wait, and everything above; async cleanup above is skipped.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::StreamExt;
    /// use regatta::{stream::{StreamOps, generate}, time};
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let frames = generate(async |y| {
    ///         for frame in 0..10 {
    ///             time::sleep(Duration::from_secs(1)).await; // read it
    ///             y.put(frame).await;
    ///         }
    ///     });
    ///     let mut frames = frames.then_stage(1);
    ///     while let Some(_frame) = frames.next().await {
    ///         time::sleep(Duration::from_secs(1)).await; // show it
    ///     }
    ///     // Not 20: the next frame is read while one is shown.
    ///     assert_eq!(regatta::testing::now(), Duration::from_secs(11));
    /// });
    /// ```
    #[track_caller]
    fn then_stage(self, n: usize) -> Stage<Self>
    where
        Self: Send + 'static,
        Self::Item: Send,
    {
        Stage::new(self, n)
    }

    /// Groups of `n` items; the last one has what is left.
    ///
    /// # Panics
    ///
    /// When `n` is 0.
    ///
    /// # Cancel safety
    ///
    /// Dropping a `next` that waits loses nothing: what is collected stays. Dropping the stream drops the batch that is begun; it is never given as a whole one.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::StreamExt;
    /// use regatta::stream::StreamOps;
    ///
    /// regatta::testing::run(async || {
    ///     let batches = futures::stream::iter(1..=5).batch(2);
    ///     assert_eq!(batches.collect::<Vec<_>>().await, [vec![1, 2], vec![3, 4], vec![5]]);
    /// });
    /// ```
    #[track_caller]
    fn batch(self, n: usize) -> Batch<Self> {
        assert!(
            n > 0,
            "batch(0): a batch could never be full; use at least 1"
        );
        Batch::new(self, n, None, Each(()))
    }

    /// [`batch`](StreamOps::batch), but gives a batch that is begun when its first item has waited for `limit`.
    ///
    /// The timer is armed only while the stream above has nothing and a batch is begun. There are no empty batches.
    ///
    /// # Panics
    ///
    /// When `n` is 0 or `limit` is zero.
    ///
    /// # Cancel safety
    ///
    /// As [`batch`](StreamOps::batch); the time goes on, and counts from the first item.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::StreamExt;
    /// use regatta::{stream::{StreamOps, generate}, time};
    /// use std::{pin::pin, time::Duration};
    ///
    /// regatta::testing::run(async || {
    ///     let clicks = generate(async |y| {
    ///         for pause in [0, 1, 1, 30, 1] {
    ///             time::sleep(Duration::from_secs(pause)).await;
    ///             y.put(pause).await;
    ///         }
    ///     });
    ///     let mut batches = pin!(clicks.batch_within(100, Duration::from_secs(10)));
    ///     assert_eq!(batches.next().await, Some(vec![0, 1, 1]));
    ///     assert_eq!(regatta::testing::now(), Duration::from_secs(10));
    ///     assert_eq!(batches.next().await, Some(vec![30, 1]));
    /// });
    /// ```
    #[track_caller]
    fn batch_within(self, n: usize, limit: Duration) -> Batch<Self> {
        assert!(
            n > 0,
            "batch_within(0, ..): a batch could never be full; use at least 1"
        );
        assert!(
            !limit.is_zero(),
            "batch_within(.., 0s) waits for no second item: use more, or `batch(1)`"
        );
        Batch::new(self, n, Some(limit), Each(()))
    }

    /// Groups whose items weigh at most `most` together, by `weight`; an item that weighs more goes alone.
    ///
    /// # Panics
    ///
    /// When `most` is 0.
    ///
    /// # Cancel safety
    ///
    /// As [`batch`](StreamOps::batch).
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::StreamExt;
    /// use regatta::stream::StreamOps;
    ///
    /// regatta::testing::run(async || {
    ///     let words = futures::stream::iter(["to", "be", "or", "not", "to be", "regatta"]);
    ///     let lines = words.batch_weighted(6, |word| word.len());
    ///     let lines: Vec<Vec<&str>> = lines.collect().await;
    ///     assert_eq!(lines, [vec!["to", "be", "or"], vec!["not"], vec!["to be"], vec!["regatta"]]);
    /// });
    /// ```
    #[track_caller]
    fn batch_weighted<F>(self, most: usize, weight: F) -> Batch<Self, F>
    where
        F: FnMut(&Self::Item) -> usize,
    {
        assert!(
            most > 0,
            "batch_weighted(0, ..): no batch could hold two items; use at least 1"
        );
        Batch::new(self, most, None, weight)
    }

    /// Keeps items apart by at least `distance`; they wait, none is dropped. The first comes at once.
    ///
    /// # Panics
    ///
    /// When `distance` is zero.
    ///
    /// # Cancel safety
    ///
    /// Dropping a `next` that waits loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::StreamExt;
    /// use regatta::stream::StreamOps;
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let slow = futures::stream::iter(0..4).throttle(Duration::from_secs(5));
    ///     assert_eq!(slow.collect::<Vec<_>>().await, [0, 1, 2, 3]);
    ///     // The end waits too: nobody knows that it is the end before it is asked for.
    ///     assert_eq!(regatta::testing::now(), Duration::from_secs(20));
    /// });
    /// ```
    #[track_caller]
    fn throttle(self, distance: Duration) -> Throttle<Self> {
        Throttle::new(self, distance)
    }

    /// Gives an item when none has followed it for `quiet`; what was followed is dropped. The last item comes when the stream above ends.
    ///
    /// # Panics
    ///
    /// When `quiet` is zero.
    ///
    /// # Cancel safety
    ///
    /// Dropping a `next` that waits loses nothing: the latest item stays, and its time goes on.
    ///
    /// An example stands at [`Debounce`].
    #[track_caller]
    fn debounce(self, quiet: Duration) -> Debounce<Self> {
        Debounce::new(self, quiet)
    }

    /// Waits at most `limit` for each item; the time counts from when the consumer asks. What comes late comes next.
    ///
    /// # Errors
    ///
    /// [`Elapsed`](crate::time::Elapsed) in place of an item that has not come in time, and again for each `limit` that the consumer goes on waiting. The stream above goes
    /// on; [`stop_on_error`](StreamOps::stop_on_error) behind it ends it there.
    ///
    /// # Panics
    ///
    /// When `limit` is zero.
    ///
    /// # Cancel safety
    ///
    /// Dropping a `next` that waits loses nothing; the time goes on.
    ///
    /// An example stands at [`TimeoutEach`].
    #[track_caller]
    fn timeout_each(self, limit: Duration) -> TimeoutEach<Self> {
        TimeoutEach::new(self, limit)
    }

    /// The items of both streams as they come; when both have some, in turns. Ends when both have ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping a `next` that waits loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::{StreamExt, stream};
    /// use regatta::stream::StreamOps;
    ///
    /// regatta::testing::run(async || {
    ///     let both = stream::iter([1, 2, 3]).merge(stream::iter([10, 20]));
    ///     assert_eq!(both.collect::<Vec<_>>().await, [1, 10, 2, 20, 3]);
    /// });
    /// ```
    fn merge<S>(self, other: S) -> Merge<Self, S>
    where
        S: Stream<Item = Self::Item>,
    {
        Merge::new(self, other)
    }

    /// The newest item of each of two streams, whenever one of them has a newer one; begins when both have one. Ends when both have ended, or when one
    /// ends without an item. (`combineLatest` elsewhere.)
    ///
    /// # Cancel safety
    ///
    /// Dropping a `next` that waits loses nothing.
    ///
    /// An example stands at [`ZipLatest`].
    fn zip_latest<S>(self, other: S) -> ZipLatest<Self, S>
    where
        S: Stream<Item: Clone>,
        Self::Item: Clone,
    {
        ZipLatest::new(self, other)
    }

    /// Shares the stream among subscribers, each of which gets every item from its [`subscribe`](Broadcast::subscribe) on.
    ///
    /// The slowest holds up the others: nobody is ahead of it by more than `n` items. (For consumers that may miss some, see
    /// [`queue::Broadcast`](crate::queue::Broadcast).) Needs no runtime: whoever needs an item polls the stream above, for all.
    ///
    /// # Panics
    ///
    /// When `n` is 0. A panic above goes on in the subscriber that polled, and the others panic in turn.
    ///
    /// # Cancel safety
    ///
    /// Dropping a `next` that waits loses nothing. A dropped subscriber no longer counts, and what it had not taken is dropped.
    ///
    /// An example stands at [`Broadcast`].
    #[track_caller]
    fn broadcast(self, n: usize) -> Broadcast<Self>
    where
        Self::Item: Clone,
    {
        Broadcast::new(self, n)
    }

    /// Splits the stream in two: the items for which `f` is true, and the others. Up to `n` items wait on each side; then the other side waits too.
    ///
    /// Poll both at once: who takes all of one side first waits for ever when the other is full. Needs no runtime: whichever side needs an item polls the
    /// stream above. What comes for a side that was dropped is dropped.
    ///
    /// # Panics
    ///
    /// When `n` is 0. A panic of `f` or above goes on in the side that polled, and the other panics in turn.
    ///
    /// # Cancel safety
    ///
    /// Dropping a `next` that waits loses nothing.
    ///
    /// An example stands at [`Partition`].
    #[track_caller]
    fn partition<F>(self, n: usize, f: F) -> (Partition<Self, F>, Partition<Self, F>)
    where
        F: FnMut(&Self::Item) -> bool,
    {
        Partition::pair(self, n, f)
    }

    /// Ends with the first error, which is the last item; the stream above is dropped by then.
    ///
    /// # Cancel safety
    ///
    /// Dropping a `next` that waits loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::{StreamExt, stream};
    /// use regatta::stream::StreamOps;
    ///
    /// regatta::testing::run(async || {
    ///     let lines = stream::iter(["1", "2", "x", "4"]).map(|line| line.parse::<u32>().map_err(|_| line));
    ///     assert_eq!(lines.stop_on_error().collect::<Vec<_>>().await, [Ok(1), Ok(2), Err("x")]);
    /// });
    /// ```
    fn stop_on_error<T, E>(self) -> StopOnError<Self>
    where
        Self: Stream<Item = Result<T, E>>,
    {
        StopOnError {
            stream: Some(self),
            turn: Turn::default(),
        }
    }

    /// Goes on after errors: each goes to `sink`, and the values come out. There is no form without a sink: an error that nobody looks at is a bug.
    ///
    /// # Cancel safety
    ///
    /// Dropping a `next` that waits loses nothing: an error that the sink was given stays given.
    ///
    /// An example stands at [`SkipErrors`].
    fn skip_errors<T, E, F>(self, sink: F) -> SkipErrors<Self, F>
    where
        Self: Stream<Item = Result<T, E>>,
        F: FnMut(E),
    {
        SkipErrors {
            stream: self,
            sink,
            skipped: 0,
            turn: Turn::default(),
        }
    }

    /// Goes on after errors and keeps up to `most` of them for [`errors`](CollectErrors::errors); further ones are counted.
    ///
    /// # Panics
    ///
    /// When `most` is 0.
    ///
    /// # Cancel safety
    ///
    /// Dropping a `next` that waits loses nothing: values and errors stay.
    ///
    /// An example stands at [`CollectErrors`].
    #[track_caller]
    fn collect_errors<T, E>(self, most: usize) -> CollectErrors<Self, E>
    where
        Self: Stream<Item = Result<T, E>>,
    {
        CollectErrors::new(self, most)
    }

    /// Calls `observer` after each item and at the end. It should be quick.
    ///
    /// # Cancel safety
    ///
    /// Dropping a `next` that waits loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::{StreamExt, stream};
    /// use regatta::stream::StreamOps;
    ///
    /// regatta::testing::run(async || {
    ///     let mut shown = vec![];
    ///     let items = stream::iter(["a", "b"]).progress(|p| shown.push((p.items, p.total, p.ended)));
    ///     items.for_each(async |_| ()).await;
    ///     assert_eq!(shown, [(1, Some(2), false), (2, Some(2), false), (2, Some(2), true)]);
    /// });
    /// ```
    fn progress<F>(self, observer: F) -> WithProgress<Self, F>
    where
        F: FnMut(Progress),
    {
        WithProgress {
            stream: self,
            observer,
            items: 0,
            ended: false,
            turn: Turn::default(),
        }
    }
}

impl<S: Stream> StreamOps for S {}
