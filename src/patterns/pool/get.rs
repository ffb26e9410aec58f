//! Getting an object: a turn in line, and the check.

use super::error::{GetError, TimedOut};
use super::guard::Guard;
use super::manager::Manager;
use super::observer::{Event, Why};
use super::shared::{Core, Here, Thing};
use super::state::{Look, Todo};
use crate::cancel;
use crate::internal::caught::{discard, quietly};
use crate::internal::label;
use crate::internal::line::{Place, Spare};
use crate::runtime::Instant;
use crate::runtime::{Sleep, coop};
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

type Got<M> = Result<(Thing<M>, Option<Instant>), GetError<<M as Manager>::Error>>;

pub(super) async fn get<M: Manager>(
    core: &Arc<Core<M>>,
    at: &'static Location<'static>,
) -> Result<Guard<M>, GetError<M::Error>> {
    match core.shared.settings.wait_timeout {
        None => obtain(core, at).await,
        Some(limit) => within(limit, core, at).await,
    }
}

/// The limit is one for all of it: for turns, checks, and turns after checks.
async fn within<M: Manager>(
    limit: Duration,
    core: &Arc<Core<M>>,
    at: &'static Location<'static>,
) -> Result<Guard<M>, GetError<M::Error>> {
    let in_time = {
        let mut get = pin!(obtain(core, at));
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        let mut yields = 0;
        poll_fn(|cx| {
            coop::forget_gave_way();
            // Before the timer: what is there is never lost.
            if let Poll::Ready(got) = get.as_mut().poll(cx) {
                return Poll::Ready(Some(got));
            }
            let gave_way = coop::take_gave_way();
            if gave_way {
                coop::note_gave_way();
            }
            let timer = timer.get_or_insert_with(|| Box::pin(Sleep::after(limit)));
            ready!(timer.as_mut().poll_unbudgeted(cx));
            if gave_way && yields == 0 {
                // It was not refused, it only let others go first.
                yields += 1;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // Given in this very moment, perhaps, on another thread.
            Poll::Ready(match get.as_mut().poll(cx) {
                Poll::Ready(got) => Some(got),
                Poll::Pending => None,
            })
        })
        .await
    };
    // What it had is given up by now: the figures are those of the others.
    in_time.unwrap_or_else(|| Err(timed_out(limit, core)))
}

fn timed_out<M: Manager>(limit: Duration, core: &Core<M>) -> GetError<M::Error> {
    let mut state = core.shared.lock();
    state.count_timeout(core.bucket);
    let stats = state.stats(core.bucket);
    let last_failure = state.last_failure(core.bucket);
    drop(state);
    let error = TimedOut {
        limit,
        max_size: stats.max_size,
        in_use: stats.in_use,
        connecting: stats.connecting,
        closing: stats.closing,
        waiting: stats.waiting,
        last_failure,
    };
    core.shared.tell(&Event::TimedOut { error: &error });
    GetError::TimedOut(error)
}

async fn obtain<M: Manager>(
    core: &Arc<Core<M>>,
    at: &'static Location<'static>,
) -> Result<Guard<M>, GetError<M::Error>> {
    let mut turn = Turn {
        core,
        at,
        number: None,
        place: None,
        kept: None,
    };
    let start = core.shared.begin_span();
    loop {
        let (item, now) = poll_fn(|cx| turn.poll(cx)).await?;
        let mut guard = Guard::new(core.clone(), item);
        let fit = match judge(&mut guard, core, now) {
            Fit::Yes => true,
            Fit::No(why) => {
                guard.throw_away(why);
                false
            }
            Fit::IfItPasses => guard.check(now).await.is_ok(),
        };
        if fit {
            let item = guard.item_mut();
            item.uses += 1;
            if let Some(start) = start {
                core.shared.taken(item, at, start);
            }
            return Ok(guard);
        }
    }
}

/// Whether an object can be handed out.
enum Fit {
    Yes,
    IfItPasses,
    No(Why),
}

#[inline]
fn judge<M: Manager>(guard: &mut Guard<M>, core: &Core<M>, now: Option<Instant>) -> Fit {
    let settings = &core.shared.settings;
    let item = guard.item_mut();
    if item.is_new() {
        return Fit::Yes;
    }
    if now.is_some_and(|now| item.is_too_old(now)) {
        return Fit::No(Why::Lifetime);
    }
    if let Some(hook) = &settings.before_take {
        let metrics = core.metrics(item, now);
        let fit = || hook(&mut item.object, &metrics);
        if !quietly(fit).unwrap_or(false) {
            return Fit::No(Why::Hook);
        }
    }
    if !settings.check_after_idle.is_zero() {
        let idle = core.metrics(item, now).idle;
        if idle.is_none_or(|idle| idle < settings.check_after_idle) {
            return Fit::Yes;
        }
    }
    Fit::IfItPasses
}

/// An idle object without a check.
pub(super) fn try_get<M: Manager>(
    core: &Arc<Core<M>>,
    at: &'static Location<'static>,
) -> Option<Guard<M>> {
    let shared = &core.shared;
    let start = shared.begin_span();
    let here = shared.here_to_take();
    let (now, quick) = {
        let mut state = shared.lock();
        let now = state.date(here.read);
        let quick = state.take_quickly(core.bucket, at, now, here.ground);
        (now, quick)
    };
    let item = quick.or_else(|| {
        shared.change(|state, todo| {
            let open = !state.is_closed(core.bucket);
            open.then(|| state.take(core.bucket, at, now, here.ground, todo))?
        })
    });
    let mut guard = Guard::new(core.clone(), item?);
    let item = guard.item_mut();
    item.uses += 1;
    if let Some(start) = start {
        shared.taken(item, at, start);
    }
    Some(guard)
}

/// A place in the line, or what has come of it.
struct Turn<'a, M: Manager> {
    core: &'a Arc<Core<M>>,
    at: &'static Location<'static>,
    /// Kept by who comes again because its object was not fit.
    number: Option<u64>,
    place: Option<Place>,
    /// The answer, kept while the task gives way to others.
    kept: Option<Answer<M>>,
}

