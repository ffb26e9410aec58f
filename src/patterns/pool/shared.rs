//! What the handles, the guards and the tasks of a pool share, and what is done outside of its lock.

use super::manager::{Manager, Metrics};
use super::observer::{Event, Span, Why};
use super::policy::Settings;
use super::state::{Item, Rules, State, Todo};
use super::tasks;
use crate::cancel::CancelToken;
use crate::internal::caught::{Quiet, discard, quietly};
use crate::internal::line::wake;
use crate::internal::lock::{Lock, Locked};
use crate::internal::timeline::{Reading, TimeSource};
use crate::runtime::Instant;
use crate::runtime::{NoRuntime, Runtime, RuntimeId, panic_text};
use crate::sync;
use std::any::Any;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

pub(super) type Home<M> = Arc<Core<M>>;
pub(super) type Machine<M> = State<<M as Manager>::Object, Home<M>, <M as Manager>::Error>;
pub(super) type Tasks<M> = Todo<<M as Manager>::Object, Home<M>, <M as Manager>::Error>;
pub(super) type Thing<M> = Item<<M as Manager>::Object>;

/// One for all keys.
pub(super) struct Shared<M: Manager> {
    /// Where everything is done: on the runtime that was given, or that of the caller.
    pub(super) source: TimeSource,
    pub(super) settings: Settings<M>,
    rules: Rules,
    state: Lock<Machine<M>>,
    /// The number of the next.
    spans: AtomicU64,
}

/// A pool: one manager, and its bucket in the state.
pub(super) struct Core<M: Manager> {
    pub(super) shared: Arc<Shared<M>>,
    pub(super) manager: Quiet<M>,
    pub(super) bucket: usize,
    /// A guess at whether there are waiters: saves who comes one of two looks.
    pub(super) crowded: AtomicBool,
    /// Cancelled when it is closed: connects under way are given up.
    pub(super) closing: CancelToken,
    /// Set when it is closed and nothing of it is left.
    pub(super) ended: sync::Event,
}

/// Closes everything when the last handle is dropped.
pub(super) struct Owner<M: Manager>(pub(super) Arc<Shared<M>>);

impl<M: Manager> Drop for Owner<M> {
    fn drop(&mut self) {
        self.0.close_all();
    }
}

/// Where a caller asks, and when, if that is of interest.
#[derive(Clone, Copy)]
pub(super) struct Here {
    pub(super) ground: RuntimeId,
    pub(super) read: Option<Reading>,
}

impl<M: Manager> Shared<M> {
    pub(super) fn start(
        given: Option<Runtime>,
        settings: Settings<M>,
        max: usize,
    ) -> Result<Arc<Self>, NoRuntime> {
        let source = TimeSource::new(given);
        let runtime = source.runtime();
        if !runtime.can_spawn() {
            // It says why in its own words.
            drop(runtime.try_spawn(std::future::ready(()))?);
        }
        let rules = settings.rules();
        let shared = Arc::new(Shared {
            rules,
            source,
            settings,
            state: Lock::new(State::new(max, rules)),
            spans: AtomicU64::new(0),
        });
        shared.change(|state, todo| state.welcome(&runtime, todo));
        Ok(shared)
    }

    #[inline]
    pub(super) fn here_to_take(&self) -> Here {
        let ground = match self.source.given() {
            None => Runtime::id_here(),
            Some(runtime) => runtime.id(),
        };
        let read = self.rules.dates_takes.then(|| self.source.read());
        Here { ground, read }
    }

    /// The clock, where it matters when an object comes back. Objects come back in destructors, where a user's clock that panics
    /// must cost no place.
    #[inline]
    fn read_to_return(&self) -> Option<Reading> {
        if self.rules.dates_returns {
            self.source.read_quietly()
        } else {
            None
        }
    }

    /// Now, on the pool's timeline; where a user's clock panics, the last moment it was seen.
    pub(super) fn now(&self) -> Instant {
        let read = self.source.read_quietly();
        let mut state = self.lock();
        let now = state.date(read).or_else(|| state.last_date());
        drop(state);
        now.unwrap_or_else(|| Runtime::neutral().now())
    }

