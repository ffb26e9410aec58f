//! Drops calls behind a breaker at every await, 100,000 times each, and counts what is left: no call that runs, and no probe's place taken.

use regatta::circuit_breaker::{CallError, CircuitBreaker, State};
use regatta::testing::{Outcome, cancel_safety_drops};
use regatta::{Runtime, time};
use regatta_soak::{DROPS, MS, passed};
use std::time::Duration;

type End = Result<(), CallError<&'static str>>;

async fn answer(after: Duration) -> Result<(), &'static str> {
    time::sleep(after).await;
    time::sleep(after).await;
    Ok(())
}

#[test]
fn a_dropped_call_is_counted_once() {
    let setup = || async { CircuitBreaker::new() };
    let op = |breaker: CircuitBreaker| async move { breaker.call(answer(MS)).await };
    let verify = |breaker: CircuitBreaker, outcome: Outcome<End>| async move {
        let stats = breaker.stats();
        let completed = u64::from(matches!(outcome, Outcome::Completed(Ok(()))));
        if stats.running == 0 && stats.succeeded == completed && stats.dropped + completed <= 1 {
            Ok(())
        } else {
            Err(format!("{completed} completed: {stats:?}"))
        }
    };
    let report = cancel_safety_drops(DROPS, setup, op, verify);
    passed(&report);
}

#[test]
fn a_dropped_probe_leaves_its_place_to_another() {
    // Half open, with two places; a rival takes one for a while.
    let setup = || async {
        let breaker = CircuitBreaker::builder()
            .consecutive_failures(1)
            .open_for(MS)
            .probes(2, 3)
            .build();
        let _ = breaker.call(async { Err::<(), _>("down") }).await;
        time::sleep(MS).await;
        let rival = breaker.clone();
        let probes = async move {
            let _ = rival.call(answer(3 * MS)).await;
        };
        drop(Runtime::current().try_spawn(probes));
        breaker
    };
    let op = |breaker: CircuitBreaker| async move { breaker.call(answer(MS)).await };
    let verify = |breaker: CircuitBreaker, outcome: Outcome<End>| async move {
        time::sleep(20 * MS).await;
        if breaker.state() != State::HalfOpen || breaker.stats().running != 0 {
            return Err(format!("{breaker:?}"));
        }
        let ours = usize::from(matches!(outcome, Outcome::Completed(Ok(()))));
        for _ in 0..2 - ours {
            if breaker.state() != State::HalfOpen {
                return Err(format!("it closed too early: {breaker:?}"));
            }
            let places = [breaker.try_enter(), breaker.try_enter()];
            match places {
                [Ok(first), Ok(second)] => {
                    second.ignored();
                    first.succeeded();
                }
                taken => return Err(format!("a place is lost: {taken:?}")),
            }
        }
        match breaker.state() {
            State::Closed => Ok(()),
            other => Err(format!("a success is lost: {other}")),
        }
    };
    let report = cancel_safety_drops(DROPS, setup, op, verify);
    passed(&report);
}
