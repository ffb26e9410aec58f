//! `try_spawn_blocking`.

use crate::ambient::name;
use crate::ground::{Count, spawn};
use regatta::Runtime;
use regatta::runtime::JoinHandle;
use regatta::testing::in_simulation;

fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Runtime::current().try_spawn_blocking(work).unwrap()
}

async fn a_blocking_closure_gives_its_value() {
    assert_eq!(blocking(|| 6 * 7).await.unwrap(), 42);
}

async fn the_runtime_is_current_inside() {
    let mine = name();
    assert_eq!(blocking(name).await.unwrap(), mine);
    let spawns = || Runtime::current().try_spawn(async { name() }).unwrap();
    assert_eq!(blocking(spawns).await.unwrap().await.unwrap(), mine);
}

async fn a_panic_inside_is_handed_over() {
    let error = blocking(|| panic!("in the closure")).await.unwrap_err();
    assert_eq!(error.to_string(), "the task panicked: in the closure");
}

async fn a_dropped_handle_lets_the_closure_run() {
    let (tx, rx) = async_channel::bounded(1);
    drop(blocking(move || tx.try_send("ran").unwrap()));
    assert_eq!(rx.recv().await, Ok("ran"));
}

async fn a_closure_cancelled_before_its_start_never_runs() {
    // 126
    let (ran, gone) = (Count::new(), Count::new());
    let (up, guard) = (ran.clone(), gone.on_drop());
    let work = blocking(move || {
        let _guard = guard;
        up.up();
    });
    work.cancel();
    // On a real runtime its thread may have been quicker.
    let ended = work.await;
    assert_eq!(ended.is_ok(), ran.get() == 1);
    assert_eq!(gone.get(), 1);
    if in_simulation() {
        assert!(ended.unwrap_err().is_cancelled());
    }
}

#[test]
fn a_handle_settles_when_its_closure_is_gone() {
    use regatta::runtime::{Backend, BoxFuture, BoxWork};
    use std::sync::{Arc, Mutex};
    use std::time::Instant;

    /// Keeps the closures.
    struct Shelf(Arc<Mutex<Vec<BoxWork>>>);
    impl Backend for Shelf {
        fn spawn(&self, task: BoxFuture<'static, ()>) {
            drop(task);
        }
        fn spawn_blocking(&self, work: BoxWork) {
            self.0.lock().unwrap().push(work);
        }
        fn sleep_until(&self, _: Instant) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
        fn now(&self) -> Instant {
            Runtime::neutral().now()
        }
    }
    /// Looks at the handle when it is dropped.
    struct Looks(Arc<Mutex<Option<JoinHandle<()>>>>, Count);
    impl Drop for Looks {
        fn drop(&mut self) {
            let handle = self.0.lock().unwrap();
            assert!(!handle.as_ref().unwrap().is_finished(), "too early");
            self.1.up();
        }
    }
    for runs in [true, false] {
        let shelf = Arc::new(Mutex::new(vec![]));
        let (handle, looked) = (Arc::new(Mutex::new(None)), Count::new());
        let looks = Looks(handle.clone(), looked.clone());
        let spawned = Runtime::custom(Shelf(shelf.clone())).try_spawn_blocking(move || drop(looks));
        spawned.as_ref().unwrap().cancel();
        *handle.lock().unwrap() = Some(spawned.unwrap());
        let work = shelf.lock().unwrap().pop().unwrap();
        if runs {
            work();
        } else {
            drop(work);
        }
        assert_eq!(looked.get(), 1);
        assert!(handle.lock().unwrap().as_ref().unwrap().is_finished());
    }
}

async fn a_closure_that_has_started_runs_to_its_end() {
    // 126, 127: its result is delivered.
    let (started, waits) = async_channel::bounded(1);
    let (ends, may_end) = std::sync::mpsc::channel();
    let work = blocking(move || {
        started.try_send(()).unwrap();
        may_end.recv().unwrap();
        "whole"
    });
    waits.recv().await.unwrap();
    work.cancel();
    ends.send(()).unwrap();
    assert_eq!(work.await.unwrap(), "whole");
}

async fn run_is_allowed_inside() {
    let mine = name();
    let inner = blocking(|| {
        regatta::run(async {
            let task = spawn(async { name() });
            regatta::time::sleep(std::time::Duration::from_millis(1)).await;
            task.await.unwrap()
        })
    });
    assert_eq!(inner.await.unwrap(), mine);
}

async fn run_on_any_flavor_is_allowed_inside() {
    use regatta::runtime::{Flavor, run_on};
    for flavor in Flavor::ALL.into_iter().filter(|f| f.is_available()) {
        let inner = blocking(move || run_on(flavor, async { name() }));
        let name = inner.await.unwrap();
        assert!(flavor.name().starts_with(name), "{flavor}: {name}");
    }
}

async fn run_inside_run_inside_is_refused_again() {
    let inner = blocking(|| regatta::run(async { regatta::run(async {}) }));
    let error = inner.await.unwrap_err().to_string();
    assert!(
        error.contains("regatta::run inside a running runtime"),
        "{error}"
    );
}

regatta::matrix! {
    a_blocking_closure_gives_its_value;
    the_runtime_is_current_inside;
    a_panic_inside_is_handed_over;
    a_dropped_handle_lets_the_closure_run;
    a_closure_cancelled_before_its_start_never_runs;
    // In virtual time a closure runs as one step, so it cannot wait for a task.
    a_closure_that_has_started_runs_to_its_end [tokio_current, tokio_multi, smol];
    run_is_allowed_inside [tokio_current, tokio_multi, smol];
    run_on_any_flavor_is_allowed_inside [tokio_current, tokio_multi, smol];
    run_inside_run_inside_is_refused_again [tokio_current, tokio_multi, smol];
}
