//! Who has which object, who waits, and what is to be done next, without a future in sight.
//!
//! A *bucket* is what one manager makes: a plain pool has one, a keyed pool one for each key, and all of them share the total. Everything that counts has a
//! *record*, from the decision to connect until it is really closed; so the number of records never exceeds what there may be.
//!
//! Invariants:
//! * Idle objects and waiters exclude one another: whoever brings an object serves the line first, newcomers pass nobody.
//! * There are as many connects under way, or requested, as there are waiters, as far as there is room. They belong to nobody: whatever comes goes to the
//!   first in line. So a waiter that goes leaves a connect behind, and its object goes to the next, or idles.
//! * When the total is used up, buckets in need stand in `requests`, in the order they came, and as many idle objects of other buckets are being closed
//!   as that takes. An object that comes back while somebody needs its room is closed too. So nobody waits for what lies idle elsewhere.
//!
//! What is to be done outside of the lock (waking, connecting, closing, dropping) is collected in [`Todo`].

mod room;
#[cfg(test)]
mod tests;

use super::error::ConnectError;
use super::observer::Why;
use super::report::{Closed, Held, Stats};
use crate::internal::line::{Line, Place, Wakers};
use slab::Slab;
use std::collections::VecDeque;
use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

/// An object and what is known about it. It goes round between the idle ones, the line and the guards in its box.
#[derive(Debug)]
pub(super) struct Slot<O> {
    pub(super) object: O,
    pub(super) record: usize,
    pub(super) created: Instant,
    /// As old as it may be.
    pub(super) expires: Option<Instant>,
    /// `None` when it came from hand to hand, or nobody wants to know.
    pub(super) idle_since: Option<Instant>,
    pub(super) uses: u64,
    /// The how-manieth it was to lie down idle; 0: it never was.
    pub(super) stamp: u64,
    /// An operation on it has begun, and is not proven to have ended well.
    pub(super) in_flight: bool,
}

impl<O> Slot<O> {
    /// Whether it came straight from its making.
    pub(super) fn is_new(&self) -> bool {
        self.uses == 0 && self.stamp == 0
    }
}

pub(super) type Item<O> = Box<Slot<O>>;

/// What the machine has to know of what the user chose.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    pub(super) idle_timeout: Option<Duration>,
    pub(super) leak_after: Option<Duration>,
    /// Whether it has to be known when an object is taken, and when it comes back.
    pub(super) dates_takes: bool,
    pub(super) dates_returns: bool,
}

pub(super) struct State<O, H, E> {
    buckets: Slab<Bucket<O, H, E>>,
    records: Slab<Record>,
    requests: VecDeque<usize>,
    rules: Rules,
    /// Most records in all buckets together.
    max: usize,
    size: usize,
    closing: usize,
    turn: u64,
    stamp: u64,
    /// Answers at once in a row, for all buckets.
    streak: u8,
    pub(super) reaper: Reaper,
}

struct Bucket<O, H, E> {
    /// Who connects and closes for it. `None` before it is opened, and when it is closed and has no record left.
    home: Option<H>,
    max: usize,
    min_idle: usize,
    /// The one that was used last is at the back, and goes first.
    idle: VecDeque<Item<O>>,
    line: Line<Wait<O, E>>,
    size: usize,
    connecting: usize,
    closing: usize,
    /// How often it stands in the requests.
    requested: usize,
    /// Does not connect for the sake of `min_idle`, for a while.
    paused: bool,
    closed: bool,
    last_failure: Option<Arc<str>>,
    /// Failed connects since the last that did not.
    failures: u32,
    /// `size` to `waiting` are filled in when asked for.
    stats: Stats,
}

#[derive(Debug)]
struct Record {
    bucket: usize,
    taken: Option<&'static Location<'static>>,
    since: Option<Instant>,
    told: bool,
}

/// Where a waiter stands, or what it was given.
pub(super) enum Wait<O, E> {
    Waiting {
        turn: u64,
        at: &'static Location<'static>,
    },
    Given(Item<O>),
    Failed(ConnectError<E>),
    Closed,
}

/// When the reaper is to look again.
#[derive(Debug, Default)]
pub(super) struct Reaper {
    /// Whether there is one.
    pub(super) on: bool,
    pub(super) until: Option<Instant>,
    pub(super) roused: bool,
    pub(super) waker: Option<Waker>,
}

impl Reaper {
    /// There is something to do at `due`.
    #[inline]
    fn rouse(&mut self, due: Option<Instant>) -> Option<Waker> {
        let due = due.filter(|_| self.on)?;
        if self.until.is_some_and(|until| until <= due) {
            return None;
        }
        self.until = Some(due);
        self.rouse_now()
    }

