//! Looks after objects that nobody takes or returns: lifetimes, idle times, leaks.

use super::manager::Manager;
use super::observer::Event;
use super::shared::Shared;
use crate::internal::label;
use crate::runtime::Sleep;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

/// Until the last handle is gone. Sleeps without a timer while there is nothing to come.
pub(super) async fn run<M: Manager>(shared: Arc<Shared<M>>) {
    loop {
        let now = shared.runtime.now();
        let (held, until) = shared.change(|state, todo| {
            state.reaper.roused = false;
            (state.reap(now, todo), state.reaper.until)
        });
        for (at, held) in held {
            shared.tell(&Event::Leaking { at, held });
        }
        let mut timer: Option<Pin<Box<Sleep>>> =
            until.map(|until| Box::pin(shared.runtime.sleep_until(until)));
        let roused = poll_fn(|cx| {
            let mut state = shared.lock();
            if !state.reaper.on || state.reaper.roused {
                return Poll::Ready(state.reaper.on);
            }
            let old = state.reaper.waker.replace(cx.waker().clone());
            drop(state);
            drop(old);
            label::set("the next lifetime, idle time or leak of a pool");
            match &mut timer {
                Some(timer) => timer.as_mut().poll(cx).map(|()| true),
                None => Poll::Pending,
            }
        });
        if !roused.await {
            return;
        }
    }
}
