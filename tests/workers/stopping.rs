//! The end: in time, too late, in the middle, and not at all.

use super::{HOUR, MS, until};
use futures_lite::future::poll_once;
use regatta::workers::{JobError, Workers};
use regatta::{cancel, testing, time};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

type Sleepers = Workers<Duration, (), Infallible>;

fn sleepers(workers: usize) -> Sleepers {
    let handler = |d| async move {
        time::sleep(d).await;
        Ok(())
    };
    Workers::builder(workers, handler)
        .queue(10)
        .start()
        .unwrap()
}

// 135
async fn what_does_not_end_in_time_is_cancelled_and_what_waits_is_handed_back() {
    let workers = sleepers(1);
    let running = workers.submit(HOUR).await.unwrap();
    until(|| workers.stats().running == 1).await;
    let waiting = workers.submit(MS).await.unwrap();
    let cancelled = workers.submit(2 * MS).await.unwrap();
    cancelled.cancel();
    let last = workers.submit(3 * MS).await.unwrap();
    let report = workers.stop(5 * MS).await;
    assert_eq!(
        running.await,
        Err(JobError::Cancelled(cancel::Reason::Shutdown))
    );
    assert_eq!(waiting.await, Err(JobError::NeverRan));
    assert_eq!(last.await, Err(JobError::NeverRan));
    assert_eq!(report.dropped, [MS, 3 * MS]);
    assert_eq!((report.ended.cancelled, report.ended.never_ran), (2, 2));
    assert_eq!((report.ended.total(), report.stuck.len()), (4, 0));
}

// 135: also shields are dropped when they take too long, and are reported.
async fn a_job_that_resists_is_named_and_dropped() {
    let dropped = Arc::new(AtomicBool::new(false));
    let told = dropped.clone();
    let handler = move |()| {
        let told = told.clone();
        cancel::shield(async move {
            let _tells = Tells(told);
            std::future::pending::<Result<(), Infallible>>().await
        })
    };
    let workers = Workers::builder(1, handler)
        .cleanup_within(5 * MS)
        .start()
        .unwrap();
    let job = workers.submit(()).await.unwrap();
    until(|| workers.stats().running == 1).await;
    let report = workers.stop(5 * MS).await;
    assert_eq!(report.stuck.len(), 1);
    assert_eq!(report.stuck[0].job, job.id());
    assert!(report.stuck[0].running >= 10 * MS);
    // It is dropped all the same, and its handle says so.
    assert!(matches!(job.await, Err(JobError::Cancelled(_))));
    until(|| dropped.load(Ordering::SeqCst)).await;
}

struct Tells(Arc<AtomicBool>);

impl Drop for Tells {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

async fn cleanup_has_its_time() {
    let workers = Workers::new(1, |()| {
        cancel::finally(std::future::pending::<Result<(), Infallible>>(), async {
            time::sleep(20 * MS).await;
        })
    })
    .unwrap();
    let job = workers.submit(()).await.unwrap();
    until(|| workers.stats().running == 1).await;
    let report = workers.stop(Duration::ZERO).await;
    assert!(report.stuck.is_empty());
    assert_eq!(report.ended.cancelled, 1);
    assert!(job.is_finished());
}

async fn a_stop_that_is_dropped_can_be_repeated() {
    let workers = sleepers(1);
    let running = workers.submit(HOUR).await.unwrap();
    until(|| workers.stats().running == 1).await;
    let waiting = workers.submit(MS).await.unwrap();
    {
        let mut stop = pin!(workers.stop(HOUR));
        assert!(poll_once(&mut stop).await.is_none());
    }
    assert!(workers.is_closed() && !running.is_finished());
    let again = workers.stop(Duration::ZERO).await;
    assert_eq!(again.dropped, [MS]);
    assert!(running.is_finished() && waiting.is_finished());
    assert_eq!(workers.stop(Duration::ZERO).await.dropped, []);
}

async fn workers_that_have_nothing_to_do_stop_at_once() {
    let report = sleepers(9).stop(Duration::MAX).await;
    assert_eq!(report.ended.total(), 0);
}

async fn the_last_handle_takes_everything_with_it() {
    let workers = sleepers(2);
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(workers.submit(HOUR).await.unwrap());
    }
    until(|| workers.stats().running == 2).await;
    drop(workers.clone());
    assert!(!jobs[0].is_finished());
    drop(workers);
    let mut never_ran = 0;
    for job in jobs {
        match job.await {
            Err(JobError::NeverRan) => never_ran += 1,
            Err(JobError::Cancelled(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(never_ran, 3);
}

async fn exact_times_of_a_stop() {
    let start = testing::now();
    let workers = sleepers(2);
    for seconds in [5, 10, 1] {
        drop(workers.submit(Duration::from_secs(seconds)).await.unwrap());
    }
    let report = workers.stop(Duration::from_secs(60)).await;
    assert_eq!(report.ended.completed, 3);
    assert_eq!(testing::now() - start, Duration::from_secs(10));
}

#[test]
fn a_runtime_that_stops_leaves_no_handle_waiting() {
    let config = testing::Config::new(0);
    let left = testing::run_with(config, async || {
        let workers = sleepers(1);
        let job = workers.submit(HOUR).await.unwrap();
        testing::settle().await;
        let waiting = workers.submit(MS).await.unwrap();
        (workers, job, waiting)
    });
    let (workers, job, waiting) = left.value.unwrap();
    let mut job = pin!(job);
    let ended = futures_lite::future::block_on(poll_once(&mut job));
    assert!(matches!(ended, Some(Err(JobError::Cancelled(_)))));
    assert!(
        !waiting.is_finished(),
        "it is in the queue, and could be had back"
    );
    drop(workers);
    assert!(waiting.is_finished());
}

regatta::matrix! {
    what_does_not_end_in_time_is_cancelled_and_what_waits_is_handed_back;
    a_job_that_resists_is_named_and_dropped;
    cleanup_has_its_time;
    a_stop_that_is_dropped_can_be_repeated;
    workers_that_have_nothing_to_do_stop_at_once;
    the_last_handle_takes_everything_with_it;
    exact_times_of_a_stop [sim];
}
