//! What test bodies need that run in virtual time and for real.
#![allow(dead_code, reason = "each test program uses its part")]

use regatta::runtime::JoinHandle;
use regatta::{Runtime, testing};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn now() -> Instant {
    Runtime::current().now()
}

#[track_caller]
pub(crate) fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Runtime::current()
        .try_spawn(future)
        .expect("the grounds of `matrix!` can spawn")
}

/// A stopwatch: exact in virtual time, a lower bound elsewhere.
pub(crate) struct Watch(Instant);

impl Watch {
    pub(crate) fn start() -> Self {
        Watch(now())
    }

    #[track_caller]
    pub(crate) fn shows(&self, duration: Duration) {
        let passed = now() - self.0;
        if testing::in_simulation() {
            assert_eq!(passed, duration);
        } else {
            assert!(passed >= duration, "{passed:?} instead of {duration:?}");
        }
    }
}

/// Counts up when dropped: shows that a future is gone.
#[derive(Clone, Default, Debug)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn new() -> Self {
        Count::default()
    }

    pub(crate) fn up(&self) {
        self.0.fetch_add(1, SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(SeqCst)
    }

    pub(crate) fn on_drop(&self) -> impl Drop + Send + Sync + use<> {
        struct Up(Count);
        impl Drop for Up {
            fn drop(&mut self) {
                self.0.up();
            }
        }
        Up(self.clone())
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.up();
    }
}

/// Polls by hand, and counts the wakes.
pub(crate) struct Hand {
    pub(crate) wakes: Arc<Count>,
    waker: Waker,
}

impl Hand {
    pub(crate) fn new() -> Self {
        let wakes = Arc::new(Count::new());
        let waker = Waker::from(wakes.clone());
        Hand { wakes, waker }
    }

    pub(crate) fn poll<F: Future>(&self, future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(&self.waker))
    }
}

/// What a panic said.
pub(crate) fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    let Err(payload) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)) else {
        return String::from("(it did not panic)");
    };
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => other
            .downcast_ref::<&str>()
            .map_or_else(String::new, |s| (*s).to_owned()),
    }
}
