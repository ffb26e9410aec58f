//! What a thread pool decides, without threads, wakers or clocks: who is queued, who runs, who waits for room, when a worker is needed.
//!
//! Invariants, whenever the lock is free:
//! * When jobs are queued and a worker is missing or parked, one is on its way (`coming`: called, or looking out), or every worker is busy. A busy worker looks at the
//!   queue when it is done, and whoever takes a job calls the next worker before it runs it: a job that waits for a later one gets it.
//! * At most `at_once` workers are on their way. Threads are called one by one, so a burst of short jobs does not start (or wake) all of them.
//! * `queue.len() + granted <= limits.queue`; those who wait for room are granted it in the order they came, and a place granted keeps its
//!   number, so the queue stays in that order.
//! * Nothing of a user runs or is dropped under the lock, and nobody is woken.

use super::job::Work;
use super::policy::Limits;
use super::report::PoolStats;
use crate::cancel::CancelToken;
use crate::internal::line::{Line, Place};
use slab::Slab;
use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

/// What a submitter in line was given.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seat {
    Waiting,
    Granted(u64),
    Closed,
}

/// What is to be done about workers, after unlocking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Call {
    Nobody,
    Wake,
    Start,
}

/// What to do after unlocking.
#[must_use]
pub(super) struct After {
    pub(super) call: Call,
    /// A submitter that was granted room.
    pub(super) wake: Option<Waker>,
    /// The pool is closed, and nothing is left in it.
    pub(super) ended: bool,
}

pub(super) struct Running {
    pub(super) at: &'static Location<'static>,
    pub(super) token: CancelToken,
}

pub(super) struct State {
    limits: Limits,
    /// How many workers may be on their way at the same time.
    at_once: usize,
    queue: BTreeMap<u64, Arc<dyn Work>>,
    next: u64,
    /// Places that submitters have and have not filled yet.
    granted: usize,
    pub(super) line: Line<Seat>,
    pub(super) running: Slab<Running>,
    /// Workers that exist, whatever they do.
    workers: usize,
    parked: usize,
    /// Parked workers that were woken and have not noticed.
    calls: usize,
    coming: usize,
    closed: bool,
    most_queued: usize,
    most_workers: usize,
}

