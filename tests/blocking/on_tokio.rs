//! tokio: its paused clock, and threads that have left it.

use crate::MS;
use regatta::blocking::{CpuPool, Portal, PortalError, ThreadPool};
use regatta::time;
use std::thread;
use std::time::Duration;
use tokio::runtime::Builder;

const HOUR: Duration = Duration::from_secs(3600);

/// As it does for tokio's own `spawn_blocking`.
#[test]
fn a_paused_clock_waits_for_a_closure() {
    let mut builder = Builder::new_current_thread();
    let tokio = builder.enable_time().start_paused(true).build().unwrap();
    tokio.block_on(async {
        let start = tokio::time::Instant::now();
        let (threads, cores) = (ThreadPool::new(1), CpuPool::with_workers(1));
        for n in 0..10 {
            let nap = move || {
                thread::park_timeout(MS * 5);
                n
            };
            let one = time::timeout(HOUR, threads.run(nap)).await;
            assert_eq!(one.unwrap().unwrap(), n);
            let other = time::timeout(HOUR, cores.run_abandonable(nap)).await;
            assert_eq!(other.unwrap().unwrap(), n);
        }
        // Also for one that waits for another.
        let first = threads
            .submit(|| thread::park_timeout(MS * 5))
            .await
            .unwrap();
        let second = threads.submit(|| ()).await.unwrap();
        let both = futures_lite::future::zip(first, second);
        assert!(time::timeout(HOUR, both).await.is_ok());
        assert_eq!(tokio::time::Instant::now(), start);
        // When nothing is under way it goes on.
        time::sleep(HOUR).await;
        assert!(tokio::time::Instant::now() - start >= HOUR);
    });
}

#[test]
fn a_thread_that_has_left_the_runtime_may_call_its_portal() {
    let mut builder = Builder::new_multi_thread();
    let tokio = builder.worker_threads(1).enable_time().build().unwrap();
    let portal = tokio.block_on(async {
        let portal = Portal::current().unwrap();
        let refused = portal.call(|| async {});
        assert!(matches!(refused, Err(PortalError::OnEventLoop)));
        portal
    });
    assert_eq!(portal.call(|| async { 7 }).unwrap(), 7);
    portal.stop().unwrap();
}

/// Nobody drives this one while its thread waits.
#[test]
fn a_thread_that_alone_drives_the_runtime_may_not() {
    let tokio = Builder::new_current_thread().build().unwrap();
    let portal = tokio.block_on(async { Portal::current().unwrap() });
    let refused = portal.call(|| async {});
    assert!(matches!(refused, Err(PortalError::OnEventLoop)));
}
