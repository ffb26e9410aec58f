//! The simulation as regatta's `Runtime` sees it.

use super::config::Blocking;
use super::core::{Core, current};
use super::shared::{Foreign, Meta, Shared, State, this_thread};
use super::timer::Timer;
use crate::runtime::Instant;
use crate::runtime::{Backend, BoxFuture, BoxWork, Runtime, Site, announced};
use std::panic::Location;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Virtual time zero. One for the process, so that instants of different runs compare.
fn base() -> Instant {
    static BASE: OnceLock<Instant> = OnceLock::new();
    *BASE.get_or_init(|| Runtime::neutral().now())
}

/// A duration on the virtual clock, which ends after 584 years.
pub(super) fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

pub(super) struct Simulated(Arc<Shared>);

impl Simulated {
    pub(super) fn runtime(shared: Arc<Shared>) -> Runtime {
        shared.handle_alive.store(true, Relaxed);
        Runtime::simulated(Simulated(shared))
    }

    /// The simulation, when the call comes from its own thread.
    fn core(&self) -> Option<Rc<Core>> {
        current().filter(|c| c.shared.id == self.0.id)
    }

    fn spawn_from_elsewhere(&self, task: BoxFuture<'static, ()>, site: Site) {
        let mut guard = self.0.lock();
        let s: &mut State = &mut guard;
        if s.blocking > 0 && !s.ended {
            s.inbox.push((task, site));
            drop(guard);
        } else {
            let meta = Meta::unstarted(site);
            s.foreign.get_or_insert_with(|| Foreign {
                task: meta.info(),
                thread: this_thread(),
            });
            drop(guard);
            // Dropping it settles its handle as cancelled.
            drop(task);
        }
        self.0.changed.notify_all();
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.0.handle_alive.store(false, Relaxed);
    }
}

impl Backend for Simulated {
    #[track_caller]
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let site = announced().unwrap_or_else(|| Site {
            name: None,
            at: Location::caller(),
        });
        match self.core() {
            Some(core) => core.add(Some(task), site),
            None => self.spawn_from_elsewhere(task, site),
        }
    }

    fn spawn_blocking(&self, work: BoxWork) {
        let inline = self.core().map(|core| (core.config.blocking, core));
        match inline {
            Some((Blocking::Inline { max_latency }, core)) => {
                let latency = core.latency(nanos(max_latency));
                let at = self.0.lock().now.saturating_add(latency);
                let due = Timer::new(self.0.clone(), at);
                drop(core);
                self.spawn(Box::pin(async move {
                    due.await;
                    work();
                }));
            }
            Some((Blocking::Thread, _)) | None => on_a_thread(self.0.clone(), work),
        }
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        let at = nanos(at.saturating_duration_since(base()));
        Box::pin(Timer::new(self.0.clone(), at))
    }

    fn now(&self) -> Instant {
        base() + self.0.lock().time()
    }
}

fn on_a_thread(shared: Arc<Shared>, work: BoxWork) {
    struct Running(Arc<Shared>);
    impl Drop for Running {
        fn drop(&mut self) {
            self.0.lock().blocking -= 1;
            self.0.changed.notify_all();
        }
    }
    shared.lock().blocking += 1;
    let running = Running(shared);
    let thread = std::thread::Builder::new().name("regatta-blocking".into());
    let spawned = thread.spawn(move || {
        // Dropped after the work, so the last wake is not taken for a foreign one.
        let _running = running;
        work();
    });
    if let Err(e) = spawned {
        panic!("a blocking closure in a simulation could not get a thread: {e}");
    }
}
