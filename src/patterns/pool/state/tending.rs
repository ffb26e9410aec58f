//! Closing a bucket, and looking after what lies in the buckets.

use super::{State, Todo, Wait};
use crate::patterns::pool::observer::Why;
use std::panic::Location;
use std::time::{Duration, Instant};

impl<O, H: Clone, E> State<O, H, E> {
    /// Gives no more. What is idle is closed, what comes back too.
    pub(in crate::patterns::pool) fn close(&mut self, b: usize, todo: &mut Todo<O, H, E>) {
        let bucket = &mut self.buckets[b];
        if bucket.closed {
            return;
        }
        bucket.closed = true;
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

    /// What is over at `now` is closed. Who has had an object for too long, and when to look again.
    pub(in crate::patterns::pool) fn reap(
        &mut self,
        now: Instant,
        todo: &mut Todo<O, H, E>,
    ) -> Vec<(&'static Location<'static>, Duration)> {
        let mut next: Option<Instant> = None;
        let mut soonest = |at: Option<Instant>| next = [next, at].into_iter().flatten().min();
        let keys: Vec<usize> = self.buckets.iter().map(|(b, _)| b).collect();
        for b in keys {
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
        self.reaper.until = next;
        held
    }
}
