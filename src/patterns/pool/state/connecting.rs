//! How attempts to connect end.

use super::{FIRST_PAUSE, Item, State, Todo, Wait};
use crate::patterns::pool::error::ConnectError;
use crate::patterns::pool::observer::Why;
use crate::runtime::Instant;
use std::sync::Arc;
use std::time::Duration;

impl<O, H: Clone, E> State<O, H, E> {
    /// A connect has ended well.
    pub(in crate::patterns::pool) fn opened(
        &mut self,
        item: Item<O>,
        now: Option<Instant>,
        todo: &mut Todo<O, H, E>,
    ) {
        let record = &mut self.records[item.record];
        record.connecting = false;
        let b = record.bucket;
        let bucket = &mut self.buckets[b];
        bucket.connecting -= 1;
        bucket.stats.connected += 1;
        bucket.last_failure = None;
        bucket.failures = 0;
        self.put(item, now, todo);
        // It may have gone into the idle ones while a request of its own bucket still stands.
        self.settle(b, todo);
    }

    /// A connect has failed: the first in line is told. What was made all the same is closed. `Some`: the caller is to
    /// wait for so long, and then to [`resume`](State::resume).
    pub(in crate::patterns::pool) fn failed(
        &mut self,
        record: usize,
        made: Option<Item<O>>,
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
        self.unmake(record, made, Why::Hook, todo);
        pause
    }

    /// A connect was given up, because its bucket is closed.
    pub(in crate::patterns::pool) fn gave_up(
        &mut self,
        record: usize,
        made: Option<Item<O>>,
        todo: &mut Todo<O, H, E>,
    ) {
        let b = self.records[record].bucket;
        self.buckets[b].connecting -= 1;
        self.unmake(record, made, Why::PoolClosed, todo);
    }

    /// A connect was dropped with its runtime. Another one there would end alike: all waiters there are told.
    pub(in crate::patterns::pool) fn lost(
        &mut self,
        record: usize,
        made: Option<Item<O>>,
        todo: &mut Todo<O, H, E>,
    ) {
        self.leave_ground(self.records[record].ground, todo);
        let b = self.records[record].bucket;
        self.buckets[b].connecting -= 1;
        self.unmake(record, made, Why::Dropped, todo);
    }

    /// What is left of a connect that came to nothing: an object that is to be closed, or a place that is free.
    fn unmake(&mut self, record: usize, made: Option<Item<O>>, why: Why, todo: &mut Todo<O, H, E>) {
        self.records[record].connecting = false;
        match made {
            Some(item) => {
                let b = self.records[record].bucket;
                self.begin_close(item, why, todo);
                self.settle(b, todo);
            }
            None => self.remove(record, todo),
        }
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
