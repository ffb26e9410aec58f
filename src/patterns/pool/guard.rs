//! [`Guard`] and [`InFlight`]: an object that is out.

use super::error::CheckError;
use super::manager::{Manager, Metrics};
use super::observer::{Event, Why};
use super::shared::{Home, Thing, text_of};
use crate::internal::caught::caught;
use crate::runtime::Instant;
use crate::time;
use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::{AsyncFnOnce, Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// An object of a pool, taken out by [`Pool::get`](super::Pool::get). Dropped, it goes back, if it is clean.
///
/// It gives no access to the object, on purpose. A guard that did would be returned in the middle of an operation whose
/// future was dropped, and the next user would read the answer to another user's question. So each operation is
/// marked:
///
/// * [`run`](Guard::run) marks the object as *in flight* before the operation is polled for the first time, and as
///   clean when it has succeeded.
/// * [`begin`](Guard::begin) turns the guard into an [`InFlight`], which gives access; [`done`](InFlight::done) turns
///   it back, when you know that the object is clean. For protocols, and for what outlives a scope.
///
/// What comes back in flight is closed, unless the manager [proves it clean](Manager::is_clean). Once an operation was
/// dropped half way, later ones on the same guard do not make the object clean.
///
/// # Examples
///
/// ```
/// # use regatta::pool::{Manager, Pool};
/// # struct Logs;
/// # impl Manager for Logs {
/// #     type Object = Vec<String>;
/// #     type Error = String;
/// #     async fn connect(&self) -> Result<Vec<String>, String> { Ok(Vec::new()) }
/// # }
/// # async fn send(log: &mut Vec<String>, text: &str) -> Result<usize, String> { log.push(text.into()); Ok(log.len()) }
/// # regatta::testing::run(async || {
/// # let pool = Pool::builder(Logs).build().expect("virtual time can spawn");
/// let mut guard = pool.get().await.expect("it works");
/// let text = String::from("hello");
/// let sent = guard.run(async |log| send(log, &text).await).await;
/// assert_eq!(sent, Ok(1));
///
/// let mut log = guard.begin();
/// send(&mut log, "again").await.expect("it works"); // a `?` here would close the object
/// let guard = log.done();
/// drop(guard);
/// assert_eq!(pool.stats().idle, 1);
/// # });
/// ```
#[must_use = "the object goes back when this is dropped: bind it to a name"]
pub struct Guard<M: Manager> {
    core: Home<M>,
    /// `None` only while it is being consumed.
    item: Option<Thing<M>>,
}

const THERE: &str = "it is there until it is consumed";

impl<M: Manager> Guard<M> {
    #[inline]
    pub(super) fn new(core: Home<M>, item: Thing<M>) -> Self {
        let item = Some(item);
        Guard { core, item }
    }

    #[inline]
    fn item(&self) -> &Thing<M> {
        self.item.as_ref().expect(THERE)
    }

    #[inline]
    pub(super) fn item_mut(&mut self) -> &mut Thing<M> {
        self.item.as_mut().expect(THERE)
    }

    fn take(&mut self) -> Thing<M> {
        self.item.take().expect(THERE)
    }

    /// Runs an operation on the object, which is in flight until the operation has succeeded.
    ///
    /// # Errors
    ///
    /// Those of `operation`, unchanged. The object stays in flight: an operation that failed may have left half an
    /// answer.
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, the object stays in flight, and is closed when the guard is dropped. Dropped before the first
    /// poll, nothing has happened.
    pub async fn run<T, E, F>(&mut self, operation: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut M::Object) -> Result<T, E>,
    {
        let item = self.item_mut();
        let was_in_flight = std::mem::replace(&mut item.in_flight, true);
        let result = operation(&mut item.object).await;
        if result.is_ok() {
            item.in_flight = was_in_flight;
        }
        result
    }

    /// Gives access to the object, which is in flight from now on.
    pub fn begin(mut self) -> InFlight<M> {
        self.item_mut().in_flight = true;
        InFlight { guard: self }
    }

    /// Whether an operation on the object was not proven to have ended well, so that it will be closed.
    pub fn is_in_flight(&self) -> bool {
        self.item().in_flight
    }

    /// What the pool knows about the object. `idle` is not told.
    pub fn metrics(&self) -> Metrics {
        self.core.metrics(self.item(), None)
    }

    /// [Checks](Manager::check) the object now, and gives it back: for a user that wants to know at once whether it is
    /// in order. (Dropping the guard leaves the check to the next user.)
    ///
    /// # Errors
    ///
    /// [`CheckError`]; the object is closed. No error when it is closed because it was in flight already.
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, the object is closed, and its place is free when it is.
    pub async fn release(mut self) -> Result<(), CheckError<M::Error>> {
        if !self.item().in_flight {
            self.check(None).await?;
        }
        Ok(())
    }

    /// Checks the object. In flight meanwhile, and afterwards when that failed.
    pub(super) async fn check(&mut self, now: Option<Instant>) -> Result<(), CheckError<M::Error>> {
        let item = self.item.as_mut().expect(THERE);
        let metrics = self.core.metrics(item, now);
        item.in_flight = true;
        let limit = self.core.shared.settings.check_timeout;
        let ended = {
            let manager = &*self.core.manager;
            let mut check = pin!(async move { manager.check(&mut item.object, &metrics).await });
            // Most checks have nothing to wait for, and then a scope with a deadline is half of what a `get` costs.
            let once = poll_fn(|cx| {
                let poll = AssertUnwindSafe(|| check.as_mut().poll(cx));
                Poll::Ready(catch_unwind(poll))
            });
            match once.await {
                Ok(Poll::Ready(ended)) => Ok(Ok(ended)),
                Ok(Poll::Pending) => caught(time::timeout(limit, check)).await,
                Err(payload) => Err(payload),
            }
        };
        let error = match ended {
            Ok(Ok(Ok(()))) => {
                self.item_mut().in_flight = false;
                return Ok(());
            }
            Ok(Ok(Err(error))) => CheckError::Failed(error),
            Ok(Err(_elapsed)) => CheckError::TimedOut(limit),
            Err(payload) => CheckError::Panicked(text_of(payload)),
        };
        let shared = &self.core.shared;
        shared.tell(&Event::CheckFailed { error: &error });
        self.throw_away(Why::Check);
        Err(error)
    }

    pub(super) fn throw_away(&mut self, why: Why) {
        if let Some(mut item) = self.item.take() {
            self.core.shared.returned(&mut item);
            self.core.throw_away(item, why);
        }
    }

    /// Closes the object. Its place is free when that is done.
    pub fn discard(mut self) {
        self.throw_away(Why::Discarded);
    }

    /// Takes the object out of the pool for good: it is yours, and its place is free at once.
    pub fn detach(mut self) -> M::Object {
        let mut item = self.take();
        self.core.shared.returned(&mut item);
        let record = item.record;
        self.core
            .shared
            .change(|state, todo| state.remove(record, todo));
        item.object
    }
}

impl<M: Manager> Drop for Guard<M> {
    #[inline]
    fn drop(&mut self) {
        if let Some(item) = self.item.take() {
            self.core.give_back(item);
        }
    }
}

impl<M: Manager> fmt::Debug for Guard<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("in_flight", &self.item.as_ref().map(|i| i.in_flight))
            .finish_non_exhaustive()
    }
}

