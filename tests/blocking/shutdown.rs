//! The end of a pool, and what it reports.

use crate::{Gate, LONG, MS};
use regatta::blocking::{self, JobError, ThreadPool};
use regatta::{matrix, time};
use std::time::Duration;

/// P20: drains.
async fn a_shutdown_drains() {
    let pool = ThreadPool::new(4);
    let mut jobs = Vec::new();
    for n in 0..100 {
        jobs.push(pool.submit(move || n).await.unwrap());
    }
    let report = pool.shutdown(Duration::MAX).await;
    assert_eq!((report.completed, report.dropped), (100, 0));
    assert!(report.stuck.is_empty());
    for (n, job) in jobs.into_iter().enumerate() {
        assert!(job.is_finished());
        assert_eq!(job.await.unwrap(), n);
    }
    assert_eq!(pool.stats().workers, 0);
    assert!(pool.is_closed());
}

async fn after_it_jobs_are_refused() {
    let pool = ThreadPool::new(1);
    pool.shutdown(Duration::ZERO).await;
    let refused = pool.submit(|| 9).await.unwrap_err();
    assert_eq!((refused.0)(), 9, "the closure comes back");
    assert!(pool.try_submit(|| 9).is_err());
    assert!(matches!(pool.run(|| 9).await, Err(JobError::Closed)));
}

async fn without_grace_the_queue_is_dropped() {
    let pool = ThreadPool::new(1);
    let (gate, wait) = Gate::new();
    let held = pool.submit(wait).await.unwrap();
    gate.occupied().await;
    let queued = pool.submit(|| ()).await.unwrap();
    let report = pool.shutdown(Duration::ZERO).await;
    assert_eq!((report.completed, report.dropped), (0, 1));
    assert_eq!(report.stuck.len(), 1);
    let line = report.stuck[0].to_string();
    assert!(line.contains("shutdown.rs"), "{line}");
    assert!(matches!(queued.await, Err(JobError::Closed)));
    gate.open();
    held.await.unwrap();
    let report = pool.shutdown(Duration::MAX).await;
    assert_eq!((report.completed, report.stuck.len()), (1, 0));
}

/// A closure that listens ends within the second grace.
async fn what_runs_is_told() {
    let pool = ThreadPool::new(1);
    let (gate, wait) = Gate::new();
    let job = pool.submit(|| {
        wait();
        while !blocking::is_cancelled() {
            std::thread::yield_now();
        }
    });
    let job = job.await.unwrap();
    gate.occupied().await;
    gate.open();
    let quick = pool.shutdown(MS);
    let report = quick.await;
    // It may still be on its way out; then the second call sees it gone.
    let report = if report.stuck.is_empty() {
        report
    } else {
        pool.shutdown(LONG).await
    };
    assert_eq!((report.completed, report.stuck.len()), (1, 0));
    job.await.unwrap();
}

/// Who waits for room learns that there will be none.
async fn waiting_submitters_are_refused() {
    let pool = ThreadPool::builder().max_workers(1).queue(1).build();
    let (gate, wait) = Gate::new();
    let held = pool.submit(wait).await.unwrap();
    gate.occupied().await;
    let queued = pool.submit(|| ()).await.unwrap();
    let (refused, ()) = futures_lite::future::zip(pool.submit(|| ()), async {
        while pool.stats().waiting == 0 {
            time::sleep(MS).await;
        }
        pool.shutdown(Duration::ZERO).await;
    })
    .await;
    assert!(refused.is_err());
    assert!(queued.await.is_err());
    gate.open();
    held.await.unwrap();
}

async fn a_shutdown_that_was_dropped_can_be_repeated() {
    let pool = ThreadPool::new(1);
    let (gate, wait) = Gate::new();
    let held = pool.submit(wait).await.unwrap();
    gate.occupied().await;
    assert!(
        time::timeout(MS, pool.shutdown(Duration::MAX))
            .await
            .is_err()
    );
    gate.open();
    assert_eq!(pool.shutdown(Duration::MAX).await.completed, 1);
    held.await.unwrap();
}

matrix! {
    a_shutdown_drains;
    after_it_jobs_are_refused;
    without_grace_the_queue_is_dropped [tokio_current, tokio_multi, smol];
    what_runs_is_told [tokio_current, tokio_multi, smol];
    waiting_submitters_are_refused [tokio_current, tokio_multi, smol];
    a_shutdown_that_was_dropped_can_be_repeated [tokio_current, tokio_multi, smol];
}
