//! Taking an object, or a place in the line.

use super::{Item, Look, Slot, State, TURNS, Todo, Wait};
use crate::internal::line::{Place, Wakers};
use crate::patterns::pool::observer::Why;
use std::panic::Location;
use std::task::Waker;
use std::time::Instant;

impl<O, H: Clone, E> State<O, H, E> {
    /// Whether a task that was answered at once has to go round; asked once for each answer.
    #[inline]
    pub(in crate::patterns::pool) fn out_of_budget(&mut self, waker: &Waker) -> bool {
        self.streak = self.streak.saturating_add(1);
        // A waker without data belongs to nobody (`Waker::noop`): there is no second poll.
        if self.streak <= TURNS || waker.data().is_null() {
            return false;
        }
        self.streak = 0;
        true
    }

    /// An idle object, where that takes no more than taking it.
    #[inline]
    pub(in crate::patterns::pool) fn take_quickly(
        &mut self,
        b: usize,
        at: &'static Location<'static>,
        now: Option<Instant>,
    ) -> Option<Item<O>> {
        let bucket = &mut self.buckets[b];
        // Below what is to be kept, another one is to be made.
        if bucket.idle.len() <= bucket.min_idle || self.rules.leak_after.is_some() {
            return None;
        }
        let item = bucket.idle.pop_back()?;
        if now.is_some_and(|now| item.is_over(now, self.rules.idle_timeout)) {
            // Its closing takes more.
            bucket.idle.push_back(item);
            return None;
        }
        bucket.stats.taken += 1;
        self.records[item.record].taken = Some(at);
        Some(item)
    }

    /// A place in the line, where nothing can be done for who takes it.
    #[inline]
    pub(in crate::patterns::pool) fn wait_quickly(
        &mut self,
        b: usize,
        at: &'static Location<'static>,
        number: &mut Option<u64>,
        waker: Waker,
    ) -> Result<Place, Waker> {
        let bucket = &mut self.buckets[b];
        let full = bucket.size >= bucket.max && bucket.idle.is_empty();
        if !full || bucket.closed || number.is_some() {
            return Err(waker);
        }
        self.streak = 0;
        self.turn += 1;
        let turn = self.turn;
        *number = Some(turn);
        Ok(bucket.line.enter(Wait::Waiting { turn, at }, waker))
    }

    /// An idle object. Those that are over are closed on the way.
    pub(in crate::patterns::pool) fn take(
        &mut self,
        b: usize,
        at: &'static Location<'static>,
        now: Option<Instant>,
        todo: &mut Todo<O, H, E>,
    ) -> Option<Item<O>> {
        let mut found = None;
        while let Some(item) = self.buckets[b].idle.pop_back() {
            match self.is_over(&item, now) {
                Some(why) => self.begin_close(item, why, todo),
                None => {
                    found = Some(item);
                    break;
                }
            }
        }
        if let Some(item) = &found {
            self.buckets[b].stats.taken += 1;
            self.mark_taken(item.record, at, now, &mut todo.wakers);
        }
        self.want(b, todo);
        found
    }

    /// Why an idle object must not be handed out any more. It is not among the idle ones while this is asked.
    pub(super) fn is_over(&self, item: &Slot<O>, now: Option<Instant>) -> Option<Why> {
        let now = now?;
        if item.is_too_old(now) {
            return Some(Why::Lifetime);
        }
        let bucket = &self.buckets[self.records[item.record].bucket];
        let over = item.is_over(now, self.rules.idle_timeout);
        (over && bucket.idle.len() >= bucket.min_idle).then_some(Why::Idle)
    }

    pub(super) fn mark_taken(
        &mut self,
        record: usize,
        at: &'static Location<'static>,
        now: Option<Instant>,
        wakers: &mut Wakers,
    ) {
        let record = &mut self.records[record];
        record.taken = Some(at);
        if let (Some(limit), Some(now)) = (self.rules.leak_after, now) {
            record.since = Some(now);
            wakers.extend(self.reaper.rouse(now.checked_add(limit)));
        }
    }

    /// Into the line; with the turn it had, when it comes again.
    pub(in crate::patterns::pool) fn enter(
        &mut self,
        b: usize,
        at: &'static Location<'static>,
        turn: &mut Option<u64>,
        waker: Waker,
        todo: &mut Todo<O, H, E>,
    ) -> Result<Place, Waker> {
        self.streak = 0;
        if self.buckets[b].closed {
            return Err(waker);
        }
        let line = &mut self.buckets[b].line;
        let place = match *turn {
            None => {
                self.turn += 1;
                *turn = Some(self.turn);
                let turn = self.turn;
                line.enter(Wait::Waiting { turn, at }, waker)
            }
            Some(turn) => {
                let ahead = |w: &_| matches!(w, Wait::Waiting { turn: t, .. } if *t < turn);
                line.enter_again(Wait::Waiting { turn, at }, waker, ahead)
            }
        };
        self.want(b, todo);
        Ok(place)
    }

    /// The turn of one who was answered at once, should it come again.
    #[inline]
    pub(in crate::patterns::pool) fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    /// How a waiter stands; its place is gone unless it still waits.
    pub(in crate::patterns::pool) fn look(
        &mut self,
        b: usize,
        place: Place,
        waker: &Waker,
    ) -> Look<O, E> {
        let line = &mut self.buckets[b].line;
        if line.is_waiting(place) {
            return Look::Waits(line.set_waker(place, waker));
        }
        match line.leave(place) {
            Some((Wait::Given(item), _)) => Look::Given(item),
            Some((Wait::Failed(error), _)) => Look::Failed(error),
            _ => Look::Closed,
        }
    }

    /// A waiter goes; what it was given goes to the next. Its waker is to be dropped after unlocking.
    pub(in crate::patterns::pool) fn leave(
        &mut self,
        b: usize,
        place: Place,
        now: Option<Instant>,
        todo: &mut Todo<O, H, E>,
    ) -> Option<Waker> {
        let (wait, waker) = self.buckets[b].line.leave(place)?;
        match wait {
            Wait::Given(item) => {
                self.buckets[b].stats.taken -= 1;
                self.put(item, now, todo);
            }
            Wait::Failed(error) => todo.dropped = Some(error),
            Wait::Waiting { .. } => self.withdraw(b),
            Wait::Closed => {}
        }
        waker
    }
}