    pub(super) fn rouse_now(&mut self) -> Option<Waker> {
        self.roused = true;
        self.waker.take()
    }
}

/// What is to be done after unlocking.
#[must_use = "somebody waits for it"]
pub(super) struct Todo<O, H, E> {
    pub(super) wakers: Wakers,
    pub(super) connects: Vec<(H, usize)>,
    pub(super) closes: Vec<(H, Item<O>, Why)>,
    /// Buckets that are closed and have no record left.
    pub(super) ended: Vec<H>,
    /// What nobody is told any more.
    pub(super) dropped: Option<ConnectError<E>>,
}

impl<O, H, E> Todo<O, H, E> {
    pub(super) const fn new() -> Self {
        Todo {
            wakers: Wakers::new(),
            connects: Vec::new(),
            closes: Vec::new(),
            ended: Vec::new(),
            dropped: None,
        }
    }
}

/// How a waiter stands.
pub(super) enum Look<O, E> {
    /// With its old waker, to be dropped after unlocking.
    Waits(Option<Waker>),
    Given(Item<O>),
    Failed(ConnectError<E>),
    Closed,
}

/// Answers at once until a task has to go round its executor.
const TURNS: u8 = 128;

/// Between attempts to connect for the sake of `min_idle`, after the first failure; then twice as long each time, up to 25.6 s.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

const HOME: &str = "a bucket has a home as long as it has a record";

impl<O, H: Clone, E> State<O, H, E> {
    pub(super) fn new(max: usize, rules: Rules) -> Self {
        State {
            buckets: Slab::new(),
            records: Slab::new(),
            requests: VecDeque::new(),
            rules,
            max,
            size: 0,
            closing: 0,
            turn: 0,
            stamp: 0,
            streak: 0,
            reaper: Reaper::default(),
        }
    }

    pub(super) fn add_bucket(&mut self, max: usize, min_idle: usize) -> usize {
        self.buckets.insert(Bucket {
            home: None,
            max,
            min_idle,
            idle: VecDeque::new(),
            line: Line::new(),
            size: 0,
            connecting: 0,
            closing: 0,
            requested: 0,
            paused: false,
            closed: false,
            last_failure: None,
            failures: 0,
            stats: Stats::default(),
        })
    }

    /// From now on it may connect.
    pub(super) fn open_bucket(&mut self, b: usize, home: H, todo: &mut Todo<O, H, E>) {
        self.buckets[b].home = Some(home);
        self.settle(b, todo);
    }

    /// Whether a bucket has nothing and nobody.
    pub(super) fn is_unused(&self, b: usize) -> bool {
        let bucket = &self.buckets[b];
        bucket.size == 0 && bucket.line.is_empty() && bucket.requested == 0
    }

    /// Takes an unused bucket away. Nobody may ask for it any more.
    pub(super) fn remove_bucket(&mut self, b: usize) -> Option<H> {
        debug_assert!(self.is_unused(b), "its records would have no bucket");
        self.buckets.remove(b).home
    }

    /// Whether a task that was answered at once has to go round; asked once for each answer.
    #[inline]
    pub(super) fn out_of_budget(&mut self, waker: &Waker) -> bool {
        self.streak = self.streak.saturating_add(1);
        // A waker without data belongs to nobody (`Waker::noop`): there is no second poll.
        if self.streak <= TURNS || waker.data().is_null() {
            return false;
        }
        self.streak = 0;
        true
    }

    /// An idle object, where that takes no more than taking it.
    #[inline]
    pub(super) fn take_quickly(
        &mut self,
        b: usize,
        at: &'static Location<'static>,
    ) -> Option<Item<O>> {
        let bucket = &mut self.buckets[b];
        if bucket.min_idle > 0 || self.rules.dates_takes {
            return None;
        }
        let item = bucket.idle.pop_back()?;
        bucket.stats.taken += 1;
        self.records[item.record].taken = Some(at);
        Some(item)
    }

    /// An idle object. Those that are over are closed on the way.
    pub(super) fn take(
        &mut self,
        b: usize,
        at: &'static Location<'static>,
        now: Option<Instant>,
        todo: &mut Todo<O, H, E>,
    ) -> Option<Item<O>> {
        let mut found = None;
        while let Some(item) = self.buckets[b].idle.pop_back() {
            match self.is_over(&item, now) {
                Some(why) => self.begin_close(item, why, todo),
                None => {
                    found = Some(item);
                    break;
                }
            }
        }
        if let Some(item) = &found {
            self.buckets[b].stats.taken += 1;
            self.mark_taken(item.record, at, now, &mut todo.wakers);
        }
        self.want(b, todo);
        found
    }

