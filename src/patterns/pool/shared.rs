//! What the handles, the guards and the tasks of a pool share, and what is done outside of its lock.

use super::error::ConnectError;
use super::manager::{Manager, Metrics};
use super::observer::{Event, Span, Why};
use super::policy::Settings;
use super::reaper;
use super::state::{Item, Rules, Slot, State, Todo};
use crate::cancel::CancelToken;
use crate::internal::caught::caught;
use crate::internal::lock::{Lock, Locked};
use crate::runtime::{NoRuntime, Runtime, Site, panic_text};
use crate::sync;
use crate::time;
use std::any::Any;
use std::panic::Location;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

pub(super) type Home<M> = Arc<Core<M>>;
pub(super) type Machine<M> = State<<M as Manager>::Object, Home<M>, <M as Manager>::Error>;
pub(super) type Tasks<M> = Todo<<M as Manager>::Object, Home<M>, <M as Manager>::Error>;
pub(super) type Thing<M> = Item<<M as Manager>::Object>;

/// One for all keys.
pub(super) struct Shared<M: Manager> {
    pub(super) runtime: Runtime,
    pub(super) settings: Settings<M>,
    rules: Rules,
    state: Lock<Machine<M>>,
    /// The number of the next.
    spans: AtomicU64,
}

/// A pool: one manager, and its bucket in the state.
pub(super) struct Core<M: Manager> {
    pub(super) shared: Arc<Shared<M>>,
    pub(super) manager: M,
    pub(super) bucket: usize,
    /// A guess at whether there are waiters: saves who comes one of two looks.
    pub(super) crowded: AtomicBool,
    /// Cancelled when it is closed: connects under way are given up.
    closing: CancelToken,
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

impl<M: Manager> Shared<M> {
    pub(super) fn start(
        runtime: Runtime,
        settings: Settings<M>,
        max: usize,
    ) -> Result<Arc<Self>, NoRuntime> {
        if !runtime.can_spawn() {
            // It says why in its own words.
            drop(runtime.try_spawn(std::future::ready(()))?);
        }
        let needs_reaper = settings.needs_reaper();
        let rules = settings.rules();
        let mut state = State::new(max, rules);
        state.reaper.on = needs_reaper;
        let shared = Arc::new(Shared {
            rules,
            runtime,
            settings,
            state: Lock::new(state),
            spans: AtomicU64::new(0),
        });
        if needs_reaper {
            shared.spawn("reaper", reaper::run(shared.clone()));
        }
        Ok(shared)
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

    /// Never under the lock: all of it is code of others.
    pub(super) fn perform(&self, todo: Tasks<M>) {
        todo.wakers.wake();
        for (core, record) in todo.connects {
            let opening = Opening {
                core,
                record: Some(record),
            };
            self.spawn("connect", opening.run());
        }
        for (core, item, why) in todo.closes {
            self.tell(&Event::Closing {
                why,
                uses: item.uses,
            });
            let Slot { object, record, .. } = *item;
            let closing = Closing {
                object: Some(object),
                end: End { core, record },
            };
            self.spawn("close", closing.run());
        }
        for core in todo.ended {
            core.ended.set();
        }
    }

    fn spawn(&self, what: &str, task: impl Future<Output = ()> + Send + 'static) {
        let site = Site {
            name: Some(format!("{}: {what}", self.settings.name).into()),
            at: self.settings.at,
        };
        // A pool is not built without a runtime; on one that has stopped the task is dropped, and says so.
        let spawned = self.runtime.spawn_at(site, task);
        debug_assert!(spawned.is_ok(), "it could spawn when the pool was built");
    }

    pub(super) fn tell(&self, event: &Event<'_, M::Error>) {
        if let Some(observer) = &self.settings.observer {
            // It must not take with it whose event it is; the panic hook has reported it.
            drop(catch_unwind(AssertUnwindSafe(|| observer(event))));
        }
    }

    /// When somebody began to ask for an object, where uses are told.
    #[inline]
    pub(super) fn begin_span(&self) -> Option<Instant> {
        self.settings.spans.then(|| self.runtime.now())
    }

    /// An object is handed out to who has asked since `start`.
    #[cold]
    pub(super) fn taken(
        &self,
        item: &mut Thing<M>,
        at: &'static Location<'static>,
        start: Instant,
    ) {
        let since = self.runtime.now();
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
        let now = self.runtime.now();
        self.tell(&Event::Returned {
            span: span.number,
            at: span.at,
            held: now.saturating_duration_since(span.since),
            in_flight,
        });
    }

    pub(super) fn now_for_take(&self) -> Option<Instant> {
        self.rules.dates_takes.then(|| self.runtime.now())
    }

    pub(super) fn now_for_return(&self) -> Option<Instant> {
        self.rules.dates_returns.then(|| self.runtime.now())
    }

    pub(super) fn close_all(&self) {
        let cores = self.lock().homes();
        for core in cores {
            core.close();
        }
        let waker = {
            let mut state = self.lock();
            state.reaper.on = false;
            state.reaper.rouse_now()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
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
            manager,
            bucket,
            crowded: AtomicBool::new(false),
            closing: CancelToken::new(),
            ended: sync::Event::new(),
        });
        shared.change(|state, todo| state.open_bucket(bucket, core.clone(), todo));
        core
    }