    #[inline]
    pub(super) fn lock(&self) -> Locked<'_, Machine<M>> {
        self.state.lock()
    }

    /// Changes the state, and does what comes of that.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Machine<M>, &mut Tasks<M>) -> R) -> R {
        let mut todo = Todo::new();
        let result = change(&mut self.lock(), &mut todo);
        self.perform(todo);
        result
    }

    /// Never under the lock: all of it is code of others. May be done by a destructor, while a panic unwinds: nothing
    /// comes out of it.
    pub(super) fn perform(&self, todo: Tasks<M>) {
        todo.wakers.wake();
        for connect in todo.connects {
            tasks::open(connect);
        }
        for close in todo.closes {
            tasks::close(close);
        }
        if let Some((core, runtime)) = todo.reaper {
            tasks::look_after(&core, &runtime);
        }
        for core in todo.ended {
            core.ended.set();
            discard(core);
        }
        discard((todo.dropped, todo.forgotten));
    }

    pub(super) fn tell(&self, event: &Event<'_, M::Error>) {
        if let Some(observer) = &self.settings.observer {
            // Its panic must not reach the task that the event comes from.
            quietly(|| observer(event));
        }
    }

    /// When somebody began to ask for an object, where uses are told.
    #[inline]
    pub(super) fn begin_span(&self) -> Option<Instant> {
        self.settings.spans.then(|| self.now())
    }

    /// An object is handed out to who has asked since `start`.
    #[cold]
    pub(super) fn taken(
        &self,
        item: &mut Thing<M>,
        at: &'static Location<'static>,
        start: Instant,
    ) {
        let since = self.now();
        let number = self.spans.fetch_add(1, Ordering::Relaxed);
        item.span = Some(Span { number, at, since });
        self.tell(&Event::Taken {
            span: number,
            at,
            waited: since.saturating_duration_since(start),
        });
    }

    /// Whoever had the object has it no more.
    #[inline]
    pub(super) fn returned(&self, item: &mut Thing<M>) {
        if let Some(span) = item.span.take() {
            self.tell_returned(&span, item.in_flight);
        }
    }

    #[cold]
    fn tell_returned(&self, span: &Span, in_flight: bool) {
        let now = self.now();
        self.tell(&Event::Returned {
            span: span.number,
            at: span.at,
            held: now.saturating_duration_since(span.since),
            in_flight,
        });
    }

    /// Takes back an object that its waiter never saw, or a place in the line.
    pub(super) fn undo(
        &self,
        undo: impl FnOnce(&mut Machine<M>, Option<Instant>, &mut Tasks<M>) -> Option<Waker>,
    ) {
        let read = self.read_to_return();
        let waker = self.change(|state, todo| {
            let now = state.date(read);
            undo(state, now, todo)
        });
        discard(waker);
    }

    /// Marked first, then cancelled: a connect that is given up must not find a waiter.
    pub(super) fn close_all(&self) {
        let mut todo = Todo::new();
        let cores = {
            let mut state = self.lock();
            let cores = state.close_all(&mut todo);
            state.end(&mut todo.wakers);
            cores
        };
        for core in cores {
            core.closing.cancel();
        }
        self.perform(todo);
    }
}

impl<M: Manager> Core<M> {
    pub(super) fn open(
        shared: &Arc<Shared<M>>,
        manager: M,
        max: usize,
        min_idle: usize,
    ) -> Arc<Self> {
        let bucket = shared.lock().add_bucket(max, min_idle);
        let core = Arc::new(Core {
            shared: shared.clone(),
            manager: Quiet::new(manager),
            bucket,
            crowded: AtomicBool::new(false),
            closing: CancelToken::new(),
            ended: sync::Event::new(),
        });
        shared.change(|state, todo| state.open_bucket(bucket, core.clone(), todo));
        core
    }

    pub(super) fn close(&self) {
        // Marked first, then cancelled: a connect that is given up must not find a waiter.
        let mut todo = Todo::new();
        self.shared.lock().close(self.bucket, &mut todo);
        self.closing.cancel();
        self.shared.perform(todo);
    }

    /// All objects are to be replaced.
    pub(super) fn expire(&self) {
        self.shared
            .change(|state, todo| state.expire(self.bucket, todo));
    }

    pub(super) fn metrics(&self, item: &Thing<M>, now: Option<Instant>) -> Metrics {
        let idle = now
            .zip(item.idle_since)
            .map(|(now, since)| now.saturating_duration_since(since));
        Metrics {
            created: item.created,
            uses: item.uses,
            idle,
        }
    }

    /// An object comes back.
    #[inline]
    pub(super) fn give_back(&self, mut item: Thing<M>) {
        self.shared.returned(&mut item);
        let item = if item.in_flight || self.shared.settings.after_return.is_some() {
            match self.judge(item) {
                Some(item) => item,
                None => return,
            }
        } else {
            item
        };
        let (now, quickly) = {
            let read = self.shared.read_to_return();
            let mut state = self.shared.lock();
            let now = state.date(read);
            (now, state.put_quickly(item, now))
        };
        match quickly {
            Ok(None) => {}
            Ok(Some(waker)) => wake(waker),
            Err(item) => self.put(item, now),
        }
    }

    #[cold]
    fn put(&self, item: Thing<M>, now: Option<Instant>) {
        self.shared.change(|state, todo| state.put(item, now, todo));
    }

    /// Whether an object is clean, and nobody minds that it goes back.
    fn judge(&self, mut item: Thing<M>) -> Option<Thing<M>> {
        if item.in_flight {
            let clean = || self.manager.is_clean(&mut item.object);
            if !quietly(clean).unwrap_or(false) {
                self.throw_away(item, Why::InFlight);
                return None;
            }
            item.in_flight = false;
        }
        if let Some(hook) = &self.shared.settings.after_return {
            let metrics = self.metrics(&item, None);
            let stays = || hook(&mut item.object, &metrics);
            if !quietly(stays).unwrap_or(false) {
                self.throw_away(item, Why::Hook);
                return None;
            }
        }
        Some(item)
    }

    pub(super) fn throw_away(&self, item: Thing<M>, why: Why) {
        self.shared
            .change(|state, todo| state.begin_close(item, why, todo));
    }
}

/// What a panic said. A payload whose destructor panics as well does no harm.
pub(super) fn text_of(payload: Box<dyn Any + Send>) -> String {
    let text = panic_text(&*payload).unwrap_or("(no message)").to_owned();
    discard(payload);
    text
}
