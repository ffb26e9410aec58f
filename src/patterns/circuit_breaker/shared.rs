//! A breaker behind its lock, with the clock and the observer, which are asked and told outside of it. While it is
//! closed, calls come by the turnstile before the lock, unless a rule asks how long they take; and those that work go
//! by it, unless a rule asks when they end.

use super::error::Refused;
use super::observer::{Event, Observer};
use super::policy::Rules;
use super::state::{End, Machine, State, Stats, Ticket, Verdict};
use crate::internal::caught::quietly;
use crate::internal::gated::{Account, Books, Gated, Guard, Period};
use crate::internal::timeline::{Passed, Reading, TimeSource};
use crate::runtime::Instant;
use std::ops::Deref;
use std::sync::Arc;

pub(super) struct Shared {
    source: TimeSource,
    start: Instant,
    /// Whether the rules ask how long calls take.
    slow: bool,
    /// Whether they ask when calls end.
    timed: bool,
    observer: Option<Arc<Observer>>,
    books: Gated<Timed>,
}

/// The machine, and the timeline it lives on.
struct Timed {
    machine: Machine,
    passed: Passed,
}

impl Books for Timed {
    fn take_over(&mut self, account: Account) {
        self.machine.take_over(account);
    }

    fn opens(&self) -> Option<(usize, Period)> {
        self.machine.opens()
    }
}

impl Shared {
    pub(super) fn new(source: TimeSource, rules: Rules, observer: Option<Arc<Observer>>) -> Self {
        let machine = Machine::new(rules);
        let reading = source.read();
        Shared {
            source,
            start: reading.1,
            slow: machine.times_calls(),
            timed: machine.times_ends(),
            observer,
            books: Gated::new(Timed {
                machine,
                passed: Passed::since(reading),
            }),
        }
    }

    pub(super) fn read(&self) -> Reading {
        self.source.read()
    }

    /// The lock, and what has passed.
    fn lock_at(&self, reading: Reading) -> (Guard<'_, Timed>, u64) {
        let mut books = self.books.lock();
        let now = books.passed.now(reading);
        (books, now)
    }

    /// Tells the observer, whose panic ends no call and costs no place.
    fn tell(&self, event: Option<Event>) {
        if let (Some(observer), Some(event)) = (&self.observer, event) {
            quietly(|| observer(&event));
        }
    }

    /// What a clock says, in nanoseconds: to be compared with the same clock alone.
    fn own(&self, at: Instant) -> u64 {
        let nanos = match at.checked_duration_since(self.start) {
            Some(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            None => i64::try_from((self.start - at).as_nanos()).map_or(i64::MIN, |n| -n),
        };
        nanos.cast_unsigned()
    }

    #[inline]
    pub(super) fn enter(&self) -> Result<Ticket, Refused> {
        match self.books.enter(usize::MAX) {
            Some(period) => Ok(Ticket::untimed(period)),
            None => self.enter_under_the_lock(),
        }
    }

    #[inline(never)]
    fn enter_under_the_lock(&self) -> Result<Ticket, Refused> {
        if !self.slow {
            let mut books = self.books.lock();
            if books.machine.is_closed() {
                return books.machine.enter(0).0;
            }
        }
        let reading = self.read();
        let (mut books, now) = self.lock_at(reading);
        let (mut entered, event) = books.machine.enter(now);
        drop(books);
        self.tell(event);
        match &mut entered {
            Ok(ticket) => {
                (ticket.clock, ticket.started) = (reading.0.number(), self.own(reading.1))
            }
            Err(Refused { state, .. }) => self.tell(Some(Event::Refused { state: *state })),
        }
        entered
    }

    #[inline]
    fn end(&self, ticket: Ticket, end: End) {
        let untimed = !self.timed && end == End::As(Verdict::Success);
        if !(untimed && self.books.leave(ticket.period)) {
            self.end_under_the_lock(ticket, end);
        }
    }

    /// Also from destructors: nothing of the user's may panic out of it.
    #[inline(never)]
    fn end_under_the_lock(&self, mut ticket: Ticket, end: End) {
        let timed = self.timed || end != End::As(Verdict::Success);
        let event = if timed {
            let reading = self.source.read_quietly();
            let mut books = self.books.lock();
            let now = books.passed.now_or_last(reading);
            let took = match reading {
                Some((clock, at)) if ticket.clock == clock.number() => {
                    let (began, ended) = (ticket.started.cast_signed(), self.own(at).cast_signed());
                    u64::try_from(ended.saturating_sub(began)).unwrap_or_default()
                }
                // It is unknown.
                _ => 0,
            };
            ticket.started = now.saturating_sub(took);
            books.machine.end(now, ticket, end)
        } else {
            self.books.lock().machine.end(0, ticket, end)
        };
        self.tell(event);
    }

    pub(super) fn force(&self, open: bool) {
        let event = self.books.lock().machine.force(open);
        self.tell(event);
    }

    pub(super) fn reset(&self, only_forced: bool) {
        let event = self.books.lock().machine.reset(only_forced);
        self.tell(event);
    }

    pub(super) fn state(&self) -> State {
        let (books, now) = self.lock_at(self.read());
        books.machine.state(now)
    }

    pub(super) fn stats(&self) -> Stats {
        let (books, now) = self.lock_at(self.read());
        books.machine.stats(now)
    }

    pub(super) fn loss(&self, reading: Reading) -> Option<u8> {
        let (books, now) = self.lock_at(reading);
        books.machine.loss(now)
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
            self.shared.books.lock().machine.undo(ticket);
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
