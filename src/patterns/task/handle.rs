//! [`Task`]: the handle of a child, and the slot it shares with the child.

use crate::internal::atomic::{AtomicBool, Ordering};
use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::line::{Spare, wake};
use crate::internal::lock::{Lock, Locked};
use crate::internal::reason::{Cancelled, Reason};
use crate::internal::scope;
use crate::runtime::{Site, coop};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

enum Stage<T> {
    /// With the reason, once the handle has asked the child to end.
    Running(Option<Reason>),
    Done(T),
    Ended(Reason),
    Taken,
}

struct State<T> {
    stage: Stage<T>,
    /// The child stands in line and has not run: cancelled now, it never will.
    in_line: bool,
    /// Of the task that awaits the handle.
    waiter: Option<Waker>,
    /// The child, to be woken when its handle cancels it.
    child: Option<Waker>,
}

/// What a child and its handle share.
pub(super) struct Slot<T> {
    pub(super) site: Site,
    /// The child counts under the limit of its group.
    limited: bool,
    /// Whether the handle has asked the child to end; read at every poll of the child, and changed under the lock.
    cancelled: AtomicBool,
    state: Lock<State<T>>,
}

impl<T> Slot<T> {
    pub(super) fn new(site: Site) -> Arc<Self> {
        Slot::make(site, false)
    }

    /// A slot whose child may have to wait for its turn.
    pub(super) fn in_line(site: Site) -> Arc<Self> {
        Slot::make(site, true)
    }

    fn make(site: Site, in_line: bool) -> Arc<Self> {
        let state = State {
            stage: Stage::Running(None),
            in_line,
            waiter: None,
            child: None,
        };
        Arc::new(Slot {
            site,
            limited: in_line,
            cancelled: AtomicBool::new(false),
            state: Lock::new(state),
        })
    }

    /// A slot whose child never runs.
    pub(super) fn ended(site: Site, reason: Reason) -> Arc<Self> {
        let slot = Slot::new(site);
        slot.end(Err(reason));
        slot
    }

    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// The child is about to run for the first time. False: its handle has cancelled it.
    #[inline]
    pub(super) fn start(&self) -> bool {
        if !self.limited {
            return true;
        }
        let mut s = self.state.lock();
        s.in_line = false;
        !self.is_cancelled()
    }

    pub(super) fn asked(&self) -> Option<Reason> {
        match &self.state.lock().stage {
            Stage::Running(asked) => asked.clone(),
            _ => None,
        }
    }

    fn cancel(&self, reason: Reason) {
        let mut s = self.state.lock();
        if !matches!(s.stage, Stage::Running(None)) {
            return;
        }
        self.cancelled.store(true, Ordering::Release);
        let wakes = if s.in_line {
            // Its turn may be far away, and may even depend on the task that cancels: the handle need not wait for it.
            s.stage = Stage::Ended(reason);
            s.waiter.take()
        } else {
            s.stage = Stage::Running(Some(reason));
            s.child.take()
        };
        drop(s);
        if let Some(w) = wakes {
            wake(w);
        }
    }

    /// Has the child woken by its handle. Only for wakers that changed; the caller looks at `is_cancelled` afterwards.
    pub(super) fn watch(&self, waker: Waker) {
        let old = self.state.lock().child.replace(waker);
        if let Some(old) = old {
            discard(old);
        }
    }

    /// Drops the value that nobody takes any more. May panic: it is the user's.
    pub(super) fn discard(&self) {
        if std::mem::needs_drop::<T>() {
            let stage = std::mem::replace(&mut self.state.lock().stage, Stage::Taken);
            drop(stage);
        }
    }

    /// Settles the slot; the first call counts.
    pub(super) fn end(&self, result: Result<T, Reason>) {
        let mut s = self.state.lock();
        let mut late = None;
        if matches!(s.stage, Stage::Running(_)) {
            s.stage = match result {
                Ok(v) => Stage::Done(v),
                Err(reason) => Stage::Ended(reason),
            };
        } else {
            late = Some(result);
        }
        let (waiter, child) = (s.waiter.take(), s.child.take());
        drop(s);
        if late.is_some() || child.is_some() {
            discard((late, child));
        }
        if let Some(w) = waiter {
            wake(w);
        }
    }
}

