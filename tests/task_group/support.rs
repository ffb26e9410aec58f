//! Short words for what the tests do all the time.

use regatta::task::ErrorGroup;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) use regatta::testing::yield_now;
pub(crate) use std::future::pending;

pub(crate) const MS: Duration = Duration::from_millis(1);

/// Sleeps as many milliseconds on the clock of the runtime.
pub(crate) async fn sleep(millis: u32) {
    regatta::time::sleep(MS * millis).await;
}

/// For children that must be gone long before.
pub(crate) async fn for_ever() {
    pending::<()>().await;
}

/// Counts what is alive.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

pub(crate) struct Counted(Arc<AtomicUsize>);

impl Count {
    #[must_use]
    pub(crate) fn one(&self) -> Counted {
        self.0.fetch_add(1, SeqCst);
        Counted(self.0.clone())
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(SeqCst)
    }

    /// Waits until as many are alive.
    pub(crate) async fn reaches(&self, n: usize) {
        while self.get() < n {
            sleep(1).await;
        }
    }

    /// Counts something that does not end.
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// What happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    pub(crate) fn say(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    pub(crate) fn get(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

/// The errors of a group that failed, sorted: on real runtimes the order is open.
#[track_caller]
pub(crate) fn errors<T: Debug>(result: Result<T, ErrorGroup<&'static str>>) -> Vec<&'static str> {
    let errors = result.expect_err("the group fails");
    assert_eq!(errors.cancelled(), None, "{errors}");
    let mut all: Vec<_> = errors.into_iter().collect();
    all.sort_unstable();
    all
}
