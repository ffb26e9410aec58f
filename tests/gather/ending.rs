//! How a `gather` or `as_completed` ends: never with a part of a result, never silently, never while something of it is
//! left.

use futures_lite::FutureExt;
use regatta::cancel::{self, CancelToken, Reason};
use regatta::task::{Progress, as_completed, gather};
use regatta::{testing, time};
use std::convert::Infallible;
use std::future::{IntoFuture, pending};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

async fn yields(times: usize) {
    for _ in 0..times {
        futures_lite::future::yield_now().await;
    }
}

/// `n` jobs, the second of which cancels `token` when it ends.
fn jobs(
    n: usize,
    token: &CancelToken,
) -> impl Iterator<Item: Future<Output = Result<usize, Infallible>> + Send> + Send + 'static {
    let token = token.clone();
    (0..n).map(move |i| {
        let token = token.clone();
        async move {
            yields(i % 2).await;
            if i == 1 {
                token.cancel();
            }
            Ok(i)
        }
    })
}

/// All of it, or none.
async fn a_cancelled_gather_on_the_runtime_gives_no_part_of_its_results() {
    for round in 0..30 {
        let (n, limit) = (2 + round % 7, 1 + round % 3);
        let token = CancelToken::new();
        let all = token
            .run(
                gather(jobs(n, &token))
                    .limit(limit)
                    .on_runtime()
                    .into_future(),
            )
            .await;
        match all {
            Ok(all) => assert_eq!(all.unwrap().len(), n),
            Err(end) => assert_eq!(end.reason(), &Reason::Requested),
        }
        let token = CancelToken::new();
        let settled = gather(jobs(n, &token)).limit(limit).settled().on_runtime();
        match token.run(settled.into_future()).await {
            Ok(all) => assert_eq!(all.unwrap().len(), n),
            Err(end) => assert_eq!(end.reason(), &Reason::Requested),
        }
    }
}

/// The report: jobs that compute, under a timeout.
async fn a_gather_of_computing_jobs_is_late_or_whole() {
    let jobs = (0..40).map(|i| async move {
        #[expect(clippy::disallowed_methods, reason = "it computes")]
        std::thread::sleep(MS);
        Ok::<_, Infallible>(i)
    });
    let all = gather(jobs).limit(2).on_runtime().into_future();
    if let Ok(all) = time::timeout(MS * 8, all).await {
        assert_eq!(all.unwrap().len(), 40);
    }
}

/// While one of them cleans up, no other begins: in place, on the runtime, and as a stream.
async fn nothing_starts_for_a_caller_that_is_cancelled() {
    for how in 0..4 {
        let started = Arc::new(AtomicUsize::new(0));
        let (counter, token, after) = (started.clone(), CancelToken::new(), CancelToken::new());
        let goes_on = after.clone();
        let cleaned = Arc::new(AtomicUsize::new(0));
        let done = cleaned.clone();
        let jobs = (0..20).map(move |i| {
            let (counter, done, after) = (counter.clone(), done.clone(), after.clone());
            async move {
                counter.fetch_add(1, SeqCst);
                if i == 0 {
                    let cleanup = async {
                        time::sleep(MS * 30).await;
                        done.fetch_add(1, SeqCst);
                    };
                    cancel::finally(pending::<()>(), cleanup).await;
                }
                after.cancelled().await;
                Ok::<_, Infallible>(i)
            }
        });
        let canceller = token.clone();
        let work = async {
            match how {
                0 => drop(gather(jobs).limit(2).await),
                1 => drop(gather(jobs).limit(2).settled().await),
                2 => drop(gather(jobs).limit(2).on_runtime().await),
                _ => {
                    let mut outputs = as_completed(jobs.map(Box::pin)).limit(2);
                    while outputs.next().await.is_some() {}
                }
            }
        };
        let work = async {
            let cancels = async {
                time::sleep(MS * 2).await;
                canceller.cancel();
                goes_on.cancel();
                pending::<()>().await
            };
            work.or(cancels).await;
        };
        assert!(token.run(work).await.is_err());
        assert_eq!(cleaned.load(SeqCst), 1, "{how}");
        let started = started.load(SeqCst);
        assert!(started <= 2, "{how}: {started} have started");
    }
}

/// In a grace the work may go on, but nothing new begins, and a part of the results is none.
#[test]
fn in_a_grace_nothing_new_starts() {
    for on_runtime in [false, true] {
        testing::run(async move || {
            let started = Arc::new(AtomicUsize::new(0));
            let counter = started.clone();
            let jobs = (0..9).map(move |i| {
                let counter = counter.clone();
                async move {
                    counter.fetch_add(1, SeqCst);
                    time::sleep(MS * 10).await;
                    Ok::<_, Infallible>(i)
                }
            });
            let token = CancelToken::new();
            let plan = gather(jobs).limit(3);
            let work = async {
                if on_runtime {
                    plan.on_runtime().await
                } else {
                    plan.await
                }
            };
            let canceller = token.clone();
            let cancels = async move {
                time::sleep(MS * 5).await;
                canceller.cancel();
            };
            let (end, ()) = futures::join!(token.run_graceful(MS * 100, work), cancels);
            assert!(end.is_err());
            assert_eq!(started.load(SeqCst), 3);
        });
    }
}

