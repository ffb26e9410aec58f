//! Cases 126, 127 and 129: what a cancelled caller does to its closure, and what the closure sees.

use crate::{Gate, LONG, MS};
use regatta::blocking::{self, JobError, ThreadPool};
use regatta::cancel::{self, CancelToken, Reason};
use regatta::{Runtime, matrix, testing, time};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;

/// 126: cancelled before it starts, it never runs, and its place in the queue is free at once.
async fn cancelled_before_the_start_it_never_runs() {
    let pool = ThreadPool::new(1);
    let (gate, wait) = Gate::new();
    let held = pool.submit(wait).await.unwrap();
    gate.occupied().await;
    let ran = Arc::new(AtomicUsize::new(0));
    let count = || {
        let ran = ran.clone();
        move || ran.fetch_add(1, SeqCst)
    };
    assert!(time::timeout(MS * 2, pool.run(count())).await.is_err());
    let left = time::timeout(MS * 2, pool.run_abandonable(count())).await;
    assert!(left.is_err());
    let job = pool.submit(count()).await.unwrap();
    job.cancel();
    assert!(matches!(job.await, Err(JobError::Cancelled)));
    assert_eq!(pool.stats().queued, 0);
    gate.open();
    held.await.unwrap();
    let report = pool.shutdown(LONG).await;
    assert_eq!((report.completed, report.cancelled), (1, 3));
    assert_eq!(ran.load(SeqCst), 0);
}

/// 126, 127: cancelled while it runs, the caller waits, and the value comes first.
async fn cancelled_while_it_runs_the_caller_waits() {
    let pool = ThreadPool::new(1);
    let (gate, wait) = Gate::new();
    let token = CancelToken::new();
    let mut after = false;
    let caller = token.run(async {
        let value = pool
            .run(move || {
                wait();
                7
            })
            .await;
        // The value was delivered; this is the next suspension.
        after = true;
        time::sleep(LONG).await;
        value
    });
    let canceller = async {
        gate.occupied().await;
        token.cancel_with("enough");
        time::sleep(MS * 5).await;
        assert_eq!(pool.stats().running, 1);
        gate.open();
    };
    let (ended, ()) = futures_lite::future::zip(caller, canceller).await;
    assert_eq!(*ended.unwrap_err().reason(), Reason::Other("enough".into()));
    assert!(after);
    assert_eq!(pool.shutdown(LONG).await.completed, 1);
}

async fn a_value_that_is_all_of_it_is_kept() {
    let pool = ThreadPool::new(1);
    let (gate, wait) = Gate::new();
    let token = CancelToken::new();
    let caller = token.run(pool.run(wait));
    let canceller = async {
        gate.occupied().await;
        token.cancel();
        time::sleep(MS * 2).await;
        gate.open();
    };
    let (ended, ()) = futures_lite::future::zip(caller, canceller).await;
    ended.unwrap().unwrap();
}

/// 126, 129: in abandon mode the caller leaves; the thread goes on, is told, and keeps its place.
async fn an_abandoned_closure_goes_on_and_is_told() {
    let pool = ThreadPool::new(1);
    let (told, tell) = mpsc::channel();
    let (gate, wait) = Gate::new();
    let late = time::timeout(
        MS * 10,
        pool.run_abandonable(move || {
            wait();
            while !blocking::is_cancelled() {
                std::thread::yield_now();
            }
            told.send(cancel::check().unwrap_err().reason().clone())
                .unwrap();
        }),
    );
    assert!(late.await.is_err());
    assert_eq!(pool.stats().running, 1, "the place is taken until it ends");
    gate.open();
    let next = pool.run(|| "next").await.unwrap();
    assert_eq!(next, "next");
    assert!(matches!(tell.try_recv().unwrap(), Reason::Deadline(_)));
}

/// 129: whoever is cancelled, the closure can know, and why.
async fn a_running_closure_sees_the_cancellation() {
    let pool = ThreadPool::new(1);
    let (gate, wait) = Gate::new();
    let token = CancelToken::new();
    let caller = token.run(pool.run(move || {
        let before = blocking::is_cancelled();
        wait();
        while !blocking::is_cancelled() {
            std::thread::yield_now();
        }
        (before, cancel::current().reason())
    }));
    let canceller = async {
        gate.occupied().await;
        gate.open();
        token.cancel_with("stop");
    };
    let (ended, ()) = futures_lite::future::zip(caller, canceller).await;
    let (before, reason) = ended.unwrap().unwrap();
    assert!(!before);
    assert_eq!(reason, Some(Reason::Other("stop".into())));
    // The next job starts with a clean sheet.
    assert!(!pool.run(blocking::is_cancelled).await.unwrap());
}

async fn the_deadline_of_the_caller_is_known_inside() {
    let pool = ThreadPool::new(1);
    let (outside, inside) = time::timeout(LONG, async {
        let inside = pool.run(cancel::deadline).await.unwrap();
        (cancel::deadline(), inside)
    })
    .await
    .unwrap();
    assert!(outside.is_some() && outside == inside);
}

/// A foreign drop cannot wait: it tells the closure.
async fn a_foreign_drop_tells_the_closure() {
    let pool = ThreadPool::new(1);
    let (gate, wait) = Gate::new();
    let (ended, end) = mpsc::channel();
    let mut run = Box::pin(pool.run(move || {
        wait();
        while !blocking::is_cancelled() {
            std::thread::yield_now();
        }
        ended.send(()).unwrap();
    }));
    futures_lite::future::poll_once(&mut run).await;
    gate.occupied().await;
    drop(run);
    gate.open();
    assert_eq!(pool.shutdown(LONG).await.completed, 1);
    end.try_recv().unwrap();
}

matrix! {
    cancelled_before_the_start_it_never_runs [tokio_current, tokio_multi, smol];
    cancelled_while_it_runs_the_caller_waits [tokio_current, tokio_multi, smol];
    a_value_that_is_all_of_it_is_kept [tokio_current, tokio_multi, smol];
    an_abandoned_closure_goes_on_and_is_told [tokio_current, tokio_multi, smol];
    a_running_closure_sees_the_cancellation [tokio_current, tokio_multi, smol];
    the_deadline_of_the_caller_is_known_inside;
    a_foreign_drop_tells_the_closure [tokio_current, tokio_multi, smol];
}

/// 126 in virtual time: the job has a latency before it starts, and the deadline is shorter or longer; under every schedule it either ran and
/// gave its value, or never ran.
#[test]
fn in_virtual_time_it_happened_or_it_did_not() {
    let (mut ran, mut not) = (0, 0);
    for seed in 0..400 {
        let happened = testing::run_with(testing::Config::swarm(seed), async || {
            let pool = ThreadPool::new(1);
            let count = Arc::new(AtomicUsize::new(0));
            let counter = count.clone();
            let ended = time::timeout(MS * 2, pool.run(move || counter.fetch_add(1, SeqCst))).await;
            testing::settle().await;
            Runtime::current().sleep(MS * 20).await;
            assert_eq!(count.load(SeqCst) == 1, ended.is_ok());
            ended.is_ok()
        });
        if happened.unwrap() {
            ran += 1
        } else {
            not += 1
        }
    }
    assert!(ran > 20 && not > 20, "{ran} {not}");
}
