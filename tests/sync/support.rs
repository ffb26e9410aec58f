//! Short words for what the tests do all the time.

use regatta::Runtime;
use regatta::runtime::JoinHandle;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub(crate) const MS: Duration = Duration::from_millis(1);

#[track_caller]
pub(crate) fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Runtime::current().try_spawn(future).expect("it can spawn")
}

pub(crate) async fn yield_now() {
    futures_lite::future::yield_now().await;
}

/// Lets the others go on: all of them in virtual time, for a while on a real runtime.
pub(crate) async fn others() {
    if regatta::testing::in_simulation() {
        regatta::testing::settle().await;
    } else {
        regatta::time::sleep(MS * 5).await;
    }
}

/// Waits, without one of our primitives, until `condition` holds.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        if regatta::testing::in_simulation() {
            regatta::time::sleep(MS).await;
        } else {
            yield_now().await;
        }
    }
}

/// One poll with a waker that wakes nobody.
pub(crate) fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Who did something, in order.
#[derive(Clone, Default)]
pub(crate) struct Order(Arc<Mutex<Vec<usize>>>);

impl Order {
    pub(crate) fn note(&self, who: usize) {
        self.0.lock().unwrap().push(who);
    }

    pub(crate) fn seen(&self) -> Vec<usize> {
        self.0.lock().unwrap().clone()
    }
}

/// How many are inside at once, and the most there ever were.
#[derive(Clone, Default)]
pub(crate) struct Crowd(Arc<(AtomicUsize, AtomicUsize)>);

pub(crate) struct Inside(Crowd, usize);

impl Crowd {
    pub(crate) fn enter(&self, weight: usize) -> Inside {
        let now = self.0.0.fetch_add(weight, SeqCst) + weight;
        self.0.1.fetch_max(now, SeqCst);
        Inside(self.clone(), weight)
    }

    pub(crate) fn now(&self) -> usize {
        self.0.0.load(SeqCst)
    }

    pub(crate) fn most(&self) -> usize {
        self.0.1.load(SeqCst)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(self.1, SeqCst);
    }
}
