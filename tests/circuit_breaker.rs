//! `circuit_breaker`: case 141 of the conformance cases; windows, probes, dropped calls, forced states, observers, keys.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "support/in_a_row.rs"]
mod in_a_row;
#[path = "circuit_breaker/observers.rs"]
mod observers;
#[path = "circuit_breaker/statics.rs"]
mod statics;

use futures_lite::future::{poll_once, yield_now};
use futures_util::FutureExt;
use regatta::cancel::CancelToken;
use regatta::circuit_breaker::{
    Builder, CallError, CircuitBreaker, Event, Keyed, OnDrop, State, Verdict, Window,
};
use regatta::time;
use std::future::{Future, pending, ready};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn after(failures: u32) -> Builder {
    CircuitBreaker::builder()
        .consecutive_failures(failures)
        .open_for(5 * SECOND)
}

async fn fail(breaker: &CircuitBreaker) -> Result<(), CallError<&'static str>> {
    breaker.call(ready(Err("down"))).await
}

async fn work(breaker: &CircuitBreaker) -> Result<(), CallError<&'static str>> {
    breaker.call(ready(Ok(()))).await
}

// 141
async fn so_many_failures_in_a_row_open_it() {
    let breaker = after(3).build();
    for _ in 0..3 {
        assert_eq!(breaker.state(), State::Closed);
        assert_eq!(fail(&breaker).await, Err(CallError::Failed("down")));
    }
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.stats().opened, 1);
}

// 141
async fn open_it_refuses_without_calling_until_its_time_is_over() {
    let breaker = after(1).build();
    let _ = fail(&breaker).await;
    time::sleep(2 * SECOND).await;
    let call = async { unreachable!("it is not called") };
    let error = breaker.call::<_, (), &str>(call).await.unwrap_err();
    assert!(error.is_refused());
    let CallError::Refused(refused) = error else {
        unreachable!("it is")
    };
    assert_eq!(refused.retry_after, Some(3 * SECOND));
    assert_eq!(refused.state, State::Open);
    time::sleep(3 * SECOND - MS).await;
    assert!(work(&breaker).await.unwrap_err().is_refused());
    time::sleep(MS).await;
    assert_eq!(breaker.state(), State::HalfOpen);
    assert_eq!(work(&breaker).await, Ok(()));
}

// 141
async fn half_open_one_failure_opens_it_again_and_a_success_closes_it() {
    let breaker = after(2).build();
    let _ = (fail(&breaker).await, fail(&breaker).await);
    time::sleep(5 * SECOND).await;
    assert_eq!(fail(&breaker).await, Err(CallError::Failed("down")));
    assert_eq!(breaker.state(), State::Open);
    time::sleep(5 * SECOND).await;
    assert_eq!(work(&breaker).await, Ok(()));
    assert_eq!(breaker.state(), State::Closed);
    let _ = fail(&breaker).await;
    assert_eq!(breaker.state(), State::Closed, "it counts from the start");
}

// 141
async fn a_success_while_closed_starts_the_count_again() {
    let breaker = after(3).build();
    for _ in 0..10 {
        let _ = (fail(&breaker).await, fail(&breaker).await);
        assert_eq!(work(&breaker).await, Ok(()));
    }
    assert_eq!(breaker.state(), State::Closed);
}

// 141
async fn errors_that_are_no_failures_do_not_count() {
    let breaker = after(2).build();
    for _ in 0..10 {
        let call = breaker
            .call(ready(Err::<(), _>("not found")))
            .is_failure(|e| *e != "not found");
        assert_eq!(call.await, Err(CallError::Failed("not found")));
    }
    let call = breaker.call(ready(Err::<(), _>("odd")));
    assert!(call.judge(|_| Verdict::Ignore).await.is_err());
    let stats = breaker.stats();
    assert_eq!((stats.succeeded, stats.failed, stats.ignored), (10, 0, 1));
    assert_eq!((breaker.state(), stats.window.calls), (State::Closed, 2));
}

// 141: the gap. purgatory lets any number of probes through.
async fn half_open_no_more_probes_run_than_may() {
    let breaker = after(1).probes(2, 3).build();
    let _ = fail(&breaker).await;
    time::sleep(5 * SECOND).await;
    let probes = [breaker.try_enter().unwrap(), breaker.try_enter().unwrap()];
    let refused = breaker.try_enter().unwrap_err();
    assert_eq!(
        (refused.state, refused.retry_after),
        (State::HalfOpen, None)
    );
    for probe in probes {
        probe.succeeded();
    }
    assert_eq!(breaker.state(), State::HalfOpen, "2 of 3");
    breaker.try_enter().unwrap().succeeded();
    assert_eq!(breaker.state(), State::Closed);
}

