//! Bad input: each is refused with the value and the fix, or has a documented outcome.

use super::{HOUR, MS};
use regatta::workers::{JobError, SubmitError, Workers};
use regatta::{Runtime, time};
use std::convert::Infallible;
use std::time::Duration;

async fn double(n: u32) -> Result<u32, Infallible> {
    Ok(n * 2)
}

#[test]
#[should_panic(expected = "0 workers would never do a job: use at least 1")]
fn no_workers_at_all() {
    let _ = Workers::builder(0, double);
}

#[test]
#[should_panic(expected = "a queue for 0 jobs could never take one: use at least 1")]
fn a_queue_of_nothing() {
    let _ = Workers::builder(1, double).queue(0);
}

#[test]
#[should_panic(expected = "a job timeout of 0s lets no job wait for anything")]
fn a_timeout_of_nothing() {
    let _ = Workers::builder(1, double).job_timeout(Duration::ZERO);
}

#[test]
fn no_runtime_says_what_to_enable() {
    let _here = Runtime::neutral().enter();
    let refused = Workers::new(1, double).unwrap_err().to_string();
    assert!(
        refused.starts_with("no async runtime to spawn on"),
        "{refused}"
    );
}

#[test]
fn errors_name_the_fix_and_hand_the_job_back() {
    let texts = [
        (
            SubmitError::Closed(7),
            "the workers are closed: they take no more jobs",
        ),
        (
            SubmitError::GaveUp(7),
            "the workers gave up: more jobs panicked than Restart::AtMost allows",
        ),
        (
            SubmitError::Full(7),
            "as many jobs wait as the workers' queue holds",
        ),
        (
            SubmitError::Elapsed(7),
            "the queue of the workers stayed full for the whole time limit",
        ),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
        assert_eq!(error.into_inner(), 7);
    }
    let failed = JobError::Failed("disk full").to_string();
    assert_eq!(failed, "the job failed: disk full");
}

async fn resizing_to_none() {
    Workers::new(1, double).unwrap().resize(0);
}

async fn a_timeout_without_end_is_none() {
    let workers = Workers::builder(1, double)
        .job_timeout(Duration::MAX)
        .start()
        .unwrap();
    assert_eq!(workers.submit(4).await.unwrap().await, Ok(8));
    let limited = workers.submit_timeout(Duration::MAX, 5).await.unwrap();
    assert_eq!(limited.await, Ok(10));
    assert_eq!(workers.stop(Duration::MAX).await.ended.completed, 2);
}

async fn a_submit_with_a_timeout_of_zero_takes_what_room_there_is() {
    let workers = Workers::new(1, |_: u32| async {
        time::sleep(HOUR).await;
        Ok::<_, Infallible>(())
    })
    .unwrap();
    let first = workers.submit_timeout(Duration::ZERO, 1).await.unwrap();
    super::until(|| workers.stats().running == 1).await;
    let second = workers.submit_timeout(Duration::ZERO, 2).await.unwrap();
    let refused = workers.submit_timeout(Duration::ZERO, 3).await.unwrap_err();
    assert_eq!(refused, SubmitError::Elapsed(3));
    let refused = workers.submit_timeout(MS, 4).await.unwrap_err();
    assert_eq!(refused, SubmitError::Elapsed(4));
    drop((first.cancel_on_drop(), second.cancel_on_drop()));
    workers.join().await;
}

async fn a_handle_outlives_the_workers() {
    let workers = Workers::builder(1, |()| std::future::pending::<Result<(), Infallible>>())
        .queue(4)
        .start()
        .unwrap();
    let running = workers.submit(()).await.unwrap();
    super::until(|| workers.stats().running == 1).await;
    let waiting = workers.submit(()).await.unwrap();
    drop(workers);
    assert_eq!(waiting.await, Err(JobError::NeverRan));
    assert!(matches!(running.await, Err(JobError::Cancelled(_))));
}

async fn a_hundred_thousand_jobs_may_wait() {
    let workers = Workers::builder(2, double)
        .queue(regatta::queue::UNBOUNDED)
        .start()
        .unwrap();
    let jobs: Vec<_> = (0..100_000)
        .map(|n| workers.try_submit(n).unwrap())
        .collect();
    let mut sum = 0;
    for job in jobs {
        sum += u64::from(job.await.unwrap());
    }
    assert_eq!(sum, 99_999 * 100_000);
}

regatta::matrix! {
    #[should_panic(expected = "0 workers would never do a job")] resizing_to_none;
    a_timeout_without_end_is_none;
    a_submit_with_a_timeout_of_zero_takes_what_room_there_is;
    a_handle_outlives_the_workers;
    a_hundred_thousand_jobs_may_wait [sim_once, tokio_current, tokio_multi, smol];
}
