//! `gather`, `as_completed`, `wait` and races: section F of the conformance cases, on every runtime.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "gather/ending.rs"]
mod ending;
#[path = "gather/general.rs"]
mod general;
#[path = "gather/races.rs"]
mod races;

use futures_lite::StreamExt;
use regatta::runtime::BoxFuture;
use regatta::sync::Event;
use regatta::task::{
    self, ErrorGroup, Progress, When, as_completed, gather, race, race_ok, staggered_race,
};
use regatta::{cancel, testing, time};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

async fn after<T>(ms: u32, value: T) -> T {
    time::sleep(MS * ms).await;
    value
}

/// Counts itself as running while it lives.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Running(count.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

// 90
async fn results_come_in_the_order_of_the_futures() {
    let values = gather([9, 1, 5].map(|n| after(n, Ok::<_, Infallible>(n)))).await;
    assert_eq!(values.unwrap(), [9, 1, 5]);
    let none: [std::future::Ready<Result<u8, Infallible>>; 0] = [];
    assert!(gather(none).await.unwrap().is_empty());
    let spawned = gather([9, 1, 5].map(|n| after(n, Ok::<_, Infallible>(n))))
        .on_runtime()
        .await;
    assert_eq!(spawned.unwrap(), [9, 1, 5]);
}

// 91, DIV: like AnyIO, the siblings are cancelled and joined.
async fn the_first_error_cancels_and_joins_the_others() {
    let running = Arc::new(AtomicUsize::new(0));
    let cleaned = Arc::new(AtomicUsize::new(0));
    let jobs = (0..5).map(|n| {
        let (running, cleaned) = (running.clone(), cleaned.clone());
        async move {
            let _running = Running::new(&running);
            if n == 2 {
                return after(2, Err("boom")).await;
            }
            let tidy = async move {
                time::sleep(MS).await;
                cleaned.fetch_add(1, SeqCst);
            };
            cancel::finally(pending::<Result<u32, &str>>(), tidy).await
        }
    });
    let jobs: Vec<_> = jobs.collect();
    let errors = gather(jobs).await.unwrap_err();
    assert_eq!(errors.iter().collect::<Vec<_>>(), [&"boom"]);
    assert_eq!(running.load(SeqCst), 0);
    assert_eq!(
        cleaned.load(SeqCst),
        4,
        "their cleanup ran before gather returned"
    );
}

async fn an_error_on_the_runtime_cancels_the_others() {
    let running = Arc::new(AtomicUsize::new(0));
    let jobs: Vec<_> = (0..5)
        .map(|n| {
            let running = running.clone();
            async move {
                let _running = Running::new(&running);
                if n == 2 {
                    after(2, Err("boom")).await
                } else {
                    pending::<Result<u32, &str>>().await
                }
            }
        })
        .collect();
    let errors = gather(jobs).on_runtime().await.unwrap_err();
    assert_eq!(errors.to_string(), "1 task failed: boom");
    assert_eq!(running.load(SeqCst), 0);
}

/// Errors that come while the rest is being cancelled are kept too.
async fn an_error_during_cleanup_is_kept() {
    let jobs: Vec<BoxFuture<'static, Result<(), &str>>> = vec![
        Box::pin(async { after(1, Err("first")).await }),
        Box::pin(async { cancel::shield(after(4, Err("second"))).await }),
    ];
    let errors = gather(jobs).await.unwrap_err();
    assert_eq!(errors.into_iter().collect::<Vec<_>>(), ["first", "second"]);
}

// 92
async fn settled_waits_for_all_and_keeps_every_outcome() {
    let jobs = [Ok(1), Err("no"), Ok(3)].map(|r| after(2, r));
    assert_eq!(gather(jobs).settled().await, [Ok(1), Err("no"), Ok(3)]);
    let jobs = [Ok(1), Err("no"), Ok(3)].map(|r| after(2, r));
    assert_eq!(
        gather(jobs).settled().on_runtime().await.unwrap(),
        [Ok(1), Err("no"), Ok(3)]
    );
}

