//! Taking an object, or a place in the line.

use super::{Item, Look, Slot, State, Todo, Wait};
use crate::internal::line::{Place, Spare};
use crate::patterns::pool::observer::Why;
use crate::runtime::Instant;
use crate::runtime::RuntimeId;
use std::panic::Location;
use std::task::{Context, Waker};

impl<O, H: Clone, E> State<O, H, E> {
    /// An idle object, where that takes no more than taking it.
    #[inline]
    pub(in crate::patterns::pool) fn take_quickly(
        &mut self,
        b: usize,
        at: &'static Location<'static>,
        now: Option<Instant>,
        here: RuntimeId,
    ) -> Option<Item<O>> {
        let bucket = &mut self.buckets[b];
        // Below what is to be kept, another one is to be made.
        if bucket.idle.len() <= bucket.min_idle || self.rules.leak_after.is_some() {
            return None;
        }
        let item = bucket.idle.pop_back()?;
        let record = &mut self.records[item.record];
        let over = now.is_some_and(|now| item.is_over(now, self.rules.idle_timeout));
        if over || record.ground != here {
            // Its closing, or looking for another, takes more.
            bucket.idle.push_back(item);
            return None;
        }
        bucket.stats.taken += 1;
        record.taken = Some(at);
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
        ground: RuntimeId,
    ) -> Result<Place, Waker> {
        let bucket = &mut self.buckets[b];
        let full = bucket.size >= bucket.max && bucket.idle.is_empty();
        let known = self.grounds.last().is_some_and(|last| last.id == ground);
        if !full || bucket.closed || number.is_some() || !known {
            return Err(waker);
        }
        self.turn += 1;
        let turn = self.turn;
        *number = Some(turn);
        let wait = Wait::Waiting { turn, at, ground };
        Ok(bucket.line.enter(wait, waker))
    }

    /// An idle object. Those that are over are closed on the way.
    pub(in crate::patterns::pool) fn take(
        &mut self,
        b: usize,
        at: &'static Location<'static>,
        now: Option<Instant>,
        here: RuntimeId,
        todo: &mut Todo<O, H, E>,
    ) -> Option<Item<O>> {
        let mut found = None;
        let mut left = self.buckets[b].idle.len();
        while left > 0 {
            left -= 1;
            let idle = &mut self.buckets[b].idle;
            if self.records[idle[left].record].ground != here {
                continue;
            }
            let Some(item) = idle.remove(left) else {
                break;
            };
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
            self.mark_taken(item.record, at, now, todo);
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
        todo: &mut Todo<O, H, E>,
    ) {
        let record = &mut self.records[record];
        record.taken = Some(at);
        if let (Some(limit), Some(now)) = (self.rules.leak_after, now) {
            record.since = Some(now);
            let (b, ground) = (record.bucket, record.ground);
            self.look_after(ground, b, todo);
            todo.wakers
                .extend(self.rouse(ground, now.checked_add(limit)));
        }
    }

    /// Into the line; with the turn it had, when it comes again.
    pub(in crate::patterns::pool) fn enter(
        &mut self,
        b: usize,
        at: &'static Location<'static>,
        turn: &mut Option<u64>,
        waker: Waker,
        ground: RuntimeId,
        todo: &mut Todo<O, H, E>,
    ) -> Result<Place, Waker> {
        if self.buckets[b].closed {
            return Err(waker);
        }
        let line = &mut self.buckets[b].line;
        let place = match *turn {
            None => {
                self.turn += 1;
                *turn = Some(self.turn);
                let turn = self.turn;
                line.enter(Wait::Waiting { turn, at, ground }, waker)
            }
            Some(turn) => {
                let ahead = |w: &_| matches!(w, Wait::Waiting { turn: t, .. } if *t < turn);
                line.enter_again(Wait::Waiting { turn, at, ground }, waker, ahead)
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
        cx: &Context<'_>,
        spare: &mut Spare,
    ) -> Look<O, E> {
        let line = &mut self.buckets[b].line;
        if line.is_waiting(place) {
            return if line.renew(place, cx, spare) {
                Look::Waits
            } else {
                Look::WaitsUnwoken
            };
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
            Wait::Given(item) => self.hand_back(item, now, todo),
            Wait::Failed(error) => todo.dropped = Some(error),
            Wait::Waiting { .. } => self.withdraw(b),
            Wait::Closed => {}
        }
        waker
    }

    /// An object that was handed out, and that its waiter never saw: to the next.
    pub(in crate::patterns::pool) fn hand_back(
        &mut self,
        item: Item<O>,
        now: Option<Instant>,
        todo: &mut Todo<O, H, E>,
    ) {
        let b = self.records[item.record].bucket;
        self.buckets[b].stats.taken -= 1;
        self.put(item, now, todo);
    }
}
