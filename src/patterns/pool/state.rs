//! Who has which object, who waits, and what is to be done next, without a future in sight.
//!
//! A *bucket* is what one manager makes: a plain pool has one, a keyed pool one for each key, and all of them share the
//! total. Everything that counts has a *record*, from the decision to connect until it is really closed; so the number
//! of records never exceeds what there may be.
//!
//! Invariants:
//! * An object goes to callers of its own runtime only: a socket dies with its reactor.
//! * Idle objects and waiters of one runtime exclude one another: a caller that brings an object serves the line first,
//!   newcomers pass no waiter. What lies idle for another runtime is closed, as soon as a waiter needs its room.
//! * There are as many connects under way, or requested, as there are waiters, as far as there is room. They belong to
//!   no waiter: whatever comes goes to the first in line. So a waiter that goes leaves a connect behind, and its object
//!   goes to the next, or idles.
//! * When the total is used up, buckets in need stand in `requests`, in the order they came, and as many idle objects
//!   of other buckets are being closed as that takes. An object that comes back while a bucket needs its room is closed
//!   too. So no waiter waits for what lies idle elsewhere.
//!
//! What is to be done outside of the lock (waking, connecting, closing, dropping) is collected in [`Todo`].

mod connecting;
mod grounds;
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
use crate::internal::timeline::Timeline;
use crate::runtime::Instant;
use crate::runtime::{ClockId, Runtime, RuntimeId};
use grounds::Ground;
pub(super) use grounds::Reaping;
use slab::Slab;
use std::collections::VecDeque;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

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
    /// Whether a reaper has to look after objects that no caller takes or returns.
    pub(super) reaps: bool,
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
    /// Runtimes that it is used on. The last is the one that was used last, as far as the pool has looked.
    grounds: Vec<Ground>,
    timeline: Timeline,
    /// The last handle is gone.
    ending: bool,
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
    /// Where it was made, and may be used.
    ground: RuntimeId,
    /// It is being made.
    connecting: bool,
    /// To be replaced.
    expired: bool,
    taken: Option<&'static Location<'static>>,
    since: Option<Instant>,
    told: bool,
}

/// Where a waiter stands, or what it was given.
pub(super) enum Wait<O, E> {
    Waiting {
        turn: u64,
        at: &'static Location<'static>,
        ground: RuntimeId,
    },
    Given(Item<O>),
    Failed(ConnectError<E>),
    Closed,
}

impl<O, E> Wait<O, E> {
    /// Whether it waits, for an object of this runtime.
    fn is_on(&self, here: RuntimeId) -> bool {
        matches!(self, Wait::Waiting { ground, .. } if *ground == here)
    }
}

/// What is to be done after unlocking.
#[must_use = "somebody waits for it"]
pub(super) struct Todo<O, H, E> {
    pub(super) wakers: Wakers,
    pub(super) connects: Vec<Connect<H>>,
    pub(super) closes: Vec<Close<O, H>>,
    /// A runtime that needs a reaper to look after its objects.
    pub(super) reaper: Option<(H, Runtime)>,
    /// Buckets that are closed and have no record left.
    pub(super) ended: Vec<H>,
    /// What nobody is told any more.
    pub(super) dropped: Option<ConnectError<E>>,
    /// Handles that are not needed any more: dropping one may be code of others.
    pub(super) forgotten: Vec<Runtime>,
}

/// An object is to be made.
pub(super) struct Connect<H> {
    pub(super) home: H,
    pub(super) record: usize,
    pub(super) runtime: Runtime,
}

/// An object is to be closed.
pub(super) struct Close<O, H> {
    pub(super) home: H,
    pub(super) item: Item<O>,
    pub(super) why: Why,
    /// Where it was made; `None`: that is gone.
    pub(super) runtime: Option<Runtime>,
}

impl<O, H, E> Todo<O, H, E> {
    pub(super) const fn new() -> Self {
        Todo {
            wakers: Wakers::new(),
            connects: Vec::new(),
            closes: Vec::new(),
            reaper: None,
            ended: Vec::new(),
            dropped: None,
            forgotten: Vec::new(),
        }
    }
}

/// How a waiter stands.
pub(super) enum Look<O, E> {
    Waits,
    /// And its waker is to be taken over: unlock, fill the spare one, and look again.
    WaitsUnwoken,
    Given(Item<O>),
    Failed(ConnectError<E>),
    Closed,
}

/// Between attempts to connect for the sake of `min_idle`, after the first failure; then twice as long each time, up to
/// 25.6 s.
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
            grounds: Vec::new(),
            timeline: Timeline::new(),
            ending: false,
        }
    }

    /// A moment of some runtime's clock, on the pool's own timeline.
    #[inline]
    pub(super) fn date(&mut self, read: Option<(ClockId, Instant)>) -> Option<Instant> {
        read.map(|(clock, at)| self.timeline.now(clock, at))
    }

    /// What [`date`](State::date) has last told.
    pub(super) fn last_date(&self) -> Option<Instant> {
        self.timeline.last()
    }

    /// The other way round, for timers.
    pub(super) fn on_clock(&self, clock: ClockId, moment: Instant) -> Option<Instant> {
        self.timeline.on_clock(clock, moment)
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