// 93: also when outcomes are collected.
async fn cancelling_a_gather_cancels_what_is_unfinished() {
    for on_runtime in [false, true] {
        let running = Arc::new(AtomicUsize::new(0));
        let jobs: Vec<_> = (0..4)
            .map(|n| {
                let running = running.clone();
                async move {
                    let _running = Running::new(&running);
                    if n > 0 {
                        pending::<()>().await
                    }
                }
            })
            .collect();
        let plan = gather(jobs).settled();
        let work = async {
            if on_runtime {
                drop(plan.on_runtime().await);
            } else {
                plan.await;
            }
        };
        let late = time::timeout(MS * 3, work).await;
        assert!(late.is_err());
        assert_eq!(running.load(SeqCst), 0);
    }
}

async fn never_more_than_the_limit_run_at_once() {
    for on_runtime in [false, true] {
        let running = Arc::new(AtomicUsize::new(0));
        let peak = Arc::new(AtomicUsize::new(0));
        let jobs: Vec<_> = (0..30u32)
            .map(|n| {
                let (running, peak) = (running.clone(), peak.clone());
                async move {
                    let _running = Running::new(&running);
                    peak.fetch_max(running.load(SeqCst), SeqCst);
                    if n % 3 == 0 {
                        time::sleep(MS).await;
                    } else {
                        futures_lite::future::yield_now().await;
                    }
                    Ok::<_, Infallible>(n)
                }
            })
            .collect();
        let plan = gather(jobs).limit(4);
        let values = if on_runtime {
            plan.on_runtime().await
        } else {
            plan.await
        };
        assert_eq!(values.unwrap(), (0..30).collect::<Vec<_>>());
        let peak = peak.load(SeqCst);
        assert!((2..=4).contains(&peak), "{peak} ran at once");
    }
}

async fn progress_counts_every_end_and_knows_the_total() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let jobs = [3, 1, 2].map(|n| after(n, n));
    gather(jobs)
        .settled()
        .progress(move |p| log.lock().unwrap().push(p))
        .await;
    let seen = seen.lock().unwrap().clone();
    assert_eq!(
        seen,
        [1, 2, 3].map(|done| Progress {
            done,
            total: Some(3)
        })
    );
}

/// Only what a limit lets in is drawn from the iterator.
async fn the_iterator_is_drawn_as_slots_get_free() {
    let drawn = Arc::new(AtomicUsize::new(0));
    let counter = drawn.clone();
    let jobs = (0..100u32).map(move |n| {
        counter.fetch_add(1, SeqCst);
        async move { if n < 2 { pending::<u32>().await } else { n } }
    });
    let late = time::timeout(
        MS * 2,
        std::future::IntoFuture::into_future(gather(jobs).settled().limit(2)),
    )
    .await;
    assert!(late.is_err());
    assert_eq!(drawn.load(SeqCst), 2);
}

/// Tasks go on with the next future by themselves: an error must keep all of them from it.
async fn on_the_runtime_nothing_is_drawn_after_an_error() {
    for limit in [1, 3] {
        let drawn = Arc::new(AtomicUsize::new(0));
        let counter = drawn.clone();
        let jobs = (0..10_000u32).map(move |n| {
            counter.fetch_add(1, SeqCst);
            // The others end on their own right after it.
            async move {
                if n < 5 {
                    return Ok(n);
                }
                futures_lite::future::yield_now().await;
                Err(n)
            }
        });
        let errors = gather(jobs).limit(limit).on_runtime().await.unwrap_err();
        assert!((1..=limit).contains(&errors.into_iter().count()));
        let drawn = drawn.load(SeqCst);
        assert!((6..=5 + limit).contains(&drawn), "{drawn} drawn");
    }
}

/// Nobody else draws from an iterator that has panicked.
async fn a_panic_of_the_iterator_goes_on_in_the_caller() {
    let jobs = (0..100u32).map(|n| {
        assert!(n != 7, "no future number {n}");
        after(1, Ok::<_, Infallible>(n))
    });
    drop(gather(jobs).limit(3).on_runtime().await);
}

