//! `interval`: exact in virtual time, never early for real.

use crate::ground::{HOUR, Hand, MS, now, panic_of};
use futures::StreamExt;
use regatta::testing::{self, in_simulation};
use regatta::time::{self, Interval, MissedTicks};
use std::pin::pin;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

async fn ticks_come_at_once_and_then_every_period() {
    let start = now();
    let mut ticks = time::interval(2 * MS);
    assert_eq!(ticks.period(), 2 * MS);
    let first = ticks.tick().await;
    assert!(first >= start && first <= now());
    for n in 1..5 {
        let due = ticks.tick().await;
        assert!(now() >= due);
        if in_simulation() {
            assert_eq!((due - start, now() - start), (n * 2 * MS, n * 2 * MS));
        }
    }
}

async fn ticks_may_start_later() {
    let start = now();
    let mut ticks = time::interval_at(start + 3 * MS, 2 * MS);
    assert_eq!(ticks.tick().await - start, 3 * MS);
    assert!(now() - start >= 3 * MS);
}

async fn ticks_are_a_stream_without_end() {
    let start = now();
    let due: Vec<_> = time::interval(MS).take(4).collect().await;
    assert_eq!(due.len(), 4);
    if in_simulation() {
        let since: Vec<_> = due.into_iter().map(|at| at - start).collect();
        assert_eq!(since, [Duration::ZERO, MS, 2 * MS, 3 * MS]);
    }
}

/// When ticks come, in seconds, after nobody looked between 0 and 3.5 s.
async fn after_a_gap(rule: MissedTicks) -> (Vec<f64>, u64) {
    let mut ticks = time::interval(SECOND).missed_ticks(rule);
    ticks.tick().await;
    time::sleep(SECOND * 7 / 2).await;
    let mut came = vec![];
    for _ in 0..5 {
        ticks.tick().await;
        came.push(testing::now().as_secs_f64());
    }
    (came, ticks.skipped())
}

#[test]
fn skipped_ticks_keep_to_the_schedule() {
    assert_eq!(MissedTicks::default(), MissedTicks::Skip);
    let got = testing::run(async || after_a_gap(MissedTicks::Skip).await);
    assert_eq!(got, (vec![3.5, 4.0, 5.0, 6.0, 7.0], 2));
}

#[test]
fn a_burst_makes_up_for_missed_ticks() {
    let got = testing::run(async || after_a_gap(MissedTicks::Burst).await);
    assert_eq!(got, (vec![3.5, 3.5, 3.5, 4.0, 5.0], 0));
}

#[test]
fn delayed_ticks_start_the_schedule_anew() {
    let got = testing::run(async || after_a_gap(MissedTicks::Delay).await);
    assert_eq!(got, (vec![3.5, 4.5, 5.5, 6.5, 7.5], 2));
}

#[test]
fn a_late_tick_tells_when_it_was_due() {
    testing::run(async || {
        let start = now();
        let mut ticks = time::interval(SECOND);
        ticks.tick().await;
        time::sleep(SECOND * 5 / 2).await;
        assert_eq!(ticks.tick().await - start, SECOND);
        assert_eq!(ticks.tick().await - start, SECOND * 3);
    });
}

#[test]
fn a_delay_of_less_than_a_period_moves_no_rule() {
    for rule in [MissedTicks::Skip, MissedTicks::Burst, MissedTicks::Delay] {
        testing::run(async || {
            let mut ticks = time::interval(SECOND).missed_ticks(rule);
            ticks.tick().await;
            time::sleep(SECOND * 3 / 2).await;
            ticks.tick().await;
            ticks.tick().await;
            assert_eq!((testing::now(), ticks.skipped()), (2 * SECOND, 0));
        });
    }
}

#[test]
fn a_multiple_of_the_period_is_no_rounding_trap() {
    testing::run(async || {
        let mut ticks = time::interval(SECOND);
        ticks.tick().await;
        time::sleep(3 * SECOND).await;
        ticks.tick().await;
        assert_eq!(testing::now(), 3 * SECOND);
        ticks.tick().await;
        assert_eq!((testing::now(), ticks.skipped()), (4 * SECOND, 2));
    });
}

async fn a_start_in_the_past_has_missed_its_ticks() {
    let long_ago = now().checked_sub(HOUR).unwrap();
    let mut ticks = time::interval_at(long_ago, 10 * MS);
    assert_eq!(ticks.tick().await, long_ago);
    assert!(ticks.skipped() >= 360_000);
    let next = ticks.tick().await;
    assert!(next > long_ago + HOUR && next <= now());
}

async fn a_dropped_tick_comes_again() {
    let mut ticks = time::interval_at(now() + 2 * MS, 2 * MS);
    let _ = time::timeout(MS, ticks.tick()).await;
    let due = ticks.tick().await;
    // Woken, and dropped before it looked.
    let hand = Hand::new();
    assert!(hand.poll(pin!(ticks.tick())).is_pending() || !in_simulation());
    time::sleep(3 * MS).await;
    let next = ticks.tick().await;
    if in_simulation() {
        assert_eq!(next, due + 2 * MS);
    }
}

async fn a_period_beyond_the_clock_ticks_once() {
    for rule in [MissedTicks::Skip, MissedTicks::Burst, MissedTicks::Delay] {
        let mut ticks = time::interval(Duration::MAX).missed_ticks(rule);
        ticks.tick().await;
        assert!(time::timeout(2 * MS, ticks.tick()).await.is_err());
    }
}

#[test]
fn a_period_of_zero_is_refused() {
    let made: fn() -> Interval = || time::interval(Duration::ZERO);
    let text = panic_of(made);
    assert!(text.contains("use a period above zero"), "{text}");
}

regatta::matrix! {
    ticks_come_at_once_and_then_every_period;
    ticks_may_start_later;
    ticks_are_a_stream_without_end;
    a_start_in_the_past_has_missed_its_ticks;
    a_dropped_tick_comes_again;
    a_period_beyond_the_clock_ticks_once;
}
