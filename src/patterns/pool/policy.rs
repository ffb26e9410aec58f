//! What the user chooses.

use super::Pool;
use super::error::BuildError;
use super::keyed::{ByKey, Keyed};
use super::manager::{Manager, Metrics};
use super::observer::{Event, Observer};
use super::shared::Shared;
use super::state::Rules;
use crate::runtime::Instant;
use crate::runtime::{BoxFuture, Runtime};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

type AfterConnect<M> = dyn for<'a> Fn(&'a mut <M as Manager>::Object) -> BoxFuture<'a, Result<(), <M as Manager>::Error>>
    + Send
    + Sync;
pub(super) type Hook<M> = dyn Fn(&mut <M as Manager>::Object, &Metrics) -> bool + Send + Sync;

pub(super) struct Settings<M: Manager> {
    pub(super) max_lifetime: Option<Duration>,
    pub(super) jitter: f64,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) check_after_idle: Duration,
    pub(super) leak_after: Option<Duration>,
    pub(super) wait_timeout: Option<Duration>,
    pub(super) connect_timeout: Duration,
    pub(super) check_timeout: Duration,
    pub(super) close_timeout: Duration,
    pub(super) after_connect: Option<Box<AfterConnect<M>>>,
    pub(super) before_take: Option<Box<Hook<M>>>,
    pub(super) after_return: Option<Box<Hook<M>>>,
    pub(super) observer: Option<Box<Observer<M::Error>>>,
    pub(super) spans: bool,
    pub(super) name: Arc<str>,
    /// Where the pool was built.
    pub(super) at: &'static Location<'static>,
}

impl<M: Manager> Settings<M> {
    /// When an object that is made now is as old as it may be.
    pub(super) fn expiry(&self, now: Instant) -> Option<Instant> {
        let most = self.max_lifetime?;
        let part = 1.0 - self.jitter * fastrand::f64();
        // Not `mul_f64`, which panics where rounding takes it above the most that there is.
        let life = Duration::try_from_secs_f64(most.as_secs_f64() * part);
        now.checked_add(life.unwrap_or(Duration::MAX))
    }

    pub(super) fn rules(&self) -> Rules {
        let dates_returns = self.idle_timeout.is_some()
            || self.leak_after.is_some()
            || !self.check_after_idle.is_zero();
        Rules {
            idle_timeout: self.idle_timeout,
            leak_after: self.leak_after,
            dates_takes: dates_returns || self.max_lifetime.is_some(),
            dates_returns,
            reaps: self.idle_timeout.is_some()
                || self.leak_after.is_some()
                || self.max_lifetime.is_some(),
        }
    }
}

/// A pool that is being set up; see [`Pool::builder`] and [`Keyed::builder`].
///
/// | setter | default |
/// |---|---|
/// | [`max_size`](Builder::max_size) | 10 |
/// | [`min_idle`](Builder::min_idle) | 0 |
/// | [`max_lifetime`](Builder::max_lifetime), [`idle_timeout`](Builder::idle_timeout) | none |
/// | [`wait_timeout`](Builder::wait_timeout) | none |
/// | [`connect_timeout`](Builder::connect_timeout) | 30 s |
/// | [`check_timeout`](Builder::check_timeout), [`close_timeout`](Builder::close_timeout) | 5 s |
/// | [`check_after_idle`](Builder::check_after_idle) | zero: every time |
/// | [`leak_after`](Builder::leak_after) | never |
/// | [`spans`](Builder::spans) | not told |
#[must_use = "there is no pool until `build`"]
pub struct Builder<M: Manager, S = M> {
    source: S,
    max_size: usize,
    min_idle: usize,
    max_per_key: usize,
    runtime: Option<Runtime>,
    settings: Settings<M>,
}

impl<M: Manager, S> fmt::Debug for Builder<M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("max_size", &self.max_size)
            .field("min_idle", &self.min_idle)
            .field("max_lifetime", &self.settings.max_lifetime)
            .field("idle_timeout", &self.settings.idle_timeout)
            .field("wait_timeout", &self.settings.wait_timeout)
            .finish_non_exhaustive()
    }
}

impl<M: Manager, S> Builder<M, S> {
    pub(super) fn new(source: S, at: &'static Location<'static>) -> Self {
        Builder {
            source,
            max_size: 10,
            min_idle: 0,
            max_per_key: usize::MAX,
            runtime: None,
            settings: Settings {
                max_lifetime: None,
                jitter: 0.1,
                idle_timeout: None,
                check_after_idle: Duration::ZERO,
                leak_after: None,
                wait_timeout: None,
                connect_timeout: Duration::from_secs(30),
                check_timeout: Duration::from_secs(5),
                close_timeout: Duration::from_secs(5),
                after_connect: None,
                before_take: None,
                after_return: None,
                observer: None,
                spans: false,
                name: "pool".into(),
                at,
            },
        }
    }

