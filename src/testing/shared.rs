//! The half of a simulation that other threads may touch: who is runnable, the clock and its timers.
//!
//! Lock order: the state lock is a leaf. No user code (polls, wakers, destructors) runs under it.

use super::failure::TaskInfo;
use crate::runtime::{BoxFuture, Site};
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

thread_local!(static HERE: Cell<u64> = const { Cell::new(0) });

/// Says which simulation runs on this thread (0: none), and gives back what was there.
pub(super) fn set_here(id: u64) -> u64 {
    HERE.with(|h| h.replace(id))
}

/// Whether one does.
pub(super) fn somewhere() -> bool {
    HERE.try_with(Cell::get).is_ok_and(|id| id != 0)
}

/// Where the root lives.
pub(super) const ROOT: usize = 0;

/// What is known of a task apart from its future.
pub(super) struct Meta {
    /// Counts all tasks of the simulation; slots are used again, serials are not.
    pub(super) serial: u64,
    pub(super) site: Site,
    pub(super) live: bool,
    pub(super) queued: bool,
    /// The wakers of this generation count ([`Config::fresh_wakers`](super::Config::fresh_wakers)).
    pub(super) generation: u64,
    pub(super) stale_wakes: u64,
    pub(super) polls: u64,
    pub(super) waiting_on: Option<&'static str>,
    pub(super) priority: u64,
}

impl Meta {
    /// A task that never got to run.
    pub(super) fn unstarted(site: Site) -> Self {
        Meta {
            serial: 0,
            site,
            live: false,
            queued: false,
            generation: 0,
            stale_wakes: 0,
            polls: 0,
            waiting_on: None,
            priority: 0,
        }
    }

    pub(super) fn info(&self) -> TaskInfo {
        let name = match &self.site.name {
            Some(name) => name.clone(),
            None if self.serial == 0 => "task".into(),
            None => format!("task #{}", self.serial).into(),
        };
        TaskInfo {
            name,
            at: self.site.at,
            polls: self.polls,
            waiting_on: self.waiting_on,
            stale_wakes: self.stale_wakes,
        }
    }
}

/// A thread that has no business here woke or spawned a task.
pub(super) struct Foreign {
    pub(super) task: TaskInfo,
    pub(super) thread: String,
}

#[derive(Default)]
pub(super) struct State {
    /// Slots of the runnable tasks, first woken first.
    pub(super) ready: VecDeque<usize>,
    pub(super) tasks: Vec<Meta>,
    /// Virtual nanoseconds since the start.
    pub(super) now: u64,
    pub(super) timers: BTreeMap<(u64, u64), Waker>,
    /// Those who wait until nothing can run, first come first served.
    pub(super) settling: BTreeMap<u64, Waker>,
    /// Names timers and settlers.
    pub(super) next_key: u64,
    /// Blocking closures on threads of their own.
    pub(super) blocking: usize,
    /// What those threads have spawned.
    pub(super) inbox: Vec<(BoxFuture<'static, ()>, Site)>,
    pub(super) foreign: Option<Foreign>,
    /// Nothing runs here any more.
    pub(super) ended: bool,
}

impl State {
    pub(super) fn key(&mut self) -> u64 {
        self.next_key += 1;
        self.next_key
    }

    /// Whether there is something to do before time may move.
    pub(super) fn stirred(&self) -> bool {
        !self.ready.is_empty() || !self.inbox.is_empty() || self.foreign.is_some()
    }

    /// The living, oldest first.
    pub(super) fn infos(&self) -> Vec<TaskInfo> {
        let mut live: Vec<&Meta> = self.tasks.iter().filter(|t| t.live).collect();
        live.sort_by_key(|t| t.serial);
        live.into_iter().map(Meta::info).collect()
    }

    pub(super) fn time(&self) -> Duration {
        Duration::from_nanos(self.now)
    }
}

pub(super) struct Shared {
    pub(super) id: u64,
    pub(super) seed: u64,
    state: Mutex<State>,
    /// Told about everything that other threads do here.
    pub(super) changed: Condvar,
    /// Somebody still has the `Runtime`: that is no leak.
    pub(super) handle_alive: AtomicBool,
}

impl Shared {
    pub(super) fn new(seed: u64, state: State) -> Arc<Self> {
        Arc::new(Shared {
            id: NEXT_ID.fetch_add(1, Relaxed),
            seed,
            state: Mutex::new(state),
            changed: Condvar::new(),
            handle_alive: AtomicBool::new(false),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the watchdog, which must never hang itself.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, State>> {
        self.state.try_lock().ok()
    }

    /// Whether the calling thread is the one that runs this simulation.
    pub(super) fn is_here(&self) -> bool {
        HERE.try_with(Cell::get).is_ok_and(|id| id == self.id)
    }
}

/// The calling thread, for a report.
pub(super) fn this_thread() -> String {
    let thread = std::thread::current();
    match thread.name() {
        Some(name) => format!("`{name}`"),
        None => format!("{:?}", thread.id()),
    }
}

struct TaskWaker {
    slot: usize,
    serial: u64,
    generation: u64,
    shared: Arc<Shared>,
}

/// A waker for the task in `slot` as it is now.
pub(super) fn waker(shared: &Arc<Shared>, slot: usize, serial: u64, generation: u64) -> Waker {
    Waker::from(Arc::new(TaskWaker {
        slot,
        serial,
        generation,
        shared: shared.clone(),
    }))
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let here = self.shared.is_here();
        let mut guard = self.shared.lock();
        let s = &mut *guard;
        let Some(task) = s.tasks.get_mut(self.slot) else {
            return;
        };
        if task.serial != self.serial || !task.live {
            return;
        }
        if !here && s.blocking == 0 && s.foreign.is_none() {
            s.foreign = Some(Foreign {
                task: task.info(),
                thread: this_thread(),
            });
        }
        if task.generation != self.generation {
            task.stale_wakes += 1;
        } else if !task.queued {
            task.queued = true;
            s.ready.push_back(self.slot);
        }
        drop(guard);
        if !here {
            self.shared.changed.notify_all();
        }
    }
}
