//! Who runs the jobs: threads of the pool's own, or one blocking closure per job on a runtime that regatta does not know.
//!
//! A thread that has nothing to do looks out for a while before it sleeps. Going to sleep and being woken costs two switches of context, more than most
//! jobs; to look for about as long as that costs at most twice what knowing the future would (competitive spinning: Karlin, Li, Manasse and Owicki, SOSP 1991).
//!
//! A custom runtime may run its blocking closures in a simulation, on the simulation's only thread, so a worker there must not park: it takes one
//! job and leaves.

use super::error::JobError;
use super::job::{Ended, Work};
use super::shared::Shared;
use super::state::{After, Call, State};
use crate::internal::caught::{discard, quietly};
use crate::internal::line::wake;
use crate::internal::lock::Locked;
use crate::runtime::Runtime;
use std::borrow::Cow;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How often a worker looks before it sleeps. It gives its core away each time, so nobody who has work waits for it.
const LOOKS: usize = 50;

/// Where workers come from.
pub(super) enum Crew {
    Threads {
        name: Cow<'static, str>,
        idle_lifetime: Duration,
    },
    Closures(Runtime),
}

impl Crew {
    pub(super) fn is_of(&self, runtime: &Runtime) -> bool {
        match self {
            Crew::Threads { .. } => false,
            Crew::Closures(own) => own.id() == runtime.id(),
        }
    }

    /// How many workers may be on their way at the same time.
    pub(super) fn at_once(&self) -> usize {
        match self {
            Crew::Threads { .. } => 1,
            // They come when the runtime has a turn for them, which is no cost to save.
            Crew::Closures(_) => usize::MAX,
        }
    }
}

impl Shared {
    /// What the state decided under its lock.
    pub(super) fn follow(self: &Arc<Self>, after: After) {
        if let Some(waker) = after.wake {
            wake(waker);
        }
        match after.call {
            Call::Nobody => {}
            Call::Wake => self.bell.notify_one(),
            Call::Start => self.start(),
        }
        if after.ended {
            self.end();
        }
    }

    fn start(self: &Arc<Self>) {
        let mut ticket = Ticket {
            shared: self.clone(),
            used: false,
        };
        // Refused, the ticket is dropped with the closure, and tells the pool.
        match &self.crew {
            Crew::Threads { name, .. } => thread::Builder::new()
                .name(name.to_string())
                .spawn(move || ticket.work())
                .map_or((), drop),
            Crew::Closures(runtime) => runtime
                .try_spawn_blocking(move || ticket.one_job())
                .map_or((), drop),
        }
    }
}

/// A worker that was called; says so when it never comes.
struct Ticket {
    shared: Arc<Shared>,
    used: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.used {
            return;
        }
        let (lost, roomy, ended) = self.shared.state.lock().no_worker();
        self.shared.refuse(lost, || JobError::NoThread);
        if let Some(waker) = roomy {
            wake(waker);
        }
        if ended {
            self.shared.end();
        }
    }
}

impl Ticket {
    /// The life of a thread.
    fn work(&mut self) {
        self.used = true;
        let shared = &self.shared;
        let mut state = shared.state.lock();
        state.arrived();
        loop {
            state = match shared.run_next(state) {
                Ok(state) => state,
                Err(state) => match shared.wait(state) {
                    Some(state) => state,
                    None => return,
                },
            };
        }
    }

    fn one_job(&mut self) {
        self.used = true;
        let shared = &self.shared;
        let mut state = shared.state.lock();
        state.arrived();
        let (Ok(mut state) | Err(mut state)) = shared.run_next(state);
        let after = state.gone();
        drop(state);
        shared.follow(after);
    }
}

impl Shared {
    /// `Err`: there was nothing to do.
    fn run_next<'a>(
        self: &'a Arc<Self>,
        mut state: Locked<'a, State>,
    ) -> Result<Locked<'a, State>, Locked<'a, State>> {
        let Some((job, key, after)) = state.take() else {
            return Err(state);
        };
        drop(state);
        self.follow(after);
        self.run(job);
        let mut state = self.state.lock();
        state.done(key);
        Ok(state)
    }

    fn run(&self, job: Arc<dyn Work>) {
        let count = |ended: Ended| self.count(ended);
        // Nothing in here panics but foreign wakers, and destructors of results that nobody wants. They must not take the worker with them.
        quietly(|| job.run(&count));
        discard(job);
    }

    /// Waits for work. `None`: the thread is to end.
    fn wait<'a>(self: &'a Arc<Self>, mut state: Locked<'a, State>) -> Option<Locked<'a, State>> {
        if state.look_out() {
            for _ in 0..LOOKS {
                drop(state);
                thread::yield_now();
                state = self.state.lock();
                if state.queued() > 0 || state.is_closed() {
                    break;
                }
            }
            state.arrived();
            if state.queued() > 0 {
                return Some(state);
            }
        }
        self.park(state)
    }

    /// Sleeps until it is called. `None`: the thread is to end.
    fn park<'a>(self: &'a Arc<Self>, mut state: Locked<'a, State>) -> Option<Locked<'a, State>> {
        let Crew::Threads { idle_lifetime, .. } = &self.crew else {
            return None;
        };
        state.park();
        let mut over = false;
        loop {
            if state.noticed() {
                return Some(state);
            }
            if over || state.is_closed() {
                break;
            }
            (state, over) = state.wait_timeout(&self.bell, *idle_lifetime);
        }
        state.unpark();
        let after = state.gone();
        drop(state);
        self.follow(after);
        None
    }
}
