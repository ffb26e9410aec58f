//! The breaker as a plain machine: who may enter, and what it makes of how they ended.
//!
//! Every change of the state begins a new *period*, and a call belongs to the one it entered in. How a call of an
//! earlier period ended says nothing about now: it is in the figures, and changes nothing else.
//!
//! Time is in nanoseconds, and never goes back: a moment before the latest one known counts as that one. So a caller
//! that needs no clock passes zero.

use super::error::Refused;
use super::observer::Event;
use super::policy::{OnDrop, Rules};
use super::window::{Counts, Log, One};
use crate::internal::gated::{Account, Books, Period};
use std::fmt;
use std::time::Duration;

/// What a breaker does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Lets them through, and counts how they end.
    Closed,
    /// Refuses them for a time.
    Open,
    /// Lets a few through to find out whether it can close.
    HalfOpen,
    /// Refuses them until it is told otherwise.
    ForcedOpen,
    /// Lets them through whatever happens.
    ForcedClosed,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Closed => "closed",
            State::Open => "open",
            State::HalfOpen => "half open",
            State::ForcedOpen => "forced open",
            State::ForcedClosed => "forced closed",
        })
    }
}

/// How a call counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The service works.
    Success,
    /// It does not.
    Failure,
    /// This says nothing about it.
    Ignore,
}

/// Figures of a [`CircuitBreaker`](super::CircuitBreaker) since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Calls that counted as successes.
    pub succeeded: u64,
    /// Calls that counted as failures.
    pub failed: u64,
    /// Calls that counted as nothing.
    pub ignored: u64,
    /// Calls that were dropped; they are among the others, too.
    pub dropped: u64,
    /// Calls that were not let through.
    pub refused: u64,
    /// Calls that are running.
    pub running: usize,
    /// How often it opened.
    pub opened: u64,
    /// What decides now.
    pub window: Counts,
}

/// The right to make one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    pub(super) period: Period,
    pub(super) started: u64,
    /// The number of the clock on which it began, or [`NO_CLOCK`]: smaller than an `Option`, for it is moved with every
    /// call.
    pub(super) clock: u64,
}

/// No rule asks how long the call takes.
const NO_CLOCK: u64 = u64::MAX;

impl Ticket {
    /// Of a call whose time nobody asks after.
    #[inline]
    pub(super) fn untimed(period: Period) -> Self {
        Ticket {
            period,
            started: 0,
            clock: NO_CLOCK,
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    As(Verdict),
    Dropped,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed,
    /// `None`: without end.
    Open {
        until: Option<u64>,
    },
    HalfOpen {
        /// When the last probe began.
        last: u64,
        running: u32,
        succeeded: u32,
    },
    ForcedOpen,
    ForcedClosed,
}

#[derive(Debug)]
pub(super) struct Machine {
    rules: Rules,
    log: Log,
    phase: Phase,
    period: Period,
    changes: u64,
    /// How long it will be open the next time.
    open_for: Duration,
    latest: u64,
    stats: Stats,
}

fn nanos(duration: Duration) -> Option<u64> {
    u64::try_from(duration.as_nanos()).ok()
}

impl Books for Machine {
    /// Those who left were successes, and in this period: its end would have closed the turnstile.
    fn take_over(&mut self, Account { running, left }: Account) {
        self.stats.running = running;
        self.stats.succeeded += left;
        if matches!(self.phase, Phase::Closed) {
            self.log.add_successes(left);
        }
    }

    fn opens(&self) -> Option<(usize, Period)> {
        let opens = self.is_closed() && !self.times_calls();
        opens.then_some((self.stats.running, self.period))
    }
}

impl Machine {
    pub(super) fn new(rules: Rules) -> Self {
        Machine {
            log: Log::new(rules.window),
            phase: Phase::Closed,
            period: Period::default(),
            changes: 0,
            open_for: rules.open_for,
            latest: 0,
            stats: Stats::default(),
            rules,
        }
    }

    fn at(&mut self, now: u64) -> u64 {
        self.latest = self.latest.max(now);
        self.latest
    }

    /// The state as it is; the end of the open time is seen by who looks at the clock.
    fn recorded(&self) -> State {
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
            Phase::ForcedOpen => State::ForcedOpen,
            Phase::ForcedClosed => State::ForcedClosed,
        }
    }

    /// The state in which a call would find it.
    pub(super) fn state(&self, now: u64) -> State {
        match self.phase {
            Phase::Open { until: Some(until) } if until <= now.max(self.latest) => State::HalfOpen,
            _ => self.recorded(),
        }
    }

    /// Whether calls enter and end without a look at the clock, as long as they do not fail.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed | Phase::ForcedClosed)
    }

