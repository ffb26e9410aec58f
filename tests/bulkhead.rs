//! `bulkhead`: places, the line, refusals, waiting limits, adaptive limits.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "bulkhead/adaptive.rs"]
mod adaptive;
#[path = "support/in_a_row.rs"]
mod in_a_row;
#[path = "bulkhead/statics.rs"]
mod statics;
#[path = "bulkhead/yields.rs"]
mod yields;

use futures_lite::future::{poll_once, yield_now};
use regatta::bulkhead::{Aimd, Bulkhead, CallError, Gradient};
use regatta::testing::now;
use regatta::{task, time};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, IntoFuture, pending, ready};
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

async fn no_more_run_than_may_and_all_have_their_turn() {
    let bulkhead = Bulkhead::new(3, 100);
    let (running, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
    task::scope(async |g| {
        for _ in 0..100 {
            g.spawn(async {
                let call = bulkhead.call(async {
                    peak.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    yield_now().await;
                    running.fetch_sub(1, SeqCst);
                    Ok::<_, Infallible>(())
                });
                call.await.unwrap();
            });
        }
        Ok::<_, Infallible>(())
    })
    .await
    .unwrap();
    let stats = bulkhead.stats();
    assert_eq!((peak.load(SeqCst), stats.entered), (3, 100));
    assert_eq!((stats.running, stats.waiting, stats.refused), (0, 0, 0));
}

async fn a_thousand_waiters_are_served_in_order() {
    let bulkhead = Bulkhead::new(1, 1000);
    let order = Mutex::new(Vec::new());
    let pass = bulkhead.try_enter().unwrap();
    let order = &order;
    let waiting: Vec<_> = (0..1000)
        .map(|n| {
            let bulkhead = bulkhead.clone();
            async move {
                let _pass = bulkhead.enter().await.unwrap();
                order.lock().unwrap().push(n);
            }
        })
        .collect();
    let release = async {
        while bulkhead.stats().waiting < 1000 {
            yield_now().await;
        }
        assert!(
            bulkhead.enter().await.is_err(),
            "as many wait already as may"
        );
        drop(pass);
        assert!(bulkhead.try_enter().is_err(), "newcomers pass nobody");
    };
    futures_lite::future::zip(task::gather(waiting).settled().into_future(), release).await;
    assert_eq!(*order.lock().unwrap(), (0..1000).collect::<Vec<_>>());
}

async fn who_finds_no_place_is_refused_and_nothing_is_called() {
    let bulkhead = Bulkhead::new(1, 1);
    let first = bulkhead.try_enter().unwrap();
    let mut second = pin!(bulkhead.enter());
    assert!(poll_once(&mut second).await.is_none());
    let call = async { unreachable!("it is not called") };
    let refused = bulkhead.call::<_, (), &str>(call).await.unwrap_err();
    assert!(refused.is_refused());
    let CallError::Refused(full) = refused else {
        unreachable!("it is")
    };
    assert_eq!((full.running, full.waiting, full.waited), (1, 1, None));
    assert_eq!(bulkhead.try_enter().unwrap_err(), full);
    first.failed();
    assert!(second.await.is_ok());
    let failed = bulkhead.call(ready(Err::<(), _>("down"))).await;
    assert_eq!(failed, Err(CallError::Failed("down")));
    assert_eq!(bulkhead.stats().refused, 2);
}

async fn who_waited_as_long_as_it_may_is_refused() {
    let bulkhead = Bulkhead::builder(1).queue(5).max_wait(2 * SECOND).build();
    let pass = bulkhead.try_enter().unwrap();
    let full = bulkhead.enter().await.unwrap_err();
    assert_eq!((now(), full.waited), (2 * SECOND, Some(2 * SECOND)));
    assert_eq!(
        full.to_string(),
        "the bulkhead had no place within 2s: 1 run and 0 wait"
    );
    let release = async {
        time::sleep(SECOND).await;
        drop(pass);
    };
    let (entered, ()) = futures_lite::future::zip(bulkhead.enter(), release).await;
    assert!(entered.is_ok());
    let stats = bulkhead.stats();
    assert_eq!((stats.expired, stats.refused, stats.entered), (1, 0, 2));
}

async fn a_place_given_in_the_moment_its_time_is_over_is_taken() {
    let bulkhead = Bulkhead::builder(1).queue(5).max_wait(SECOND).build();
    let pass = bulkhead.try_enter().unwrap();
    let mut enter = pin!(bulkhead.enter());
    assert!(poll_once(&mut enter).await.is_none());
    time::sleep(SECOND).await;
    drop(pass);
    assert!(enter.await.is_ok());
}

async fn for_ever_is_waited_for_ever() {
    let bulkhead = Bulkhead::builder(1)
        .queue(usize::MAX)
        .max_wait(Duration::MAX)
        .build();
    let pass = bulkhead.try_enter().unwrap();
    let waited = time::timeout(1_000_000 * SECOND, bulkhead.enter()).await;
    assert!(waited.is_err());
    assert_eq!((bulkhead.stats().waiting, bulkhead.stats().expired), (0, 0));
    drop(pass);
}

async fn a_dropped_waiter_frees_its_place_and_hands_on_what_it_was_given() {
    let bulkhead = Bulkhead::new(1, 3);
    let pass = bulkhead.try_enter().unwrap();
    let mut first = Box::pin(bulkhead.enter());
    let mut second = Box::pin(bulkhead.enter());
    let mut third = Box::pin(bulkhead.enter());
    assert!(poll_once(&mut first).await.is_none());
    assert!(poll_once(&mut second).await.is_none());
    assert!(poll_once(&mut third).await.is_none());
    drop(second);
    assert_eq!(bulkhead.stats().waiting, 2);
    drop(pass);
    drop(first); // it was given the place, and has not seen it
    assert!(third.await.is_ok());
    assert_eq!((bulkhead.stats().running, bulkhead.stats().entered), (0, 2));
}

async fn a_dropped_call_makes_room() {
    let bulkhead = Bulkhead::builder(Aimd::new(1, 1, 5)).build();
    let call = bulkhead.call(pending::<Result<(), &str>>());
    assert!(time::timeout(MS, call).await.is_err());
    let stats = bulkhead.stats();
    assert_eq!((stats.running, stats.limit), (0, 1), "nothing is learnt");
    assert!(bulkhead.try_enter().is_ok());
}

async fn an_adaptive_limit_rises_and_serves_those_who_wait() {
    let bulkhead = Bulkhead::builder(Aimd::new(1, 1, 3)).queue(10).build();
    let first = bulkhead.try_enter().unwrap();
    let (mut a, mut b) = (pin!(bulkhead.enter()), pin!(bulkhead.enter()));
    assert!(poll_once(&mut a).await.is_none());
    assert!(poll_once(&mut b).await.is_none());
    first.succeeded();
    let (a, b) = (a.await.unwrap(), b.await.unwrap());
    assert_eq!((bulkhead.stats().limit, bulkhead.stats().running), (2, 2));
    a.failed();
    assert_eq!(bulkhead.stats().limit, 1);
    assert!(bulkhead.try_enter().is_err(), "one still runs");
    b.failed();
    assert!(bulkhead.try_enter().is_ok());
}

/// With borrows on all sides, inside a future that must be `Send`.
async fn a_call_can_be_spawned() {
    fn spawnable<F: Future + Send + 'static>(future: F) -> F {
        future
    }
    async fn job(bulkhead: &Bulkhead, text: &str) -> usize {
        let call = async {
            time::sleep(MS).await;
            Ok::<_, Infallible>(text.len())
        };
        bulkhead.call(call).await.unwrap()
    }
    let job = spawnable(async { job(&Bulkhead::new(1, 0), "four").await });
    assert_eq!(job.await, 4);
}

