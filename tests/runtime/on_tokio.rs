//! tokio: its contexts, and runtimes that stop.

use crate::ambient::name;
use crate::ground::{Count, HOUR, MS, panic_of, spawn};
use regatta::{Runtime, time};
use std::future::pending;
use std::sync::mpsc;
use tokio::runtime::{Builder, Runtime as Tokio};

fn one_thread() -> Tokio {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn two_threads() -> Tokio {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_time().build().unwrap()
}

#[test]
fn every_tokio_context_has_tokio() {
    for tokio in [one_thread(), two_threads()] {
        assert_eq!(tokio.block_on(async { name() }), "tokio");
        assert_eq!(
            tokio.block_on(tokio.spawn(async { name() })).unwrap(),
            "tokio"
        );
        assert_eq!(tokio.block_on(tokio.spawn_blocking(name)).unwrap(), "tokio");
        let _context = tokio.enter();
        assert_eq!(name(), "tokio");
        // What was entered on purpose comes first.
        let _entered = Runtime::neutral().enter();
        assert_eq!(name(), "neutral");
    }
}

#[test]
fn a_given_handle_is_used_from_any_thread() {
    let tokio = two_threads();
    let runtime = Runtime::tokio(tokio.handle().clone());
    assert_eq!(runtime.name(), "tokio");
    let task = runtime.try_spawn(async {
        time::sleep(MS).await;
        (
            name(),
            std::thread::current().name().unwrap_or_default().to_owned(),
        )
    });
    let (name, thread) = futures::executor::block_on(task.unwrap()).unwrap();
    assert_eq!(name, "tokio");
    assert!(thread.starts_with("tokio-rt-worker"), "{thread}");
    // Its timers too.
    let start = runtime.now();
    futures::executor::block_on(runtime.sleep(2 * MS));
    assert!(runtime.now() - start >= 2 * MS);
}

#[test]
fn run_under_an_entered_handle_blocks_on_that_runtime() {
    let tokio = two_threads();
    let _entered = Runtime::tokio(tokio.handle().clone()).enter();
    let id = tokio.handle().id();
    let inside = regatta::run(async { tokio::runtime::Handle::current().id() });
    assert_eq!(inside, id);
}

#[test]
fn run_inside_tokio_main_is_refused() {
    // What `#[tokio::main]` and `#[tokio::test]` expand to.
    for tokio in [one_thread(), two_threads()] {
        let said = tokio.block_on(async { panic_of(|| regatta::run(async {})) });
        assert!(
            said.contains("this thread is inside a tokio runtime"),
            "{said}"
        );
        let said = tokio.block_on(async {
            let _entered = Runtime::current().enter();
            panic_of(|| regatta::run(async {}))
        });
        assert!(
            said.contains("this thread is inside a tokio runtime"),
            "{said}"
        );
    }
}

#[test]
fn a_runtime_that_stops_settles_its_handles() {
    for tokio in [one_thread(), two_threads()] {
        let (gone, started) = (Count::new(), Count::new());
        let runtime = Runtime::tokio(tokio.handle().clone());
        let (guard, up) = (gone.on_drop(), started.clone());
        let task = runtime
            .try_spawn(async move {
                let _guard = guard;
                up.up();
                pending::<()>().await
            })
            .unwrap();
        tokio.block_on(async {
            while started.get() == 0 {
                tokio::task::yield_now().await;
            }
        });
        // Somebody waits on another thread meanwhile.
        let waits = std::thread::spawn(|| futures::executor::block_on(task));
        tokio.shutdown_background();
        assert!(waits.join().unwrap().unwrap_err().is_cancelled());
        assert_eq!(gone.get(), 1);
        // What comes later is refused the same way, and does not hang.
        let late = runtime.try_spawn(async {}).unwrap();
        assert!(
            futures::executor::block_on(late)
                .unwrap_err()
                .is_cancelled()
        );
        let late = runtime.try_spawn_blocking(|| ()).unwrap();
        assert!(
            futures::executor::block_on(late)
                .unwrap_err()
                .is_cancelled()
        );
    }
}

#[test]
fn run_ends_the_tasks_that_are_left() {
    use regatta::runtime::{Flavor, run_on};
    for flavor in [Flavor::TokioCurrent, Flavor::Tokio] {
        let gone = Count::new();
        let guard = gone.on_drop();
        let mut left = None;
        run_on(flavor, async {
            left = Some(spawn(async move {
                let _guard = guard;
                time::sleep(HOUR).await;
            }));
        });
        let task = left.unwrap();
        assert_eq!(gone.get(), 1, "on {flavor}");
        assert!(
            futures::executor::block_on(task)
                .unwrap_err()
                .is_cancelled()
        );
    }
}

#[test]
fn run_waits_for_blocking_closures_that_have_started() {
    use regatta::runtime::{Flavor, run_on};
    let ended = Count::new();
    let up = ended.clone();
    run_on(Flavor::TokioCurrent, async move {
        let (tx, started) = async_channel::bounded(1);
        let (go, may_end) = mpsc::channel::<()>();
        let work = Runtime::current().try_spawn_blocking(move || {
            tx.try_send(()).unwrap();
            // Until its sender is dropped, at the end of this block.
            let _ = may_end.recv();
            up.up();
        });
        started.recv().await.unwrap();
        drop((work, go));
    });
    assert_eq!(ended.get(), 1);
}

#[test]
fn a_look_up_in_a_task_is_not_confused_by_the_task_before() {
    // Handles are remembered per task; another runtime's task on the same thread must not get them.
    let (one, two) = (one_thread(), one_thread());
    for _ in 0..3 {
        for tokio in [&one, &two] {
            let want = tokio.handle().id();
            let got = tokio.block_on(tokio.spawn(async {
                let spawned = || spawn(async { tokio::runtime::Handle::current().id() });
                let first = spawned().await.unwrap();
                drop(Runtime::current());
                (first, spawned().await.unwrap())
            }));
            assert_eq!(got.unwrap(), (want, want));
        }
    }
}

#[test]
fn a_runtime_may_be_dropped_in_a_blocking_closure() {
    // The handle that is remembered in a thread keeps no runtime alive.
    let gone = Count::new();
    let tokio = one_thread();
    let guard = gone.on_drop();
    tokio.block_on(async move {
        let task = spawn(async move {
            let _guard = guard;
            drop(Runtime::current());
            pending::<()>().await
        });
        tokio::task::yield_now().await;
        drop(task);
    });
    drop(tokio);
    assert_eq!(gone.get(), 1);
}
