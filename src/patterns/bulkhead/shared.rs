//! A bulkhead behind its lock: the calls that run, and the line of the waiters. Where the limit is fixed, calls come
//! and go by the turnstile before it while the line is empty.
//!
//! While a waiter stands in line, the places are taken: the call that makes room (ends, leaves a place it was given,
//! raises the limit) serves the line before it unlocks. So newcomers pass no waiter.

use super::Stats;
use super::error::Full;
use super::limit::{Rule, Sample, Start};
use crate::internal::caught::discard;
use crate::internal::gated::{Account, Books, Gated, Period};
use crate::internal::line::{Line, Place, Spare, Wakers};
use crate::internal::timeline::{Passed, Reading, TimeSource};
use std::task::Context;
use std::time::Duration;

pub(super) struct Shared {
    pub(super) source: TimeSource,
    /// Whether it has to be known how long calls take.
    adaptive: bool,
    /// For the turnstile; an adaptive limit never opens it.
    limit: usize,
    queue: usize,
    pub(super) max_wait: Option<Duration>,
    state: Gated<State>,
}

struct State {
    rule: Rule,
    passed: Passed,
    running: usize,
    /// What those who were served have: how it was when they began.
    line: Line<Start>,
    entered: u64,
    refused: u64,
    expired: u64,
}

/// A call that runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    /// `None`: nobody wants to know.
    began: Option<Reading>,
    start: Start,
}

/// How a call ended, as far as it says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Succeeded,
    Failed,
    Unknown,
}

impl Books for State {
    fn take_over(&mut self, Account { running, left }: Account) {
        self.entered += left;
        self.entered += running as u64;
        self.entered -= self.running as u64;
        self.running = running;
    }

    fn opens(&self) -> Option<(usize, Period)> {
        let opens = self.line.is_empty() && !self.rule.is_adaptive();
        opens.then(|| (self.running, Period::default()))
    }
}

impl Ticket {
    /// Of a bulkhead with a fixed limit, which learns nothing.
    fn untimed() -> Self {
        Ticket {
            began: None,
            start: Start::default(),
        }
    }
}

impl State {
    fn has_place(&self) -> bool {
        self.running < self.rule.limit()
    }

    fn take(&mut self) -> Start {
        self.running += 1;
        self.entered += 1;
        self.rule.start(self.running)
    }

    fn serve(&mut self, wakers: &mut Wakers) {
        while self.has_place() && !self.line.is_empty() {
            let start = self.take();
            wakers.extend(self.line.serve_front(|given| *given = start));
        }
    }

    fn full(&self, waited: Option<Duration>) -> Full {
        Full {
            running: self.running,
            waiting: self.line.len(),
            waited,
        }
    }
}

impl Shared {
    pub(super) fn new(
        source: TimeSource,
        rule: Rule,
        queue: usize,
        max_wait: Option<Duration>,
    ) -> Self {
        let passed = Passed::since(source.read());
        Shared {
            source,
            adaptive: rule.is_adaptive(),
            limit: rule.limit(),
            queue,
            max_wait,
            state: Gated::new(State {
                rule,
                passed,
                running: 0,
                line: Line::new(),
                entered: 0,
                refused: 0,
                expired: 0,
            }),
        }
    }

    /// The clock is read outside of the lock.
    fn ticket(&self, start: Start) -> Ticket {
        let began = self.adaptive.then(|| self.source.read());
        Ticket { began, start }
    }

    pub(super) fn try_enter(&self) -> Result<Ticket, Full> {
        if self.state.enter(self.limit).is_some() {
            return Ok(Ticket::untimed());
        }
        let mut state = self.state.lock();
        if !state.line.is_empty() || !state.has_place() {
            state.refused += 1;
            return Err(state.full(None));
        }
        let start = state.take();
        drop(state);
        Ok(self.ticket(start))
    }

    /// A place at once, or nothing at all.
    #[inline]
    pub(super) fn enter_at_once(&self) -> Option<Ticket> {
        match self.state.enter(self.limit) {
            Some(_) => Some(Ticket::untimed()),
            None => self.enter_under_the_lock(),
        }
    }

