//! Both features at once: neither excludes the other.

use crate::ambient::name;
use crate::ground::{MS, panic_of, spawn};
use regatta::runtime::{Flavor, run_on};
use regatta::{Runtime, time};

#[test]
fn one_runtime_can_be_used_from_the_other() {
    run_on(Flavor::Tokio, async {
        let there = Runtime::smol().try_spawn(async {
            time::sleep(MS).await;
            name()
        });
        assert_eq!(there.unwrap().await.unwrap(), "smol");
        let start = Runtime::smol().now();
        Runtime::smol().sleep(MS).await;
        Runtime::smol().within(time::sleep(MS)).await;
        assert!(Runtime::smol().now() - start >= 2 * MS);
        assert_eq!(name(), "tokio");
        let tokio = Runtime::current();
        let back = Runtime::smol().within(async move {
            let task = spawn(async move { tokio.try_spawn(async { name() }).unwrap().await });
            task.await.unwrap().unwrap()
        });
        assert_eq!(back.await, "tokio");
    });
}

#[test]
fn entering_one_inside_the_other_does_not_let_run_through() {
    run_on(Flavor::Tokio, async {
        let _entered = Runtime::smol().enter();
        let said = panic_of(|| regatta::run(async {}));
        assert!(
            said.contains("regatta::run inside a running runtime"),
            "{said}"
        );
    });
}

#[test]
fn a_local_set_that_smol_polls_is_on_smol_with_its_timers_too() {
    // A thread of its own, which has never been in a context of tokio's.
    let names = std::thread::spawn(|| {
        let local = tokio::task::LocalSet::new();
        smol::block_on(local.run_until(async {
            let task = tokio::task::spawn_local(async {
                time::sleep(MS).await;
                let late = time::timeout(MS, std::future::pending::<()>()).await;
                assert!(late.is_err());
                name()
            });
            (name(), task.await.unwrap())
        }))
    });
    assert_eq!(names.join().unwrap(), ("smol", "smol"));
}
