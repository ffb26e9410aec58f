//! A load shedder behind its lock, with its clock, which is read outside of it. Where nothing is measured, calls
//! that come and go take the turnstile before the lock.

use super::error::Shed;
use super::policy::Rules;
use super::state::{Machine, Stats};
use crate::internal::gated::{Account, Books, Gated, Period};
use crate::internal::timeline::{Passed, Reading, TimeSource};
use crate::runtime::ClockId;
use crate::runtime::Instant;
use std::time::Duration;

pub(super) struct Shared {
    source: TimeSource,
    /// Whether entering needs the time.
    timed: bool,
    /// For the turnstile.
    limit: usize,
    books: Gated<Timed>,
}

/// The machine, and the timeline it lives on.
struct Timed {
    machine: Machine,
    passed: Passed,
    /// The clock of the measure that is under way. On another clock it is unknown how long that has been waiting.
    measured_on: Option<ClockId>,
}

impl Books for Timed {
    fn take_over(&mut self, account: Account) {
        self.machine.take_over(account);
    }

    fn opens(&self) -> Option<(usize, Period)> {
        self.machine.opens()
    }
}

impl Timed {
    /// What has passed. The measure under way goes on by its own clock alone.
    fn now(&mut self, reading: Option<Reading>) -> Duration {
        let before = self.passed.now_or_last(None);
        let now = self.passed.now_or_last(reading);
        if let (Some((clock, _)), Some(own)) = (reading, self.measured_on)
            && clock != own
        {
            self.machine.put_off(Duration::from_nanos(now - before));
        }
        Duration::from_nanos(now)
    }
}

impl Shared {
    pub(super) fn new(source: TimeSource, rules: Rules) -> Self {
        Shared {
            timed: rules.max_lag.is_some(),
            limit: rules.max_in_flight.unwrap_or(usize::MAX),
            books: Gated::new(Timed {
                machine: Machine::new(rules),
                passed: Passed::since(source.read()),
                measured_on: None,
            }),
            source,
        }
    }

    /// What the clock says, where a rule asks for it.
    fn read(&self) -> Option<Reading> {
        self.timed.then(|| self.source.read())
    }

    pub(super) fn begin_measure(&self) -> bool {
        let Some(reading) = self.read() else {
            return false;
        };
        let mut books = self.books.lock();
        let now = books.now(Some(reading));
        let begins = books.machine.begin_measure(now);
        if begins {
            books.measured_on = Some(reading.0);
        }
        begins
    }

    /// Also from destructors, which know nothing.
    pub(super) fn end_measure(&self, knows: bool) {
        let reading = if knows { self.read() } else { None };
        let mut books = self.books.lock();
        let now = books.now(reading);
        let own = reading.is_some_and(|(clock, _)| Some(clock) == books.measured_on);
        books.machine.end_measure(own.then_some(now));
        books.measured_on = None;
    }

    pub(super) fn enter(&self) -> Result<(), Shed> {
        if self.enter_at_once() {
            return Ok(());
        }
        let reading = self.read();
        let mut books = self.books.lock();
        let now = books.now(reading);
        books.machine.enter(now)
    }

    /// Enters, if that takes no clock and no lock.
    #[inline]
    pub(super) fn enter_at_once(&self) -> bool {
        self.books.enter(self.limit).is_some()
    }

    pub(super) fn check_age(&self, since: Instant) -> Result<(), Shed> {
        let age = self.source.read().1.saturating_duration_since(since);
        self.books.lock().machine.check_age(age)
    }

    #[inline]
    pub(super) fn leave(&self) {
        if !self.books.leave(Period::default()) {
            self.books.lock().machine.leave();
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let reading = self.read();
        let mut books = self.books.lock();
        let now = books.now(reading);
        books.machine.stats(now)
    }
}
