//! The end: in time, too late, in the middle, and not at all.

use super::{HOUR, MS, until};
use futures_lite::future::poll_once;
use regatta::workers::{JobError, Shutdown, Workers};
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
    let report = workers.stop(Shutdown::after(5 * MS).cleanup(HOUR)).await;
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
    let workers = Workers::new(1, handler).unwrap();
    let job = workers.submit(()).await.unwrap();
    until(|| workers.stats().running == 1).await;
    let how = Shutdown::after(5 * MS).cleanup(5 * MS);
    let report = workers.stop(how).await;
    assert_eq!((report.stuck.len(), report.ended.total()), (1, 0));
    assert_eq!(report.stuck[0].job, job.id());
    assert!(report.stuck[0].running >= 10 * MS);
    // It is dropped all the same, and its handle says so.
    assert!(matches!(job.await, Err(JobError::Cancelled(_))));
    until(|| dropped.load(Ordering::SeqCst)).await;
}

/// Whoever looks, and however often: what is there when the time is over is named, and counts as that alone.
async fn a_job_that_can_never_end_is_always_named() {
    for _ in 0..20 {
        let never = |()| cancel::shield(std::future::pending::<Result<(), Infallible>>());
        let workers = Workers::new(2, never).unwrap();
        let jobs = [
            workers.submit(()).await.unwrap(),
            workers.submit(()).await.unwrap(),
        ];
        until(|| workers.stats().running == 2).await;
        let report = workers.stop(Shutdown::now().cleanup(MS)).await;
        let mut stuck: Vec<_> = report.stuck.iter().map(|stuck| stuck.job).collect();
        stuck.sort_unstable();
        assert_eq!((stuck, report.ended.total()), (vec![0, 1], 0));
        for job in jobs {
            assert!(matches!(job.await, Err(JobError::Cancelled(_))));
        }
        let again = workers.stop(Duration::ZERO).await;
        assert_eq!((again.stuck.len(), again.ended.total()), (2, 0));
    }
}

async fn endless_jobs_are_asked_at_once() {
    let workers = sleepers(3);
    for _ in 0..3 {
        drop(workers.submit(Duration::MAX).await.unwrap());
    }
    until(|| workers.stats().running == 3).await;
    let start = testing::now();
    let report = workers.stop(Shutdown::now().cleanup(HOUR)).await;
    assert_eq!((report.ended.cancelled, report.stuck.len()), (3, 0));
    assert_eq!(testing::now(), start);
}

async fn a_stop_never_takes_longer_than_was_said() {
    let never = |()| cancel::shield(std::future::pending::<Result<(), Infallible>>());
    let workers = Workers::new(1, never).unwrap();
    drop(workers.submit(()).await.unwrap());
    let start = testing::now();
    assert_eq!(workers.stop(HOUR).await.stuck.len(), 1);
    assert_eq!(testing::now() - start, HOUR);
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
    let report = workers.stop(Shutdown::now().cleanup(HOUR)).await;
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
    let again = workers.stop(Shutdown::now().cleanup(HOUR)).await;
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

regatta::matrix! {
    what_does_not_end_in_time_is_cancelled_and_what_waits_is_handed_back;
    a_job_that_resists_is_named_and_dropped;
    a_job_that_can_never_end_is_always_named;
    endless_jobs_are_asked_at_once [sim];
    a_stop_never_takes_longer_than_was_said [sim];
    cleanup_has_its_time;
    a_stop_that_is_dropped_can_be_repeated;
    workers_that_have_nothing_to_do_stop_at_once;
    the_last_handle_takes_everything_with_it;
    exact_times_of_a_stop [sim];
}
