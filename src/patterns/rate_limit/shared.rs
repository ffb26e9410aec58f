//! A limiter behind its lock: the rule, the line of those who wait, and the figures. Before the lock stands a [`Word`], from which permits are taken while nobody waits.
//!
//! The first in line has a timer for the moment it is planned for. Whoever takes the first out of the line, by serving it or because it
//! was dropped, rouses the next, who arms its own timer. A wake that comes late serves all who were planned by then.

use super::error::{AcquireError, TryAcquireError};
use super::quota::Quota;
use super::rule::Rule;
use super::word::Word;
use crate::internal::line::{Line, Place, Wakers};
use crate::internal::lock::{Lock, Locked};
use crate::runtime::Runtime;
use std::ops::{Deref, DerefMut};
use std::task::Waker;
use std::time::{Duration, Instant};

pub(super) struct Shared {
    pub(super) runtime: Runtime,
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
            && self.state.line.is_empty()
            && !self.state.changed
        {
            word.open(rule.due);
        }
    }
}

pub(super) struct State {
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

    fn take(&mut self, planned: u64, now: u64, n: u32) -> u64 {
        self.granted += u64::from(n);
        self.in_flight += 1;
        self.rule.take(planned, now, n)
    }

    /// One in flight has landed.
    fn make_room(&mut self, now: u64) {
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

fn nanos(passed: Duration) -> u64 {
    u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX)
}

impl Shared {
    pub(super) fn new(runtime: Runtime, rule: Rule, max_in_flight: usize) -> Self {
        let start = runtime.now();
        let word = match &rule {
            Rule::Gcra(rule) if max_in_flight == usize::MAX => Some(Word::new(rule.scale())),
            _ => None,
        };
        let shared = Shared {
            runtime,
            start,
            word,
            state: Lock::new(State {
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
        drop(shared.lock());
        shared
    }

    pub(super) fn lock(&self) -> Guard<'_> {
        let mut state = self.state.lock();
        if let Some(account) = self.word.as_ref().and_then(Word::close) {
            state.granted += account.granted;
            if let Rule::Gcra(rule) = &mut state.rule {
                rule.due = account.due.into();
            }
        }
        Guard {
            shared: self,
            state,
        }
    }

    pub(super) fn now(&self) -> u64 {
        nanos(self.passed())
    }

    #[inline]
    fn passed(&self) -> Duration {
        self.runtime.now().saturating_duration_since(self.start)
    }

    /// `None`: further away than the clock can name.
    fn moment(&self, nanos: u64) -> Option<Instant> {
        self.start.checked_add(Duration::from_nanos(nanos))
    }

    /// How long until `n` can be had by somebody who comes now, behind those who wait.
    pub(super) fn wait_for(&self, n: u32) -> Result<Duration, AcquireError> {
        let now = self.now();
        let state = self.lock();
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
            Err(passed) => self.try_under_the_lock(passed, n),
        }
    }

    /// `Err`: ask under the lock; so much time has passed.
    #[inline(always)]
    fn take_from_the_word(&self, n: u32) -> Result<(), Duration> {
        let seen = self.word.as_ref().map(|word| (word, word.see()));
        let passed = self.passed();
        match seen {
            Some((word, seen)) if n > 0 && word.take(seen, passed, n) => Ok(()),
            _ => Err(passed),
        }
    }

    #[inline(never)]
    fn try_under_the_lock(&self, passed: Duration, n: u32) -> Result<(), TryAcquireError> {
        let now = nanos(passed);
        let mut state = self.lock();
        if let Some(error) = state.refusal(n) {
            return Err(TryAcquireError::Never(error));
        }
        if state.line.is_empty() && state.has_slot() && state.rule.fits(now, n) {
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
            Err(passed) => self.take_under_the_lock(nanos(passed), n),
        }
    }

    #[inline(never)]
    fn take_under_the_lock(&self, now: u64, n: u32) -> bool {
        let mut state = self.lock();
        let free = state.refusal(n).is_none()
            && state.line.is_empty()
            && state.has_slot()
            && state.rule.fits(now, n);
        if free {
            state.take(now, now, n);
        }
        free
    }

    /// Takes `n` at once, or a place in the line.
    pub(super) fn enter(&self, n: u32, waker: &Waker) -> Result<Option<Place>, AcquireError> {
        let now = match self.take_from_the_word(n) {
            Ok(()) => return Ok(None),
            Err(passed) => nanos(passed),
        };
        let waker = waker.clone();
        let mut state = self.lock();
        if let Some(error) = state.refusal(n) {
            return Err(error);
        }
        if state.line.is_empty() && state.has_slot() && state.rule.fits(now, n) {
            state.take(now, now, n);
            return Ok(None);
        }
        state.wanted += u64::from(n);
        let wait = Wait::Wants { n, since: now };
        Ok(Some(state.line.enter(wait, waker)))
    }

    pub(super) fn look(&self, place: Place, waker: &Waker) -> Look {
        let now = self.now();
        let mut wakers = Wakers::new();
        let mut state = self.lock();
        if state.line.is_first(place) {
            state.serve(now, &mut wakers, false);
        }
        let (look, old) = match state.line.get(place) {
            Some(&Wait::Wants { n, since }) => {
                let look = if !state.line.is_first(place) {
                    Look::Behind
                } else if state.has_slot() {
                    Look::Until(self.moment(state.planned(since, n)))
                } else {
                    Look::Until(None)
                };
                (look, state.line.set_waker(place, waker))
            }
            _ => {
                let left = state.line.leave(place);
                (Look::Granted, left.and_then(|(_, waker)| waker))
            }
        };
        drop(state);
        drop(old);
        wakers.wake();
        look
    }

    /// A waiter goes. What it was granted goes back.
    pub(super) fn abandon(&self, place: Place) {
        let now = self.now();
        let mut wakers = Wakers::new();
        let mut state = self.lock();
        let was_first = state.line.is_first(place);
        let Some((wait, waker)) = state.line.leave(place) else {
            return;
        };
        let mut rouse = was_first;
        match wait {
            Wait::Wants { n, .. } => state.wanted -= u64::from(n),
            Wait::Granted { n, taken } => {
                state.rule.give_back(taken, n);
                state.granted -= u64::from(n);
                state.refunded += u64::from(n);
                state.make_room(now);
                rouse = true;
            }
        }
        if rouse {
            state.serve(now, &mut wakers, true);
        }
        drop(state);
        drop(waker);
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
        let now = self.now();
        let mut wakers = Wakers::new();
        let mut state = self.lock();
        state.make_room(now);
        state.serve(now, &mut wakers, true);
        drop(state);
        wakers.wake();
    }

    pub(super) fn change(&self, quota: Quota) -> Result<(), AcquireError> {
        let now = self.now();
        let mut wakers = Wakers::new();
        let mut state = self.lock();
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

    pub(super) fn is_unused(&self) -> bool {
        let now = self.now();
        let state = self.lock();
        state.line.is_empty() && state.rule.is_fresh(now)
    }
}
