//! A timer that is made when it is needed first, on the runtime of that moment, and used again.

use crate::runtime::{Runtime, Sleep};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// In a box, which is made once: operators can be moved when their streams can.
#[derive(Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    runtime: Option<Runtime>,
    set: bool,
}

impl Alarm {
    pub(super) fn set(&mut self, after: Duration) {
        let runtime = self.runtime.get_or_insert_with(Runtime::current);
        let now = runtime.now();
        // `None`: further away than the clock can tell.
        let at = now.checked_add(after);
        match (&mut self.sleep, at) {
            // tokio moves its timers in place.
            (Some(sleep), _) => sleep.as_mut().reset(at),
            (None, Some(at)) => {
                self.sleep = Some(Sleep::boxed(runtime.clone(), at, now));
            }
            (None, None) => {}
        }
        self.set = true;
    }

    pub(super) fn is_set(&self) -> bool {
        self.set
    }

    pub(super) fn stop(&mut self) {
        self.set = false;
    }

    /// Ready when it is not set, or when it has rung, which unsets it.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.set {
            match &mut self.sleep {
                Some(sleep) => ready!(sleep.as_mut().poll_unbudgeted(cx)),
                None => return Poll::Pending,
            }
            self.set = false;
        }
        Poll::Ready(())
    }
}
