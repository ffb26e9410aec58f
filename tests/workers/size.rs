//! How many jobs run at once, also while that changes.

use super::{HOUR, MS};
use regatta::time;
use regatta::workers::Workers;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Waits until `reached`, and lets virtual time pass meanwhile.
async fn until(mut reached: impl FnMut() -> bool) {
    while !reached() {
        time::sleep(MS / 10).await;
    }
}

/// How many jobs run, and the most there were.
#[derive(Default)]
struct Load {
    now: AtomicUsize,
    peak: AtomicUsize,
}

fn loaded(workers: usize, load: &Arc<Load>) -> Workers<(), (), Infallible> {
    let load = load.clone();
    let handler = move |()| {
        let load = load.clone();
        async move {
            load.peak
                .fetch_max(load.now.fetch_add(1, SeqCst) + 1, SeqCst);
            time::sleep(MS).await;
            load.now.fetch_sub(1, SeqCst);
            Ok(())
        }
    };
    Workers::builder(workers, handler)
        .queue(1000)
        .start()
        .unwrap()
}

async fn bring(workers: &Workers<(), (), Infallible>, jobs: usize) {
    for _ in 0..jobs {
        drop(workers.submit(()).await.unwrap());
    }
}

async fn no_more_jobs_run_than_there_are_workers() {
    let load = Arc::default();
    let workers = loaded(3, &load);
    bring(&workers, 100).await;
    workers.join().await;
    assert_eq!((load.peak.load(SeqCst), load.now.load(SeqCst)), (3, 0));
}

async fn more_workers_start_at_once_and_fewer_end_after_their_job() {
    let load = Arc::default();
    let workers = loaded(1, &load);
    bring(&workers, 300).await;
    workers.resize(8);
    until(|| load.now.load(SeqCst) == 8).await;
    workers.resize(2);
    until(|| workers.stats().workers == 2).await;
    load.peak.store(0, SeqCst);
    until(|| workers.stats().waiting == 0).await;
    assert!(load.peak.load(SeqCst) <= 2);
    workers.join().await;
    let stats = workers.stats();
    assert_eq!((stats.ended.completed, stats.workers), (300, 2));
}

async fn idle_workers_leave_when_there_are_too_many() {
    let load = Arc::default();
    let workers = loaded(50, &load);
    until(|| workers.stats().workers == 50).await;
    workers.resize(1);
    until(|| workers.stats().workers == 1).await;
    bring(&workers, 3).await;
    workers.join().await;
    assert_eq!(load.peak.load(SeqCst), 1);
}

async fn resizing_after_the_end_does_nothing() {
    let load = Arc::default();
    let workers = loaded(2, &load);
    assert!(workers.stop(HOUR).await.stuck.is_empty());
    workers.resize(9);
    until(|| workers.stats().workers == 0).await;
}

async fn resizing_back_and_forth_loses_no_job() {
    let load = Arc::default();
    let workers = loaded(4, &load);
    for size in [1, 7, 2, 9, 1, 3] {
        bring(&workers, 20).await;
        workers.resize(size);
        futures_lite::future::yield_now().await;
    }
    workers.join().await;
    assert_eq!(workers.stats().ended.completed, 120);
    until(|| workers.stats().workers == 3).await;
}

regatta::matrix! {
    no_more_jobs_run_than_there_are_workers;
    more_workers_start_at_once_and_fewer_end_after_their_job;
    idle_workers_leave_when_there_are_too_many;
    resizing_after_the_end_does_nothing;
    resizing_back_and_forth_loses_no_job;
}