    pub(super) fn close(&self) {
        self.closing.cancel();
        self.shared
            .change(|state, todo| state.close(self.bucket, todo));
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
        let now = self.shared.now_for_return();
        let quickly = self.shared.lock().put_quickly(item, now);
        match quickly {
            Ok(None) => {}
            Ok(Some(waker)) => waker.wake(),
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
            if !catch_unwind(AssertUnwindSafe(clean)).unwrap_or(false) {
                self.throw_away(item, Why::InFlight);
                return None;
            }
            item.in_flight = false;
        }
        if let Some(hook) = &self.shared.settings.after_return {
            let metrics = self.metrics(&item, None);
            let stays = || hook(&mut item.object, &metrics);
            if !catch_unwind(AssertUnwindSafe(stays)).unwrap_or(false) {
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

pub(super) fn text_of(payload: &(dyn Any + Send)) -> String {
    panic_text(payload).unwrap_or("(no message)").to_owned()
}

/// A connect under way. Dropped before it has ended, the runtime has stopped.
struct Opening<M: Manager> {
    core: Home<M>,
    /// Kept as long as code of others runs, which may panic.
    record: Option<usize>,
}

impl<M: Manager> Opening<M> {
    async fn run(mut self) {
        let core = self.core.clone();
        let (shared, settings) = (&core.shared, &core.shared.settings);
        let start = shared.runtime.now();
        let attempt = async {
            let connecting = core.manager.connect();
            let mut object = connecting.await.map_err(ConnectError::Failed)?;
            if let Some(hook) = &settings.after_connect {
                hook(&mut object).await.map_err(ConnectError::Failed)?;
            }
            Ok(object)
        };
        let limited = caught(time::timeout(settings.connect_timeout, attempt));
        let ended = core.closing.run(limited).await;
        let Some(record) = self.record else {
            return;
        };
        let error = match ended {
            Err(_closed) => {
                self.record = None;
                return shared.change(|state, todo| state.gave_up(record, todo));
            }
            Ok(Ok(Ok(Ok(object)))) => {
                let now = shared.runtime.now();
                let took = now.saturating_duration_since(start);
                shared.tell(&Event::Connected { took });
                let item = core.item(object, record, now);
                self.record = None;
                return shared.change(|state, todo| state.opened(item, Some(now), todo));
            }
            Ok(Ok(Ok(Err(error)))) => error,
            Ok(Ok(Err(_elapsed))) => ConnectError::TimedOut(settings.connect_timeout),
            Ok(Err(payload)) => ConnectError::Panicked(text_of(&*payload)),
        };
        shared.tell(&Event::ConnectFailed { error: &error });
        let text = error.to_string().into();
        self.record = None;
        let pause = shared.change(|state, todo| state.failed(record, error, Some(text), todo));
        if let Some(pause) = pause {
            // Not all the clients of a server that comes back at once.
            let pause = pause.mul_f64(0.5 + 0.5 * fastrand::f64());
            if core.closing.run(time::sleep(pause)).await.is_ok() {
                shared.change(|state, todo| state.resume(core.bucket, todo));
            }
        }
    }
}

impl<M: Manager> Core<M> {
    fn item(&self, object: M::Object, record: usize, now: Instant) -> Thing<M> {
        Box::new(Slot {
            object,
            record,
            created: now,
            expires: self.shared.settings.expiry(now),
            idle_since: None,
            uses: 0,
            stamp: 0,
            in_flight: false,
            span: None,
        })
    }
}

impl<M: Manager> Drop for Opening<M> {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            self.core
                .shared
                .change(|state, todo| state.lost(record, todo));
        }
    }
}

/// An object that is being closed. The fields are dropped in this order: it counts until it is gone.
struct Closing<M: Manager> {
    object: Option<M::Object>,
    end: End<M>,
}

struct End<M: Manager> {
    core: Home<M>,
    record: usize,
}

impl<M: Manager> Drop for End<M> {
    fn drop(&mut self) {
        self.core
            .shared
            .change(|state, todo| state.closed(self.record, todo));
    }
}

impl<M: Manager> Closing<M> {
    async fn run(mut self) {
        let core = self.end.core.clone();
        let limit = core.shared.settings.close_timeout;
        let Some(object) = self.object.take() else {
            return;
        };
        let close = async { core.manager.close(object).await };
        match caught(time::timeout(limit, close)).await {
            Ok(Ok(())) => {}
            Ok(Err(_elapsed)) => core.shared.tell(&Event::CloseFailed { panic: None }),
            Err(payload) => {
                let text = text_of(&*payload);
                core.shared.tell(&Event::CloseFailed { panic: Some(&text) });
            }
        }
    }
}
