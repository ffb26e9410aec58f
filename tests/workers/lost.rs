//! A runtime that ends under its workers.

use super::{HOUR, MS, until};
use futures_lite::future::{block_on, poll_once};
use regatta::runtime::{Flavor, run_on};
use regatta::workers::{Job, JobError, SubmitError, Workers};
use regatta::{testing, time};
use std::convert::Infallible;
use std::pin::pin;
use std::thread;
use std::time::Duration;

type Sleepers = Workers<Duration, (), Infallible>;

fn sleepers() -> Sleepers {
    let handler = |d| async move {
        time::sleep(d).await;
        Ok(())
    };
    Workers::new(1, handler).unwrap()
}

/// The runtime may drop a worker that was given a job and has not been polled since.
#[test]
fn a_job_that_was_given_to_a_worker_which_is_gone_is_told() {
    let (workers, jobs) = testing::run(async || {
        let workers = sleepers();
        workers.submit(MS).await.unwrap().await.unwrap();
        let mut jobs = Vec::new();
        for _ in 0..2 {
            // The first goes to the worker, which waits for it; the other one into the queue.
            jobs.push(workers.submit(HOUR).await.unwrap());
        }
        assert_eq!(workers.stats().running, 0);
        (workers, jobs)
    });
    for job in jobs {
        assert_eq!(block_on(job), Err(JobError::NeverRan));
    }
    assert_eq!(workers.stats().ended.never_ran, 2);
}

struct Left {
    workers: Sleepers,
    running: Job<(), Infallible>,
    waiting: Job<(), Infallible>,
    submits: thread::JoinHandle<Option<SubmitError<Duration>>>,
    joins: thread::JoinHandle<()>,
}

/// Everything that can wait does, when the runtime ends.
async fn full() -> Left {
    let workers = sleepers();
    let running = workers.submit(HOUR).await.unwrap();
    until(|| workers.stats().running == 1).await;
    let waiting = workers.submit(MS).await.unwrap();
    let (submitter, joiner) = (workers.clone(), workers.clone());
    Left {
        workers,
        running,
        waiting,
        submits: thread::spawn(move || block_on(submitter.submit(2 * MS)).err()),
        joins: thread::spawn(move || block_on(joiner.join())),
    }
}

fn everybody_is_told(left: Left) {
    let Left {
        workers,
        running,
        waiting,
        submits,
        joins,
    } = left;
    assert!(workers.is_closed());
    assert!(matches!(block_on(running), Err(JobError::Cancelled(_))));
    assert_eq!(block_on(waiting), Err(JobError::NeverRan));
    assert_eq!(
        submits.join().unwrap(),
        Some(SubmitError::RuntimeEnded(2 * MS))
    );
    joins.join().unwrap();
    let refused = block_on(workers.submit(3 * MS)).unwrap_err();
    assert_eq!(refused, SubmitError::RuntimeEnded(3 * MS));
    assert!(refused.to_string().contains("has ended"), "{refused}");
    assert!(workers.try_submit(4 * MS).is_err());
    workers.resize(3);
    let report = block_on(workers.stop(HOUR));
    assert_eq!(report.dropped, [MS]);
    assert_eq!((report.ended.cancelled, report.ended.never_ran), (1, 1));
    assert!(report.stuck.is_empty());
}

#[test]
fn whoever_waits_for_workers_is_told_when_tokio_ends() {
    for flavor in [Flavor::Tokio, Flavor::TokioCurrent] {
        if flavor.is_available() {
            everybody_is_told(run_on(flavor, full()));
        }
    }
}

#[test]
fn whoever_waits_for_workers_is_told_when_a_simulation_ends() {
    let config = testing::Config::new(0);
    let left = testing::run_with(config, async || {
        let workers = sleepers();
        let running = workers.submit(HOUR).await.unwrap();
        testing::settle().await;
        let waiting = workers.submit(MS).await.unwrap();
        (workers, running, waiting)
    });
    let (workers, running, waiting) = left.value.unwrap();
    let mut running = pin!(running);
    let ended = block_on(poll_once(&mut running));
    assert!(matches!(ended, Some(Err(JobError::Cancelled(_)))));
    assert_eq!(block_on(waiting), Err(JobError::NeverRan));
    block_on(workers.join());
    let refused = block_on(workers.submit(MS)).unwrap_err();
    assert_eq!(refused, SubmitError::RuntimeEnded(MS));
    assert_eq!(block_on(workers.stop(HOUR)).dropped, [MS]);
}