impl State {
    pub(super) fn new(limits: Limits, at_once: usize) -> Self {
        State {
            limits,
            at_once,
            queue: BTreeMap::new(),
            next: 0,
            granted: 0,
            line: Line::new(),
            running: Slab::new(),
            workers: 0,
            parked: 0,
            calls: 0,
            coming: 0,
            closed: false,
            most_queued: 0,
            most_workers: 0,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn add_to(&self, stats: &mut PoolStats) {
        stats.workers += self.workers;
        stats.idle += self.parked;
        stats.running += self.running.len();
        stats.queued += self.queue.len();
        stats.waiting += self.line.len();
        stats.most_queued = stats.most_queued.max(self.most_queued);
        stats.most_workers = stats.most_workers.max(self.most_workers);
    }

    fn has_room(&self) -> bool {
        self.queue.len() + self.granted < self.limits.queue
    }

    fn grant(&mut self) -> u64 {
        self.granted += 1;
        self.next += 1;
        self.next
    }

    /// A place in the queue, unless it is full or somebody waits already.
    pub(super) fn try_grant(&mut self) -> Option<u64> {
        (self.line.is_empty() && self.has_room()).then(|| self.grant())
    }

    fn serve(&mut self) -> Option<Waker> {
        if self.line.is_empty() || !self.has_room() {
            return None;
        }
        let number = self.grant();
        self.line.serve_front(|seat| *seat = Seat::Granted(number))
    }

    /// Fills a place that was granted. The job comes back when the pool was closed meanwhile.
    pub(super) fn fill(&mut self, number: u64, job: Arc<dyn Work>) -> Result<After, After> {
        self.granted -= 1;
        if self.closed {
            return Err(self.after(None));
        }
        self.queue.insert(number, job);
        self.most_queued = self.most_queued.max(self.queue.len());
        Ok(self.after(None))
    }

    /// A place that was granted will not be filled.
    pub(super) fn give_back(&mut self) -> After {
        self.granted -= 1;
        let wake = self.serve();
        self.after(wake)
    }

    /// Who stood in line goes away.
    pub(super) fn leave(&mut self, place: Place) -> (After, Option<Waker>) {
        let (wake, old) = match self.line.leave(place) {
            Some((Seat::Granted(_), old)) => {
                self.granted -= 1;
                (self.serve(), old)
            }
            Some((_, old)) => (None, old),
            None => (None, None),
        };
        (self.after(wake), old)
    }

    /// A queued job goes away; `None` when it is not there any more.
    pub(super) fn remove(&mut self, number: u64) -> Option<(Arc<dyn Work>, After)> {
        let job = self.queue.remove(&number)?;
        let wake = self.serve();
        Some((job, self.after(wake)))
    }

    /// The next job for a worker, which is to report with [`done`](State::done) and the key.
    pub(super) fn take(&mut self) -> Option<(Arc<dyn Work>, usize, After)> {
        let (_, job) = self.queue.pop_first()?;
        let key = self.running.insert(Running {
            at: job.at(),
            token: job.token().clone(),
        });
        let wake = self.serve();
        Some((job, key, self.after(wake)))
    }

    /// The worker of this key is done with its job.
    pub(super) fn done(&mut self, key: usize) {
        // Unlinks a token from its scopes, at most; nothing of a user hangs on it any more.
        drop(self.running.try_remove(key));
    }

    /// Whether a worker that found nothing to do is to look out for jobs before it parks: one at a time. It is on its way until it has
    /// [`arrived`](State::arrived), so nobody else is called for the first job that comes.
    pub(super) fn look_out(&mut self) -> bool {
        let alone = self.coming == 0 && !self.closed;
        self.coming += usize::from(alone);
        alone
    }

    /// A worker that was called, or looked out, is here.
    pub(super) fn arrived(&mut self) {
        self.coming -= 1;
    }

    pub(super) fn park(&mut self) {
        self.parked += 1;
    }

    /// Whether a parked worker was called. If so it is not parked any more.
    pub(super) fn noticed(&mut self) -> bool {
        let called = self.calls > 0;
        if called {
            self.calls -= 1;
            self.arrived();
        }
        called
    }

    /// A parked worker leaves by itself.
    pub(super) fn unpark(&mut self) {
        self.parked -= 1;
    }

    /// A worker is gone.
    pub(super) fn gone(&mut self) -> After {
        self.workers -= 1;
        self.after(None)
    }

    /// A worker could not be started. What is queued comes back when there is nobody else to run it.
    pub(super) fn no_worker(&mut self) -> (Vec<Arc<dyn Work>>, Option<Waker>, bool) {
        self.workers -= 1;
        self.arrived();
        let mut lost = Vec::new();
        if self.workers == 0 {
            lost.extend(std::mem::take(&mut self.queue).into_values());
        }
        let wake = self.serve();
        (lost, wake, self.has_ended())
    }

    /// No more jobs. Gives the wakers of those who waited for room.
    pub(super) fn close(&mut self) -> (Vec<Waker>, bool) {
        self.closed = true;
        let mut wakers = Vec::new();
        while !self.line.is_empty() {
            wakers.extend(self.line.serve_front(|seat| *seat = Seat::Closed));
        }
        (wakers, self.has_ended())
    }

    /// Everything that is queued.
    pub(super) fn drain(&mut self) -> Vec<Arc<dyn Work>> {
        std::mem::take(&mut self.queue).into_values().collect()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.closed && self.queue.is_empty() && self.granted == 0 && self.workers == 0
    }

    fn after(&mut self, wake: Option<Waker>) -> After {
        After {
            call: self.call(),
            wake,
            ended: self.has_ended(),
        }
    }

    fn call(&mut self) -> Call {
        if self.coming >= self.queue.len().min(self.at_once) {
            return Call::Nobody;
        }
        if self.parked > 0 {
            self.parked -= 1;
            self.calls += 1;
            self.coming += 1;
            return Call::Wake;
        }
        if self.workers < self.limits.workers {
            self.workers += 1;
            self.most_workers = self.most_workers.max(self.workers);
            self.coming += 1;
            return Call::Start;
        }
        Call::Nobody
    }
}