    /// Why an idle object must not be handed out any more. It is not among the idle ones while this is asked.
    fn is_over(&self, item: &Slot<O>, now: Option<Instant>) -> Option<Why> {
        let now = now?;
        if item.expires.is_some_and(|at| at <= now) {
            return Some(Why::Lifetime);
        }
        let bucket = &self.buckets[self.records[item.record].bucket];
        let idle = self.idle_end(item).is_some_and(|at| at <= now);
        (idle && bucket.idle.len() >= bucket.min_idle).then_some(Why::Idle)
    }

    fn idle_end(&self, item: &Slot<O>) -> Option<Instant> {
        item.idle_since?.checked_add(self.rules.idle_timeout?)
    }

    fn mark_taken(
        &mut self,
        record: usize,
        at: &'static Location<'static>,
        now: Option<Instant>,
        wakers: &mut Wakers,
    ) {
        let record = &mut self.records[record];
        record.taken = Some(at);
        if let (Some(limit), Some(now)) = (self.rules.leak_after, now) {
            record.since = Some(now);
            wakers.extend(self.reaper.rouse(now.checked_add(limit)));
        }
    }

    /// Into the line; with the turn it had, when it comes again.
    pub(super) fn enter(
        &mut self,
        b: usize,
        at: &'static Location<'static>,
        turn: &mut Option<u64>,
        waker: Waker,
        todo: &mut Todo<O, H, E>,
    ) -> Result<Place, Waker> {
        self.streak = 0;
        if self.buckets[b].closed {
            return Err(waker);
        }
        let line = &mut self.buckets[b].line;
        let place = match *turn {
            None => {
                self.turn += 1;
                *turn = Some(self.turn);
                let turn = self.turn;
                line.enter(Wait::Waiting { turn, at }, waker)
            }
            Some(turn) => {
                let ahead = |w: &_| matches!(w, Wait::Waiting { turn: t, .. } if *t < turn);
                line.enter_again(Wait::Waiting { turn, at }, waker, ahead)
            }
        };
        self.want(b, todo);
        Ok(place)
    }

    /// The turn of one who was answered at once, should it come again.
    #[inline]
    pub(super) fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    /// How a waiter stands; its place is gone unless it still waits.
    pub(super) fn look(&mut self, b: usize, place: Place, waker: &Waker) -> Look<O, E> {
        let line = &mut self.buckets[b].line;
        if line.is_waiting(place) {
            return Look::Waits(line.set_waker(place, waker));
        }
        match line.leave(place) {
            Some((Wait::Given(item), _)) => Look::Given(item),
            Some((Wait::Failed(error), _)) => Look::Failed(error),
            _ => Look::Closed,
        }
    }

    /// A waiter goes; what it was given goes to the next. Its waker is to be dropped after unlocking.
    pub(super) fn leave(
        &mut self,
        b: usize,
        place: Place,
        now: Option<Instant>,
        todo: &mut Todo<O, H, E>,
    ) -> Option<Waker> {
        let (wait, waker) = self.buckets[b].line.leave(place)?;
        match wait {
            Wait::Given(item) => {
                self.buckets[b].stats.taken -= 1;
                self.put(item, now, todo);
            }
            Wait::Failed(error) => todo.dropped = Some(error),
            Wait::Waiting { .. } | Wait::Closed => {}
        }
        waker
    }

    /// Back to the idle ones, where that takes no more than putting it there.
    #[inline]
    pub(super) fn put_quickly(&mut self, mut item: Item<O>) -> Result<(), Item<O>> {
        let record = &mut self.records[item.record];
        let bucket = &mut self.buckets[record.bucket];
        let quick = bucket.line.is_empty()
            && !bucket.closed
            && self.requests.is_empty()
            && bucket.size - bucket.closing <= bucket.max
            && self.size - self.closing <= self.max
            && item.expires.is_none()
            && !self.rules.dates_returns;
        if !quick {
            return Err(item);
        }
        record.taken = None;
        record.since = None;
        record.told = false;
        self.stamp += 1;
        item.stamp = self.stamp;
        bucket.idle.push_back(item);
        Ok(())
    }

