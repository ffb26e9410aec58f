//! `sleep`, `sleep_until`, `Runtime::sleep`.

use crate::ground::{HOUR, Hand, MS, Watch, now, spawn};
use regatta::runtime::{Backend, BoxFuture, BoxWork};
use regatta::testing::{self, yield_now};
use regatta::{Runtime, time};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::Poll;
use std::time::{Duration, Instant};

async fn a_sleep_takes_its_time() {
    let watch = Watch::start();
    time::sleep(3 * MS).await;
    watch.shows(3 * MS);
}

async fn a_sleep_until_a_moment_ends_at_that_moment() {
    let watch = Watch::start();
    time::sleep_until(now() + 3 * MS).await;
    watch.shows(3 * MS);
}

async fn a_sleep_counts_from_its_first_poll() {
    // 75
    let sleep = time::sleep(2 * MS);
    time::sleep(2 * MS).await;
    let watch = Watch::start();
    sleep.await;
    watch.shows(2 * MS);
}

async fn a_runtimes_sleep_counts_from_the_call() {
    let watch = Watch::start();
    let sleep = Runtime::current().sleep(3 * MS);
    time::sleep(2 * MS).await;
    sleep.await;
    watch.shows(3 * MS);
}

async fn a_moment_in_the_past_gives_way_once() {
    let watch = Watch::start();
    let past = now().checked_sub(HOUR).unwrap();
    time::sleep_until(past).await;
    Runtime::current().sleep_until(past).await;
    watch.shows(Duration::ZERO);
}

async fn a_sleep_of_nothing_lets_the_others_run() {
    let seen = Arc::new(AtomicBool::new(false));
    let flag = seen.clone();
    let other = spawn(async move { flag.store(true, SeqCst) });
    while !seen.load(SeqCst) {
        time::sleep(Duration::ZERO).await;
    }
    other.await.unwrap();
}

/// A runtime without a clock.
struct NoClock;
impl Backend for NoClock {
    fn spawn(&self, _: BoxFuture<'static, ()>) {
        panic!("nothing is spawned here")
    }
    fn spawn_blocking(&self, _: BoxWork) {
        panic!("nothing is spawned here")
    }
    fn sleep_until(&self, _: Instant) -> BoxFuture<'static, ()> {
        panic!("nobody sleeps here")
    }
    fn now(&self) -> Instant {
        panic!("nobody looks at the clock here")
    }
}

#[test]
fn a_sleep_of_nothing_touches_no_timer_and_no_clock() {
    let hand = Hand::new();
    let mut sleep = pin!(Runtime::custom(NoClock).within(time::sleep(Duration::ZERO)));
    assert!(hand.poll(sleep.as_mut()).is_pending());
    assert_eq!(hand.wakes.get(), 1);
    assert!(hand.poll(sleep.as_mut()).is_ready());
    assert_eq!(hand.wakes.get(), 1);
}

#[test]
fn work_that_is_ready_at_once_costs_no_timer_and_no_clock() {
    let hand = Hand::new();
    let quick = time::timeout(HOUR, async { 5 });
    let mut quick = pin!(Runtime::custom(NoClock).within(quick));
    assert_eq!(hand.poll(quick.as_mut()), Poll::Ready(Ok(5)));
}

async fn a_reset_sleep_ends_at_the_new_moment() {
    let watch = Watch::start();
    let mut sleep = pin!(time::sleep(HOUR));
    yield_now().await;
    sleep.as_mut().reset(Some(now() + 2 * MS));
    sleep.as_mut().await;
    watch.shows(2 * MS);
    // Also after it has ended,
    sleep.as_mut().reset(Some(now() + 2 * MS));
    sleep.as_mut().await;
    watch.shows(4 * MS);
    // and to a moment that has come.
    sleep.as_mut().reset(Some(now()));
    sleep.as_mut().await;
    watch.shows(4 * MS);
}

async fn an_armed_sleep_can_be_moved_both_ways() {
    let watch = Watch::start();
    let start = now();
    let mut sleep = pin!(time::sleep(2 * MS));
    assert!(futures::poll!(sleep.as_mut()).is_pending());
    sleep.as_mut().reset(Some(start + 4 * MS));
    sleep.as_mut().await;
    watch.shows(4 * MS);

    let mut sleep = pin!(time::sleep(HOUR));
    assert!(futures::poll!(sleep.as_mut()).is_pending());
    sleep.as_mut().reset(Some(start + 6 * MS));
    sleep.as_mut().await;
    watch.shows(6 * MS);
}

async fn a_sleep_reset_to_never_does_not_end() {
    let mut sleep = pin!(time::sleep(MS));
    assert!(futures::poll!(sleep.as_mut()).is_pending());
    sleep.as_mut().reset(None);
    assert_eq!(sleep.deadline(), None);
    assert!(time::timeout(3 * MS, sleep.as_mut()).await.is_err());
    sleep.as_mut().reset(Some(now() + MS));
    sleep.await;
}

async fn a_sleep_knows_its_deadline_once_it_has_started() {
    let mut sleep = pin!(time::sleep(MS));
    assert_eq!(sleep.deadline(), None);
    let before = now();
    assert!(futures::poll!(sleep.as_mut()).is_pending());
    assert!(sleep.deadline().is_some_and(|at| at >= before + MS));
    let at = before + 2 * MS;
    assert_eq!(time::sleep_until(at).deadline(), Some(at));
    assert_eq!(Runtime::current().sleep(Duration::MAX).deadline(), None);
}

async fn a_sleep_beyond_the_clock_never_ends() {
    for endless in [
        time::sleep(Duration::MAX),
        Runtime::current().sleep(Duration::MAX),
    ] {
        assert!(time::timeout(2 * MS, endless).await.is_err());
    }
}

async fn many_sleeps_end_in_the_order_of_their_moments() {
    let (tx, rx) = async_channel::unbounded();
    let start = now();
    for n in (0..20_u32).rev() {
        let tx = tx.clone();
        drop(spawn(async move {
            time::sleep_until(start + n * MS / 4).await;
            tx.send((n, now())).await.unwrap();
        }));
    }
    for _ in 0..20 {
        let (n, ended) = rx.recv().await.unwrap();
        assert!(ended >= start + n * MS / 4);
    }
}

#[test]
fn a_day_costs_nothing_in_virtual_time() {
    testing::run(async || {
        time::sleep(24 * HOUR).await;
        assert_eq!(testing::now(), 24 * HOUR);
    });
}

regatta::matrix! {
    a_sleep_takes_its_time;
    a_sleep_until_a_moment_ends_at_that_moment;
    a_sleep_counts_from_its_first_poll;
    a_runtimes_sleep_counts_from_the_call;
    a_moment_in_the_past_gives_way_once;
    a_sleep_of_nothing_lets_the_others_run;
    a_reset_sleep_ends_at_the_new_moment;
    an_armed_sleep_can_be_moved_both_ways;
    a_sleep_reset_to_never_does_not_end;
    a_sleep_knows_its_deadline_once_it_has_started;
    a_sleep_beyond_the_clock_never_ends;
    many_sleeps_end_in_the_order_of_their_moments;
}
