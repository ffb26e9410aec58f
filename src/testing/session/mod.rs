//! One simulation from start to end: choose, poll, move the clock, clean up.

mod cleanup;
mod idle;

use crate::internal::label;
use crate::runtime::unobserved;
use crate::runtime::{Entered, Runtime, Site, panic_text};
use crate::testing::backend::{Simulated, nanos};
use crate::testing::chooser::Chooser;
use crate::testing::config::Config;
use crate::testing::core::{Core, set_current};
use crate::testing::failure::{Failure, Moment, TaskInfo};
use crate::testing::shared::{ROOT, Shared, State, set_here};
use crate::testing::watchdog::Watched;
use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A task that is about to be polled.
pub(super) struct Turn {
    pub(super) slot: usize,
    pub(super) waker: Waker,
}

pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) core: Rc<Core>,
    pub(super) chooser: Chooser,
    pub(super) steps: u64,
    pub(super) runtime: Runtime,
    max_time: u64,
    watched: Watched,
    /// Due timers, on their way to being woken.
    due: Vec<Waker>,
    pub(super) installed: Installed,
}

/// Takes the thread for a simulation, and gives it back.
pub(super) struct Installed {
    entered: Option<Entered>,
    fastrand: u64,
}

impl Drop for Installed {
    fn drop(&mut self) {
        set_here(0);
        let core = set_current(None);
        drop(core);
        self.entered = None;
        fastrand::seed(self.fastrand);
    }
}

/// The text of a panic.
fn text(payload: &(dyn Any + Send)) -> String {
    panic_text(payload).unwrap_or("(no message)").to_owned()
}

impl Session {
    pub(super) fn begin(mut config: Config, at: &'static Location<'static>) -> Self {
        assert!(
            !crate::testing::in_simulation(),
            "a simulation inside a simulation: `.await` the code instead of calling `testing::run` and its kin"
        );
        let shared = Shared::new(config.seed, State::default());
        let chooser = Chooser::new(&mut config);
        let max_time = nanos(config.max_time);
        let watched = Watched::new(&shared, config.max_real_time);
        let runtime = Simulated::runtime(shared.clone());
        let installed = Installed {
            entered: Some(runtime.enter()),
            fastrand: fastrand::get_seed(),
        };
        // What draws from the thread's generator (jitter, fair selects) replays too.
        fastrand::seed(config.seed);
        set_here(shared.id);
        let core = Rc::new(Core::new(shared.clone(), config));
        set_current(Some(core.clone()));
        drop((label::take(), unobserved::take()));
        let name = Some(root_name());
        core.add(None, Site { name, at });
        Session {
            shared,
            core,
            chooser,
            steps: 0,
            runtime,
            max_time,
            watched,
            due: Vec::new(),
            installed,
        }
    }