    /// An object that is clean: to the first in line, to the idle ones, or to be closed.
    pub(super) fn put(
        &mut self,
        mut item: Item<O>,
        now: Option<Instant>,
        todo: &mut Todo<O, H, E>,
    ) {
        self.forget_taken(item.record);
        let b = self.records[item.record].bucket;
        let bucket = &mut self.buckets[b];
        let over = item
            .expires
            .is_some_and(|at| now.is_some_and(|now| at <= now));
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
            return self.mark_taken(record, at, now, &mut todo.wakers);
        }
        self.stamp += 1;
        item.stamp = self.stamp;
        item.idle_since = now;
        let due = [item.expires, self.idle_end(&item)];
        let due = due.into_iter().flatten().min();
        self.buckets[b].idle.push_back(item);
        todo.wakers.extend(self.reaper.rouse(due));
    }

    fn forget_taken(&mut self, record: usize) {
        let record = &mut self.records[record];
        record.taken = None;
        record.since = None;
        record.told = false;
    }

    /// An object leaves for good; it counts until it is [closed](State::closed).
    pub(super) fn begin_close(&mut self, item: Item<O>, why: Why, todo: &mut Todo<O, H, E>) {
        self.forget_taken(item.record);
        let bucket = &mut self.buckets[self.records[item.record].bucket];
        count(&mut bucket.stats.closed, why);
        bucket.closing += 1;
        self.closing += 1;
        let home = bucket.home.clone().expect(HOME);
        todo.closes.push((home, item, why));
    }

    /// It is closed: there is room for another.
    pub(super) fn closed(&mut self, record: usize, todo: &mut Todo<O, H, E>) {
        let b = self.records[record].bucket;
        self.buckets[b].closing -= 1;
        self.closing -= 1;
        self.remove(record, todo);
    }

    /// It is no longer the pool's.
    pub(super) fn remove(&mut self, record: usize, todo: &mut Todo<O, H, E>) {
        let b = self.records.remove(record).bucket;
        self.buckets[b].size -= 1;
        self.size -= 1;
        self.settle(b, todo);
    }

    /// A connect has ended well.
    pub(super) fn opened(&mut self, item: Item<O>, now: Option<Instant>, todo: &mut Todo<O, H, E>) {
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
    pub(super) fn failed(
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
    pub(super) fn gave_up(&mut self, record: usize, todo: &mut Todo<O, H, E>) {
        let b = self.records[record].bucket;
        self.buckets[b].connecting -= 1;
        self.remove(record, todo);
    }

    /// A connect was dropped with its runtime. Whoever waits would start another, which would end alike: all are told.
    pub(super) fn lost(&mut self, record: usize, todo: &mut Todo<O, H, E>) {
        for (_, bucket) in &mut self.buckets {
            bucket.paused = true;
            bucket.line.serve_each(&mut todo.wakers, |wait| {
                *wait = Wait::Failed(ConnectError::Dropped);
                true
            });
        }
        self.gave_up(record, todo);
    }

    /// Connects for the sake of `min_idle` again.
    pub(super) fn resume(&mut self, b: usize, todo: &mut Todo<O, H, E>) {
        if let Some(bucket) = self.buckets.get_mut(b) {
            bucket.paused = false;
            self.settle(b, todo);
        }
    }

    /// Gives no more. What is idle is closed, what comes back too.
    pub(super) fn close(&mut self, b: usize, todo: &mut Todo<O, H, E>) {
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
    pub(super) fn reap(
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
                soonest(self.idle_end(&item).filter(|at| *at > now));
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

    /// All that can connect or be closed.
    pub(super) fn homes(&self) -> Vec<H> {
        let homes = self.buckets.iter().filter_map(|(_, b)| b.home.clone());
        homes.collect()
    }

    pub(super) fn is_closed(&self, b: usize) -> bool {
        self.buckets[b].closed
    }

    pub(super) fn last_failure(&self, b: usize) -> Option<Arc<str>> {
        self.buckets[b].last_failure.clone()
    }

    pub(super) fn count_timeout(&mut self, b: usize) {
        self.buckets[b].stats.timed_out += 1;
    }

    pub(super) fn stats(&self, b: usize) -> Stats {
        let bucket = &self.buckets[b];
        let idle = bucket.idle.len();
        Stats {
            max_size: bucket.max,
            size: bucket.size,
            idle,
            in_use: bucket.size - idle - bucket.connecting - bucket.closing,
            connecting: bucket.connecting,
            closing: bucket.closing,
            waiting: bucket.line.len(),
            ..bucket.stats
        }
    }

    /// What a bucket has handed out and not got back.
    pub(super) fn held(&self, b: usize) -> Vec<Held> {
        let records = self.records.iter().filter(|(_, r)| r.bucket == b);
        let held = records.filter_map(|(_, r)| {
            Some(Held {
                at: r.taken?,
                since: r.since,
            })
        });
        held.collect()
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