async fn a_dropped_probe_frees_its_place() {
    let breaker = after(1).build();
    let _ = fail(&breaker).await;
    time::sleep(5 * SECOND).await;
    for _ in 0..5 {
        let mut probe = Box::pin(breaker.call(pending::<Result<(), &str>>()));
        assert!(poll_once(&mut probe).await.is_none());
        assert!(work(&breaker).await.unwrap_err().is_refused());
        drop(probe);
        assert_eq!(breaker.state(), State::HalfOpen);
    }
    assert_eq!(work(&breaker).await, Ok(()));
    let stats = breaker.stats();
    assert_eq!((stats.dropped, stats.refused, stats.running), (5, 5, 0));
}

async fn a_dropped_call_counts_by_the_rule() {
    for (rule, counts) in [
        (OnDrop::Ignore, (0, 0, 1)),
        (OnDrop::Failure, (0, 1, 0)),
        (OnDrop::Success, (1, 0, 0)),
    ] {
        let breaker = after(1).on_drop(rule).build();
        drop(breaker.call(pending::<Result<(), &str>>()));
        assert_eq!(breaker.stats().dropped, 0, "it did not happen");
        let late = time::timeout(MS, breaker.call(pending::<Result<(), &str>>())).await;
        assert!(late.is_err());
        let stats = breaker.stats();
        assert_eq!((stats.succeeded, stats.failed, stats.ignored), counts);
        assert_eq!((stats.dropped, stats.running), (1, 0));
        let expected = if rule == OnDrop::Failure {
            State::Open
        } else {
            State::Closed
        };
        assert_eq!(breaker.state(), expected);
    }
}

async fn an_error_of_a_call_that_is_cancelled_counts_as_dropped() {
    let breaker = after(1).build();
    let token = CancelToken::new();
    let call = breaker.call(async {
        token.cancel();
        regatta::cancel::check().map_err(|_| "stopped")
    });
    let ended = token.run_graceful(SECOND, call).await;
    assert!(matches!(ended, Ok(Err(CallError::Failed("stopped")))));
    assert_eq!(
        (breaker.stats().dropped, breaker.state()),
        (1, State::Closed)
    );
}

async fn a_panic_is_a_failure() {
    let breaker = after(1).build();
    let call = breaker.call::<_, (), &str>(async { std::panic::panic_any("oh no") });
    assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
    let stats = breaker.stats();
    assert_eq!((stats.failed, stats.dropped), (1, 0));
    assert_eq!(breaker.state(), State::Open);
}

async fn a_late_answer_neither_closes_nor_opens() {
    let breaker = after(1).build();
    let (good, bad) = (breaker.try_enter().unwrap(), breaker.try_enter().unwrap());
    let _ = fail(&breaker).await;
    good.succeeded();
    assert_eq!(breaker.state(), State::Open);
    time::sleep(5 * SECOND).await;
    assert_eq!(work(&breaker).await, Ok(()));
    bad.failed();
    assert_eq!(breaker.state(), State::Closed);
}

async fn a_rate_counts_from_the_minimum_of_calls_on() {
    let breaker = CircuitBreaker::builder()
        .window(Window::Calls(10))
        .min_calls(5)
        .failure_rate(0.6)
        .build();
    let _ = (fail(&breaker).await, fail(&breaker).await);
    let _ = (fail(&breaker).await, work(&breaker).await);
    assert_eq!(breaker.state(), State::Closed, "3 of 4, but 4 are too few");
    assert_eq!(work(&breaker).await, Ok(()));
    assert_eq!(breaker.state(), State::Closed, "no good call opens it");
    let _ = fail(&breaker).await;
    assert_eq!(breaker.state(), State::Open, "4 of 6");
}

async fn what_is_out_of_a_window_of_time_does_not_count() {
    let breaker = CircuitBreaker::builder()
        .window(Window::Time(10 * SECOND))
        .min_calls(3)
        .build();
    let _ = (fail(&breaker).await, fail(&breaker).await);
    time::sleep(10 * SECOND).await;
    let _ = (fail(&breaker).await, fail(&breaker).await);
    assert_eq!(breaker.state(), State::Closed);
    time::sleep(9 * SECOND).await;
    let _ = fail(&breaker).await;
    assert_eq!(breaker.state(), State::Open);
}

async fn slow_calls_open_it_although_they_succeed() {
    let breaker = CircuitBreaker::builder()
        .window(Window::Calls(4))
        .slow_calls(2 * SECOND, 0.5)
        .build();
    let take = async |duration| {
        let call = async {
            time::sleep(duration).await;
            Ok::<_, &str>(())
        };
        breaker.call(call).await
    };
    for duration in [SECOND, 2 * SECOND, SECOND] {
        assert_eq!(take(duration).await, Ok(()));
    }
    assert_eq!(take(3 * SECOND).await, Ok(()), "its value is not lost");
    assert_eq!(breaker.state(), State::Open);
    time::sleep(30 * SECOND).await;
    assert_eq!(take(2 * SECOND).await, Ok(()));
    assert_eq!(breaker.state(), State::Open, "a slow probe failed");
}

