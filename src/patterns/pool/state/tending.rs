//! Closing a bucket, and looking after what lies in the buckets.

use super::{State, Todo, Wait};
use crate::patterns::pool::observer::Why;
use crate::runtime::Instant;
use crate::runtime::RuntimeId;
use std::panic::Location;
use std::time::Duration;

impl<O, H: Clone, E> State<O, H, E> {
    /// Gives no more. What is idle is closed, what comes back too.
    pub(in crate::patterns::pool) fn close(&mut self, b: usize, todo: &mut Todo<O, H, E>) {
        if !std::mem::replace(&mut self.buckets[b].closed, true) {
            self.empty(b, todo);
        }
    }

    /// The same for all. All are marked before any is emptied: what one of them gives up must not begin anew in
    /// another. Their homes.
    pub(in crate::patterns::pool) fn close_all(&mut self, todo: &mut Todo<O, H, E>) -> Vec<H> {
        let mut open = Vec::new();
        let mut homes = Vec::new();
        for (b, bucket) in &mut self.buckets {
            homes.extend(bucket.home.clone());
            if !std::mem::replace(&mut bucket.closed, true) {
                open.push(b);
            }
        }
        for b in open {
            self.empty(b, todo);
        }
        homes
    }

    fn empty(&mut self, b: usize, todo: &mut Todo<O, H, E>) {
        let bucket = &mut self.buckets[b];
        bucket.line.serve_each(&mut todo.wakers, |wait| {
            *wait = Wait::Closed;
            true
        });
        let idle = std::mem::take(&mut bucket.idle);
        for item in idle {
            self.begin_close(item, Why::PoolClosed, todo);
        }
        self.settle(b, todo);
    }

    /// Every object of a bucket is to be replaced: what is idle is closed now, the others when they come back, or as
    /// soon as they are made.
    pub(in crate::patterns::pool) fn expire(&mut self, b: usize, todo: &mut Todo<O, H, E>) {
        for (_, record) in &mut self.records {
            record.expired |= record.bucket == b;
        }
        let idle = std::mem::take(&mut self.buckets[b].idle);
        for item in idle {
            self.begin_close(item, Why::Expired, todo);
        }
        self.settle(b, todo);
    }

    pub(in crate::patterns::pool) fn buckets(&self) -> Vec<usize> {
        self.buckets.iter().map(|(b, _)| b).collect()
    }

    /// Closes what is over at `now`. Returns which objects are in use for too long, and when the reaper of a runtime is
    /// to look again.
    pub(in crate::patterns::pool) fn reap(
        &mut self,
        here: RuntimeId,
        now: Instant,
        todo: &mut Todo<O, H, E>,
    ) -> (Vec<(&'static Location<'static>, Duration)>, Option<Instant>) {
        let mut next: Option<Instant> = None;
        let mut soonest = |at: Option<Instant>| next = [next, at].into_iter().flatten().min();
        for b in self.buckets() {
            // From the one that has been idle for longest.
            for _ in 0..self.buckets[b].idle.len() {
                let Some(item) = self.buckets[b].idle.pop_front() else {
                    break;
                };
                if let Some(why) = self.is_over(&item, Some(now)) {
                    self.begin_close(item, why, todo);
                    continue;
                }
                soonest(item.expires);
                // One that is kept although its time is over has no end.
                soonest(
                    item.idle_end(self.rules.idle_timeout)
                        .filter(|at| *at > now),
                );
                self.buckets[b].idle.push_back(item);
            }
            self.want(b, todo);
        }
        let mut held = Vec::new();
        if let Some(limit) = self.rules.leak_after {
            for (_, record) in &mut self.records {
                let (Some(at), Some(since), false) = (record.taken, record.since, record.told)
                else {
                    continue;
                };
                let end = since.checked_add(limit);
                if end.is_some_and(|end| end <= now) {
                    record.told = true;
                    held.push((at, now.saturating_duration_since(since)));
                } else {
                    soonest(end);
                }
            }
        }
        self.reaped(here, next);
        (held, next)
    }
}
