//! A timer on the virtual clock.

use super::shared::Shared;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Ready when the clock has reached `at`. Holds the shared half only, so it is `Send` and may outlive the simulation.
pub(super) struct Timer {
    shared: Arc<Shared>,
    at: u64,
    key: Option<u64>,
}

impl Timer {
    pub(super) fn new(shared: Arc<Shared>, at: u64) -> Self {
        Timer {
            shared,
            at,
            key: None,
        }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let me = &mut *self;
        let waker = cx.waker().clone();
        let mut s = me.shared.lock();
        if s.ended && s.now < me.at {
            drop(s);
            // As tokio does: nobody moves this clock any more, so whoever waits for it would wait for ever.
            panic!("a sleep of a simulation that has ended: it can never be over");
        }
        let key = match me.key {
            Some(key) => key,
            None => s.key(),
        };
        let old = if s.now >= me.at {
            me.key = None;
            s.timers.remove(&(me.at, key))
        } else {
            me.key = Some(key);
            s.timers.insert((me.at, key), waker)
        };
        let ready = me.key.is_none();
        drop(s);
        drop(old);
        if ready {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let old = self.shared.lock().timers.remove(&(self.at, key));
            drop(old);
        }
    }
}