    #[inline(never)]
    fn enter_under_the_lock(&self) -> Option<Ticket> {
        let mut state = self.state.lock();
        if !state.line.is_empty() || !state.has_place() {
            return None;
        }
        let start = state.take();
        drop(state);
        Some(self.ticket(start))
    }

    /// It has only now begun.
    pub(super) fn restart(&self, ticket: &mut Ticket) {
        *ticket = self.ticket(ticket.start);
    }

    /// A place at once, or one in the line.
    pub(super) fn enter(&self, cx: &Context<'_>) -> Result<Result<Ticket, Place>, Full> {
        if let Some(ticket) = self.enter_at_once() {
            return Ok(Ok(ticket));
        }
        // Cloned outside of the lock, and so looked at again.
        let mut spare = Spare::of(cx);
        let mut state = self.state.lock();
        if state.line.is_empty() && state.has_place() {
            let start = state.take();
            drop(state);
            return Ok(Ok(self.ticket(start)));
        }
        match spare.take() {
            Some(waker) if state.line.len() < self.queue => {
                Ok(Err(state.line.enter(Start::default(), waker)))
            }
            waker => {
                state.refused += 1;
                let full = state.full(None);
                drop(state);
                discard(waker);
                Err(full)
            }
        }
    }

    /// Whether the one at this place was served; then the place is gone.
    pub(super) fn look(&self, place: Place, cx: &Context<'_>) -> Option<Ticket> {
        let mut spare = Spare::none();
        let left = loop {
            let mut state = self.state.lock();
            if !state.line.is_waiting(place) {
                break state.line.leave(place);
            }
            if state.line.renew(place, cx, &mut spare) {
                return None;
            }
            drop(state);
            spare.fill(cx);
        };
        left.map(|(start, waker)| {
            discard(waker);
            self.ticket(start)
        })
    }

    /// A waiter goes; what it was given goes to the next. With `waited`, because it has waited for so long.
    pub(super) fn abandon(&self, place: Place, waited: Option<Duration>) -> Full {
        let mut wakers = Wakers::new();
        let mut state = self.state.lock();
        let was_served = !state.line.is_waiting(place);
        let left = state.line.leave(place);
        if was_served {
            state.running -= 1;
            state.entered -= 1;
        }
        if waited.is_some() {
            state.expired += 1;
        }
        state.serve(&mut wakers);
        let full = state.full(waited);
        drop(state);
        discard(left);
        wakers.wake();
        full
    }

    /// A place that was taken at once was never seen: as if it had not been taken.
    pub(super) fn undo(&self) {
        let mut wakers = Wakers::new();
        let mut state = self.state.lock();
        state.running -= 1;
        state.entered -= 1;
        state.serve(&mut wakers);
        drop(state);
        wakers.wake();
    }

    #[inline]
    pub(super) fn leave(&self, ticket: Ticket, end: End) {
        if !self.state.leave(Period::default()) {
            self.leave_under_the_lock(ticket, end);
        }
    }

    #[inline(never)]
    fn leave_under_the_lock(&self, ticket: Ticket, end: End) {
        // Also from destructors, where a user's clock may not panic.
        let asked = ticket.began.filter(|_| end != End::Unknown);
        let ended = asked.and_then(|_| self.source.read_quietly());
        let mut wakers = Wakers::new();
        let mut state = self.state.lock();
        state.running -= 1;
        if let (Some((clock, began)), Some(reading)) = (asked, ended)
            // From one clock to another it is unknown how long it took.
            && clock == reading.0
        {
            let took = reading.1.saturating_duration_since(began);
            let ended = state.passed.now(reading);
            state.rule.learn(Sample {
                nanos: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
                ended,
                start: ticket.start,
                failed: end == End::Failed,
            });
        }
        state.serve(&mut wakers);
        drop(state);
        wakers.wake();
    }

    pub(super) fn stats(&self) -> Stats {
        let state = self.state.lock();
        Stats {
            limit: state.rule.limit(),
            running: state.running,
            waiting: state.line.len(),
            entered: state.entered,
            refused: state.refused,
            expired: state.expired,
        }
    }
}
