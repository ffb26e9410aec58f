//! Cases 133 and 135, and what holds of every job.

use super::{HOUR, until};
use futures_lite::future::poll_once;
use regatta::sync::{Event, Semaphore};
use regatta::workers::{JobError, SubmitError, Workers};
use regatta::{cancel, task, time};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Workers whose jobs end when they are given a permit.
fn gated(workers: usize, queue: usize) -> (Workers<u32, u32, Infallible>, Semaphore) {
    let gate = Semaphore::new(0);
    let pass = gate.clone();
    let handler = move |n| {
        let pass = pass.clone();
        async move {
            pass.acquire().await.unwrap().forget();
            Ok(n * 10)
        }
    };
    let workers = Workers::builder(workers, handler).queue(queue);
    (workers.start().unwrap(), gate)
}

// 133
async fn a_submit_waits_while_all_is_full_and_leaves_nothing_when_it_is_dropped() {
    let (workers, gate) = gated(1, 1);
    let first = workers.submit(1).await.unwrap();
    until(|| workers.stats().running == 1).await;
    let second = workers.submit(2).await.unwrap();
    let mut third = workers.submit(3);
    let mut fourth = workers.submit(4);
    assert!(poll_once(&mut third).await.is_none());
    assert!(poll_once(&mut fourth).await.is_none());
    assert_eq!(workers.try_submit(5).unwrap_err(), SubmitError::Full(5));
    drop(third);
    gate.add_permits(3).unwrap();
    assert_eq!(first.await, Ok(10));
    assert_eq!(second.await, Ok(20));
    assert_eq!(fourth.await.unwrap().await, Ok(40));
    workers.join().await;
    let stats = workers.stats();
    assert_eq!((stats.ended.total(), stats.ended.completed), (3, 3));
    assert_eq!((stats.waiting, stats.running, stats.high_water), (0, 0, 1));
}

// 133
async fn after_the_close_jobs_are_handed_back_and_those_inside_run() {
    let (workers, gate) = gated(1, 1);
    let first = workers.submit(1).await.unwrap();
    until(|| workers.stats().running == 1).await;
    let second = workers.submit(2).await.unwrap();
    let mut third = workers.submit(3);
    assert!(poll_once(&mut third).await.is_none());
    workers.close();
    assert!(workers.is_closed());
    assert_eq!(third.await.unwrap_err(), SubmitError::Closed(3));
    assert_eq!(workers.submit(4).await.unwrap_err().into_inner(), 4);
    assert_eq!(workers.try_submit(5).unwrap_err(), SubmitError::Closed(5));
    gate.add_permits(2).unwrap();
    assert_eq!((first.await, second.await), (Ok(10), Ok(20)));
    assert_eq!(workers.stop(HOUR).await.ended.completed, 2);
}

async fn a_job_that_was_not_taken_can_be_had_back() {
    let (workers, gate) = gated(1, 1);
    let first = workers.submit(1).await.unwrap();
    until(|| workers.stats().running == 1).await;
    let second = workers.submit(2).await.unwrap();
    let mut third = workers.submit(3);
    assert!(poll_once(&mut third).await.is_none());
    assert_eq!(third.into_job(), Some(3));
    gate.add_permits(2).unwrap();
    assert_eq!((first.await, second.await), (Ok(10), Ok(20)));
}

// 135: jobs that jobs submit are waited for too.
async fn join_waits_for_jobs_that_jobs_submit() {
    let own: Arc<Mutex<Option<Workers<u32, (), Infallible>>>> = Arc::default();
    let inside = own.clone();
    let done = Arc::new(AtomicUsize::new(0));
    let count = done.clone();
    let handler = move |depth: u32| {
        let (inside, count) = (inside.clone(), count.clone());
        async move {
            futures_lite::future::yield_now().await;
            let workers = inside.lock().unwrap().clone().unwrap();
            for _ in 0..(if depth > 0 { 2 } else { 0 }) {
                drop(workers.submit(depth - 1).await.unwrap());
            }
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    };
    let workers = Workers::builder(3, handler).queue(1000).start().unwrap();
    *own.lock().unwrap() = Some(workers.clone());
    drop(workers.submit(6).await.unwrap());
    workers.join().await;
    assert_eq!(done.load(Ordering::Relaxed), 127);
    assert_eq!(workers.stop(HOUR).await.ended.completed, 127);
    *own.lock().unwrap() = None;
}

// P32: jobs in flight finish on stop, errors are reported, workers survive.
async fn jobs_in_flight_finish_on_stop_and_errors_harm_no_worker() {
    let handler = |n: u32| async move {
        time::sleep(super::MS).await;
        if n.is_multiple_of(3) { Err(n) } else { Ok(n) }
    };
    let workers = Workers::builder(4, handler).queue(64).start().unwrap();
    let mut jobs = Vec::new();
    for n in 0..60 {
        jobs.push(workers.submit(n).await.unwrap());
    }
    let report = workers.stop(HOUR).await;
    assert_eq!((report.ended.completed, report.ended.failed), (40, 20));
    assert!(report.dropped.is_empty() && report.stuck.is_empty());
    for (n, job) in (0..).zip(jobs) {
        assert_eq!(job.id(), u64::from(n));
        let expected = if n % 3 == 0 {
            Err(JobError::Failed(n))
        } else {
            Ok(n)
        };
        assert_eq!(job.await, expected);
    }
}

async fn jobs_begin_in_the_order_in_which_they_came() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let begun = order.clone();
    let handler = move |n: u32| {
        begun.lock().unwrap().push(n);
        async move { Ok::<_, Infallible>(()) }
    };
    let workers = Workers::new(1, handler).unwrap();
    for n in 0..500 {
        drop(workers.submit(n).await.unwrap());
    }
    workers.join().await;
    assert_eq!(*order.lock().unwrap(), (0..500).collect::<Vec<_>>());
}

