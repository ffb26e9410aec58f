//! A limiter behind its lock: the rule, the line of those who wait, and the figures. Before the lock stands a [`Word`], from which permits are taken while nobody waits.
//!
//! The first in line has a timer for the moment it is planned for. Whoever takes the first out of the line, by serving it or because it
//! was dropped, rouses the next, who arms its own timer. A wake that comes late serves all who were planned by then.

use super::error::{AcquireError, TryAcquireError};
use super::quota::Quota;
use super::rule::Rule;
use super::word::{Anchor, Word};
use crate::internal::caught::discard;
use crate::internal::line::{Line, Place, Spare, Wakers};
use crate::internal::lock::{Lock, Locked};
use crate::internal::timeline::{Passed, Reading, TimeSource};
use crate::runtime::{ClockId, Runtime};
use std::ops::{Deref, DerefMut};
use std::task::Context;
use std::time::{Duration, Instant};

pub(super) struct Shared {
    pub(super) source: TimeSource,
    /// The word counts from here.
    start: Instant,
    /// Where the algorithm is one number, and nobody counts who is in flight.
    word: Option<Word>,
    state: Lock<State>,
}

/// The state, under its lock. While somebody has it, nothing is taken from the word; afterwards only if nobody waits.
pub(super) struct Guard<'a> {
    shared: &'a Shared,
    state: Locked<'a, State>,
}

impl Deref for Guard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let (Some(word), Rule::Gcra(rule)) = (&self.shared.word, &self.state.rule)
            && let Some(anchor) = self.state.anchor
            && self.state.line.is_empty()
            && !self.state.changed
        {
            word.open(rule.due, anchor);
        }
    }
}

pub(super) struct State {
    passed: Passed,
    /// Of the machine's clock, on which the word goes; `None`: another one was used last.
    anchor: Option<Anchor>,
    /// Since the timeline was last asked.
    taken_by_word: bool,
    pub(super) rule: Rule,
    line: Line<Wait>,
    /// Permits that the line waits for.
    wanted: u64,
    pub(super) in_flight: usize,
    pub(super) max_in_flight: usize,
    /// When there last was room again after as many were in flight as may. Nobody is planned for a moment before, however long it has waited: the rate would be made up for
    /// in a burst.
    room_since: u64,
    pub(super) granted: u64,
    pub(super) refused: u64,
    pub(super) refunded: u64,
    /// The quota was changed: the word knows the old one, and is not used any more.
    changed: bool,
}

enum Wait {
    Wants { n: u32, since: u64 },
    Granted { n: u32, taken: u64 },
}

/// How somebody came in.
pub(super) enum Entered {
    /// Took them at once; what giving them back is to be told.
    Took(u64),
    Waits(Place),
}

/// How a waiter stands.
pub(super) enum Look {
    Granted,
    /// First in line: not before then. `None`: when somebody else is done.
    Until(Option<Instant>),
    Behind,
}

impl State {
    fn has_slot(&self) -> bool {
        self.in_flight < self.max_in_flight
    }

    /// What has passed on the limiter's timeline; `start` is where the word counts from.
    fn now(&mut self, start: Instant, reading: Reading) -> u64 {
        let real = reading.0 == ClockId::REAL;
        if std::mem::take(&mut self.taken_by_word) && !real {
            self.catch_up();
        }
        let now = self.passed.now(reading);
        self.anchor = if real { self.anchored(start) } else { None };
        now
    }

    /// The machine's clock has gone on while permits were taken from the word.
    fn catch_up(&mut self) {
        let now = Runtime::neutral().now();
        if self
            .passed
            .seen(ClockId::REAL)
            .is_some_and(|(seen, _)| seen <= now)
        {
            self.passed.now((ClockId::REAL, now));
        }
    }

    fn anchored(&self, start: Instant) -> Option<Anchor> {
        let (seen, passed) = self.passed.seen(ClockId::REAL)?;
        let clock = seen.checked_duration_since(start)?;
        let ahead = i128::from(passed).checked_sub_unsigned(clock.as_nanos())?;
        Some(Anchor {
            ahead: i64::try_from(ahead).ok()?,
            passed: clock,
        })
    }

    fn take(&mut self, planned: u64, now: u64, n: u32) -> u64 {
        self.granted += u64::from(n);
        if self.counts() {
            self.in_flight += 1;
        }
        self.rule.take(planned, now, n)
    }

    /// Whether anybody asks how many are in flight.
    fn counts(&self) -> bool {
        self.max_in_flight < usize::MAX
    }

    /// What was taken at `taken` was not used.
    fn give_back(&mut self, now: u64, taken: u64, n: u32) {
        self.rule.give_back(taken, n);
        self.granted -= u64::from(n);
        self.refunded += u64::from(n);
        self.make_room(now);
    }

    /// One in flight has landed.
    fn make_room(&mut self, now: u64) {
        if !self.counts() {
            return;
        }
        if !self.has_slot() {
            self.room_since = now;
        }
        self.in_flight -= 1;
    }

