//! A load shedder behind its lock, with its clock, which is read outside of it.

use super::error::Shed;
use super::policy::Rules;
use super::state::{Machine, Stats};
use crate::internal::lock::Lock;
use crate::runtime::Runtime;
use std::time::{Duration, Instant};

pub(super) struct Shared {
    runtime: Runtime,
    start: Instant,
    /// Whether entering needs the time.
    timed: bool,
    machine: Lock<Machine>,
}

impl Shared {
    pub(super) fn new(runtime: Runtime, rules: Rules) -> Self {
        Shared {
            start: runtime.now(),
            runtime,
            timed: rules.max_lag.is_some(),
            machine: Lock::new(Machine::new(rules)),
        }
    }

    fn now(&self) -> Duration {
        if self.timed {
            self.runtime.now().saturating_duration_since(self.start)
        } else {
            Duration::ZERO
        }
    }

    pub(super) fn begin_measure(&self) -> bool {
        if !self.timed {
            return false;
        }
        let now = self.now();
        self.machine.lock().begin_measure(now)
    }

    pub(super) fn end_measure(&self, knows: bool) {
        let now = knows.then(|| self.now());
        self.machine.lock().end_measure(now);
    }

    pub(super) fn enter(&self) -> Result<(), Shed> {
        let now = self.now();
        self.machine.lock().enter(now)
    }

    /// Enters, if that needs no clock and there is room.
    #[inline]
    pub(super) fn enter_at_once(&self) -> bool {
        !self.timed && self.machine.lock().enter_if_room()
    }

    pub(super) fn check_age(&self, since: Instant) -> Result<(), Shed> {
        let age = self.runtime.now().saturating_duration_since(since);
        self.machine.lock().check_age(age)
    }

    pub(super) fn leave(&self) {
        self.machine.lock().leave();
    }

    pub(super) fn stats(&self) -> Stats {
        let now = self.now();
        self.machine.lock().stats(now)
    }
}
