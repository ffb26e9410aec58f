//! Getting an object: a turn in line, and the check.

use super::error::{GetError, TimedOut};
use super::guard::Guard;
use super::manager::Manager;
use super::observer::{Event, Why};
use super::shared::{Core, Thing};
use super::state::{Look, Todo};
use crate::internal::label;
use crate::internal::line::Place;
use crate::runtime::Sleep;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

type Got<M> = Result<(Thing<M>, Option<Instant>), GetError<<M as Manager>::Error>>;

pub(super) async fn get<M: Manager>(
    core: &Arc<Core<M>>,
    at: &'static Location<'static>,
) -> Result<Guard<M>, GetError<M::Error>> {
    let mut turn = Turn {
        core,
        at,
        number: None,
        place: None,
        timer: None,
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
        if !catch_unwind(AssertUnwindSafe(fit)).unwrap_or(false) {
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
    let now = shared.now_for_take();
    let quick = shared.lock().take_quickly(core.bucket, at, now);
    let item = quick.or_else(|| {
        shared.change(|state, todo| {
            let open = !state.is_closed(core.bucket);
            open.then(|| state.take(core.bucket, at, now, todo))?
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

/// A place in the line, and the time that is left.
struct Turn<'a, M: Manager> {
    core: &'a Arc<Core<M>>,
    at: &'static Location<'static>,
    /// Kept by who comes again because its object was not fit.
    number: Option<u64>,
    place: Option<Place>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<M: Manager> Turn<'_, M> {
    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Got<M>> {
        if self.number.is_none() && !self.core.crowded.load(Ordering::Relaxed) {
            let now = self.core.shared.now_for_take();
            let mut state = self.core.shared.lock();
            if state.out_of_budget(cx.waker()) {
                drop(state);
                label::set("its next turn");
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(item) = state.take_quickly(self.core.bucket, self.at, now) {
                self.number = Some(state.next_turn());
                return Poll::Ready(Ok((item, now)));
            }
        }
        self.poll_slowly(cx)
    }

    #[inline(never)]
    fn poll_slowly(&mut self, cx: &mut Context<'_>) -> Poll<Got<M>> {
        let shared = &self.core.shared;
        let place = match self.place {
            // Before the timer: what is there is never lost.
            Some(place) => match self.look(place, cx) {
                Poll::Ready(got) => return Poll::Ready(got),
                Poll::Pending => place,
            },
            None => match self.enter(cx) {
                Ok(place) => place,
                Err(got) => return Poll::Ready(got),
            },
        };
        label::set("an object of a pool");
        let over = match (&mut self.timer, shared.settings.wait_timeout) {
            (None, Some(limit)) => {
                let timer = Box::pin(shared.runtime.sleep(limit));
                self.timer.insert(timer).as_mut().poll(cx).is_ready()
            }
            (Some(timer), _) => timer.as_mut().poll(cx).is_ready(),
            (None, None) => false,
        };
        if !over {
            return Poll::Pending;
        }
        // Given in this very moment, perhaps, on another thread.
        if let Poll::Ready(got) = self.look(place, cx) {
            return Poll::Ready(got);
        }
        Poll::Ready(Err(self.give_up()))
    }

    /// An object at once, or a place in the line.
    fn enter(&mut self, cx: &Context<'_>) -> Result<Place, Got<M>> {
        let (shared, bucket) = (&self.core.shared, self.core.bucket);
        // Both are code of others: not under the lock.
        let now = shared.now_for_take();
        let waker = cx.waker().clone();
        let mut state = shared.lock();
        if let Some(item) = state.take_quickly(bucket, self.at, now) {
            if self.number.is_none() {
                self.number = Some(state.next_turn());
            }
            drop(state);
            self.core.set_crowded(false);
            return Err(Ok((item, now)));
        }
        let waker = match state.wait_quickly(bucket, self.at, &mut self.number, waker) {
            Ok(place) => {
                drop(state);
                self.core.set_crowded(true);
                self.place = Some(place);
                return Ok(place);
            }
            Err(waker) => waker,
        };
        let mut todo = Todo::new();
        let item = if state.is_closed(bucket) {
            None
        } else {
            state.take(bucket, self.at, now, &mut todo)
        };
        if let Some(item) = item {
            if self.number.is_none() {
                self.number = Some(state.next_turn());
            }
            drop(state);
            shared.perform(todo);
            return Err(Ok((item, now)));
        }
        let entered = state.enter(bucket, self.at, &mut self.number, waker, &mut todo);
        drop(state);
        shared.perform(todo);
        match entered {
            Ok(place) => {
                self.place = Some(place);
                Ok(place)
            }
            Err(_waker) => Err(Err(GetError::Closed)),
        }
    }

    fn look(&mut self, place: Place, cx: &Context<'_>) -> Poll<Got<M>> {
        let shared = &self.core.shared;
        let mut state = shared.lock();
        let look = state.look(self.core.bucket, place, cx.waker());
        drop(state);
        if let Look::Waits(old) = look {
            drop(old);
            return Poll::Pending;
        }
        self.place = None;
        Poll::Ready(match look {
            Look::Given(item) => {
                let now = item.expires.map(|_| shared.runtime.now());
                Ok((item, now))
            }
            Look::Failed(error) => Err(GetError::Connect(error)),
            Look::Waits(_) | Look::Closed => Err(GetError::Closed),
        })
    }

    fn give_up(&mut self) -> GetError<M::Error> {
        let shared = &self.core.shared;
        self.leave();
        let mut state = shared.lock();
        state.count_timeout(self.core.bucket);
        let stats = state.stats(self.core.bucket);
        let last_failure = state.last_failure(self.core.bucket);
        drop(state);
        let error = TimedOut {
            limit: shared.settings.wait_timeout.unwrap_or_default(),
            max_size: stats.max_size,
            in_use: stats.in_use,
            connecting: stats.connecting,
            closing: stats.closing,
            waiting: stats.waiting,
            last_failure,
        };
        shared.tell(&Event::TimedOut { error: &error });
        GetError::TimedOut(error)
    }

    fn leave(&mut self) {
        let Some(place) = self.place.take() else {
            return;
        };
        let shared = &self.core.shared;
        let now = shared.now_for_return();
        let waker = shared.change(|state, todo| state.leave(self.core.bucket, place, now, todo));
        drop(waker);
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
    fn drop(&mut self) {
        self.leave();
    }
}