    /// Most objects that there may be at any time: idle, in use, being made, and being closed. Default: 10.
    pub fn max_size(mut self, objects: usize) -> Self {
        self.max_size = objects;
        self
    }

    /// How old an object may be; then it is closed, when it is idle or comes back. Each one's limit is drawn anew, up
    /// to a [part](Builder::lifetime_jitter) below this, so that objects made together do not go together. Default: no
    /// limit.
    pub fn max_lifetime(mut self, limit: Duration) -> Self {
        self.settings.max_lifetime = Some(limit);
        self
    }

    /// By which part a lifetime may be shorter than [`max_lifetime`](Builder::max_lifetime). Default: 0.1.
    pub fn lifetime_jitter(mut self, part: f64) -> Self {
        self.settings.jitter = part;
        self
    }

    /// How long an object may lie idle; then it is closed, unless that leaves fewer than
    /// [`min_idle`](Builder::min_idle). Default: no limit.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.settings.idle_timeout = Some(limit);
        self
    }

    /// How long a [`get`](Pool::get) may take, whatever it waits for: its turn, a connect, room, checks. One deadline
    /// for all of it, counted from where it first has to wait. An object whose check is cut short by it is closed.
    /// Default: no limit but the deadlines around it.
    pub fn wait_timeout(mut self, limit: Duration) -> Self {
        self.settings.wait_timeout = Some(limit);
        self
    }

    /// How long one attempt to connect may take. It goes on although the `get` that waited for it has given up.
    /// Default: 30 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.settings.connect_timeout = limit;
        self
    }

    /// How long a [check](Manager::check) may take; then it has failed. Default: 5 s.
    pub fn check_timeout(mut self, limit: Duration) -> Self {
        self.settings.check_timeout = limit;
        self
    }

    /// How long [closing](Manager::close) may take; then the object is dropped. Default: 5 s.
    pub fn close_timeout(mut self, limit: Duration) -> Self {
        self.settings.close_timeout = limit;
        self
    }

    /// Only objects that have lain idle for this long are [checked](Manager::check). Default: zero, so that every one
    /// is. HikariCP leaves out the check for 500 ms.
    pub fn check_after_idle(mut self, idle: Duration) -> Self {
        self.settings.check_after_idle = idle;
        self
    }

    /// Tells the observer of every object that is in use for longer than this: [`Event::Leaking`], with the place where
    /// it was taken. Default: never.
    pub fn leak_after(mut self, limit: Duration) -> Self {
        self.settings.leak_after = Some(limit);
        self
    }

    /// Called for each object that was made, within its [`connect_timeout`](Builder::connect_timeout). An error counts
    /// as one of [`connect`](Manager::connect). The object is then [closed](Manager::close), as it is when the hook
    /// hangs, panics, or is cut short because the pool is closed; it counts until that has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # use regatta::pool::{Manager, Pool};
    /// # struct Numbers;
    /// # impl Manager for Numbers {
    /// #     type Object = u32;
    /// #     type Error = String;
    /// #     async fn connect(&self) -> Result<u32, String> { Ok(1) }
    /// # }
    /// # regatta::testing::run(async || {
    /// let pool = Pool::builder(Numbers)
    ///     .after_connect(|number| Box::pin(async move {
    ///         *number += 1;
    ///         Ok(())
    ///     }))
    ///     .build()
    ///     .expect("virtual time can spawn");
    /// assert_eq!(pool.get().await.expect("it works").detach(), 2);
    /// # });
    /// ```
    pub fn after_connect(
        mut self,
        hook: impl for<'a> Fn(&'a mut M::Object) -> BoxFuture<'a, Result<(), M::Error>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.settings.after_connect = Some(Box::new(hook));
        self
    }

    /// Called for each object that lay in the pool, before it is checked; `false`, or a panic, closes it.
    pub fn before_take(
        mut self,
        hook: impl Fn(&mut M::Object, &Metrics) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings.before_take = Some(Box::new(hook));
        self
    }

    /// Called for each object that comes back clean; `false`, or a panic, closes it.
    pub fn after_return(
        mut self,
        hook: impl Fn(&mut M::Object, &Metrics) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings.after_return = Some(Box::new(hook));
        self
    }

    /// Told of everything that happens, where it happens. It should be quick; a panic of it is reported by the panic
    /// hook and goes no further.
    pub fn observer(
        mut self,
        observer: impl Fn(&Event<'_, M::Error>) + Send + Sync + 'static,
    ) -> Self {
        self.settings.observer = Some(Box::new(observer));
        self
    }

    /// Tells the observer of every use of an object, too, as a span: [`Event::Taken`] with the time it took to get it,
    /// [`Event::Returned`] with the time it was held. The clock is read three times for each, so only when asked for.
    ///
    /// # Examples
    ///
    /// ```
    /// # use regatta::pool::{Manager, Pool};
    /// # struct Numbers;
    /// # impl Manager for Numbers {
    /// #     type Object = u32;
    /// #     type Error = String;
    /// #     async fn connect(&self) -> Result<u32, String> { Ok(1) }
    /// # }
    /// use regatta::pool::Event;
    /// use std::sync::{Arc, Mutex};
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let held = Arc::new(Mutex::new(Vec::new()));
    ///     let log = held.clone();
    ///     let pool = Pool::builder(Numbers)
    ///         .spans()
    ///         .observer(move |event| {
    ///             if let Event::Returned { at, held, .. } = event {
    ///                 log.lock().expect("no panic").push((at.file(), *held));
    ///             }
    ///         })
    ///         .build()
    ///         .expect("virtual time can spawn");
    ///     let guard = pool.get().await.expect("it works");
    ///     regatta::time::sleep(Duration::from_millis(30)).await;
    ///     drop(guard);
    ///     assert_eq!(held.lock().expect("no panic")[0], (file!(), Duration::from_millis(30)));
    /// });
    /// ```
    pub fn spans(mut self) -> Self {
        self.settings.spans = true;
        self
    }

    /// What its tasks are called in reports. Default: `pool`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// One runtime for all: where objects are made and closed, and whose clock tells their age. Callers of all runtimes
    /// then share the objects; when this one is gone, they are told so by
    /// [`ConnectError::Dropped`](super::ConnectError::Dropped).
    ///
    /// Default: none, and [each runtime has its own](super#several-runtimes).
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = Some(runtime);
        self
    }

    fn share(self, max: usize) -> Result<(Arc<Shared<M>>, S), BuildError> {
        let s = &self.settings;
        if self.max_size == 0 || self.max_per_key == 0 {
            return Err(BuildError::Empty);
        }
        if self.min_idle > self.max_size {
            return Err(BuildError::MinAboveMax {
                min_idle: self.min_idle,
                max_size: self.max_size,
            });
        }
        if !(0.0..=1.0).contains(&s.jitter) {
            return Err(BuildError::Jitter(s.jitter));
        }
        let durations = [
            ("max_lifetime", s.max_lifetime),
            ("idle_timeout", s.idle_timeout),
            ("wait_timeout", s.wait_timeout),
            ("connect_timeout", Some(s.connect_timeout)),
            ("check_timeout", Some(s.check_timeout)),
            ("close_timeout", Some(s.close_timeout)),
            ("leak_after", s.leak_after),
        ];
        if let Some((setting, _)) = durations.iter().find(|(_, d)| *d == Some(Duration::ZERO)) {
            return Err(BuildError::ZeroDuration { setting });
        }
        let shared =
            Shared::start(self.runtime, self.settings, max).map_err(BuildError::NoRuntime)?;
        Ok((shared, self.source))
    }
}

