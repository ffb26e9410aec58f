//! Batches: by number, by weight, and within a time.
//!
//! The timer is armed when the source has nothing more and a batch is begun: a source that is always ready never touches a timer, and reads no clock.

use super::alarm::Alarm;
use crate::internal::label;
use futures_core::Stream;
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Room that is made for a batch beforehand, at most.
const ROOM: usize = 256;

/// Says how much of a batch an item takes. Public only because [`Batch`] mentions it.
pub trait Weigh<T> {
    /// Its share, in the unit of the batch's bound.
    fn weigh(&mut self, item: &T) -> usize;
}

/// Each item counts as one.
#[derive(Clone, Copy, Debug)]
pub struct Each(pub(super) ());

impl<T> Weigh<T> for Each {
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
    weight: usize,
    /// Was too heavy for the batch before; the first of the next.
    held: Option<(T, usize)>,
}

impl<T> Collected<T> {
    fn add(&mut self, item: T, weight: usize, most: usize) {
        if self.items.capacity() == 0 {
            self.items.reserve(most.min(ROOM));
        }
        self.items.push(item);
        self.weight = self.weight.saturating_add(weight);
    }

    /// True: a batch is full.
    #[inline]
    fn take_in(&mut self, item: T, weight: usize, most: usize) -> bool {
        if !self.items.is_empty() && self.weight.saturating_add(weight) > most {
            self.held = Some((item, weight));
            return true;
        }
        self.add(item, weight, most);
        self.weight >= most
    }

    fn give(&mut self, most: usize) -> Vec<T> {
        self.weight = 0;
        let batch = std::mem::take(&mut self.items);
        if let Some((item, weight)) = self.held.take() {
            self.add(item, weight, most);
        }
        batch
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
                weight: 0,
                held: None,
            },
            alarm: Alarm::default(),
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
        let mut full = this.collected.weight >= *this.most && !this.collected.items.is_empty();
        // What can be taken in one poll is bounded by the batch, unless that has no bound.
        let mut budget = (*this.most).clamp(super::BUDGET as usize, 16 * super::BUDGET as usize);
        while !full {
            let Some(stream) = this.stream.as_mut().as_pin_mut() else {
                if this.collected.items.is_empty() {
                    return Poll::Ready(None);
                }
                break;
            };
            match stream.poll_next(cx) {
                Poll::Ready(Some(item)) => {
                    let weight = this.weigh.weigh(&item);
                    full = this.collected.take_in(item, weight, *this.most);
                }
                Poll::Ready(None) => this.stream.set(None),
                Poll::Pending => {
                    let mut due = false;
                    if let Some(within) = *this.within
                        && !this.collected.items.is_empty()
                    {
                        if !this.alarm.is_set() {
                            this.alarm.set(within);
                        }
                        due = this.alarm.poll(cx).is_ready();
                    }
                    if due {
                        break;
                    }
                    label::set("a batch of a stream");
                    return Poll::Pending;
                }
            }
            budget -= 1;
            if budget == 0 && !full {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        this.alarm.stop();
        Poll::Ready(Some(this.collected.give(*this.most)))
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