    /// The moment for one who has waited since then, and is the first in line.
    fn planned(&self, since: u64, n: u32) -> u64 {
        self.rule.at(since.max(self.room_since), 0, n)
    }

    /// Serves all who are planned for now or before, and rouses who is first then, unless that is who it was.
    fn serve(&mut self, now: u64, wakers: &mut Wakers, mut is_other: bool) {
        while let Some(&Wait::Wants { n, since }) = self.line.front() {
            let planned = self.planned(since, n);
            if planned > now || !self.has_slot() {
                break;
            }
            self.wanted -= u64::from(n);
            let taken = self.take(planned, now, n);
            let granted = Wait::Granted { n, taken };
            wakers.extend(self.line.serve_front(|wait| *wait = granted));
            is_other = true;
        }
        if is_other {
            wakers.extend(self.line.rouse_front());
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Whether `n` can be had now, and nobody is passed by that.
    fn is_free(&self, now: u64, n: u32) -> bool {
        self.line.is_empty() && self.has_slot() && self.rule.fits(now, n)
    }

    fn refusal(&self, n: u32) -> Option<AcquireError> {
        let most = self.rule.most();
        if n == 0 {
            Some(AcquireError::NoneAsked)
        } else if n > most {
            Some(AcquireError::TooMany { asked: n, most })
        } else {
            None
        }
    }
}

impl Shared {
    pub(super) fn new(source: TimeSource, rule: Rule, max_in_flight: usize) -> Self {
        let reading = source.read();
        let word = match &rule {
            Rule::Gcra(rule) if max_in_flight == usize::MAX => Some(Word::new(rule.scale())),
            _ => None,
        };
        let shared = Shared {
            source,
            start: reading.1,
            word,
            state: Lock::new(State {
                passed: Passed::since(reading),
                anchor: None,
                taken_by_word: false,
                rule,
                line: Line::new(),
                wanted: 0,
                in_flight: 0,
                max_in_flight,
                room_since: 0,
                granted: 0,
                refused: 0,
                refunded: 0,
                changed: false,
            }),
        };
        // Leaving the lock opens the word.
        drop(shared.lock_at(reading));
        shared
    }

    pub(super) fn lock(&self) -> Guard<'_> {
        let mut state = self.state.lock();
        let anchor = state.anchor.unwrap_or_default();
        if let Some(account) = self.word.as_ref().and_then(|word| word.close(anchor)) {
            state.granted += account.granted;
            state.taken_by_word |= account.granted > 0;
            if let Rule::Gcra(rule) = &mut state.rule {
                rule.due = account.due;
            }
        }
        Guard {
            shared: self,
            state,
        }
    }

    /// The lock, and what has passed.
    fn lock_at(&self, reading: Reading) -> (Guard<'_>, u64) {
        let mut state = self.lock();
        let now = state.now(self.start, reading);
        (state, now)
    }

    /// [`lock_at`](Shared::lock_at) in destructors, where a user's clock may not panic.
    fn lock_quietly(&self) -> (Guard<'_>, u64) {
        let reading = self.source.read_quietly();
        let mut state = self.lock();
        let now = match reading {
            Some(reading) => state.now(self.start, reading),
            None => state.passed.now_or_last(None),
        };
        (state, now)
    }

    /// How long until `n` can be had by somebody who comes now, behind those who wait.
    pub(super) fn wait_for(&self, n: u32) -> Result<Duration, AcquireError> {
        let (state, now) = self.lock_at(self.source.read());
        match state.refusal(n) {
            Some(error) => Err(error),
            None => {
                let at = state.rule.at(now, state.wanted, n);
                Ok(Duration::from_nanos(at - now))
            }
        }
    }

    #[inline]
    pub(super) fn try_take(&self, n: u32) -> Result<(), TryAcquireError> {
        match self.take_from_the_word(n) {
            Ok(()) => Ok(()),
            Err(reading) => self.try_under_the_lock(reading, n),
        }
    }

    /// `Err`: ask under the lock; this is what the clock says.
    #[inline(always)]
    fn take_from_the_word(&self, n: u32) -> Result<(), Reading> {
        let seen = self.word.as_ref().map(|word| (word, word.see()));
        let reading = self.source.read();
        if let (Some((word, seen)), (ClockId::REAL, at)) = (seen, reading)
            && n > 0
            && word.take(seen, at.saturating_duration_since(self.start), n)
        {
            return Ok(());
        }
        Err(reading)
    }

    #[inline(never)]
    fn try_under_the_lock(&self, reading: Reading, n: u32) -> Result<(), TryAcquireError> {
        let (mut state, now) = self.lock_at(reading);
        if let Some(error) = state.refusal(n) {
            return Err(TryAcquireError::Never(error));
        }
        if state.is_free(now, n) {
            state.take(now, now, n);
            return Ok(());
        }
        state.refused += 1;
        let at = state.rule.at(now, state.wanted, n);
        Err(TryAcquireError::NotYet {
            retry_after: Duration::from_nanos(at - now),
        })
    }

    /// Takes `n` if nobody has to wait for them.
    #[inline]
    pub(super) fn take_at_once(&self, n: u32) -> bool {
        match self.take_from_the_word(n) {
            Ok(()) => true,
            Err(reading) => self.take_under_the_lock(reading, n),
        }
    }

    #[inline(never)]
    fn take_under_the_lock(&self, reading: Reading, n: u32) -> bool {
        let (mut state, now) = self.lock_at(reading);
        let free = state.refusal(n).is_none() && state.is_free(now, n);
        if free {
            state.take(now, now, n);
        }
        free
    }

    /// Takes `n` at once, or a place in the line.
    pub(super) fn enter(&self, n: u32, cx: &Context<'_>) -> Result<Entered, AcquireError> {
        let reading = match self.take_from_the_word(n) {
            // The word gives without asking when.
            Ok(()) => return Ok(Entered::Took(0)),
            Err(reading) => reading,
        };
        let mut spare = Spare::none();
        loop {
            let (mut state, now) = self.lock_at(reading);
            if let Some(error) = state.refusal(n) {
                return Err(error);
            }
            if state.is_free(now, n) {
                return Ok(Entered::Took(state.take(now, now, n)));
            }
            if let Some(waker) = spare.take() {
                state.wanted += u64::from(n);
                let wait = Wait::Wants { n, since: now };
                return Ok(Entered::Waits(state.line.enter(wait, waker)));
            }
            drop(state);
            spare.fill(cx);
        }
    }

    pub(super) fn look(&self, place: Place, cx: &Context<'_>) -> Look {
        let reading = self.source.read();
        let mut spare = Spare::none();
        let mut wakers = Wakers::new();
        let (look, left) = loop {
            let (mut state, now) = self.lock_at(reading);
            if state.line.is_first(place) {
                state.serve(now, &mut wakers, false);
            }
            let Some(&Wait::Wants { n, since }) = state.line.get(place) else {
                break (Look::Granted, state.line.leave(place));
            };
            if state.line.renew(place, cx, &mut spare) {
                let look = if !state.line.is_first(place) {
                    Look::Behind
                } else if state.has_slot() {
                    let planned = state.planned(since, n);
                    Look::Until(state.passed.on_clock(reading.0, planned))
                } else {
                    Look::Until(None)
                };
                break (look, None);
            }
            drop(state);
            spare.fill(cx);
        };
        discard(left.map(|(_, waker)| waker));
        wakers.wake();
        look
    }

    /// A waiter goes. What it was granted goes back.
    pub(super) fn abandon(&self, place: Place) {
        let mut wakers = Wakers::new();
        let (mut state, now) = self.lock_quietly();
        let was_first = state.line.is_first(place);
        let Some((wait, waker)) = state.line.leave(place) else {
            return;
        };
        let mut rouse = was_first;
        match wait {
            Wait::Wants { n, .. } => state.wanted -= u64::from(n),
            Wait::Granted { n, taken } => {
                state.give_back(now, taken, n);
                rouse = true;
            }
        }
        if rouse {
            state.serve(now, &mut wakers, true);
        }
        drop(state);
        discard(waker);
        wakers.wake();
    }

    /// What was taken at once was never seen.
    pub(super) fn refund(&self, taken: u64, n: u32) {
        let mut wakers = Wakers::new();
        let (mut state, now) = self.lock_quietly();
        state.give_back(now, taken, n);
        state.serve(now, &mut wakers, true);
        drop(state);
        wakers.wake();
    }

    /// Somebody who was in flight has landed.
    pub(super) fn land(&self) {
        let mut state = self.lock();
        if state.line.is_empty() {
            state.in_flight -= 1;
            return;
        }
        drop(state);
        let mut wakers = Wakers::new();
        let (mut state, now) = self.lock_quietly();
        state.make_room(now);
        state.serve(now, &mut wakers, true);
        drop(state);
        wakers.wake();
    }

    pub(super) fn change(&self, quota: Quota) -> Result<(), AcquireError> {
        let mut wakers = Wakers::new();
        let (mut state, now) = self.lock_at(self.source.read());
        let before = state.rule.clone();
        state.rule.change(now, quota);
        // Those who wait for more than there will ever be would hold up everybody.
        let most = state.rule.most();
        let mut too_many = 0;
        state.line.each(|wait| {
            if let Wait::Wants { n, .. } = wait {
                too_many = too_many.max(*n);
            }
        });
        if too_many > most {
            state.rule = before;
            return Err(AcquireError::TooMany {
                asked: too_many,
                most,
            });
        }
        state.changed = true;
        state.serve(now, &mut wakers, true);
        drop(state);
        wakers.wake();
        Ok(())
    }

    /// Whether nothing would be lost with it.
    pub(super) fn is_unused(&self, reading: Reading) -> bool {
        let (state, now) = self.lock_at(reading);
        state.line.is_empty() && state.rule.is_fresh(now)
    }
}
