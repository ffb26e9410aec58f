//! [`partition`](super::StreamOps::partition): two streams out of one.

use super::fork::{Branch, Fork, Rule};
use futures_core::Stream;
use pin_project_lite::pin_project;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Items that wait for their side.
pub(super) struct Sides<T> {
    /// `None`: nobody takes from it any more.
    sides: [Option<VecDeque<T>>; 2],
    room: usize,
}

impl<T> Rule for Sides<T> {
    type In = (bool, T);
    type Out = T;
    type Waste = Option<VecDeque<T>>;

    fn has_room(&self) -> bool {
        let waiting = self.sides.iter().flatten();
        waiting.map(VecDeque::len).max().unwrap_or(0) < self.room
    }

    fn push(&mut self, (side, item): (bool, T)) -> Option<VecDeque<T>> {
        match &mut self.sides[usize::from(side)] {
            Some(waiting) => {
                waiting.push_back(item);
                None
            }
            None => Some(VecDeque::from([item])),
        }
    }

    fn pop(&mut self, branch: usize) -> Option<(T, Option<VecDeque<T>>)> {
        let item = self.sides[branch].as_mut()?.pop_front()?;
        Some((item, None))
    }

    fn leave(&mut self, branch: usize) -> Option<VecDeque<T>> {
        self.sides[branch].take()
    }
}

pin_project! {
    /// Says of each item which side it is for.
    pub(super) struct Sorted<S, F> {
        #[pin]
        stream: S,
        f: F,
    }
}

impl<S: Stream, F: FnMut(&S::Item) -> bool> Stream for Sorted<S, F> {
    type Item = (bool, S::Item);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let next = this.stream.poll_next(cx);
        next.map(|item| item.map(|item| ((this.f)(&item), item)))
    }
}

/// One of two streams that share the items of another; made by [`partition`](super::StreamOps::partition).
///
/// # Examples
///
/// ```
/// use futures::{StreamExt, future, stream};
/// use regatta::stream::StreamOps;
///
/// regatta::testing::run(async || {
///     let (even, odd) = stream::iter(0..6).partition(4, |n| n % 2 == 0);
///     let both = future::join(even.collect::<Vec<_>>(), odd.collect::<Vec<_>>());
///     assert_eq!(both.await, (vec![0, 2, 4], vec![1, 3, 5]));
/// });
/// ```
#[must_use = "streams do nothing unless polled, and one that is not polled holds up the other"]
pub struct Partition<S: Stream, F> {
    branch: Branch<Sorted<S, F>, Sides<S::Item>>,
}

impl<S: Stream, F> Partition<S, F> {
    /// Those for which `f` is true, and the others.
    #[track_caller]
    pub(super) fn pair(stream: S, room: usize, f: F) -> (Self, Self) {
        assert!(
            room > 0,
            "partition(0, ..): no item could ever be handed on; use at least 1"
        );
        let sides = Sides {
            sides: [Some(VecDeque::new()), Some(VecDeque::new())],
            room,
        };
        let fork = Fork::new(Sorted { stream, f }, sides);
        let side = |side: bool| Partition {
            branch: Branch::new(fork.clone(), usize::from(side)),
        };
        (side(true), side(false))
    }

    /// How many items wait for this side; at most the `n` of [`partition`](super::StreamOps::partition).
    pub fn queued(&self) -> usize {
        let number = self.branch.number;
        self.branch
            .fork
            .with(|rule| rule.sides[number].as_ref().map_or(0, VecDeque::len))
    }
}

impl<S: Stream, F> fmt::Debug for Partition<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition")
            .field("queued", &self.queued())
            .finish_non_exhaustive()
    }
}

impl<S: Stream, F: FnMut(&S::Item) -> bool> Stream for Partition<S, F> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.branch.poll(cx)
    }
}
