//! How attempts to connect end.

use super::{FIRST_PAUSE, Item, State, Todo, Wait};
use crate::patterns::pool::error::ConnectError;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl<O, H: Clone, E> State<O, H, E> {
    /// A connect has ended well.
    pub(in crate::patterns::pool) fn opened(
        &mut self,
        item: Item<O>,
        now: Option<Instant>,
        todo: &mut Todo<O, H, E>,
    ) {
        let b = self.records[item.record].bucket;
        let bucket = &mut self.buckets[b];
        bucket.connecting -= 1;
        bucket.stats.connected += 1;
        bucket.last_failure = None;
        bucket.failures = 0;
        self.put(item, now, todo);
        // It may have gone into the idle ones while a request of its own bucket still stands.
        self.settle(b, todo);
    }

    /// A connect has failed: the first in line is told. `Some`: the caller is to wait for so long, and then to [`resume`](State::resume).
    pub(in crate::patterns::pool) fn failed(
        &mut self,
        record: usize,
        error: ConnectError<E>,
        text: Option<Arc<str>>,
        todo: &mut Todo<O, H, E>,
    ) -> Option<Duration> {
        let b = self.records[record].bucket;
        let bucket = &mut self.buckets[b];
        bucket.connecting -= 1;
        bucket.stats.connect_failed += 1;
        bucket.last_failure = text;
        let doublings = bucket.failures.min(8);
        bucket.failures += 1;
        let pauses = bucket.min_idle > 0 && !bucket.paused && !bucket.closed;
        bucket.paused |= pauses;
        let pause = pauses.then(|| FIRST_PAUSE * (1 << doublings));
        let mut error = Some(error);
        let waker = bucket.line.serve_front(|wait| {
            if let Some(error) = error.take() {
                *wait = Wait::Failed(error);
            }
        });
        todo.wakers.extend(waker);
        todo.dropped = error;
        self.remove(record, todo);
        pause
    }

    /// A connect was given up, because its bucket is closed.
    pub(in crate::patterns::pool) fn gave_up(&mut self, record: usize, todo: &mut Todo<O, H, E>) {
        let b = self.records[record].bucket;
        self.buckets[b].connecting -= 1;
        self.remove(record, todo);
    }

    /// A connect was dropped with its runtime. Whoever waits would start another, which would end alike: all are told.
    pub(in crate::patterns::pool) fn lost(&mut self, record: usize, todo: &mut Todo<O, H, E>) {
        for (_, bucket) in &mut self.buckets {
            bucket.paused = true;
            bucket.line.serve_each(&mut todo.wakers, |wait| {
                *wait = Wait::Failed(ConnectError::Dropped);
                true
            });
        }
        self.gave_up(record, todo);
    }

    /// Somebody takes what is to be kept idle, to see that it is there. How many that is.
    pub(in crate::patterns::pool) fn begin_warm_up(&mut self, b: usize) -> usize {
        self.buckets[b].warming += 1;
        self.buckets[b].min_idle
    }

    pub(in crate::patterns::pool) fn end_warm_up(&mut self, b: usize, todo: &mut Todo<O, H, E>) {
        self.buckets[b].warming -= 1;
        self.settle(b, todo);
    }

    /// Connects for the sake of `min_idle` again.
    pub(in crate::patterns::pool) fn resume(&mut self, b: usize, todo: &mut Todo<O, H, E>) {
        if let Some(bucket) = self.buckets.get_mut(b) {
            bucket.paused = false;
            self.settle(b, todo);
        }
    }
}
