//! Both features at once: neither excludes the other.

use crate::ambient::name;
use crate::ground::{MS, panic_of, spawn};
use regatta::runtime::{Flavor, run_on};
use regatta::{Runtime, time};

#[test]
fn outside_tokio_smol_is_chosen_and_inside_it_tokio() {
    assert_eq!(name(), "smol");
    let tokio = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert_eq!(tokio.block_on(async { name() }), "tokio");
    assert_eq!(name(), "smol");
}

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
