//! Room: how many there may be, in a bucket and in all, and who is to connect next.

use super::{Bucket, Connect, Record, State, Todo, Why};

/// Requests whose memory is kept.
const REQUESTS: usize = 64;

impl<O, H, E> Bucket<O, H, E> {
    /// Whether another connect would be of use, beyond those under way.
    fn wants(&self, promised: usize) -> bool {
        // What lies idle while others wait is of another runtime.
        let idle = if self.line.is_empty() {
            self.idle.len()
        } else {
            0
        };
        let keeps = !self.paused && self.warming == 0;
        let kept = if keeps { self.min_idle } else { 0 };
        !self.closed
            && self.home.is_some()
            && self.size + promised < self.max
            && idle + self.connecting + promised < self.line.len() + kept
    }
}

impl<O, H: Clone, E> State<O, H, E> {
    /// There may be room, or need, that was not there before.
    pub(super) fn settle(&mut self, b: usize, todo: &mut Todo<O, H, E>) {
        self.withdraw(b);
        self.grant(todo);
        self.want(b, todo);
        let bucket = &mut self.buckets[b];
        if bucket.closed && bucket.size == 0 {
            todo.ended.extend(bucket.home.take());
        }
    }

    /// And there is a runtime to do it on.
    fn wants(&self, b: usize, promised: usize) -> bool {
        !self.grounds.is_empty() && self.buckets[b].wants(promised)
    }

    /// Connects what a bucket needs, or asks for room in the total.
    pub(super) fn want(&mut self, b: usize, todo: &mut Todo<O, H, E>) {
        while self.wants(b, self.buckets[b].requested) {
            if self.size < self.max && self.requests.is_empty() {
                self.connect(b, todo);
            } else {
                self.buckets[b].requested += 1;
                self.requests.push_back(b);
            }
        }
        self.make_way(b, todo);
        self.make_room(todo);
    }

    /// Closes what lies idle in a bucket for another runtime, as far as waiters need the room.
    fn make_way(&mut self, b: usize, todo: &mut Todo<O, H, E>) {
        loop {
            let bucket = &mut self.buckets[b];
            let helped = bucket.connecting + bucket.closing + bucket.requested;
            if bucket.line.len() <= helped {
                return;
            }
            let Some(item) = bucket.idle.pop_front() else {
                return;
            };
            self.begin_close(item, Why::Evicted, todo);
        }
    }

    /// Closes what lies idle, as far as those need it who ask for room.
    fn make_room(&mut self, todo: &mut Todo<O, H, E>) {
        while self.is_short()
            && let Some(item) = self.oldest_idle()
        {
            self.begin_close(item, Why::Evicted, todo);
        }
    }

    /// Takes back requests for room that are of no use any more, because the waiter was served otherwise, or is gone.
    /// Takes the first: it is mostly the first in line that was served or gave up, and no waiter of this bucket may
    /// pass those of others in a place that is not its own.
    pub(super) fn withdraw(&mut self, b: usize) {
        while self.buckets[b].requested > 0 && !self.wants(b, self.buckets[b].requested - 1) {
            if let Some(first) = self.requests.iter().position(|r| *r == b) {
                self.requests.remove(first);
            }
            self.buckets[b].requested -= 1;
        }
        // What a crowd took is given back, a half at a time.
        let room = self.requests.capacity();
        if room > REQUESTS && self.requests.len() < room / 4 {
            self.requests.shrink_to(room / 2);
        }
    }

    /// Serves the requests, as far as there is room.
    fn grant(&mut self, todo: &mut Todo<O, H, E>) {
        while self.size < self.max
            && let Some(b) = self.requests.pop_front()
        {
            self.buckets[b].requested -= 1;
            // There may be none for the bucket itself.
            if self.wants(b, 0) {
                self.connect(b, todo);
            }
        }
    }

    fn connect(&mut self, b: usize, todo: &mut Todo<O, H, E>) {
        let Some(runtime) = self.ground_for(b) else {
            return;
        };
        let bucket = &mut self.buckets[b];
        let Some(home) = bucket.home.clone() else {
            return;
        };
        bucket.size += 1;
        bucket.connecting += 1;
        self.size += 1;
        let record = self.records.insert(Record {
            bucket: b,
            ground: runtime.id(),
            connecting: true,
            expired: false,
            taken: None,
            since: None,
            told: false,
        });
        todo.connects.push(Connect {
            home,
            record,
            runtime,
        });
    }

    /// Whether those who ask for room need more than what is being closed.
    pub(super) fn is_short(&self) -> bool {
        !self.requests.is_empty() && self.size - self.closing + self.requests.len() > self.max
    }

    /// Of all idle objects the one that has been idle for longest.
    fn oldest_idle(&mut self) -> Option<super::Item<O>> {
        let fronts = self.buckets.iter().filter_map(|(b, bucket)| {
            let front = bucket.idle.front()?;
            Some((front.stamp, b))
        });
        let (_, b) = fronts.min()?;
        self.buckets[b].idle.pop_front()
    }

    /// A bucket may have `max` from now on.
    pub(in crate::patterns::pool) fn resize(
        &mut self,
        b: usize,
        max: usize,
        todo: &mut Todo<O, H, E>,
    ) {
        self.buckets[b].max = max;
        while self.buckets[b].size - self.buckets[b].closing > max
            && let Some(item) = self.buckets[b].idle.pop_front()
        {
            self.begin_close(item, Why::Surplus, todo);
        }
        self.settle(b, todo);
    }

    /// All together may have `max` from now on.
    pub(in crate::patterns::pool) fn resize_total(&mut self, max: usize, todo: &mut Todo<O, H, E>) {
        self.max = max;
        while self.size - self.closing > max
            && let Some(item) = self.oldest_idle()
        {
            self.begin_close(item, Why::Surplus, todo);
        }
        self.grant(todo);
        self.make_room(todo);
    }

    pub(in crate::patterns::pool) fn totals(&self) -> (usize, usize) {
        (self.max, self.size)
    }

    pub(in crate::patterns::pool) fn min_idle(&self, b: usize) -> usize {
        self.buckets[b].min_idle
    }
}