/// A panic of one: the others are cancelled and waited for, it goes on in the caller, and nothing waits for ever after
/// that.
async fn a_panic_in_a_gather_waits_for_the_cleanup_of_the_others() {
    for settled in [false, true] {
        let cleaned = Arc::new(AtomicUsize::new(0));
        let jobs = [0, 1, 2].map(|i| {
            let cleaned = cleaned.clone();
            async move {
                if i == 1 {
                    yields(2).await;
                    panic!("the second");
                }
                let cleanup = async {
                    time::sleep(MS).await;
                    cleaned.fetch_add(1, SeqCst);
                };
                cancel::finally(pending::<()>(), cleanup).await;
                Ok::<_, Infallible>(i)
            }
        });
        let panic = if settled {
            let mut all = pin!(gather(jobs).settled().into_future());
            let panic = caught(all.as_mut()).await.unwrap_err();
            assert!(caught(all).await.is_err(), "it has ended");
            panic
        } else {
            caught(gather(jobs).into_future()).await.unwrap_err()
        };
        assert_eq!(panic, "the second");
        assert_eq!(cleaned.load(SeqCst), 2);
    }
}

async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
    AssertUnwindSafe(future)
        .catch_unwind()
        .await
        .map_err(|p| match p.downcast::<String>() {
            Ok(text) => *text,
            Err(p) => p.downcast_ref::<&str>().unwrap().to_string(),
        })
}

/// Who catches the panic of one gets the outputs of all others.
async fn after_a_panic_the_other_outputs_come() {
    for limit in [1, 2, 9] {
        let jobs = (0..6).map(|i| {
            Box::pin(async move {
                yields(i % 3).await;
                assert!(i != 2 && i != 3, "no {i}");
                i
            })
        });
        let mut outputs = as_completed(jobs).limit(limit);
        let (mut seen, mut panics) = (Vec::new(), 0);
        loop {
            match caught(outputs.next()).await {
                Ok(Some(output)) => seen.push(output),
                Ok(None) => break,
                Err(_) => panics += 1,
            }
        }
        seen.sort_unstable();
        assert_eq!((seen.as_slice(), panics), ([0, 1, 4, 5].as_slice(), 2));
    }
}

/// The observer and the iterator are the user's, too.
async fn a_panic_beside_the_futures_ends_a_gather_as_well() {
    let jobs = || (0..6).map(async |i| i);
    let observer = |p: Progress| assert!(p.done != 3, "three");
    let end = caught(gather(jobs()).settled().progress(observer).into_future()).await;
    assert_eq!(end.unwrap_err(), "three");
    let broken = (0..6).map(|i| {
        assert!(i != 4, "four");
        async move { i }
    });
    let end = caught(gather(broken).limit(1).settled().into_future()).await;
    assert_eq!(end.unwrap_err(), "four");
}

/// The tasks are on a runtime that ends: an error says so, and nothing panics.
#[cfg(feature = "tokio")]
#[test]
fn a_settled_gather_whose_runtime_stops_says_so() {
    use regatta::Runtime;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let here = Runtime::tokio(runtime.handle().clone());
    let started = Arc::new(AtomicUsize::new(0));
    let counter = started.clone();
    let waits = std::thread::spawn(move || {
        let jobs = (0..4).map(move |_| {
            let counter = counter.clone();
            async move {
                counter.fetch_add(1, SeqCst);
                pending::<u8>().await
            }
        });
        let all = gather(jobs).settled().on_runtime().into_future();
        futures_lite::future::block_on(here.within(all))
    });
    while started.load(SeqCst) < 4 {
        std::thread::yield_now();
    }
    runtime.shutdown_timeout(Duration::from_secs(20));
    assert_eq!(
        waits.join().unwrap().unwrap_err().reason(),
        &Reason::Shutdown
    );
}

regatta::matrix! {
    a_cancelled_gather_on_the_runtime_gives_no_part_of_its_results;
    a_gather_of_computing_jobs_is_late_or_whole [tokio_current, tokio_multi, smol];
    nothing_starts_for_a_caller_that_is_cancelled;
    a_panic_in_a_gather_waits_for_the_cleanup_of_the_others;
    after_a_panic_the_other_outputs_come;
    a_panic_beside_the_futures_ends_a_gather_as_well;
}
