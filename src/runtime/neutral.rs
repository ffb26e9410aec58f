//! No runtime chosen: timers that work on any executor, and a plain `block_on`. Nothing can be spawned.

use super::{Kind, Runtime};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

pub(super) type NativeSleep = futures_timer::Delay;

pub(super) fn sleep_until(at: Instant) -> NativeSleep {
    NativeSleep::new(at.saturating_duration_since(real_now()))
}

/// The real clock.
#[expect(clippy::disallowed_methods, reason = "this is where real time enters")]
pub(super) fn real_now() -> Instant {
    Instant::now()
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls `future` on this thread, parking it in between.
pub(super) fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(Runtime::from(Kind::Neutral).within(future));
    park_on(future.as_mut())
}

/// The same for a future that brings its own context.
pub(super) fn park_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(v) => return v,
            // A token left by somebody else's `unpark` only costs a spurious poll.
            Poll::Pending => std::thread::park(),
        }
    }
}