/// A task that finds one ready future after the other still gives way.
async fn ready_futures_on_the_runtime_let_others_run() {
    let turns = Arc::new(AtomicUsize::new(0));
    let counter = turns.clone();
    task::task_group(async move |g: task::TaskGroup<'static, Infallible>| {
        g.service(async move {
            loop {
                counter.fetch_add(1, SeqCst);
                futures_lite::future::yield_now().await;
            }
        });
        let jobs = (0..100_000u32).map(async |n| n);
        let values = gather(jobs).limit(2).settled().on_runtime().await.unwrap();
        assert_eq!(values, (0..100_000).collect::<Vec<_>>());
        Ok(())
    })
    .await
    .unwrap();
    let turns = turns.load(SeqCst);
    assert!(turns > 40, "the other task ran {turns} times");
}

// 95
async fn wait_gives_the_finished_and_leaves_the_pending() {
    let all = task::task_group(async |g| {
        let mut tasks: Vec<_> = [8, 1, 4].map(|n| g.spawn(after(n, Ok(n)))).into();
        let mut order = Vec::new();
        let first = task::wait(&mut tasks, When::FirstCompleted).await;
        assert!(!first.is_empty() && tasks.len() + first.len() == 3);
        for task in first {
            order.push(task.await);
        }
        // The pending ones went on, and can be waited for again.
        for task in task::wait(&mut tasks, When::All).await {
            order.push(task.await);
        }
        assert!(tasks.is_empty());
        order.sort();
        // With nothing to wait for it returns at once.
        assert!(task::wait(&mut tasks, When::FirstError).await.is_empty());
        Ok::<_, Infallible>(order)
    });
    assert_eq!(all.await.unwrap(), [1, 4, 8]);
}

// 95: everything already finished is in the first answer.
async fn wait_takes_all_that_have_finished() {
    task::task_group(async |g| {
        let mut tasks: Vec<_> = (0..3)
            .map(|n| g.spawn(async move { Ok::<_, Infallible>(n) }))
            .collect();
        tasks.push(g.spawn(async {
            pending::<()>().await;
            Ok(9)
        }));
        let done: Vec<_> = task::wait(&mut tasks, When::FirstCompleted).await;
        let mut count = done.len();
        while count < 3 {
            count += task::wait(&mut tasks, When::FirstCompleted).await.len();
        }
        assert_eq!(tasks.len(), 1);
        g.cancel_children();
        Ok(())
    })
    .await
    .unwrap();
}

async fn wait_for_the_first_error_ignores_values() {
    task::task_group(async |g| {
        g.on_failure(task::OnFailure::Collect);
        let mut tasks = vec![
            g.spawn(after(1, Ok(1))),
            g.spawn(after(3, Err("no"))),
            g.spawn(async { pending::<Result<i32, &str>>().await }),
        ];
        let done = task::wait(&mut tasks, When::FirstError).await;
        // The value was due first, but perhaps on a slower thread.
        assert!((1..=2).contains(&done.len()));
        let mut failed = done.into_iter().map(|mut task| task.try_outcome());
        assert!(failed.any(|outcome| matches!(outcome, Some(Err(_)))));
        g.cancel_children();
        Ok(())
    })
    .await
    .map_err(|e: ErrorGroup<&str>| assert_eq!(e.into_first(), Some("no")))
    .unwrap_err();
}

// 97
async fn outputs_come_in_the_order_of_completion() {
    let jobs = [8, 1, 4].map(|n| after(n, n));
    let order: Vec<_> = as_completed(jobs).indexed().collect().await;
    assert_eq!(order.len(), 3);
    let places: BTreeSet<_> = order.iter().copied().collect();
    assert_eq!(places, BTreeSet::from([(0, 8), (1, 1), (2, 4)]));
}