async fn the_open_time_grows_until_it_closes() {
    let breaker = after(1).growing(2.0, 12 * SECOND).build();
    let wait = || breaker.try_enter().unwrap_err().retry_after.unwrap();
    for _round in 0..2 {
        for seconds in [5, 10, 12, 12] {
            let _ = fail(&breaker).await;
            assert_eq!(wait(), seconds * SECOND);
            time::sleep(wait()).await;
        }
        assert_eq!(work(&breaker).await, Ok(()));
    }
}

async fn probes_that_hang_do_not_keep_it_half_open_for_ever() {
    let breaker = after(1).max_probe(SECOND).build();
    let _ = fail(&breaker).await;
    time::sleep(5 * SECOND).await;
    let hangs = breaker.try_enter().unwrap();
    time::sleep(SECOND - MS).await;
    assert_eq!(breaker.try_enter().unwrap_err().state, State::HalfOpen);
    time::sleep(MS).await;
    let refused = breaker.try_enter().unwrap_err();
    assert_eq!(
        (refused.state, refused.retry_after),
        (State::Open, Some(5 * SECOND))
    );
    time::sleep(5 * SECOND).await;
    hangs.failed();
    assert_eq!(work(&breaker).await, Ok(()));
}

async fn forced_it_stays_until_it_is_told_otherwise() {
    let breaker = after(1).build();
    breaker.force_open();
    time::sleep(1000 * SECOND).await;
    let refused = breaker.try_enter().unwrap_err();
    assert_eq!(
        (refused.state, refused.retry_after),
        (State::ForcedOpen, None)
    );
    breaker.force_closed();
    for _ in 0..100 {
        assert_eq!(fail(&breaker).await, Err(CallError::Failed("down")));
    }
    assert_eq!(breaker.state(), State::ForcedClosed);
    breaker.automatic();
    assert_eq!(breaker.state(), State::Closed);
    let _ = fail(&breaker).await;
    breaker.automatic();
    assert_eq!(breaker.state(), State::Open, "it was not forced");
    breaker.reset();
    assert_eq!(work(&breaker).await, Ok(()));
}

async fn an_observer_hears_of_changes_and_refused_calls_in_order() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let notes = heard.clone();
    let observer = move |event: &Event| {
        notes.lock().unwrap().push(match event {
            Event::Changed {
                from, to, number, ..
            } => format!("{number}: {from} -> {to}"),
            Event::Refused { state, .. } => format!("refused, {state}"),
            other => format!("{other:?}"),
        });
    };
    let breaker = after(1).observer(observer).build();
    let _ = (fail(&breaker).await, work(&breaker).await);
    time::sleep(5 * SECOND).await;
    let _ = work(&breaker).await;
    breaker.reset();
    breaker.force_open();
    breaker.force_open();
    breaker.automatic();
    assert_eq!(
        *heard.lock().unwrap(),
        [
            "1: closed -> open",
            "refused, open",
            "2: open -> half open",
            "3: half open -> closed",
            "4: closed -> forced open",
            "5: forced open -> closed",
        ]
    );
}

async fn a_full_set_of_keys_forgets_those_it_can_spare() {
    let keyed = Keyed::new(3, after(1));
    for key in ["good", "bad", "held"] {
        let breaker = keyed.get(&key).unwrap();
        let _ = if key == "bad" {
            fail(&breaker).await
        } else {
            work(&breaker).await
        };
    }
    let held = keyed.get(&"held").unwrap();
    assert!(keyed.get(&"new").is_ok(), "in the place of `good`");
    let new = keyed.get(&"new").unwrap();
    assert_eq!(keyed.get(&"more").unwrap_err().most, 3);
    assert_eq!(keyed.get(&"bad").unwrap().state(), State::Open);
    time::sleep(5 * SECOND).await;
    assert!(keyed.get(&"more").is_ok(), "`bad` waits for its probe");
    assert_eq!(keyed.len(), 3);
    drop((held, new));
}

async fn twenty_thousand_keys_take_no_more_room_than_allowed() {
    let keyed = Keyed::with(100, |_: &u32| after(10));
    for n in 0..20_000 {
        let breaker = keyed.get(&n).unwrap();
        if n % 3 == 0 {
            let _ = fail(&breaker).await;
        }
    }
    assert_eq!(keyed.len(), 100);
}

