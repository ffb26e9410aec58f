//! A load shedder behind its lock, with its clock, which is read outside of it. Where nothing is measured, who comes and goes takes the turnstile before the lock.

use super::error::Shed;
use super::policy::Rules;
use super::state::{Machine, Stats};
use crate::internal::gated::{Gated, Period};
use crate::runtime::Runtime;
use std::time::{Duration, Instant};

pub(super) struct Shared {
    runtime: Runtime,
    start: Instant,
    /// Whether entering needs the time.
    timed: bool,
    /// For the turnstile.
    limit: usize,
    machine: Gated<Machine>,
}

impl Shared {
    pub(super) fn new(runtime: Runtime, rules: Rules) -> Self {
        Shared {
            start: runtime.now(),
            runtime,
            timed: rules.max_lag.is_some(),
            limit: rules.max_in_flight.unwrap_or(usize::MAX),
            machine: Gated::new(Machine::new(rules)),
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
        if self.enter_at_once() {
            return Ok(());
        }
        let now = self.now();
        self.machine.lock().enter(now)
    }

    /// Enters, if that takes no clock and no lock.
    #[inline]
    pub(super) fn enter_at_once(&self) -> bool {
        self.machine.enter(self.limit).is_some()
    }

    pub(super) fn check_age(&self, since: Instant) -> Result<(), Shed> {
        let age = self.runtime.now().saturating_duration_since(since);
        self.machine.lock().check_age(age)
    }

    #[inline]
    pub(super) fn leave(&self) {
        if !self.machine.leave(Period::default()) {
            self.machine.lock().leave();
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let now = self.now();
        self.machine.lock().stats(now)
    }
}
