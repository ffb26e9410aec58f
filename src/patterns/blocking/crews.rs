//! Who runs the jobs of a pool: the threads of its own, or for each custom runtime the blocking closures of that one.
//!
//! A pool may stand in a `static`, so this is decided when a job is submitted, by the runtime that is current then. Each
//! custom runtime has a queue and limits of its own: a simulation cannot wait for what runs elsewhere.

use super::policy::{Limits, ThreadPoolBuilder};
use super::shared::{Shared, Tally};
use super::worker::Crew;
use crate::internal::caught::discard;
use crate::internal::lock::Lock;
use crate::runtime::Runtime;
use std::iter::once;
use std::sync::Arc;

/// Those of all runtimes. Closed when it is dropped.
pub(super) struct Crews {
    limits: Limits,
    /// Threads, or those of the runtime that was named.
    main: Arc<Shared>,
    /// No runtime was named: custom ones are on their own.
    follows: bool,
    others: Lock<Others>,
}

#[derive(Default)]
struct Others {
    closed: bool,
    all: Vec<Arc<Shared>>,
}

impl Crews {
    pub(super) fn new(builder: &ThreadPoolBuilder) -> Self {
        let limits = builder.limits;
        let crew = match &builder.runtime {
            Some(runtime) if is_custom(runtime) => Crew::Closures(runtime.clone()),
            _ => Crew::Threads {
                name: builder.thread_name.clone(),
                idle_lifetime: builder.idle_lifetime,
            },
        };
        Crews {
            limits,
            main: Arc::new(Shared::new(limits, crew, Arc::default())),
            follows: builder.runtime.is_none(),
            others: Lock::default(),
        }
    }

    #[inline]
    pub(super) fn main(&self) -> &Arc<Shared> {
        &self.main
    }

    /// Where a job goes that is submitted on this runtime. `None`: to the [main](Crews::main) one.
    #[inline]
    pub(super) fn other(&self, runtime: &Runtime) -> Option<Arc<Shared>> {
        let other = self.follows && is_custom(runtime);
        other.then(|| self.of_custom(runtime)).flatten()
    }

    #[inline(never)]
    fn of_custom(&self, runtime: &Runtime) -> Option<Arc<Shared>> {
        let mut others = self.others.lock();
        if others.closed {
            return None;
        }
        let known = others.all.iter().find(|other| other.crew.is_of(runtime));
        if let Some(known) = known {
            return Some(known.clone());
        }
        // Nobody submits there, and no job, worker or handle is left. New references come from here alone.
        let unused = others
            .all
            .extract_if(.., |other| Arc::strong_count(other) == 1);
        let unused: Vec<_> = unused.collect();
        let crew = Crew::Closures(runtime.clone());
        let new = Shared::new(self.limits, crew, self.main.tally.clone());
        let new = Arc::new(new);
        others.all.push(new.clone());
        drop(others);
        // Runtimes, among others: code of users.
        unused.into_iter().for_each(discard);
        Some(new)
    }

    pub(super) fn all(&self) -> Vec<Arc<Shared>> {
        let others = self.others.lock();
        once(&self.main).chain(&others.all).cloned().collect()
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.main.tally
    }

    /// Takes no more jobs anywhere.
    pub(super) fn close(&self) -> Vec<Arc<Shared>> {
        self.others.lock().closed = true;
        let all = self.all();
        for shared in &all {
            shared.close();
        }
        all
    }
}

impl Drop for Crews {
    fn drop(&mut self) {
        self.close();
    }
}

fn is_custom(runtime: &Runtime) -> bool {
    runtime.name() == "custom"
}