/// An object of a pool in the middle of an operation; made by [`Guard::begin`]. Dropped, the object is closed, unless
/// the manager [proves it clean](Manager::is_clean).
#[must_use = "the object is closed when this is dropped: end with `done`"]
pub struct InFlight<M: Manager> {
    guard: Guard<M>,
}

impl<M: Manager> InFlight<M> {
    /// The operation has ended, and left nothing behind: you say that the object can be handed to anybody.
    pub fn done(mut self) -> Guard<M> {
        self.guard.item_mut().in_flight = false;
        self.guard
    }

    /// Closes the object. Its place is free when that is done.
    pub fn discard(self) {
        self.guard.discard();
    }

    /// Takes the object out of the pool for good: it is yours, and its place is free at once.
    pub fn detach(self) -> M::Object {
        self.guard.detach()
    }

    /// What the pool knows about the object. `idle` is not told.
    pub fn metrics(&self) -> Metrics {
        self.guard.metrics()
    }
}

impl<M: Manager> Deref for InFlight<M> {
    type Target = M::Object;

    #[inline]
    fn deref(&self) -> &M::Object {
        &self.guard.item().object
    }
}

impl<M: Manager> DerefMut for InFlight<M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut M::Object {
        &mut self.guard.item_mut().object
    }
}

impl<M: Manager> fmt::Debug for InFlight<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InFlight")
    }
}