/// A child of a [task group](super::task_group): await it for its value.
///
/// Dropping the handle lets the child run on; the group still waits for it. [`cancel`](Task::cancel) stays local: the group and the
/// other children go on.
///
/// Awaiting gives the plain value. The handle of a child that failed never resolves: its group is failing, and drops whoever waits
/// inside it. Where a child may have been cancelled, or its group [collects](super::OnFailure::Collect) failures, use
/// [`outcome`](Task::outcome).
///
/// # Panics
///
/// Awaiting it panics when the child ended without a value and the awaiting code is not being cancelled itself (the child was cancelled on
/// request, its group collects failures, or the handle left the group), and when the value was taken before.
///
/// # Cancel safety
///
/// Awaiting `&mut task` can be dropped and repeated; the value stays in the handle. The waker of the last who waited
/// stays until the handle is dropped, or somebody else waits; [`outcome`](Task::outcome) takes it along.
pub struct Task<T> {
    slot: Arc<Slot<T>>,
    /// Its unit of the budget is spent, or it has given way for it.
    paid: bool,
    /// A waker of whoever waits lies in the slot.
    watching: bool,
}

impl<T> Drop for Task<T> {
    #[inline]
    fn drop(&mut self) {
        self.stop_watching();
        if std::thread::panicking() {
            // A second panic, of its value, would end the process.
            let _ =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.slot.discard_done()));
        }
    }
}

impl<T> Task<T> {
    pub(super) fn new(slot: Arc<Slot<T>>) -> Self {
        Task {
            slot,
            paid: false,
            watching: false,
        }
    }

    /// Nobody waits for it any more: the child may run for long, and is to keep no waker until then.
    #[inline]
    pub(super) fn stop_watching(&mut self) {
        if std::mem::take(&mut self.watching) {
            let waiter = self.slot.state.lock().waiter.take();
            discard(waiter);
        }
    }

    /// Waits for the end of the child, whatever it is. `Err` when it ended without a value; the reason tells how:
    /// [`Failed`](Reason::Failed) (the error itself goes to the group), [`Panicked`](Reason::Panicked), or why it was cancelled.
    ///
    /// # Errors
    ///
    /// [`Cancelled`], when there is no value.
    ///
    /// # Panics
    ///
    /// When the value was taken before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the value in the handle.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::{cancel::Reason, task, time};
    /// use std::{convert::Infallible, time::Duration};
    ///
    /// regatta::testing::run(async || {
    ///     task::task_group(async |g| {
    ///         let mut slow = g.spawn(async { time::sleep(Duration::from_secs(60)).await });
    ///         slow.cancel();
    ///         let end = slow.outcome().await.expect_err("it was cancelled");
    ///         assert_eq!(end.reason(), &Reason::Requested);
    ///         Ok::<_, Infallible>(())
    ///     })
    ///     .await
    ///     .expect("cancelling one task is no failure of the group");
    /// });
    /// ```
    pub fn outcome(&mut self) -> Outcome<'_, T> {
        Outcome { task: self }
    }

    /// The end of the child if it has ended, without waiting. `None` while it runs.
    ///
    /// # Panics
    ///
    /// When the value was taken before.
    pub fn try_outcome(&mut self) -> Option<Result<T, Cancelled>> {
        self.slot.take(self.slot.state.lock())
    }

    /// Cancels this child alone: it is dropped at its next suspension, after its cleanup and shields. Does nothing when it has ended.
    ///
    /// A child that has not run yet never does. One that stands in line under the [limit](super::TaskGroup::limit) of its group has ended for its handle at
    /// once; what it captured is dropped when its turn comes, or with the group.
    pub fn cancel(&self) {
        self.slot.cancel(Reason::Requested);
    }

    /// [`cancel`](Task::cancel), with a reason the child and [`outcome`](Task::outcome) see.
    pub fn cancel_with(&self, reason: impl Into<Reason>) {
        self.slot.cancel(reason.into());
    }

    /// Whether the child has ended.
    pub fn is_finished(&self) -> bool {
        !matches!(self.slot.state.lock().stage, Stage::Running(_))
    }

    /// Whether the child has ended without a value.
    pub(super) fn has_no_value(&self) -> bool {
        matches!(self.slot.state.lock().stage, Stage::Ended(_))
    }

    /// The name it was [given](super::TaskGroup::named).
    pub fn name(&self) -> Option<&str> {
        self.slot.site.name.as_deref()
    }

    /// Ready when the child has ended; takes nothing, and spends nothing.
    pub(super) fn poll_finished(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.slot.poll_end(&mut self.watching, cx).map(drop)
    }

    /// The end of the child, taken under one lock.
    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Cancelled>>> {
        if !std::mem::replace(&mut self.paid, true) {
            ready!(coop::poll_spend(cx));
        }
        let ended = self.slot.poll_end(&mut self.watching, cx);
        ended.map(|s| self.slot.take(s))
    }
}

