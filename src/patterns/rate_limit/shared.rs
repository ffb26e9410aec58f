//! A limiter behind its lock: the rule, the line of the waiters, and the figures. Before the lock stands a [`Word`],
//! from which permits are taken while the line is empty.
//!
//! The first in line has a timer for the moment it is planned for. The call that takes the first out of the line, by
//! serving it or because it was dropped, rouses the next, which arms its own timer. A wake that comes late serves all
//! waiters that were planned by then.

use super::error::{AcquireError, TryAcquireError};
use super::quota::Quota;
use super::rule::Rule;
use super::state::{Entered, Look, State, Wait};
use super::word::Word;
use crate::internal::caught::discard;
use crate::internal::line::{Line, Place, Spare, Wakers};
use crate::internal::lock::{Lock, Locked};
use crate::internal::timeline::{Passed, Reading, TimeSource};
use crate::runtime::ClockId;
use crate::runtime::Instant;
use std::ops::{Deref, DerefMut};
use std::task::Context;
use std::time::Duration;

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