/// Places and the line, taken and left at random, by the turnstile and by the lock, against plain lists.
async fn whatever_comes_and_goes_it_does_as_a_model() {
    for seed in 0..100 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (limit, queue) = (rng.usize(1..5), rng.usize(0..4));
        let bulkhead = Bulkhead::new(limit, queue);
        let (mut running, mut line) = (Vec::new(), VecDeque::new());
        let (mut entered, mut refused) = (0, 0);
        for step in 0..300 {
            match rng.u8(0..8) {
                0 | 1 => {
                    let ended = bulkhead.try_enter();
                    assert_eq!(ended.is_ok(), running.len() < limit, "{seed} {step}");
                    entered += u64::from(ended.is_ok());
                    refused += u64::from(ended.is_err());
                    running.extend(ended);
                }
                2 | 3 => {
                    let mut enter = Box::pin(bulkhead.enter());
                    match poll_once(&mut enter).await {
                        Some(Ok(pass)) => {
                            assert!(running.len() < limit, "{seed} {step}");
                            entered += 1;
                            running.push(pass);
                        }
                        Some(Err(full)) => {
                            assert_eq!((full.running, full.waiting), (limit, queue));
                            refused += 1;
                        }
                        None => line.push_back(enter),
                    }
                    assert!(line.len() <= queue);
                }
                4 | 5 if !running.is_empty() => {
                    drop(running.swap_remove(rng.usize(..running.len())));
                }
                6 if !line.is_empty() => {
                    drop(line.remove(rng.usize(..line.len())));
                }
                _ => {
                    let stats = bulkhead.stats();
                    assert_eq!((stats.running, stats.waiting), (running.len(), line.len()));
                    assert_eq!((stats.entered, stats.refused), (entered, refused));
                }
            }
            // With a new budget, so that nothing gives way.
            yield_now().await;
            // Whoever has a place now is the first in line.
            let served = (limit - running.len()).min(line.len());
            for (place, enter) in line.iter_mut().enumerate() {
                let ended = poll_once(enter).await;
                assert_eq!(ended.is_some(), place < served, "{seed} {step}");
                running.extend(ended.map(Result::unwrap));
            }
            line.drain(..served);
            entered += served as u64;
        }
    }
}