// 97, exact order: virtual time only.
async fn completion_order_is_exact_in_virtual_time() {
    let jobs = [8, 1, 4].map(|n| after(n, n));
    assert_eq!(
        as_completed(jobs).indexed().collect::<Vec<_>>().await,
        [(1, 1), (2, 4), (0, 8)]
    );
    let jobs = [8, 1, 4].map(|n| after(n, n));
    assert_eq!(
        as_completed(jobs).limit(1).collect::<Vec<_>>().await,
        [8, 1, 4]
    );
    assert_eq!(testing::now(), MS * (8 + 13));
}

// 97, DIV: like AnyIO, leaving early cancels the rest.
async fn dropping_the_stream_drops_the_rest() {
    let running = Arc::new(AtomicUsize::new(0));
    let jobs = (0..3u32).map(|n| {
        let running = running.clone();
        async move {
            let _running = Running::new(&running);
            futures_lite::future::yield_now().await;
            if n == 1 { n } else { pending().await }
        }
    });
    let mut stream = as_completed(jobs.collect::<Vec<_>>());
    assert_eq!(stream.next().await, Some(1));
    assert_eq!(running.load(SeqCst), 2);
    drop(stream);
    assert_eq!(running.load(SeqCst), 0);
}

async fn a_race_gives_the_first_and_cleans_up_the_losers() {
    let cleaned = Arc::new(AtomicUsize::new(0));
    let runners = [30, 2, 40].map(|n| {
        let cleaned = cleaned.clone();
        async move {
            let tidy = async move {
                time::sleep(MS).await;
                cleaned.fetch_add(1, SeqCst);
            };
            cancel::on_cancel(after(n * 100, n), tidy).await
        }
    });
    assert_eq!(race(runners).await, 2);
    assert_eq!(cleaned.load(SeqCst), 2);
}

async fn a_lent_loser_goes_on() {
    // On a busy machine a later timer may be due in the same moment.
    let over = Event::new();
    let runner = |name, wait: Option<&Event>| {
        let wait = wait.cloned();
        async move {
            match wait {
                Some(event) => event.wait().await,
                None => time::sleep(MS).await,
            }
            name
        }
    };
    let (mut a, mut b) = (pin!(runner("a", None)), pin!(runner("b", Some(&over))));
    assert_eq!(race([a.as_mut(), b.as_mut()]).await, "a");
    over.set();
    assert_eq!(b.await, "b");
}

#[test]
#[should_panic(expected = "race: there is no future to run")]
fn a_race_of_nobody_is_refused() {
    testing::run(async || race(Vec::<std::future::Ready<()>>::new()).await);
}

async fn the_first_success_wins_and_errors_count_only_when_all_fail() {
    let won = race_ok([Err("a"), Ok(1), Err("b")].map(|r| after(2, r))).await;
    assert_eq!(won.ok(), Some(1));
    let lost = race_ok([(1, "first"), (5, "second")].map(|(n, e)| after(n, Err::<(), _>(e)))).await;
    assert_eq!(
        lost.unwrap_err().into_iter().collect::<Vec<_>>(),
        ["first", "second"]
    );
}

// 98, exact: the next starter begins on delay or on the previous failure.
async fn staggered_starts_are_exact_in_virtual_time() {
    let started = Arc::new(Mutex::new(Vec::new()));
    let starter = |work: u32, result: Result<&'static str, &'static str>| {
        let started = started.clone();
        move || {
            started.lock().unwrap().push(testing::now());
            after(work, result)
        }
    };
    // Slow; fails at once; slow; wins. Starts: 0, 250, 250 (after the failure), 500.
    let list = [
        starter(9000, Ok("slow")),
        starter(0, Err("refused")),
        starter(9000, Ok("slow")),
        starter(10, Ok("won")),
    ];
    assert_eq!(staggered_race(MS * 250, list).await.unwrap(), "won");
    assert_eq!(testing::now(), MS * 510);
    assert_eq!(
        *started.lock().unwrap(),
        [0, 250, 250, 500].map(|ms| MS * ms)
    );
}

