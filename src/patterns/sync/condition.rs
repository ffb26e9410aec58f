//! [`Condition`]: waits for a change of what a mutex guards.
//!
//! A waiter enters the line before it unlocks, so a notification that comes after a change of the value finds it there. Its notification is
//! its own until it has the mutex again; dropped before that, it hands it to the next.

use super::mutex::{Locking, Mutex, MutexGuard};
use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::line::{Line, Place, Spare, Wakers};
use crate::internal::lock::Lock;
use crate::runtime::coop;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Lets tasks wait until what a [`Mutex`] guards has changed.
///
/// Waiting takes the guard, unlocks, waits to be notified, locks again and gives the guard back. Who waits is notified in the order of
/// arrival. A notification that nobody waits for is not kept: change the value first, then notify.
///
/// [`notify`](Condition::notify) needs no lock, but the *change* does: a value that is changed without it can be changed between a waiter's look
/// and its waiting. A waiter may find that another was quicker and the value has changed again; [`wait_for`](Condition::wait_for)
/// and [`wait_while`](Condition::wait_while) look again by themselves, and go to the end of the line when there is nothing for them. So when
/// waiters wait for different things, notify all of them: the one that is notified may not be the one it was meant for.
///
/// A clone is a handle to the same condition. For a flag, see [`Event`](super::Event).
///
/// asyncio waits without a guard and must lock again when it is cancelled; here a cancelled waiter has no guard, and need not wait for one.
///
/// # Examples
///
/// ```
/// use regatta::sync::{Condition, Mutex};
///
/// regatta::testing::run(async || {
///     let (stock, arrived) = (Mutex::new(0), Condition::new());
///     let buyer = async {
///         let mut stock = arrived.wait_for(stock.lock().await, |n| *n >= 3).await;
///         *stock -= 3;
///     };
///     let supplier = async {
///         for _ in 0..4 {
///             *stock.lock().await += 1;
///             arrived.notify(1);
///             regatta::testing::yield_now().await;
///         }
///     };
///     futures::join!(buyer, supplier);
///     assert_eq!(*stock.lock().await, 1);
/// });
/// ```
#[derive(Clone, Default)]
pub struct Condition {
    line: Arc<Lock<Line<Notice>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Notice {
    None,
    /// Must reach somebody.
    One,
    /// Everybody who waited has one.
    All,
}

impl Condition {
    /// A condition that nobody waits for.
    pub fn new() -> Self {
        Condition::default()
    }

    /// Unlocks, waits to be notified, and locks again. The mutex stays locked until the first poll.
    ///
    /// # Panics
    ///
    /// When it is polled again after it has given the guard back.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves the line, and the mutex unlocked; when it had been notified the next is, so no notification is lost.
    pub fn wait<T>(&self, guard: MutexGuard<T>) -> WaitCondition<T> {
        WaitCondition {
            condition: self.clone(),
            step: Step::Holds(guard),
        }
    }

    /// [Waits](Condition::wait) while `condition` holds for the value, asking before the first wait and after each.
    ///
    /// # Cancel safety
    ///
    /// As [`wait`](Condition::wait).
    pub fn wait_while<T, F>(
        &self,
        mut guard: MutexGuard<T>,
        mut condition: F,
    ) -> impl Future<Output = MutexGuard<T>> + use<T, F>
    where
        F: FnMut(&mut T) -> bool,
    {
        let this = self.clone();
        async move {
            coop::spend().await;
            while condition(&mut guard) {
                guard = this.wait(guard).await;
            }
            guard
        }
    }

    /// [Waits](Condition::wait) until `condition` holds for the value, asking before the first wait and after each.
    ///
    /// # Cancel safety
    ///
    /// As [`wait`](Condition::wait).
    pub fn wait_for<T, F>(
        &self,
        guard: MutexGuard<T>,
        mut condition: F,
    ) -> impl Future<Output = MutexGuard<T>> + use<T, F>
    where
        F: FnMut(&mut T) -> bool,
    {
        self.wait_while(guard, move |value| !condition(value))
    }

    /// Notifies the first `n` of those who wait; all of them when there are fewer.
    pub fn notify(&self, n: usize) {
        let mut wakers = Wakers::new();
        let mut line = self.line.lock();
        for _ in 0..n {
            let Some(waker) = line.serve_front(|notice| *notice = Notice::One) else {
                break;
            };
            wakers.extend([waker]);
        }
        drop(line);
        wakers.wake();
    }

    /// Notifies all who wait.
    pub fn notify_all(&self) {
        let mut wakers = Wakers::new();
        self.line.lock().serve_each(&mut wakers, |notice| {
            *notice = Notice::All;
            true
        });
        wakers.wake();
    }

    /// How many wait to be notified.
    pub fn waiting(&self) -> usize {
        self.line.lock().len()
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition")
            .field("waiting", &self.waiting())
            .finish()
    }
}

/// Waits to be notified; made by [`Condition::wait`].
#[must_use = "futures do nothing unless polled"]
pub struct WaitCondition<T> {
    condition: Condition,
    step: Step<T>,
}

enum Step<T> {
    Holds(MutexGuard<T>),
    Waits(Mutex<T>, Place),
    Locks(Locking<T>, Notice),
    Done,
}

impl<T> Future for WaitCondition<T> {
    type Output = MutexGuard<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<MutexGuard<T>> {
        let this = self.get_mut();
        if matches!(this.step, Step::Holds(_)) {
            let mut spare = Spare::of(cx);
            let mut line = this.condition.line.lock();
            let Some(waker) = spare.take() else {
                unreachable!("it was filled");
            };
            let place = line.enter(Notice::None, waker);
            drop(line);
            if let Step::Holds(guard) = mem::replace(&mut this.step, Step::Done) {
                this.step = Step::Waits(MutexGuard::mutex(&guard), place);
                // Unlocks, now that it stands in line.
                drop(guard);
            }
            label::set("a notification");
            return Poll::Pending;
        }
        if let Step::Waits(mutex, place) = &this.step {
            let mut spare = Spare::none();
            let notice = loop {
                let mut line = this.condition.line.lock();
                if !line.is_waiting(*place) {
                    break line.leave(*place).map_or(Notice::None, |left| left.0);
                }
                if line.renew(*place, cx, &mut spare) {
                    drop(line);
                    label::set("a notification");
                    return Poll::Pending;
                }
                drop(line);
                spare.fill(cx);
            };
            this.step = Step::Locks(mutex.lock(), notice);
        }
        match &mut this.step {
            Step::Locks(locking, _) => {
                let guard = ready!(Pin::new(locking).poll(cx));
                this.step = Step::Done;
                Poll::Ready(guard)
            }
            _ => panic!("`Condition::wait` was polled again after it had given the guard back"),
        }
    }
}

impl<T> Drop for WaitCondition<T> {
    fn drop(&mut self) {
        let notice = match mem::replace(&mut self.step, Step::Done) {
            Step::Waits(_, place) => {
                let left = self.condition.line.lock().leave(place);
                let (notice, waker) = left.unwrap_or((Notice::None, None));
                discard(waker);
                notice
            }
            // Leaves the mutex's line first: the next may want it at once.
            Step::Locks(_, notice) => notice,
            Step::Holds(_) | Step::Done => Notice::None,
        };
        if notice == Notice::One {
            self.condition.notify(1);
        }
    }
}

impl<T> fmt::Debug for WaitCondition<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.step {
            Step::Holds(_) => "WaitCondition(not polled)",
            Step::Waits(..) => "WaitCondition(waiting)",
            Step::Locks(..) => "WaitCondition(locking)",
            Step::Done => "WaitCondition(done)",
        })
    }
}
