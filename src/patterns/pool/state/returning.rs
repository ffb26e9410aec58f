//! An object comes back, or goes for good.

use super::{HOME, Item, State, Todo, Wait};
use crate::patterns::pool::observer::Why;
use crate::patterns::pool::report::Closed;
use std::task::Waker;
use std::time::Instant;

impl<O, H: Clone, E> State<O, H, E> {
    /// [`put`](State::put), where it is not to be closed. Whom to wake after unlocking.
    #[inline]
    pub(in crate::patterns::pool) fn put_quickly(
        &mut self,
        mut item: Item<O>,
        now: Option<Instant>,
    ) -> Result<Option<Waker>, Item<O>> {
        let record = &mut self.records[item.record];
        let bucket = &mut self.buckets[record.bucket];
        let stays = !bucket.closed
            && bucket.size - bucket.closing <= bucket.max
            && self.size - self.closing <= self.max
            && self.rules.leak_after.is_none()
            && !now.is_some_and(|now| item.is_too_old(now));
        if !stays {
            return Err(item);
        }
        if bucket.requested > 0 {
            return Err(item);
        }
        if let Some(&Wait::Waiting { at, .. }) = bucket.line.front() {
            bucket.stats.taken += 1;
            record.taken = Some(at);
            item.idle_since = None;
            return Ok(bucket.line.serve_front(|wait| *wait = Wait::Given(item)));
        }
        if !self.requests.is_empty() {
            return Err(item);
        }
        record.taken = None;
        Ok(self.lay_down(item, now))
    }

    /// To the idle ones. The reaper is to be woken, perhaps.
    #[inline]
    fn lay_down(&mut self, mut item: Item<O>, now: Option<Instant>) -> Option<Waker> {
        self.stamp += 1;
        item.stamp = self.stamp;
        item.idle_since = now;
        let idle_end = item.idle_end(self.rules.idle_timeout);
        let due = match item.expires {
            None => idle_end,
            Some(end) => Some(idle_end.map_or(end, |at| at.min(end))),
        };
        let bucket = &mut self.buckets[self.records[item.record].bucket];
        bucket.idle.push_back(item);
        self.reaper.rouse(due)
    }

    /// An object that is clean: to the first in line, to the idle ones, or to be closed.
    pub(in crate::patterns::pool) fn put(
        &mut self,
        mut item: Item<O>,
        now: Option<Instant>,
        todo: &mut Todo<O, H, E>,
    ) {
        self.forget_taken(item.record);
        let b = self.records[item.record].bucket;
        let bucket = &mut self.buckets[b];
        let over = now.is_some_and(|now| item.is_too_old(now));
        let why = if bucket.closed {
            Some(Why::PoolClosed)
        } else if bucket.size - bucket.closing > bucket.max || self.size - self.closing > self.max {
            Some(Why::Surplus)
        } else if over {
            Some(Why::Lifetime)
        } else if bucket.line.is_empty() && self.is_short() {
            Some(Why::Evicted)
        } else {
            None
        };
        if let Some(why) = why {
            return self.begin_close(item, why, todo);
        }
        let bucket = &mut self.buckets[b];
        if let Some(&Wait::Waiting { at, .. }) = bucket.line.front() {
            bucket.stats.taken += 1;
            let record = item.record;
            item.idle_since = None;
            let waker = bucket.line.serve_front(|wait| *wait = Wait::Given(item));
            todo.wakers.extend(waker);
            self.mark_taken(record, at, now, &mut todo.wakers);
            return self.withdraw(b);
        }
        let waker = self.lay_down(item, now);
        todo.wakers.extend(waker);
    }

    pub(super) fn forget_taken(&mut self, record: usize) {
        let record = &mut self.records[record];
        record.taken = None;
        record.since = None;
        record.told = false;
    }

    /// An object leaves for good; it counts until it is [closed](State::closed).
    pub(in crate::patterns::pool) fn begin_close(
        &mut self,
        item: Item<O>,
        why: Why,
        todo: &mut Todo<O, H, E>,
    ) {
        self.forget_taken(item.record);
        let bucket = &mut self.buckets[self.records[item.record].bucket];
        count(&mut bucket.stats.closed, why);
        bucket.closing += 1;
        self.closing += 1;
        let home = bucket.home.clone().expect(HOME);
        todo.closes.push((home, item, why));
    }

    /// It is closed: there is room for another.
    pub(in crate::patterns::pool) fn closed(&mut self, record: usize, todo: &mut Todo<O, H, E>) {
        let b = self.records[record].bucket;
        self.buckets[b].closing -= 1;
        self.closing -= 1;
        self.remove(record, todo);
    }

    /// It is no longer the pool's.
    pub(in crate::patterns::pool) fn remove(&mut self, record: usize, todo: &mut Todo<O, H, E>) {
        let b = self.records.remove(record).bucket;
        self.buckets[b].size -= 1;
        self.size -= 1;
        self.settle(b, todo);
    }
}

fn count(closed: &mut Closed, why: Why) {
    *match why {
        Why::InFlight => &mut closed.in_flight,
        Why::Discarded => &mut closed.discarded,
        Why::Check => &mut closed.check,
        Why::Hook => &mut closed.hook,
        Why::Lifetime => &mut closed.lifetime,
        Why::Idle => &mut closed.idle,
        Why::Surplus => &mut closed.surplus,
        Why::Evicted => &mut closed.evicted,
        Why::PoolClosed => &mut closed.pool_closed,
    } += 1;
}
