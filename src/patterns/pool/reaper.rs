//! Looks after objects that no caller takes or returns: lifetimes, idle times, leaks. There is one for each runtime
//! that the pool is used on, from the first object that has a time limit there; each of them closes whatever is over,
//! and is woken for those of its own.

use super::manager::Manager;
use super::observer::Event;
use super::shared::Shared;
use super::state::Reaping;
use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::timeline::Timeline;
use crate::runtime::{RuntimeId, Sleep};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Until the last handle is gone. Sleeps without a timer while there is nothing to come.
///
/// Not an `async fn`: also one that is dropped before its first poll has ended.
pub(super) fn run<M: Manager>(
    shared: Arc<Shared<M>>,
    here: RuntimeId,
) -> impl Future<Output = ()> + Send {
    let shift = Shift { shared, here };
    async move {
        let Shift { shared, .. } = &shift;
        loop {
            let runtime = shared.source.runtime();
            let (clock, at) = Timeline::read(&runtime);
            let (held, until) = shared.change(|state, todo| {
                let now = state.date(Some((clock, at))).unwrap_or(at);
                let (held, next) = state.reap(here, now, todo);
                (held, next.and_then(|next| state.on_clock(clock, next)))
            });
            for (at, held) in held {
                shared.tell(&Event::Leaking { at, held });
            }
            let mut timer: Option<Pin<Box<Sleep>>> =
                until.map(|until| Box::pin(runtime.sleep_until(until)));
            let goes_on = poll_fn(|cx| {
                let reaping = shift.asks(cx);
                match reaping {
                    Reaping::Ends => return Poll::Ready(false),
                    Reaping::Looks => return Poll::Ready(true),
                    Reaping::Sleeps | Reaping::SleepsUnwoken => {}
                }
                label::set("the next lifetime, idle time or leak of a pool");
                match &mut timer {
                    Some(timer) => timer.as_mut().poll(cx).map(|()| true),
                    None => Poll::Pending,
                }
            });
            if !goes_on.await {
                return;
            }
        }
    }
}

/// The time that a reaper is there. When it has ended, the next caller that brings an object on its runtime starts
/// another.
struct Shift<M: Manager> {
    shared: Arc<Shared<M>>,
    here: RuntimeId,
}

impl<M: Manager> Shift<M> {
    fn asks(&self, cx: &Context<'_>) -> Reaping {
        let mut spare = None;
        loop {
            let reaping = self.shared.lock().reaping(self.here, cx, &mut spare);
            if !matches!(reaping, Reaping::SleepsUnwoken) {
                discard(spare);
                return reaping;
            }
            // Code of others: not under the lock.
            spare = Some(cx.waker().clone());
        }
    }
}

impl<M: Manager> Drop for Shift<M> {
    fn drop(&mut self) {
        let waker = self.shared.lock().reaper_ended(self.here);
        discard(waker);
    }
}
