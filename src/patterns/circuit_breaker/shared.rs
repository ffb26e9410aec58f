//! A breaker behind its lock, with the clock and the observer, which are asked and told outside of it. While it is closed, calls come by the turnstile before the lock, unless a
//! rule asks how long they take; and those that work go by it, unless a rule asks when they end.

use super::error::Refused;
use super::observer::{Event, Observer};
use super::policy::Rules;
use super::state::{End, Machine, State, Stats, Ticket, Verdict};
use crate::internal::gated::Gated;
use crate::runtime::Runtime;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

pub(super) struct Shared {
    runtime: Runtime,
    start: Instant,
    /// Whether the rules ask how long calls take.
    slow: bool,
    /// Whether they ask when calls end.
    timed: bool,
    observer: Option<Arc<Observer>>,
    machine: Gated<Machine>,
}

impl Shared {
    pub(super) fn new(runtime: Runtime, rules: Rules, observer: Option<Arc<Observer>>) -> Self {
        let machine = Machine::new(rules);
        Shared {
            start: runtime.now(),
            runtime,
            slow: machine.times_calls(),
            timed: machine.times_ends(),
            observer,
            machine: Gated::new(machine),
        }
    }

    fn now(&self) -> u64 {
        let passed = self.runtime.now().saturating_duration_since(self.start);
        u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX)
    }

    fn tell(&self, event: Option<Event>) {
        if let (Some(observer), Some(event)) = (&self.observer, event) {
            observer(&event);
        }
    }

    #[inline]
    pub(super) fn enter(&self) -> Result<Ticket, Refused> {
        match self.machine.enter(usize::MAX) {
            Some(period) => Ok(Ticket::untimed(period)),
            None => self.enter_under_the_lock(),
        }
    }

    #[inline(never)]
    fn enter_under_the_lock(&self) -> Result<Ticket, Refused> {
        if !self.slow {
            let mut machine = self.machine.lock();
            if machine.is_closed() {
                return machine.enter(0).0;
            }
        }
        let now = self.now();
        let (entered, event) = self.machine.lock().enter(now);
        self.tell(event);
        if let Err(Refused { state, .. }) = entered {
            self.tell(Some(Event::Refused { state }));
        }
        entered
    }

    #[inline]
    fn end(&self, ticket: Ticket, end: End) {
        let untimed = !self.timed && end == End::As(Verdict::Success);
        if !(untimed && self.machine.leave(ticket.period)) {
            self.end_under_the_lock(ticket, end);
        }
    }

    #[inline(never)]
    fn end_under_the_lock(&self, ticket: Ticket, end: End) {
        let timed = self.timed || end != End::As(Verdict::Success);
        let now = if timed { self.now() } else { 0 };
        let event = self.machine.lock().end(now, ticket, end);
        self.tell(event);
    }

    pub(super) fn force(&self, open: bool) {
        let event = self.machine.lock().force(open);
        self.tell(event);
    }

    pub(super) fn reset(&self, only_forced: bool) {
        let event = self.machine.lock().reset(only_forced);
        self.tell(event);
    }

    pub(super) fn state(&self) -> State {
        let now = self.now();
        self.machine.lock().state(now)
    }

    pub(super) fn stats(&self) -> Stats {
        let now = self.now();
        self.machine.lock().stats(now)
    }

    pub(super) fn loss(&self) -> Option<u8> {
        let now = self.now();
        self.machine.lock().loss(now)
    }
}

/// A call that was let through and has not ended.
pub(super) struct Hold<S: Deref<Target = Shared>> {
    shared: S,
    ticket: Option<Ticket>,
}

impl<S: Deref<Target = Shared>> Hold<S> {
    #[inline]
    pub(super) fn enter(shared: S) -> Result<Self, Refused> {
        let ticket = Some(shared.enter()?);
        Ok(Hold { shared, ticket })
    }

    #[inline]
    pub(super) fn end(mut self, verdict: Verdict) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.end(ticket, End::As(verdict));
        }
    }

    /// As if it had not entered.
    pub(super) fn undo(mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.machine.lock().undo(ticket);
        }
    }
}

impl<S: Deref<Target = Shared>> Drop for Hold<S> {
    #[inline]
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let end = if std::thread::panicking() {
                End::As(Verdict::Failure)
            } else {
                End::Dropped
            };
            self.shared.end(ticket, end);
        }
    }
}

#[cfg(test)]
mod tests;
