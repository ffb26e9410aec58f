//! Breakers in a `static`, and a loop around one.

use super::in_a_row::{World, at_once, in_a_row, run_in};
use super::{SECOND, after, fail, work};
use futures_lite::future::{or, yield_now};
use regatta::circuit_breaker::{CallError, CircuitBreaker, Keyed, State, Window};
use regatta::time;
use std::sync::LazyLock;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// Opens it, and waits until it is closed again.
async fn opens_and_closes(breaker: &CircuitBreaker) {
    let _ = fail(breaker).await;
    while let Err(refused) = work(breaker).await {
        // A probe of somebody else says nothing of the time.
        let wait = match refused {
            CallError::Refused(refused) => refused.retry_after.unwrap_or(MS),
            CallError::Failed(error) => panic!("{error}"),
        };
        assert!(wait < 25 * MS, "{wait:?}");
        time::sleep(wait).await;
    }
}

#[test]
fn those_of_all_rules_are_used_by_all_runtimes() {
    static COUNTS: LazyLock<CircuitBreaker> = LazyLock::new(|| after(1).open_for(20 * MS).build());
    static TIMED: LazyLock<CircuitBreaker> = LazyLock::new(|| {
        let build = after(1).window(Window::Time(SECOND)).min_calls(1);
        build.open_for(20 * MS).slow_calls(30 * SECOND, 1.0).build()
    });
    async fn both(_: World) {
        opens_and_closes(&COUNTS).await;
        opens_and_closes(&TIMED).await;
    }
    in_a_row(both);
    at_once(both);
    for breaker in [&COUNTS, &TIMED] {
        assert_eq!(breaker.stats().running, 0);
        // Once in each run of three worlds at the least, both ways.
        assert!(breaker.stats().opened >= 6);
    }
}

#[test]
fn a_set_of_keys_is_used_by_all_runtimes() {
    static KEYS: LazyLock<Keyed<u8>> = LazyLock::new(|| Keyed::new(2, after(1).open_for(20 * MS)));
    async fn all(_: World) {
        for key in [1, 2] {
            opens_and_closes(&KEYS.get(&key).unwrap()).await;
        }
    }
    in_a_row(all);
    at_once(all);
    assert_eq!(KEYS.len(), 2);
}

#[test]
fn a_simulation_that_sleeps_before_it_calls_has_slept_for_the_breaker_too() {
    static BREAKER: LazyLock<CircuitBreaker> =
        LazyLock::new(|| after(1).open_for(30 * SECOND).build());
    regatta::testing::run(async || {
        let _ = fail(&BREAKER).await;
        assert_eq!(BREAKER.state(), State::Open);
    });
    regatta::testing::run(async || {
        time::sleep(29 * SECOND).await;
        assert!(work(&BREAKER).await.is_err());
        time::sleep(SECOND).await;
        assert!(work(&BREAKER).await.is_ok());
    });
}

#[test]
fn what_was_left_of_the_open_time_is_left_in_the_next_simulation() {
    let breaker = run_in(World::Simulation, |_| async {
        let breaker = after(1).open_for(30 * SECOND).build();
        let _ = fail(&breaker).await;
        time::sleep(10 * SECOND).await;
        assert_eq!(breaker.state(), State::Open);
        breaker
    });
    run_in(World::Simulation, |_| async move {
        let refused = breaker.try_enter().expect_err("it is open");
        assert_eq!(refused.retry_after, Some(20 * SECOND));
        time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(breaker.state(), State::HalfOpen);
        assert_eq!(work(&breaker).await, Ok(()));
        assert_eq!(breaker.state(), State::Closed);
    });
}

#[test]
fn an_hour_elsewhere_makes_no_call_slow() {
    static BREAKER: LazyLock<CircuitBreaker> =
        LazyLock::new(|| after(1).slow_calls(SECOND, 1.0).build());
    let pass = BREAKER.try_enter().unwrap();
    let moved = BREAKER.try_enter().unwrap();
    run_in(World::Simulation, |_| async {
        assert_eq!(work(&BREAKER).await, Ok(()));
        time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(work(&BREAKER).await, Ok(()));
        moved.succeeded();
    });
    pass.succeeded();
    let stats = BREAKER.stats();
    assert_eq!(
        (stats.succeeded, stats.window.slow, stats.opened),
        (4, 0, 0)
    );
    // And it still tells what is slow.
    run_in(World::Simulation, |_| async {
        let pass = BREAKER.try_enter().unwrap();
        time::sleep(SECOND).await;
        pass.succeeded();
        assert_eq!(BREAKER.stats().opened, 1);
    });
}

async fn a_loop_around_it_gives_way() {
    async fn gives_way(forever: impl Future<Output = ()>) {
        or(forever, async {
            for _ in 0..3 {
                yield_now().await;
            }
        })
        .await;
    }
    let breaker = after(1).build();
    gives_way(async {
        loop {
            work(&breaker).await.unwrap();
        }
    })
    .await;
    breaker.force_open();
    gives_way(async {
        loop {
            work(&breaker).await.unwrap_err();
        }
    })
    .await;
    assert_eq!(breaker.stats().running, 0);
}

/// A yield is no refusal: what can be had at once can be had in no time.
async fn what_is_free_can_be_had_in_no_time() {
    let breaker = after(1).build();
    for n in 0..3000 {
        let called = time::timeout(Duration::ZERO, work(&breaker)).await;
        assert!(called.is_ok(), "{n}");
    }
}

regatta::matrix! {
    a_loop_around_it_gives_way;
    what_is_free_can_be_had_in_no_time;
}
