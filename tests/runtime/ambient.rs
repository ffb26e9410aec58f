//! `Runtime::current`, `enter`, `within`.

use crate::ground::{Hand, panic_of, spawn};
use regatta::runtime::{Backend, BoxFuture, BoxWork, Flavor};
use regatta::testing::{in_simulation, yield_now};
use regatta::{Runtime, testing};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// An executor of a few lines, which counts what it is asked for.
#[derive(Clone, Default)]
pub(crate) struct Threads(pub(crate) Arc<AtomicUsize>);

impl Backend for Threads {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.fetch_add(1, SeqCst);
        std::thread::spawn(|| futures::executor::block_on(task));
    }
    fn spawn_blocking(&self, work: BoxWork) {
        self.0.fetch_add(1, SeqCst);
        std::thread::spawn(work);
    }
    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        self.0.fetch_add(1, SeqCst);
        Box::pin(Runtime::neutral().sleep_until(at))
    }
    fn now(&self) -> Instant {
        Runtime::neutral().now()
    }
}

pub(crate) fn name() -> &'static str {
    Runtime::current().name()
}

/// The custom runtime of a test is not current (any more). What is instead, depends on the tests beside it:
/// `tests/plain_threads.rs` has that.
pub(crate) fn left() -> bool {
    name() != "custom"
}

#[test]
fn an_entered_runtime_is_current_until_its_guard_goes() {
    let custom = Runtime::custom(Threads::default());
    let outer = custom.enter();
    assert_eq!(name(), "custom");
    let inner = Runtime::neutral().enter();
    assert_eq!(name(), "neutral");
    assert!(!Runtime::current().can_spawn());
    drop(inner);
    assert_eq!(name(), "custom");
    drop(outer);
    assert!(left());
}

#[test]
fn entering_is_undone_by_a_panic() {
    let said = panic_of(|| {
        let _entered = Runtime::custom(Threads::default()).enter();
        panic!("inside {}", name());
    });
    assert_eq!(said, "inside custom");
    assert!(left());
}

#[test]
fn an_entered_runtime_is_current_on_its_own_thread_only() {
    let _entered = Runtime::custom(Threads::default()).enter();
    assert!(std::thread::spawn(left).join().unwrap());
}

#[test]
fn within_is_current_during_each_poll_and_not_in_between() {
    let custom = Runtime::custom(Threads::default());
    let mut work = pin!(custom.within(async {
        let first = name();
        yield_now().await;
        let inner = Runtime::neutral().within(async {
            yield_now().await;
            name()
        });
        (first, inner.await, name())
    }));
    let hand = Hand::new();
    for _ in 0..2 {
        assert!(hand.poll(work.as_mut()).is_pending());
        assert!(left());
    }
    let names = hand.poll(work.as_mut());
    assert_eq!(
        names,
        std::task::Poll::Ready(("custom", "neutral", "custom"))
    );
    assert!(left());
}

#[test]
fn within_is_undone_by_a_panic() {
    let work = Runtime::custom(Threads::default()).within(async {
        let inner = Runtime::neutral().within(async { panic!("inside {}", name()) });
        inner.await
    });
    let said = panic_of(|| Hand::new().poll(pin!(work)).is_ready());
    assert_eq!(said, "inside neutral");
    assert!(left());
}

#[test]
fn an_entered_runtime_gives_way_to_the_one_a_future_is_within() {
    let _entered = Runtime::neutral().enter();
    let work = Runtime::custom(Threads::default()).within(async {
        let _inner = Runtime::neutral().enter();
        name()
    });
    assert_eq!(futures::executor::block_on(work), "neutral");
    assert_eq!(name(), "neutral");
}

async fn tasks_and_their_tasks_run_on_the_same_runtime() {
    let mine = name();
    let childs = spawn(async {
        let grandchild = spawn(async { name() });
        (name(), grandchild.await.unwrap())
    });
    assert_eq!(childs.await.unwrap(), (mine, mine));
    assert!(Runtime::current().can_spawn());
    assert_eq!(mine == "custom", in_simulation());
}

async fn a_runtime_is_resolved_once_and_kept() {
    // Built here, used where nothing is current.
    let (runtime, start) = (Runtime::current(), Runtime::current().now());
    let sleep = runtime.sleep(Duration::from_millis(2));
    Runtime::neutral().within(sleep).await;
    assert!(runtime.now() - start >= Duration::from_millis(2));
    let spawned = Runtime::neutral().within(async move { runtime.try_spawn(async { name() }) });
    assert_eq!(spawned.await.unwrap().await.unwrap(), name());
}

#[test]
fn a_backend_is_all_a_custom_runtime_needs() {
    let threads = Threads::default();
    let custom = Runtime::custom(threads.clone());
    let sum = regatta::runtime::run_on(
        Flavor::Neutral,
        custom.within(async {
            let start = Runtime::current().now();
            let slept = spawn(async {
                regatta::time::sleep(Duration::from_millis(2)).await;
                name()
            });
            assert_eq!(slept.await.unwrap(), "custom");
            assert!(Runtime::current().now() - start >= Duration::from_millis(2));
            let inside = Runtime::current().try_spawn_blocking(name).unwrap();
            assert_eq!(inside.await.unwrap(), "custom");
            let late =
                regatta::time::timeout(Duration::from_millis(1), std::future::pending::<()>());
            assert!(late.await.is_err());
            21 * 2
        }),
    );
    assert_eq!(sum, 42);
    assert_eq!(threads.0.load(SeqCst), 4);
}

#[test]
fn a_simulation_has_a_runtime_of_its_own() {
    let (inside, spawned) = testing::run(async || (name(), spawn(async { name() }).await.unwrap()));
    assert_eq!((inside, spawned), ("custom", "custom"));
    assert!(left());
}

#[test]
fn a_runtime_shows_its_name() {
    assert_eq!(format!("{:?}", Runtime::neutral()), "Runtime(\"neutral\")");
}

regatta::matrix! {
    tasks_and_their_tasks_run_on_the_same_runtime;
    a_runtime_is_resolved_once_and_kept;
}