enum Answer<M: Manager> {
    Item(Thing<M>, Option<Instant>),
    Closed,
}

impl<M: Manager> Turn<'_, M> {
    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Got<M>> {
        let fresh = self.number.is_none() && self.kept.is_none();
        if fresh && !self.core.crowded.load(Ordering::Relaxed) {
            let here = self.core.shared.here_to_take();
            let mut state = self.core.shared.lock();
            let now = state.date(here.read);
            if let Some(item) = state.take_quickly(self.core.bucket, self.at, now, here.ground) {
                self.number = Some(state.next_turn());
                drop(state);
                if coop::spend_from_batch() {
                    return Poll::Ready(Ok((item, now)));
                }
                return self.spend(cx, Answer::Item(item, now));
            }
        }
        self.poll_slowly(cx)
    }

    /// An answer at once costs a unit of the task's budget. When that is used up, the answer stays here meanwhile.
    #[inline(never)]
    fn spend(&mut self, cx: &mut Context<'_>, answer: Answer<M>) -> Poll<Got<M>> {
        self.kept = Some(answer);
        if coop::poll_spend(cx).is_pending() {
            label::set("its next turn");
            return Poll::Pending;
        }
        Poll::Ready(self.answer())
    }

    fn answer(&mut self) -> Got<M> {
        match self.kept.take() {
            Some(Answer::Item(item, now)) => Ok((item, now)),
            Some(Answer::Closed) | None => Err(GetError::Closed),
        }
    }

    #[inline(never)]
    fn poll_slowly(&mut self, cx: &mut Context<'_>) -> Poll<Got<M>> {
        if self.kept.is_some() {
            return Poll::Ready(self.answer());
        }
        match self.place {
            Some(place) => {
                if let Poll::Ready(got) = self.look(place, cx) {
                    return Poll::Ready(got);
                }
            }
            None => match self.enter(cx) {
                None => {}
                Some(answer) => return self.spend(cx, answer),
            },
        }
        label::set("an object of a pool");
        Poll::Pending
    }

    /// An answer at once, or a place in the line.
    fn enter(&mut self, cx: &Context<'_>) -> Option<Answer<M>> {
        let (shared, bucket) = (&self.core.shared, self.core.bucket);
        // All of this is code of others: not under the lock.
        let here = shared.here_to_take();
        let waker = cx.waker().clone();
        let mut state = shared.lock();
        let now = state.date(here.read);
        if let Some(item) = state.take_quickly(bucket, self.at, now, here.ground) {
            if self.number.is_none() {
                self.number = Some(state.next_turn());
            }
            drop(state);
            self.core.set_crowded(false);
            discard(waker);
            return Some(Answer::Item(item, now));
        }
        let number = &mut self.number;
        let waker = match state.wait_quickly(bucket, self.at, number, waker, here.ground) {
            Ok(place) => {
                drop(state);
                self.core.set_crowded(true);
                self.place = Some(place);
                return None;
            }
            Err(waker) => waker,
        };
        if state.is_closed(bucket) {
            drop(state);
            discard(waker);
            return Some(Answer::Closed);
        }
        drop(state);
        self.enter_slowly(waker, here)
    }

    fn enter_slowly(&mut self, waker: Waker, here: Here) -> Option<Answer<M>> {
        let (shared, bucket) = (&self.core.shared, self.core.bucket);
        let runtime = shared.source.runtime();
        let cancelled = cancel::check().is_err();
        let mut todo = Todo::new();
        let mut state = shared.lock();
        let now = state.date(here.read);
        let item = if state.is_closed(bucket) {
            None
        } else {
            state.welcome(&runtime, &mut todo);
            state.take(bucket, self.at, now, here.ground, &mut todo)
        };
        if let Some(item) = item {
            if self.number.is_none() {
                self.number = Some(state.next_turn());
            }
            drop(state);
            shared.perform(todo);
            discard(waker);
            return Some(Answer::Item(item, now));
        }
        // A get that comes again for a cancelled caller takes what there is, but has nothing made any more.
        if self.number.is_some() && cancelled {
            drop(state);
            shared.perform(todo);
            discard(waker);
            return None;
        }
        let number = &mut self.number;
        let entered = state.enter(bucket, self.at, number, waker, here.ground, &mut todo);
        drop(state);
        // Before anything of others runs: dropped by it, it leaves the line.
        self.place = entered.as_ref().ok().copied();
        shared.perform(todo);
        let waker = entered.err()?;
        discard(waker);
        Some(Answer::Closed)
    }

    fn look(&mut self, place: Place, cx: &Context<'_>) -> Poll<Got<M>> {
        let shared = &self.core.shared;
        let mut spare = Spare::none();
        let look = loop {
            let mut state = shared.lock();
            let look = state.look(self.core.bucket, place, cx, &mut spare);
            drop(state);
            match look {
                Look::Waits => return Poll::Pending,
                Look::WaitsUnwoken => spare.fill(cx),
                came => break came,
            }
        };
        self.place = None;
        Poll::Ready(match look {
            Look::Given(item) => {
                // Kept, should the clock panic.
                let expires = item.expires.is_some();
                self.kept = Some(Answer::Item(item, None));
                let now = expires.then(|| shared.now());
                self.answer().map(|(item, _)| (item, now))
            }
            Look::Failed(error) => Err(GetError::Connect(error)),
            Look::Waits | Look::WaitsUnwoken | Look::Closed => Err(GetError::Closed),
        })
    }
}

impl<M: Manager> Core<M> {
    fn set_crowded(&self, crowded: bool) {
        if self.crowded.load(Ordering::Relaxed) != crowded {
            self.crowded.store(crowded, Ordering::Relaxed);
        }
    }
}

impl<M: Manager> Drop for Turn<'_, M> {
    #[inline]
    fn drop(&mut self) {
        if self.place.is_some() || self.kept.is_some() {
            self.give_up();
        }
    }
}

impl<M: Manager> Turn<'_, M> {
    #[cold]
    #[inline(never)]
    fn give_up(&mut self) {
        let (bucket, place) = (self.core.bucket, self.place.take());
        let shared = &self.core.shared;
        if let Some(place) = place {
            shared.undo(|state, now, todo| state.leave(bucket, place, now, todo));
        }
        if let Some(Answer::Item(item, _)) = self.kept.take() {
            shared.undo(|state, now, todo| {
                state.hand_back(item, now, todo);
                None
            });
        }
    }
}
