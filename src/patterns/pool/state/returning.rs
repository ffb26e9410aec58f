//! An object comes back, or goes for good.

use super::{Close, HOME, Item, State, Todo, Wait};
use crate::patterns::pool::observer::Why;
use crate::patterns::pool::report::Closed;
use crate::runtime::Instant;
use std::panic::Location;
use std::task::Waker;

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
            && !record.expired
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
        if let Some(&Wait::Waiting { at, ground, .. }) = bucket.line.front() {
            if ground != record.ground {
                return Err(item);
            }
            bucket.stats.taken += 1;
            record.taken = Some(at);
            item.idle_since = None;
            return Ok(bucket.line.serve_front(|wait| *wait = Wait::Given(item)));
        }
        if !self.requests.is_empty() {
            return Err(item);
        }
        if self.rules.reaps {
            let ground = record.ground;
            if self.is_unkept(ground) {
                return Err(item);
            }
            self.records[item.record].taken = None;
            return Ok(self.lay_down(item, now));
        }
        // `lay_down`, for objects that have no end.
        record.taken = None;
        self.stamp += 1;
        item.stamp = self.stamp;
        item.idle_since = now;
        bucket.idle.push_back(item);
        Ok(None)
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
        let record = &self.records[item.record];
        let ground = record.ground;
        self.buckets[record.bucket].idle.push_back(item);
        self.rouse(ground, due)
    }

    /// An object that is clean: to the first in line, to the idle ones, or to be closed.
    pub(in crate::patterns::pool) fn put(
        &mut self,
        item: Item<O>,
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
        } else if self.records[item.record].expired {
            Some(Why::Expired)
        } else if bucket.line.is_empty() && self.is_short() {
            Some(Why::Evicted)
        } else {
            None
        };
        if let Some(why) = why {
            return self.begin_close(item, why, todo);
        }
        let record = item.record;
        let item = match self.serve(item, todo) {
            Ok(at) => {
                self.mark_taken(record, at, now, todo);
                return self.withdraw(b);
            }
            Err(item) => item,
        };
        let bucket = &self.buckets[b];
        // No waiter of its runtime is there, and a waiter of another one needs its room.
        if bucket.line.len() > bucket.connecting + bucket.closing {
            return self.begin_close(item, Why::Evicted, todo);
        }
        self.look_after(self.records[record].ground, b, todo);
        let waker = self.lay_down(item, now);
        todo.wakers.extend(waker);
    }

    /// Gives an object to the first in line that can use it, unless that leaves the very first without help. Where it
    /// was asked for.
    fn serve(
        &mut self,
        mut item: Item<O>,
        todo: &mut Todo<O, H, E>,
    ) -> Result<&'static Location<'static>, Item<O>> {
        let bucket = &mut self.buckets[self.records[item.record].bucket];
        let ground = self.records[item.record].ground;
        let Some(front) = bucket.line.front() else {
            return Err(item);
        };
        let others = bucket.connecting + bucket.closing;
        if !front.is_on(ground) && others == 0 {
            return Err(item);
        }
        item.idle_since = None;
        let (mut item, mut asked) = (Some(item), None);
        let mut give = |wait: &mut Wait<O, E>| {
            if let Wait::Waiting { at, .. } = *wait
                && wait.is_on(ground)
                && let Some(item) = item.take()
            {
                asked = Some(at);
                *wait = Wait::Given(item);
                return true;
            }
            false
        };
        if front.is_on(ground) {
            let waker = bucket.line.serve_front(|wait| {
                give(wait);
            });
            todo.wakers.extend(waker);
        } else {
            bucket.line.serve_each(&mut todo.wakers, give);
        }
        match (item, asked) {
            (Some(item), _) => Err(item),
            (None, at) => {
                bucket.stats.taken += 1;
                Ok(at.unwrap_or_else(Location::caller))
            }
        }
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
        let runtime = self.runtime_of(self.records[item.record].ground);
        todo.closes.push(Close {
            home,
            item,
            why,
            runtime,
        });
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
        Why::Expired => &mut closed.expired,
        Why::Dropped => &mut closed.dropped,
        Why::PoolClosed => &mut closed.pool_closed,
    } += 1;
}