// 98
async fn a_staggered_race_that_nobody_wins_gives_every_error() {
    let starters = ["a", "b", "c"].map(|e| move || after(1, Err::<(), _>(e)));
    let errors = staggered_race(MS * 20, starters).await.unwrap_err();
    assert_eq!(errors.into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    type Never = std::future::Ready<Result<(), ()>>;
    let nobody: [fn() -> Never; 0] = [];
    assert!(staggered_race(MS, nobody).await.unwrap_err().is_empty());
}

// 98: the losers are cancelled and joined.
async fn a_staggered_winner_waits_for_the_cleanup_of_the_losers() {
    let cleaned = Arc::new(AtomicUsize::new(0));
    let starters = [200, 1].map(|n| {
        let cleaned = cleaned.clone();
        move || {
            cancel::on_cancel(after(n * 10, Ok::<_, ()>(n)), async move {
                time::sleep(MS).await;
                cleaned.fetch_add(1, SeqCst);
            })
        }
    });
    assert_eq!(staggered_race(MS, starters).await.unwrap(), 1);
    assert_eq!(cleaned.load(SeqCst), 1);
}

#[test]
#[should_panic(expected = "gather(..).limit(0): no future would ever run; use at least 1")]
fn a_gather_of_none_at_a_time_is_refused() {
    drop(gather([async {}]).limit(0));
}

#[test]
#[should_panic(expected = "as_completed(..).limit(0)")]
fn a_stream_of_none_at_a_time_is_refused() {
    drop(as_completed([async {}]).limit(0));
}

/// A panic goes on in the caller, and the others are dropped.
async fn a_panic_in_a_gathered_future_goes_on_in_the_caller() {
    let jobs = [0, 1].map(|n| async move {
        if n == 1 {
            panic!("kaboom");
        }
        pending::<()>().await
    });
    gather(jobs).settled().await;
}

/// A future that never stops waking itself does not starve the one that holds the gather.
async fn an_eager_future_lets_the_others_run() {
    let busy = async {
        loop {
            futures_lite::future::yield_now().await;
        }
    };
    let plan = std::future::IntoFuture::into_future(gather([busy]).settled());
    assert!(time::timeout(MS * 3, plan).await.is_err());
}

regatta::matrix! {
    results_come_in_the_order_of_the_futures;
    the_first_error_cancels_and_joins_the_others;
    an_error_on_the_runtime_cancels_the_others;
    an_error_during_cleanup_is_kept;
    settled_waits_for_all_and_keeps_every_outcome;
    cancelling_a_gather_cancels_what_is_unfinished;
    never_more_than_the_limit_run_at_once;
    progress_counts_every_end_and_knows_the_total [sim];
    the_iterator_is_drawn_as_slots_get_free;
    on_the_runtime_nothing_is_drawn_after_an_error;
    #[should_panic(expected = "no future number 7")] a_panic_of_the_iterator_goes_on_in_the_caller;
    ready_futures_on_the_runtime_let_others_run [sim, tokio_current, smol];
    wait_gives_the_finished_and_leaves_the_pending;
    wait_takes_all_that_have_finished;
    wait_for_the_first_error_ignores_values;
    outputs_come_in_the_order_of_completion;
    completion_order_is_exact_in_virtual_time [sim];
    dropping_the_stream_drops_the_rest;
    a_race_gives_the_first_and_cleans_up_the_losers;
    a_lent_loser_goes_on;
    the_first_success_wins_and_errors_count_only_when_all_fail;
    staggered_starts_are_exact_in_virtual_time [sim];
    a_staggered_race_that_nobody_wins_gives_every_error;
    a_staggered_winner_waits_for_the_cleanup_of_the_losers;
    #[should_panic(expected = "kaboom")] a_panic_in_a_gathered_future_goes_on_in_the_caller;
    an_eager_future_lets_the_others_run [tokio_current, tokio_multi, smol];
}
