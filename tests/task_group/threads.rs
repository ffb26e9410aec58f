//! Real threads beside a group, and children that keep theirs.

use crate::support::{Count, MS, pending, sleep, yield_now};
use regatta::cancel::Reason;
use regatta::task::{TaskGroup, scope, task_group};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

type Free = TaskGroup<'static, Infallible>;

/// Spawns from a plain thread, hands the value back to the body.
async fn spawns_from_a_thread(g: Free) -> Result<u32, Infallible> {
    let (tx, rx) = futures::channel::oneshot::channel();
    let threads_own = g.clone();
    let thread = std::thread::spawn(move || {
        let handles: Vec<_> = (0..100)
            .map(|i| {
                threads_own.spawn(async move {
                    yield_now().await;
                    Ok(i)
                })
            })
            .collect();
        // The group still has its body.
        tx.send(handles).unwrap();
    });
    let mut sum = 0;
    for handle in rx.await.unwrap() {
        sum += handle.await;
    }
    thread.join().unwrap();
    Ok(sum)
}

async fn a_plain_thread_may_spawn_through_a_clone() {
    assert_eq!(task_group(spawns_from_a_thread).await.unwrap(), 4950);
    assert_eq!(scope(spawns_from_a_thread).await.unwrap(), 4950);
}

async fn a_plain_thread_may_cancel_a_child_and_the_group() {
    for in_place in [true, false] {
        let body = async |g: Free| {
            let canceller = g.clone();
            let child = g.spawn(async {
                pending::<()>().await;
                Ok(())
            });
            let thread = std::thread::spawn(move || {
                child.cancel_with("by a thread");
                canceller.cancel_with("all of it");
                child
            });
            // However the two race, the child ends.
            drop(thread);
            pending::<Result<(), Infallible>>().await
        };
        let ended = if in_place {
            scope(body).await
        } else {
            task_group(body).await
        };
        assert_eq!(
            ended.unwrap_err().cancelled(),
            Some(&Reason::from("all of it"))
        );
    }
}

/// Never yields until it is let go.
async fn spins(let_go: Arc<AtomicBool>, spinning: Arc<AtomicBool>, alive: Count) {
    let _alive = alive.one();
    spinning.store(true, SeqCst);
    while !let_go.load(SeqCst) {
        std::hint::spin_loop();
    }
}

async fn the_close_deadline_names_a_child_that_never_yields() {
    let (let_go, spinning) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let alive = Count::default();
    let ended = task_group::<(), Infallible, _, _>(async |g| {
        g.close_within(MS * 5);
        drop(
            g.named("busy")
                .spawn(spins(let_go.clone(), spinning.clone(), alive.clone())),
        );
        while !spinning.load(SeqCst) {
            sleep(1).await;
        }
        g.cancel();
        pending().await
    })
    .await;
    let ended = ended.unwrap_err();
    assert_eq!(ended.stragglers(), ["task `busy`"]);
    assert_eq!(
        ended.to_string(),
        "cancelled: requested, not ended in time: task `busy`"
    );
    assert_eq!(alive.get(), 1);
    let_go.store(true, SeqCst);
    while alive.get() > 0 {
        sleep(1).await;
    }
}

// The host on this thread, the child on one of the runtime's.
regatta::__with_smol! {
    #[test]
    fn the_close_deadline_names_a_child_that_never_yields_on_smol() {
        regatta::run_on(regatta::runtime::Flavor::Smol, the_close_deadline_names_a_child_that_never_yields());
    }
}

regatta::__with_tokio! {
    #[test]
    fn the_close_deadline_names_a_child_that_never_yields_on_tokio() {
        regatta::run_on(regatta::runtime::Flavor::Tokio, the_close_deadline_names_a_child_that_never_yields());
    }

    #[test]
    fn a_tokio_runtime_that_is_dropped_under_a_group_ends_it() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let alive = Count::default();
        let there = regatta::Runtime::tokio(runtime.handle().clone());
        let counted = alive.clone();
        let mut host = Box::pin(there.within(task_group(async |g: Free| {
            for _ in 0..3 {
                let one = counted.one();
                drop(g.spawn(async move {
                    let _one = one;
                    pending::<()>().await;
                }));
            }
            pending::<Result<(), Infallible>>().await
        })));
        assert!(futures::FutureExt::now_or_never(host.as_mut()).is_none());
        drop(runtime);
        let ended = futures::executor::block_on(host).unwrap_err();
        assert_eq!(ended.cancelled(), Some(&Reason::Shutdown));
        assert_eq!(alive.get(), 0);

        // And one that is gone before anything is spawned.
        let ended = futures::executor::block_on(on_a_runtime_that_is_gone());
        assert_eq!(ended.unwrap_err().cancelled(), Some(&Reason::Shutdown));
    }

    async fn on_a_runtime_that_is_gone() -> Result<(), regatta::task::ErrorGroup<Infallible>> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let gone = regatta::Runtime::tokio(runtime.handle().clone());
        runtime.shutdown_background();
        let group = task_group(async |g: Free| {
            drop(g.spawn(pending::<Result<(), Infallible>>()));
            pending().await
        });
        gone.within(group).await
    }
}

regatta::matrix! {
    a_plain_thread_may_spawn_through_a_clone [tokio_current, tokio_multi, smol];
    a_plain_thread_may_cancel_a_child_and_the_group [tokio_current, tokio_multi, smol];
    the_close_deadline_names_a_child_that_never_yields [tokio_multi];
}