async fn many_tasks_share_one_breaker() {
    let breaker = CircuitBreaker::builder().min_calls(100).build();
    regatta::task::scope(async |g| {
        for n in 0..200 {
            let breaker = breaker.clone();
            g.spawn(async move {
                let call = breaker.call(async {
                    yield_now().await;
                    if n % 4 == 0 { Err("down") } else { Ok(()) }
                });
                let _ = call.await;
            });
        }
        Ok::<_, std::convert::Infallible>(())
    })
    .await
    .unwrap();
    let stats = breaker.stats();
    assert_eq!((stats.succeeded, stats.failed, stats.running), (150, 50, 0));
    assert_eq!(stats.window.calls, 100);
}

/// With borrows on all sides, inside a future that must be `Send`.
async fn a_call_can_be_spawned() {
    fn spawnable<F: Future + Send + 'static>(future: F) -> F {
        future
    }
    async fn job(breaker: &CircuitBreaker, text: &str) -> usize {
        let call = async {
            time::sleep(MS).await;
            Ok::<_, String>(text.len())
        };
        let not = text.to_owned();
        let call = breaker.call(call).is_failure(|e: &String| *e != *not);
        call.await.unwrap()
    }
    let job = spawnable(async { job(&CircuitBreaker::new(), "four").await });
    assert_eq!(job.await, 4);
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
    a_window_of_no_calls: "a window of 0 calls would never open the breaker: use at least 1", Builder::new().window(Window::Calls(0));
    a_window_of_no_time: "a window of 0s would never open the breaker", Builder::new().window(Window::Time(Duration::ZERO));
    a_rate_that_is_no_number: "a failure rate must be above 0.0 and at most 1.0", Builder::new().failure_rate(f64::NAN);
    a_rate_of_nothing: "a failure rate must be above 0.0 and at most 1.0", Builder::new().failure_rate(0.0);
    a_rate_of_more_than_all: "a failure rate must be above 0.0 and at most 1.0", Builder::new().failure_rate(1.5);
    a_rate_of_slow_calls_that_is_no_number: "a rate of slow calls must be above 0.0", Builder::new().slow_calls(SECOND, f64::NAN);
    no_time_at_all_is_slow: "every call takes 0s or longer: use more than zero", Builder::new().slow_calls(Duration::ZERO, 0.5);
    no_failures: "opens after 0 failures lets nothing through: use at least 1", Builder::new().consecutive_failures(0);
    no_calls: "a minimum of 0 calls is none", Builder::new().min_calls(0);
    no_probes: "with 0 probes the breaker would never close", Builder::new().probes(0, 1);
    no_probes_to_close: "with 0 probes the breaker would never close", Builder::new().probes(1, 0);
    open_for_no_time: "a breaker that is open for 0s refuses nothing", Builder::new().open_for(Duration::ZERO);
    probes_without_time: "a probe that may take 0s never succeeds", Builder::new().max_probe(Duration::ZERO);
    a_factor_that_is_no_number: "the factor must be a finite number of at least 1.0", Builder::new().growing(f64::NAN, SECOND);
    a_minimum_that_is_never_reached: "a window of 10 calls never holds the minimum of 11", Builder::new().window(Window::Calls(10)).min_calls(11).build();
    no_keys: "breakers for 0 keys would refuse everybody", Keyed::<u8>::new(0, Builder::new());
}

regatta::matrix! {
    so_many_failures_in_a_row_open_it;
    open_it_refuses_without_calling_until_its_time_is_over [sim];
    half_open_one_failure_opens_it_again_and_a_success_closes_it [sim];
    a_success_while_closed_starts_the_count_again;
    errors_that_are_no_failures_do_not_count;
    half_open_no_more_probes_run_than_may [sim];
    a_dropped_probe_frees_its_place [sim];
    a_dropped_call_counts_by_the_rule;
    an_error_of_a_call_that_is_cancelled_counts_as_dropped;
    a_panic_is_a_failure;
    a_late_answer_neither_closes_nor_opens [sim];
    a_rate_counts_from_the_minimum_of_calls_on;
    what_is_out_of_a_window_of_time_does_not_count [sim];
    slow_calls_open_it_although_they_succeed [sim];
    the_open_time_grows_until_it_closes [sim];
    probes_that_hang_do_not_keep_it_half_open_for_ever [sim];
    forced_it_stays_until_it_is_told_otherwise [sim];
    an_observer_hears_of_changes_and_refused_calls_in_order [sim];
    a_full_set_of_keys_forgets_those_it_can_spare [sim];
    twenty_thousand_keys_take_no_more_room_than_allowed [sim_once, tokio_current, tokio_multi, smol];
    many_tasks_share_one_breaker;
    a_call_can_be_spawned;
}
