//! The pool's decisions in virtual time: every interleaving of a small program, and the order of jobs under every seed.

use regatta::blocking::ThreadPool;
use regatta::testing::{explore_all, settle, yield_now};
use regatta::{Runtime, testing};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Log = Arc<Mutex<Vec<usize>>>;

fn spawn<F>(future: F) -> regatta::runtime::JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    Runtime::current().try_spawn(future).unwrap()
}

/// One worker and room for one: two who run a closure, one who gives up on submitting, and a shutdown that comes in between.
#[test]
fn every_interleaving_runs_each_job_once_or_hands_it_back() {
    for shut in [false, true] {
        let report = explore_all(2_000_000, || async move {
            let pool = ThreadPool::builder().max_workers(1).queue(1).build();
            let ran: Arc<AtomicUsize> = Arc::default();
            let job = || {
                let ran = ran.clone();
                move || {
                    ran.fetch_add(1, SeqCst);
                }
            };
            let runs = [job(), job()].map(|job| {
                let pool = pool.clone();
                spawn(async move { pool.run(job).await.is_ok() })
            });
            let gives_up = {
                let (pool, job) = (pool.clone(), job());
                spawn(async move {
                    let submits = async { pool.submit(job).await.is_ok() };
                    let leaves = async {
                        yield_now().await;
                        false
                    };
                    futures_lite::future::or(submits, leaves).await
                })
            };
            let mut dropped = 0;
            if shut {
                dropped = pool.shutdown(Duration::ZERO).await.dropped as usize;
            }
            let mut done = 0;
            for run in runs {
                done += usize::from(run.await.unwrap());
            }
            let submitted = usize::from(gives_up.await.unwrap());
            settle().await;
            let report = pool.shutdown(Duration::MAX).await;
            let ran = ran.load(SeqCst);
            assert_eq!(report.completed as usize, ran);
            assert!(report.stuck.is_empty());
            if shut {
                // What was submitted and not waited for is the only one that may be dropped unseen.
                assert!(
                    (done..=done + submitted).contains(&ran) && dropped <= 3,
                    "{report:?}"
                );
            } else {
                assert_eq!((done, ran), (2, 2 + submitted));
            }
            let stats = pool.stats();
            assert_eq!(
                (stats.queued, stats.running, stats.waiting, stats.workers),
                (0, 0, 0, 0)
            );
        });
        report.unwrap();
        assert!(report.complete && report.runs > 10, "{report}");
    }
}

/// With room for one: where there is room for more, a job that comes later may be taken before one that was let in and has not got there yet.
#[test]
fn jobs_run_in_the_order_of_arrival_under_every_seed() {
    testing::check(3_000, || async {
        let pool = ThreadPool::builder().max_workers(1).queue(1).build();
        let (arrived, ran) = (Log::default(), Log::default());
        let tasks: Vec<_> = (0..6)
            .map(|who| {
                let (pool, arrived, ran) = (pool.clone(), arrived.clone(), ran.clone());
                spawn(async move {
                    for turn in 0..3 {
                        arrived.lock().unwrap().push(who * 10 + turn);
                        let ran = ran.clone();
                        let job = pool.submit(move || ran.lock().unwrap().push(who * 10 + turn));
                        drop(job.await.unwrap());
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        pool.shutdown(Duration::MAX).await;
        assert_eq!(*arrived.lock().unwrap(), *ran.lock().unwrap());
    });
}