    pub(super) fn stats(&self, now: u64) -> Stats {
        Stats {
            window: self.log.counts(now.max(self.latest)),
            ..self.stats
        }
    }

    fn change(&mut self, to: Phase) -> Event {
        let from = self.recorded();
        self.phase = to;
        self.period = self.period.next();
        self.changes += 1;
        self.log.clear();
        Event::Changed {
            from,
            to: self.recorded(),
            number: self.changes,
        }
    }

    fn open(&mut self, now: u64) -> Event {
        let duration = self.open_for;
        // Without a factor it is the same again, to the nanosecond.
        if self.rules.growth > 1.0 {
            let longer = duration.as_secs_f64() * self.rules.growth;
            let longer = Duration::try_from_secs_f64(longer).unwrap_or(Duration::MAX);
            self.open_for = longer.min(self.rules.open_at_most).max(duration);
        }
        self.stats.opened += 1;
        let until = nanos(duration).and_then(|d| now.checked_add(d));
        self.change(Phase::Open { until })
    }

    fn close(&mut self) -> Event {
        self.open_for = self.rules.open_for;
        self.change(Phase::Closed)
    }

    fn admit(&mut self, now: u64) -> Ticket {
        self.stats.running += 1;
        Ticket {
            period: self.period,
            started: now,
            clock: NO_CLOCK,
        }
    }

    fn refuse(&mut self, retry_after: Option<u64>) -> Refused {
        self.stats.refused += 1;
        Refused {
            retry_after: retry_after.map(Duration::from_nanos),
            state: self.recorded(),
        }
    }

    /// Lets a call through, or not; and how the state changed.
    pub(super) fn enter(&mut self, now: u64) -> (Result<Ticket, Refused>, Option<Event>) {
        let now = self.at(now);
        let mut event = None;
        if let Phase::Open { until: Some(until) } = self.phase
            && until <= now
        {
            event = Some(self.change(Phase::HalfOpen {
                last: now,
                running: 0,
                succeeded: 0,
            }));
        }
        let entered = match &mut self.phase {
            Phase::Closed | Phase::ForcedClosed => Ok(self.admit(now)),
            Phase::Open { until } => {
                let left = until.map(|until| until - now);
                Err(self.refuse(left))
            }
            Phase::ForcedOpen => Err(self.refuse(None)),
            Phase::HalfOpen { last, running, .. } if *running < self.rules.probes => {
                *last = now;
                *running += 1;
                Ok(self.admit(now))
            }
            Phase::HalfOpen { last, .. } => {
                let limit = nanos(self.rules.max_probe);
                let over = limit.and_then(|limit| last.checked_add(limit));
                if over.is_some_and(|over| over <= now) {
                    event = Some(self.open(now));
                    return (self.enter(now).0, event);
                }
                Err(self.refuse(None))
            }
        };
        (entered, event)
    }

    /// A call was not made after all: as if it had not entered.
    pub(super) fn undo(&mut self, ticket: Ticket) {
        self.stats.running -= 1;
        if ticket.period == self.period
            && let Phase::HalfOpen { running, .. } = &mut self.phase
        {
            *running -= 1;
        }
    }

