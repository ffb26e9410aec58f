//! Ends what cannot end itself: a poll that never returns.
//!
//! Each simulating thread has a [`Watch`], into which it writes a number at every step: two plain stores, no clock. One thread of the process
//! looks at them all now and then. It reads the clock, asks runs that are overdue to stop, and aborts the process over a
//! poll that is stuck, after saying which.

use super::shared::Shared;
use crate::runtime::Instant;
use crate::runtime::Runtime;
use std::cell::OnceCell;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::Thread;
use std::time::Duration;

/// What one simulating thread is doing.
#[derive(Default)]
pub(super) struct Watch {
    /// The simulation that runs; 0: none.
    run: AtomicU64,
    /// Its limit in milliseconds.
    limit: AtomicU64,
    /// Changes with every step; 0: not in a poll.
    beat: AtomicU64,
    /// The slot that is polled.
    slot: AtomicU64,
    /// A simulation that is over its limit.
    overdue: AtomicU64,
    shared: Mutex<Weak<Shared>>,
}

thread_local!(static MINE: OnceCell<Arc<Watch>> = const { OnceCell::new() });

/// Watches a run until it is dropped.
pub(super) struct Watched {
    watch: Arc<Watch>,
    run: u64,
}

impl Watched {
    pub(super) fn new(shared: &Arc<Shared>, limit: Duration) -> Self {
        let watch = MINE.with(|m| m.get_or_init(register).clone());
        *watch.shared.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(shared);
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).max(1);
        watch.limit.store(limit, Relaxed);
        watch.beat.store(0, Relaxed);
        watch.run.store(shared.id, Relaxed);
        hurry(limit);
        Watched {
            watch,
            run: shared.id,
        }
    }

    /// A poll begins.
    pub(super) fn polling(&self, slot: usize, step: u64) {
        self.watch.slot.store(slot as u64, Relaxed);
        self.watch.beat.store(step, Relaxed);
    }

    /// Nothing is polled: the thread waits for another one.
    pub(super) fn waiting(&self) {
        self.watch.beat.store(0, Relaxed);
    }

    /// Whether the run has taken too long.
    pub(super) fn overdue(&self) -> bool {
        self.watch.overdue.load(Relaxed) == self.run
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.run.store(0, Relaxed);
    }
}

struct Dog {
    all: Mutex<Vec<Weak<Watch>>>,
    /// How long it sleeps, in milliseconds.
    nap: AtomicU64,
    thread: OnceLock<Thread>,
}

static DOG: Dog = Dog {
    all: Mutex::new(Vec::new()),
    nap: AtomicU64::new(1000),
    thread: OnceLock::new(),
};

fn register() -> Arc<Watch> {
    let watch = Arc::new(Watch::default());
    let mut all = DOG.all.lock().unwrap_or_else(PoisonError::into_inner);
    all.push(Arc::downgrade(&watch));
    drop(all);
    DOG.thread.get_or_init(|| {
        let dog = std::thread::Builder::new().name("regatta-watchdog".into());
        match dog.spawn(patrol) {
            Ok(handle) => handle.thread().clone(),
            // Simulations run unwatched then, on a machine that has no thread to spare.
            Err(_) => std::thread::current(),
        }
    });
    watch
}

/// A limit shorter than any before makes the dog look more often.
fn hurry(limit: u64) {
    let nap = (limit / 4).max(5);
    if DOG.nap.load(Relaxed) > nap {
        DOG.nap.fetch_min(nap, Relaxed);
        if let Some(dog) = DOG.thread.get() {
            dog.unpark();
        }
    }
}

/// What was seen of a watch, and since when it has been so.
struct Seen {
    watch: Arc<Watch>,
    run: (u64, Instant),
    beat: (u64, Instant),
}

fn patrol() {
    let clock = Runtime::neutral();
    let mut seen: Vec<Seen> = Vec::new();
    loop {
        std::thread::park_timeout(Duration::from_millis(DOG.nap.load(Relaxed)));
        let now = clock.now();
        let mut all = DOG.all.lock().unwrap_or_else(PoisonError::into_inner);
        // A thread that has ended holds its watch no more; the copy in `seen` is the last one.
        seen.retain(|s| Arc::strong_count(&s.watch) > 1);
        all.retain(|w| w.strong_count() > 0);
        for watch in all.iter().filter_map(Weak::upgrade) {
            if !seen.iter().any(|s| Arc::ptr_eq(&s.watch, &watch)) {
                let (run, beat) = ((0, now), (0, now));
                seen.push(Seen { watch, run, beat });
            }
        }
        drop(all);
        seen.iter_mut().for_each(|s| s.look(now));
    }
}

impl Seen {
    fn look(&mut self, now: Instant) {
        let run = self.watch.run.load(Relaxed);
        let beat = self.watch.beat.load(Relaxed);
        if run != self.run.0 {
            (self.run, self.beat) = ((run, now), (beat, now));
        }
        if beat != self.beat.0 {
            self.beat = (beat, now);
        }
        let limit = self.watch.limit.load(Relaxed);
        if run == 0 || limit == u64::MAX {
            return;
        }
        let limit = Duration::from_millis(limit);
        if now - self.run.1 >= limit {
            self.watch.overdue.store(run, Relaxed);
        }
        if beat != 0 && now - self.beat.1 >= limit {
            self.bark(run, limit);
        }
    }

    fn bark(&self, run: u64, limit: Duration) {
        let shared = self.watch.shared.lock();
        let Some(shared) = shared.unwrap_or_else(PoisonError::into_inner).upgrade() else {
            return;
        };
        if shared.id != run || self.watch.run.load(Relaxed) != run {
            return;
        }
        let slot = self.watch.slot.load(Relaxed) as usize;
        let state = shared.try_lock();
        let task = state.as_ref().and_then(|s| s.tasks.get(slot));
        let who = task.map_or_else(|| "a task".into(), |t| t.info().to_string());
        let time = state.as_ref().map(|s| s.time()).unwrap_or_default();
        // Written past the test harness, which would keep it until a test ends that does not.
        let _ = writeln!(
            std::io::stderr().lock(),
            "\nregatta::testing: a poll has not returned for {limit:?} of real time, so it blocks its thread or loops without awaiting: \
             {who}, at virtual time {time:?}\nNothing can end such a poll: aborting. replay: REGATTA_SEED={}",
            shared.seed
        );
        std::process::abort();
    }
}
