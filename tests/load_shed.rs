//! `load_shed`: calls in flight, lag, age.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "support/in_a_row.rs"]
mod in_a_row;
#[path = "load_shed/statics.rs"]
mod statics;

use futures_lite::future::poll_once;
use regatta::load_shed::{CallError, LoadShed, Shed};
use regatta::{Runtime, time};
use std::future::{Future, pending, ready};
use std::pin::pin;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

async fn no_more_run_than_may_and_the_others_are_refused() {
    let shed = LoadShed::builder().max_in_flight(2).build();
    let mut calls = Vec::new();
    for _ in 0..2 {
        let mut call = Box::pin(shed.call(pending::<Result<(), &str>>()));
        assert!(poll_once(&mut call).await.is_none());
        calls.push(call);
    }
    let call = async { unreachable!("it is not called") };
    let refused = shed.call::<_, (), &str>(call).await.unwrap_err();
    assert!(matches!(
        refused,
        CallError::Refused(Shed::InFlight { limit: 2, .. })
    ));
    assert!(shed.try_enter().is_err());
    calls.pop();
    let failed = shed.call(ready(Err::<(), _>("down"))).await;
    assert_eq!(failed, Err(CallError::Failed("down")));
    let stats = shed.stats();
    assert_eq!((stats.in_flight, stats.entered, stats.refused), (1, 3, 2));
}

async fn an_executor_that_is_on_time_refuses_nobody() {
    let shed = LoadShed::builder().max_lag(SECOND).build();
    for _ in 0..100 {
        assert_eq!(shed.call(ready(Ok::<_, &str>(()))).await, Ok(()));
        futures_lite::future::yield_now().await;
    }
    assert!(shed.stats().lag < SECOND);
}

// The clock goes on while a task waits for its turn, as with one that blocks the thread.
async fn a_late_executor_refuses_until_it_is_on_time_again() {
    let shed = LoadShed::builder().max_lag(20 * MS).build();
    let mut measures = Box::pin(shed.enter());
    assert!(poll_once(&mut measures).await.is_none());
    regatta::testing::advance(30 * MS).await;
    assert!(shed.try_enter().is_err(), "who measures waits already");
    let late = measures.await.unwrap_err();
    assert!(matches!(late, Shed::Late { lag, .. } if lag == 30 * MS));
    assert_eq!(
        late.to_string(),
        "overloaded: tasks wait 30ms for their turn, more than 20ms"
    );
    assert!(shed.enter().await.is_err());
    time::sleep(100 * MS).await;
    assert!(shed.try_enter().is_err(), "nobody has measured since");
    assert!(shed.enter().await.is_ok());
    assert!(shed.try_enter().is_ok());
}

async fn a_dropped_measure_leaves_it_to_another() {
    let shed = LoadShed::builder().max_lag(20 * MS).build();
    let mut measures = Box::pin(shed.enter());
    assert!(poll_once(&mut measures).await.is_none());
    time::sleep(SECOND).await;
    drop(measures);
    assert!(shed.try_enter().is_ok());
    let mut measures = pin!(shed.enter());
    assert!(poll_once(&mut measures).await.is_none());
    assert!(measures.await.is_ok());
}

async fn old_work_is_not_worth_beginning() {
    let shed = LoadShed::builder().max_age(2 * SECOND).build();
    let came = Runtime::current().now();
    time::sleep(2 * SECOND).await;
    assert_eq!(shed.check_age(came), Ok(()));
    time::sleep(MS).await;
    assert!(matches!(shed.check_age(came), Err(Shed::Old { age, .. }) if age == 2001 * MS));
    assert_eq!(shed.check_age(came + 10 * SECOND), Ok(()), "not even born");
    let endless = LoadShed::builder().max_age(Duration::MAX).build();
    assert_eq!(endless.check_age(came), Ok(()));
}

/// With borrows on all sides, inside a future that must be `Send`.
async fn a_call_can_be_spawned() {
    fn spawnable<F: Future + Send + 'static>(future: F) -> F {
        future
    }
    async fn job(shed: &LoadShed, text: &str) -> usize {
        let call = async {
            time::sleep(MS).await;
            Ok::<_, String>(text.len())
        };
        shed.call(call).await.unwrap()
    }
    let shed = LoadShed::builder().max_in_flight(1).build();
    let job = spawnable(async move { job(&shed, "four").await });
    assert_eq!(job.await, 4);
}

async fn whatever_comes_and_goes_the_figures_are_those_of_a_model() {
    for seed in 0..100 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let limit = rng.usize(1..5);
        let shed = LoadShed::builder().max_in_flight(limit).build();
        let (mut running, mut entered, mut refused) = (Vec::new(), 0, 0);
        for step in 0..300 {
            match rng.u8(0..6) {
                0..3 => {
                    let ended = match rng.bool() {
                        true => shed.try_enter(),
                        false => shed.enter().await,
                    };
                    assert_eq!(ended.is_ok(), running.len() < limit, "{seed} {step}");
                    entered += u64::from(ended.is_ok());
                    refused += u64::from(ended.is_err());
                    running.extend(ended);
                }
                3..5 if !running.is_empty() => {
                    drop(running.swap_remove(rng.usize(..running.len())));
                }
                _ => {
                    let stats = shed.stats();
                    let found = (stats.in_flight, stats.entered, stats.refused);
                    assert_eq!(found, (running.len(), entered, refused), "{seed} {step}");
                }
            }
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
    no_limit: "a load shedder without a limit sheds nothing: set max_in_flight", LoadShed::builder().build();
    none_in_flight: "a limit of 0 in flight refuses everything: use at least 1", LoadShed::builder().max_in_flight(0);
    no_lag: "every task waits a little for its turn", LoadShed::builder().max_lag(Duration::ZERO);
    no_age: "all work is older than 0s", LoadShed::builder().max_age(Duration::ZERO);
    measured_always: "measured every 0s, each call would wait", LoadShed::builder().measure_every(Duration::ZERO);
}

regatta::matrix! {
    no_more_run_than_may_and_the_others_are_refused;
    whatever_comes_and_goes_the_figures_are_those_of_a_model;
    an_executor_that_is_on_time_refuses_nobody;
    a_late_executor_refuses_until_it_is_on_time_again [sim];
    a_dropped_measure_leaves_it_to_another [sim];
    old_work_is_not_worth_beginning [sim];
    a_call_can_be_spawned;
}