impl<M: Manager> Builder<M, M> {
    /// How many objects are kept ready, beyond those in use, as far as `max_size` leaves room. They are made when the
    /// pool is built, and after others were taken or closed; after a failure there are pauses, from 100 ms up to 26 s.
    /// Default: 0.
    pub fn min_idle(mut self, objects: usize) -> Self {
        self.min_idle = objects;
        self
    }

    /// The pool. It has begun to make [`min_idle`](Builder::min_idle) objects; [`warm_up`](Pool::warm_up) waits for
    /// them.
    ///
    /// # Errors
    ///
    /// [`BuildError`]: there is no runtime to spawn on, or a value makes no sense.
    pub fn build(self) -> Result<Pool<M>, BuildError> {
        let (max, min_idle) = (self.max_size, self.min_idle);
        let (shared, manager) = self.share(usize::MAX)?;
        Ok(Pool::first(&shared, manager, max, min_idle))
    }
}

impl<K, M: Manager> Builder<M, ByKey<K, M>> {
    /// Most objects of one key. Default: no limit but [`max_size`](Builder::max_size), which all keys share.
    pub fn max_per_key(mut self, objects: usize) -> Self {
        self.max_per_key = objects;
        self
    }

    /// The pools.
    ///
    /// # Errors
    ///
    /// [`BuildError`]: there is no runtime to spawn on, or a value makes no sense.
    pub fn build(self) -> Result<Keyed<K, M>, BuildError> {
        let (max, max_per_key) = (self.max_size, self.max_per_key);
        let (shared, by_key) = self.share(max)?;
        Ok(Keyed::new(shared, by_key, max_per_key))
    }
}
