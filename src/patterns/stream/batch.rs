//! Batches: by number, by weight, and within a time.
//!
//! The timer is armed when the source has nothing more and a batch is begun: a source that is always ready never touches a timer, and reads no clock.

use super::Turn;
use super::alarm::Alarm;
use crate::internal::label;
use futures_core::Stream;
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Room that is made for a batch beforehand, at most.
const ROOM: usize = 256;

/// Says how much of a batch an item takes. Public only because [`Batch`] mentions it.
pub trait Weigh<T> {
    /// Whether every item counts as one: then the number of items is their weight, and no sum is kept. (It would be loaded and stored with each.)
    #[doc(hidden)]
    const COUNTS: bool = false;

    /// Its share, in the unit of the batch's bound.
    fn weigh(&mut self, item: &T) -> usize;
}

/// Each item counts as one.
#[derive(Clone, Copy, Debug)]
pub struct Each(pub(super) ());

impl<T> Weigh<T> for Each {
    const COUNTS: bool = true;

    #[inline]
    fn weigh(&mut self, _: &T) -> usize {
        1
    }
}

impl<T, F: FnMut(&T) -> usize> Weigh<T> for F {
    fn weigh(&mut self, item: &T) -> usize {
        self(item)
    }
}

/// Items that are being collected.
struct Collected<T> {
    items: Vec<T>,
    /// Of them all; 0 where they are counted.
    sum: usize,
    /// Was too heavy for the batch before; the first of the next.
    held: Option<(T, usize)>,
}

impl<T> Collected<T> {
    /// Adds an item, unless it is too heavy. True: the batch is full.
    #[inline]
    fn add<W: Weigh<T>>(&mut self, item: T, weight: usize, most: usize) -> bool {
        if W::COUNTS {
            self.push(item, most);
            return self.items.len() >= most;
        }
        let sum = self.sum.saturating_add(weight);
        if sum > most && !self.items.is_empty() {
            self.held = Some((item, weight));
            return true;
        }
        self.push(item, most);
        self.sum = sum;
        sum >= most
    }

    #[inline]
    fn push(&mut self, item: T, most: usize) {
        if self.items.len() == self.items.capacity() {
            grow(&mut self.items, most);
        }
        self.items.push(item);
    }

    fn is_full<W: Weigh<T>>(&self, most: usize) -> bool {
        let weight = if W::COUNTS {
            self.items.len()
        } else {
            self.sum
        };
        weight >= most && !self.items.is_empty()
    }

    fn give<W: Weigh<T>>(&mut self, most: usize) -> Vec<T> {
        self.sum = 0;
        let batch = std::mem::take(&mut self.items);
        if let Some((item, weight)) = self.held.take() {
            self.add::<W>(item, weight, most);
        }
        batch
    }
}

#[cold]
fn grow<T>(items: &mut Vec<T>, most: usize) {
    items.reserve(if items.is_empty() { most.min(ROOM) } else { 1 });
}

/// Why collecting paused.
enum Pause {
    Full,
    Ended,
    Waits,
    /// Others get their turn; the task has been woken.
    Tired,
}

/// Takes items in until something keeps it from it.
#[inline]
fn collect<S, W>(
    mut stream: Pin<&mut S>,
    collected: &mut Collected<S::Item>,
    most: usize,
    weigh: &mut W,
    cx: &mut Context<'_>,
) -> Pause
where
    S: Stream,
    W: Weigh<S::Item>,
{
    let mut left = super::BUDGET;
    loop {
        match stream.as_mut().poll_next(cx) {
            Poll::Ready(Some(item)) => {
                let weight = weigh.weigh(&item);
                if collected.add::<W>(item, weight, most) {
                    return Pause::Full;
                }
            }
            Poll::Ready(None) => return Pause::Ended,
            Poll::Pending => return Pause::Waits,
        }
        left -= 1;
        if left == 0 {
            if super::poll_more(cx).is_pending() {
                return Pause::Tired;
            }
            left = super::BUDGET;
        }
    }
}

pin_project! {
    /// A stream of batches; made by [`batch`](super::StreamOps::batch) and its relatives.
    #[must_use = "streams do nothing unless polled"]
    pub struct Batch<S, W = Each>
    where
        S: Stream,
    {
        #[pin]
        stream: Option<S>,
        most: usize,
        within: Option<Duration>,
        weigh: W,
        collected: Collected<S::Item>,
        // Set for the batch that is begun.
        alarm: Alarm,
        turn: Turn,
    }
}

impl<S: Stream, W> Batch<S, W> {
    pub(super) fn new(stream: S, most: usize, within: Option<Duration>, weigh: W) -> Self {
        Batch {
            stream: Some(stream),
            most,
            within,
            weigh,
            collected: Collected {
                items: Vec::new(),
                sum: 0,
                held: None,
            },
            alarm: Alarm::default(),
            turn: Turn::default(),
        }
    }

    /// What is collected so far for the next batch.
    pub fn collected(&self) -> &[S::Item] {
        &self.collected.items
    }
}

impl<S: Stream, W> fmt::Debug for Batch<S, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("most", &self.most)
            .field("within", &self.within)
            .field("collected", &self.collected.items.len())
            .finish_non_exhaustive()
    }
}

impl<S, W> Stream for Batch<S, W>
where
    S: Stream,
    W: Weigh<S::Item>,
{
    type Item = Vec<S::Item>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        ready!(this.turn.poll(cx));
        if !this.collected.is_full::<W>(*this.most)
            && let Some(stream) = this.stream.as_mut().as_pin_mut()
        {
            match collect(stream, this.collected, *this.most, this.weigh, cx) {
                Pause::Full => {}
                Pause::Ended => this.stream.set(None),
                Pause::Waits => {
                    label::set("a batch of a stream");
                    let Some(within) = this.within.filter(|_| !this.collected.items.is_empty())
                    else {
                        return Poll::Pending;
                    };
                    if !this.alarm.is_set() {
                        this.alarm.set(within);
                    }
                    ready!(this.alarm.poll(cx));
                }
                Pause::Tired => return Poll::Pending,
            }
        }
        if this.collected.items.is_empty() {
            // Only after the end.
            return Poll::Ready(None);
        }
        this.alarm.stop();
        Poll::Ready(Some(this.collected.give::<W>(*this.most)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (low, high) = self.stream.as_ref().map_or((0, Some(0)), Stream::size_hint);
        let inside = self.collected.items.len();
        (
            (low.saturating_add(inside)).min(1),
            high.and_then(|high| high.checked_add(inside + 1)),
        )
    }
}
