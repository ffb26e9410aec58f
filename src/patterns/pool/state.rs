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

mod connecting;
mod returning;
mod room;
mod taking;
mod tending;
#[cfg(test)]
mod tests;

use super::error::ConnectError;
use super::observer::{Span, Why};
use super::report::{Held, Stats};
use crate::internal::line::{Line, Wakers};
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
    /// The use that it is in, where these are told.
    pub(super) span: Option<Span>,
}

impl<O> Slot<O> {
    /// Whether it came straight from its making.
    pub(super) fn is_new(&self) -> bool {
        self.uses == 0 && self.stamp == 0
    }

    #[inline]
    pub(super) fn is_too_old(&self, now: Instant) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// When it will have lain idle for as long as it may.
    #[inline]
    fn idle_end(&self, limit: Option<Duration>) -> Option<Instant> {
        self.idle_since?.checked_add(limit?)
    }

    /// Too old, or idle for too long.
    #[inline]
    fn is_over(&self, now: Instant, idle: Option<Duration>) -> bool {
        self.is_too_old(now) || self.idle_end(idle).is_some_and(|at| at <= now)
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
    streak: u16,
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
    /// How many warm up: they take what `min_idle` is to keep, and put it back.
    warming: usize,
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
const TURNS: u16 = 256;

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
            warming: 0,
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