impl<T> Slot<T> {
    fn take(&self, mut s: Locked<'_, State<T>>) -> Option<Result<T, Cancelled>> {
        match std::mem::replace(&mut s.stage, Stage::Taken) {
            running @ Stage::Running(_) => {
                s.stage = running;
                None
            }
            Stage::Done(v) => Some(Ok(v)),
            Stage::Ended(reason) => {
                // Unlike a value, the reason can be told again.
                s.stage = Stage::Ended(reason.clone());
                Some(Err(Cancelled::new(reason)))
            }
            Stage::Taken => {
                drop(s);
                panic!("{} has given its value already", Origin(&self.site))
            }
        }
    }

    /// The value of a child that has ended, should there be one.
    fn discard_done(&self) {
        let mut s = self.state.lock();
        let done = matches!(s.stage, Stage::Done(_))
            .then(|| std::mem::replace(&mut s.stage, Stage::Taken));
        drop(s);
        drop(done);
    }

    /// Ready, with the lock, when the child has ended. `watching`: whether a waker of ours lies there.
    fn poll_end(&self, watching: &mut bool, cx: &Context<'_>) -> Poll<Locked<'_, State<T>>> {
        let s = self.state.lock();
        if matches!(s.stage, Stage::Running(_)) {
            drop(s);
            return self.poll_running(watching, cx);
        }
        *watching = false;
        Poll::Ready(s)
    }

    /// Apart, so that an end that is there costs little.
    #[inline(never)]
    fn poll_running(&self, watching: &mut bool, cx: &Context<'_>) -> Poll<Locked<'_, State<T>>> {
        let mut spare = Spare::of(cx);
        loop {
            let mut s = self.state.lock();
            if !matches!(s.stage, Stage::Running(_)) {
                *watching = false;
                let Some(unused) = spare.take() else {
                    return Poll::Ready(s);
                };
                drop(s);
                discard(unused);
                continue;
            }
            *watching = true;
            if spare.renew(&mut s.waiter, cx) {
                drop(s);
                label::set("a task");
                return Poll::Pending;
            }
            drop(s);
            spare.fill(cx);
        }
    }
}

/// Where a task comes from, in words: `task "name"`, or the line that spawned it.
pub(super) struct Origin<'a>(pub(super) &'a Site);

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.name {
            Some(name) => write!(f, "task `{name}`"),
            None => write!(
                f,
                "the task spawned at {}:{}",
                self.0.at.file(),
                self.0.at.line()
            ),
        }
    }
}

impl<T> fmt::Display for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Origin(&self.slot.site).fmt(f)
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name())
            .field("finished", &self.is_finished())
            .finish()
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        match ready!(this.poll_outcome(cx)) {
            Some(Ok(value)) => Poll::Ready(value),
            // The group of the failed child is failing and this code is in it: it will be dropped here.
            Some(Err(_)) if scope::dropping() || scope::reason().is_some() => Poll::Pending,
            Some(Err(end)) => {
                panic!("awaited {this}, which ended without a value ({end}): use `Task::outcome`")
            }
            None => Poll::Pending,
        }
    }
}

/// Waits for the end of a child; made by [`Task::outcome`].
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Outcome<'a, T> {
    task: &'a mut Task<T>,
}

impl<T> Drop for Outcome<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.task.stop_watching();
    }
}

impl<T> Future for Outcome<'_, T> {
    type Output = Result<T, Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match ready!(self.task.poll_outcome(cx)) {
            Some(end) => Poll::Ready(end),
            None => Poll::Pending,
        }
    }
}
