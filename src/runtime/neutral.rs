//! No runtime chosen: timers that work on any executor, and a plain `block_on`. Nothing can be spawned.

use super::Runtime;
use crate::runtime::Instant;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

/// A timer of `futures-timer`, which has one helper thread for the process.
///
/// That thread calls the wakers, and one that panics would end it, and every timer of the process with it: so it is
/// given wakers of ours, which do not.
pub(super) struct NativeSleep {
    delay: futures_timer::Delay,
    /// The waker that is to be woken, and what the timer has in its place.
    guarded: Option<(Waker, Arc<Guarded>)>,
}

impl Future for NativeSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let old = match &mut this.guarded {
            Some((of, guarded)) if of.will_wake(cx.waker()) && guarded.is_full() => None,
            other => {
                let of = cx.waker().clone();
                let guarded = Arc::new(Guarded(Mutex::new(Some(of.clone()))));
                let old = other.replace((of, guarded));
                old.and_then(|(_, guarded)| guarded.take())
            }
        };
        drop(old);
        let Some((_, guarded)) = &this.guarded else {
            return Poll::Pending;
        };
        let waker = Waker::from(guarded.clone());
        Pin::new(&mut this.delay).poll(&mut Context::from_waker(&waker))
    }
}

/// Empty when its timer is gone: the helper thread keeps it until it comes round to it.
struct Guarded(Mutex<Option<Waker>>);

impl Guarded {
    /// It has not been woken.
    fn is_full(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    fn take(&self) -> Option<Waker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Wake for Guarded {
    fn wake(self: Arc<Self>) {
        // The panic hook has said it.
        let _ = catch_unwind(AssertUnwindSafe(|| self.take().map(Waker::wake)));
    }
}

impl Drop for NativeSleep {
    fn drop(&mut self) {
        if let Some((_, guarded)) = &self.guarded {
            drop(guarded.take());
        }
    }
}

pub(super) fn sleep_until(at: Instant) -> NativeSleep {
    NativeSleep {
        delay: futures_timer::Delay::new(at.saturating_duration_since(real_now())),
        guarded: None,
    }
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
    let mut future = pin!(Runtime::neutral().within(future));
    park_on(future.as_mut())
}

/// The same for a future that brings its own context.
pub(super) fn park_on<F: Future>(future: F) -> F::Output {
    park_until(future, || false, Duration::MAX).expect("nothing is waited for but the future")
}

/// The same; `None`: `stuck` was still true when `limit` had passed in real time.
pub(super) fn park_until<F: Future>(
    future: F,
    stuck: impl Fn() -> bool,
    limit: Duration,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut give_up = real_now().checked_add(limit);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return Some(value);
        }
        give_up = give_up.filter(|_| stuck());
        // A token left by somebody else's `unpark` only costs a spurious poll.
        match give_up.map(|at| at.saturating_duration_since(real_now())) {
            None => std::thread::park(),
            Some(Duration::ZERO) => return None,
            Some(rest) => std::thread::park_timeout(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Panics(std::sync::mpsc::Sender<()>);
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(());
            panic!("a waker of the user's");
        }
    }

    #[test]
    fn a_waker_that_panics_does_not_end_the_timers_of_the_process() {
        let (sender, woken) = std::sync::mpsc::channel();
        let waker = Waker::from(Arc::new(Panics(sender)));
        let mut sleep = pin!(sleep_until(real_now() + Duration::from_millis(5)));
        assert!(
            sleep
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        woken.recv().expect("it is woken");
        // The same thread wakes this one.
        let mut after = pin!(sleep_until(real_now() + Duration::from_millis(5)));
        let start = real_now();
        let waited = park_until(after.as_mut(), || true, Duration::from_secs(20));
        assert!(waited.is_some(), "after {:?}", real_now() - start);
    }

    #[test]
    fn who_waits_in_vain_is_told() {
        let never = std::future::pending::<()>();
        assert!(park_until(never, || true, Duration::from_millis(1)).is_none());
        assert!(park_until(std::future::ready(()), || true, Duration::ZERO).is_some());
    }
}