async fn a_job_runs_outside_the_scopes_of_whoever_submitted_it() {
    let (workers, gate) = gated(1, 1);
    let request = cancel::CancelToken::new();
    #[expect(clippy::async_yields_async, reason = "the handle is what is wanted")]
    let job = request.run(async { workers.submit(1).await.unwrap() });
    let mut job = job.await.unwrap();
    until(|| workers.stats().running == 1).await;
    request.cancel();
    assert!(poll_once(&mut job).await.is_none());
    gate.add_permits(1).unwrap();
    assert_eq!(job.await, Ok(10));
}

async fn many_submitters_share_the_workers() {
    let workers = Workers::new(3, |n: u64| async move { Ok::<_, Infallible>(n) }).unwrap();
    let sum = task::task_group(async |g| {
        let submitters: Vec<_> = (0..8)
            .map(|part| {
                let workers = workers.clone();
                g.spawn(
                    async move {
                        let mut sum = 0;
                        for n in 0..100 {
                            let job = workers.submit(part * 100 + n).await.unwrap();
                            sum += job.await.unwrap();
                        }
                        sum
                    }
                    .into_ok(),
                )
            })
            .collect();
        let mut sum = 0;
        for submitter in submitters {
            sum += submitter.await;
        }
        Ok::<_, Infallible>(sum)
    });
    assert_eq!(sum.await.unwrap(), 799 * 800 / 2);
    assert_eq!(workers.stats().ended.completed, 800);
}

async fn a_cancelled_job_that_waits_never_runs_and_its_handle_knows_at_once() {
    let (workers, gate) = gated(1, 2);
    let first = workers.submit(1).await.unwrap();
    until(|| workers.stats().running == 1).await;
    let second = workers.submit(2).await.unwrap();
    let third = workers.submit(3).await.unwrap();
    second.cancel_with("changed my mind");
    assert!(second.is_finished() && !third.is_finished());
    let end = second.await;
    assert_eq!(end, Err(JobError::Cancelled("changed my mind".into())));
    gate.add_permits(2).unwrap();
    assert_eq!((first.await, third.await), (Ok(10), Ok(30)));
    workers.join().await;
    let ended = workers.stats().ended;
    assert_eq!((ended.completed, ended.cancelled), (2, 1));
}

async fn a_cancelled_job_that_runs_has_its_cleanup() {
    let cleaned = Event::new();
    let cleans = cleaned.clone();
    let handler = move |()| {
        let cleans = cleans.clone();
        cancel::finally(
            std::future::pending::<Result<(), Infallible>>(),
            async move {
                futures_lite::future::yield_now().await;
                cleans.set();
            },
        )
    };
    let workers = Workers::new(1, handler).unwrap();
    let job = workers.submit(()).await.unwrap();
    until(|| workers.stats().running == 1).await;
    job.cancel();
    assert_eq!(
        job.await,
        Err(JobError::Cancelled(cancel::Reason::Requested))
    );
    assert!(cleaned.is_set());
    // The worker is free again.
    let next = workers.submit(()).await.unwrap();
    until(|| workers.stats().running == 1).await;
    drop(next.cancel_on_drop());
    workers.join().await;
    assert_eq!(workers.stats().ended.cancelled, 2);
}

/// A child of a group that cannot fail, with a value.
trait IntoOk: Future + Sized {
    fn into_ok(self) -> impl Future<Output = Result<Self::Output, Infallible>> + Send
    where
        Self: Send,
        Self::Output: Send,
    {
        async move { Ok(self.await) }
    }
}

impl<F: Future> IntoOk for F {}

regatta::matrix! {
    a_submit_waits_while_all_is_full_and_leaves_nothing_when_it_is_dropped;
    after_the_close_jobs_are_handed_back_and_those_inside_run;
    a_job_that_was_not_taken_can_be_had_back;
    join_waits_for_jobs_that_jobs_submit;
    jobs_in_flight_finish_on_stop_and_errors_harm_no_worker;
    jobs_begin_in_the_order_in_which_they_came;
    a_job_runs_outside_the_scopes_of_whoever_submitted_it;
    many_submitters_share_the_workers;
    a_cancelled_job_that_waits_never_runs_and_its_handle_knows_at_once;
    a_cancelled_job_that_runs_has_its_cleanup;
}
