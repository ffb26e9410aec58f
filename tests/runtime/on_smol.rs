//! smol: its global executor.

use crate::ground::{MS, panic_of, spawn};
use regatta::runtime::{Flavor, run_on};
use regatta::time;

#[test]
fn run_on_smols_executor_threads_is_refused() {
    let said = smol::block_on(smol::spawn(async {
        panic_of(|| run_on(Flavor::Smol, async {}))
    }));
    assert!(said.contains("one of smol's executor threads"), "{said}");
    let said = smol::block_on(smol::spawn(async { panic_of(|| regatta::run(async {})) }));
    assert!(
        said.contains("regatta::run inside a running runtime"),
        "{said}"
    );
}

#[test]
fn a_task_on_smol_outlives_run() {
    let (tx, rx) = async_channel::bounded(1);
    run_on(Flavor::Smol, async {
        drop(spawn(async move {
            time::sleep(5 * MS).await;
            tx.send("after").await.unwrap();
        }));
    });
    assert_eq!(rx.recv_blocking(), Ok("after"));
}