    fn moment(&self, s: &State) -> Moment {
        Moment {
            time: s.time(),
            step: self.steps,
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.shared.lock().time()
    }

    /// Who is polled next; moves the clock when nobody can run.
    pub(super) fn next(&mut self) -> Result<Turn, Failure> {
        loop {
            if self.steps >= self.core.config.max_steps {
                return Err(self.livelock());
            }
            let shared = self.shared.clone();
            let mut s = shared.lock();
            if self.watched.overdue() {
                return Err(Failure::Timeout {
                    at: self.moment(&s),
                    real: Some(self.core.config.max_real_time),
                    pending: s.infos(),
                });
            }
            if let Some(foreign) = s.foreign.take() {
                return Err(Failure::ForeignWake {
                    at: self.moment(&s),
                    task: foreign.task,
                    thread: foreign.thread,
                });
            }
            if !s.inbox.is_empty() {
                let inbox = std::mem::take(&mut s.inbox);
                drop(s);
                for (task, site) in inbox {
                    self.core.add(Some(task), site);
                }
                continue;
            }
            if s.ready.is_empty() {
                drop(s);
                self.idle()?;
                continue;
            }
            let slot = self.chooser.choose(&mut s, self.steps);
            self.steps += 1;
            let task = &mut s.tasks[slot];
            task.polls += 1;
            task.waiting_on = None;
            if self.core.config.fresh_wakers {
                task.generation += 1;
            }
            let (serial, generation) = (task.serial, task.generation);
            drop(s);
            let waker = self.core.take_waker(slot, serial, generation);
            self.watched.polling(slot, self.steps);
            return Ok(Turn { slot, waker });
        }
    }

    /// The root has returned: who is still here?
    pub(super) fn leaks(&self) -> Option<Failure> {
        let s = self.shared.lock();
        let mut tasks = s.infos();
        // The root is the oldest.
        tasks.remove(0);
        let at = self.moment(&s);
        (!tasks.is_empty()).then_some(Failure::Leaked { at, tasks })
    }

    fn livelock(&self) -> Failure {
        let s = self.shared.lock();
        let mut busiest = s.infos();
        busiest.sort_by_key(|t| std::cmp::Reverse(t.polls));
        busiest.truncate(5);
        let at = self.moment(&s);
        Failure::Livelock { at, busiest }
    }

    /// The root was polled and is not done.
    pub(super) fn root_parked(&mut self, turn: Turn) -> Result<(), Failure> {
        self.parked(turn);
        self.unobserved(None, ROOT)
    }

    fn parked(&mut self, turn: Turn) {
        let said = label::take();
        let mut s = self.shared.lock();
        let task = &mut s.tasks[turn.slot];
        task.waiting_on = said;
        if task.queued {
            self.chooser.yielded(&mut s, turn.slot);
        }
        drop(s);
        if let Some(slot) = self.core.slots.borrow_mut().get_mut(turn.slot) {
            slot.waker = Some(turn.waker);
        }
    }

    /// Polls a spawned task.
    pub(super) fn poll(&mut self, turn: Turn) -> Result<(), Failure> {
        let slot = turn.slot;
        let future = self.core.slots.borrow_mut()[slot].future.take();
        let Some(mut future) = future else {
            return Ok(());
        };
        let mut cx = Context::from_waker(&turn.waker);
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx)));
        if let Ok(Poll::Pending) = polled {
            self.core.slots.borrow_mut()[slot].future = Some(future);
            self.parked(turn);
            return self.unobserved(None, slot);
        }
        let info = self.shared.lock().tasks[slot].info();
        let failed = polled.err().map(|p| self.panicked(&info, text(&*p)));
        self.core.finish(slot);
        let dropped = self.drop_task(&info, future);
        failed.or(dropped).map_or(Ok(()), Err)?;
        self.unobserved(Some(&info), slot)
    }

    pub(super) fn panicked(&self, task: &TaskInfo, message: String) -> Failure {
        Failure::Panic {
            at: self.moment(&self.shared.lock()),
            task: task.clone(),
            message,
        }
    }

    /// The root panicked.
    pub(super) fn root_panicked(&self, payload: &(dyn Any + Send)) -> Failure {
        let info = self.shared.lock().tasks[ROOT].info();
        self.panicked(&info, text(payload))
    }

    /// A task spawned through `Runtime::try_spawn` keeps its panic for its handle; when the handle is gone, it surfaces here. `ended` is the
    /// task that has just ended, if one has: then the panic is its own.
    fn unobserved(&self, ended: Option<&TaskInfo>, slot: usize) -> Result<(), Failure> {
        let Some(message) = unobserved::take() else {
            return Ok(());
        };
        if let Some(task) = ended {
            return Err(self.panicked(task, message));
        }
        let dropper = self.shared.lock().tasks[slot].info();
        let message =
            format!("it dropped the handle of a task whose panic nobody had seen: {message}");
        Err(self.panicked(&dropper, message))
    }
}

fn root_name() -> Arc<str> {
    thread_local!(static NAME: Arc<str> = "root".into());
    NAME.with(Arc::clone)
}