macro_rules! refused {
    ($($name:ident: $message:literal, $build:expr;)+) => {$(
        #[test]
        #[should_panic(expected = $message)]
        fn $name() {
            let _ = $build;
        }
    )+};
}

refused! {
    no_places: "a bulkhead for 0 calls at once lets nothing through: use at least 1", Bulkhead::new(0, 5);
    no_time_to_wait: "who may wait for 0s does not wait", Bulkhead::builder(1).max_wait(Duration::ZERO);
    a_limit_that_falls_to_nothing: "may fall to 0 would never rise again: use at least 1", Aimd::new(0, 1, 2);
    a_limit_out_of_order: "begins between its least and its most", Gradient::new(5, 3, 10);
    a_backoff_that_is_no_number: "must be above 0.0 and below 1.0", Aimd::new(1, 2, 3).backoff(f64::NAN);
    a_backoff_that_is_none: "must be above 0.0 and below 1.0", Aimd::new(1, 2, 3).backoff(1.0);
    everything_is_too_slow: "every call takes longer than 0s", Aimd::new(1, 2, 3).too_slow(Duration::ZERO);
    a_tolerance_that_is_no_number: "the tolerance must be a finite number", Gradient::new(1, 2, 3).tolerance(f64::NAN);
    a_smoothing_that_moves_nothing: "the smoothing must be above 0.0", Gradient::new(1, 2, 3).smoothing(0.0);
    no_headroom: "with a headroom of 0 the limit could never grow", Gradient::new(1, 2, 3).headroom(0);
}

regatta::matrix! {
    no_more_run_than_may_and_all_have_their_turn;
    a_thousand_waiters_are_served_in_order;
    who_finds_no_place_is_refused_and_nothing_is_called;
    who_waited_as_long_as_it_may_is_refused [sim];
    a_place_given_in_the_moment_its_time_is_over_is_taken [sim];
    for_ever_is_waited_for_ever [sim];
    a_dropped_waiter_frees_its_place_and_hands_on_what_it_was_given;
    a_dropped_call_makes_room;
    an_adaptive_limit_rises_and_serves_those_who_wait;
    whatever_comes_and_goes_it_does_as_a_model;
    a_call_can_be_spawned;
}