    /// Whether it matters when a call began.
    pub(super) fn times_calls(&self) -> bool {
        self.rules.slow.is_some()
    }

    /// Whether it matters when a call ended that worked.
    pub(super) fn times_ends(&self) -> bool {
        self.times_calls() || self.log.is_timed()
    }

    /// A call has ended.
    pub(super) fn end(&mut self, now: u64, ticket: Ticket, end: End) -> Option<Event> {
        let now = self.at(now);
        let verdict = match end {
            End::As(verdict) => verdict,
            End::Dropped => {
                self.stats.dropped += 1;
                match self.rules.on_drop {
                    OnDrop::Ignore => Verdict::Ignore,
                    OnDrop::Failure => Verdict::Failure,
                    OnDrop::Success => Verdict::Success,
                }
            }
        };
        self.stats.running -= 1;
        match verdict {
            Verdict::Success => self.stats.succeeded += 1,
            Verdict::Failure => self.stats.failed += 1,
            Verdict::Ignore => self.stats.ignored += 1,
        }
        if ticket.period != self.period {
            return None;
        }
        let took = Duration::from_nanos(now.saturating_sub(ticket.started));
        let call = One {
            failed: verdict == Verdict::Failure,
            slow: self.rules.slow.is_some_and(|(from, _)| took >= from),
        };
        match &mut self.phase {
            Phase::Closed if verdict != Verdict::Ignore => {
                self.log.add(now, call);
                (self.is_too_bad(now, call)).then(|| self.open(now))
            }
            Phase::HalfOpen {
                running, succeeded, ..
            } => {
                *running -= 1;
                if verdict == Verdict::Ignore {
                    return None;
                }
                if call.failed || call.slow {
                    return Some(self.open(now));
                }
                *succeeded += 1;
                (*succeeded >= self.rules.successes).then(|| self.close())
            }
            _ => None,
        }
    }

    /// Whether this call was one too many. A good one never is, also when it is the one that makes up the minimum.
    fn is_too_bad(&self, now: u64, call: One) -> bool {
        if !call.failed && !call.slow {
            return false;
        }
        let counts = self.log.counts(now);
        if counts.calls < self.rules.min_calls() {
            return false;
        }
        // Divided, not multiplied: 7 of 100 is 0.07 to the last digit.
        let part = |n: u64| n as f64 / counts.calls as f64;
        let too_slow = |(_, rate)| part(counts.slow) >= rate;
        (call.failed && part(counts.failed) >= self.rules.failure_rate)
            || (call.slow && self.rules.slow.is_some_and(too_slow))
    }

    /// Holds it open, or closed.
    pub(super) fn force(&mut self, open: bool) -> Option<Event> {
        let to = if open {
            Phase::ForcedOpen
        } else {
            Phase::ForcedClosed
        };
        match (self.phase, open) {
            (Phase::ForcedOpen, true) | (Phase::ForcedClosed, false) => None,
            _ => Some(self.change(to)),
        }
    }

    /// Closed, and as new. With `only_forced`, nothing when it is not forced.
    pub(super) fn reset(&mut self, only_forced: bool) -> Option<Event> {
        match self.phase {
            Phase::ForcedOpen | Phase::ForcedClosed => Some(self.close()),
            _ if only_forced => None,
            Phase::Closed => {
                // Nothing to tell, but a new period.
                self.log.clear();
                self.period = self.period.next();
                None
            }
            _ => Some(self.close()),
        }
    }

    /// How much would be lost with it: 0 is nothing that counts. `None`: it is needed.
    pub(super) fn loss(&self, now: u64) -> Option<u8> {
        let counts = self.log.counts(now.max(self.latest));
        match self.state(now) {
            _ if self.stats.running > 0 => None,
            State::Closed if counts.failed + counts.slow == 0 => Some(0),
            State::Closed => Some(1),
            State::HalfOpen => Some(2),
            State::Open | State::ForcedOpen | State::ForcedClosed => None,
        }
    }
}

#[cfg(test)]
mod tests;
