//! `Event`: 124, P06, and models.

use super::support::{Order, others, poll, spawn, until, yield_now};
use regatta::sync::Event;
use regatta::testing;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

// 124
async fn a_set_event_does_not_wait() {
    let event = Event::new();
    event.set();
    event.set();
    event.wait().await;
    assert!(event.is_set());
    event.clear();
    assert!(!event.is_set());
    assert!(poll(&mut event.wait()).is_pending());
    assert_eq!(event.waiting(), 0);
}

// 124
async fn a_set_wakes_all_who_wait() {
    let event = Event::new();
    let woken = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (event, woken) = (event.clone(), woken.clone());
            spawn(async move {
                event.wait().await;
                woken.fetch_add(1, SeqCst);
            })
        })
        .collect();
    until(|| event.waiting() == 20).await;
    assert_eq!(woken.load(SeqCst), 0);
    event.set();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(woken.load(SeqCst), 20);
}

// 124, DIV: like asyncio.
async fn who_was_woken_stays_woken_when_it_is_cleared() {
    let event = Event::new();
    let early: Vec<_> = (0..5)
        .map(|_| {
            let event = event.clone();
            spawn(async move { event.wait().await })
        })
        .collect();
    until(|| event.waiting() == 5).await;
    event.set();
    event.clear();
    let mut late = event.wait();
    assert!(poll(&mut late).is_pending());
    for task in early {
        task.await.unwrap();
    }
    assert!(poll(&mut late).is_pending());
    // A later generation reuses the places of the earlier one, and is not confused with it.
    event.set();
    event.clear();
    assert!(poll(&mut late).is_ready());
}

async fn a_dropped_waiter_leaves_nothing() {
    let event = Event::new();
    let mut waiters: Vec<_> = (0..4).map(|_| event.wait()).collect();
    assert!(waiters.iter_mut().all(|w| poll(w).is_pending()));
    waiters.truncate(2);
    assert_eq!(event.waiting(), 2);
    event.set();
    event.clear();
    let mut later = event.wait();
    assert!(poll(&mut later).is_pending());
    // Those of the earlier generation take nobody's place away.
    drop(waiters);
    assert_eq!(event.waiting(), 1);
    drop(later);
    assert_eq!(event.waiting(), 0);
}

// P06
async fn one_set_releases_ten_thousand() {
    let event = Event::new();
    let released = Arc::new(AtomicUsize::new(0));
    for round in 1..=2 {
        let tasks: Vec<_> = (0..10_000)
            .map(|_| {
                let (event, released) = (event.clone(), released.clone());
                spawn(async move {
                    event.wait().await;
                    released.fetch_add(1, SeqCst);
                })
            })
            .collect();
        until(|| event.waiting() == 10_000).await;
        event.set();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(released.load(SeqCst), round * 10_000);
        event.clear();
    }
}

/// Two threads hand a turn back and forth; a lost wake-up hangs, and is named after a minute.
async fn no_wake_up_is_lost_between_threads() {
    let (ping, pong) = (Event::new(), Event::new());
    let other = {
        let (ping, pong) = (ping.clone(), pong.clone());
        spawn(async move {
            for _ in 0..20_000 {
                ping.wait().await;
                ping.clear();
                pong.set();
            }
        })
    };
    for _ in 0..20_000 {
        ping.set();
        pong.wait().await;
        pong.clear();
    }
    other.await.unwrap();
}

async fn a_loop_over_a_set_event_lets_the_others_run() {
    let (set, flag) = (Event::new(), Event::new());
    set.set();
    let setter = {
        let flag = flag.clone();
        spawn(async move { flag.set() })
    };
    while !flag.is_set() {
        set.wait().await;
    }
    setter.await.unwrap();
}

regatta::matrix! {
    a_set_event_does_not_wait;
    a_set_wakes_all_who_wait;
    who_was_woken_stays_woken_when_it_is_cleared;
    a_dropped_waiter_leaves_nothing;
    one_set_releases_ten_thousand [tokio_current, tokio_multi, smol];
    no_wake_up_is_lost_between_threads [tokio_current, tokio_multi, smol];
    a_loop_over_a_set_event_lets_the_others_run;
}

// P06
#[test]
fn one_set_releases_ten_thousand_in_virtual_time() {
    testing::run(one_set_releases_ten_thousand);
}

#[test]
fn waiters_are_woken_in_the_order_they_came() {
    let config = testing::Config::new(0).policy(testing::Policy::Fifo);
    testing::run_with(config, async || {
        let (event, order) = (Event::new(), Order::default());
        for who in 0..50 {
            let (event, order) = (event.clone(), order.clone());
            drop(spawn(async move {
                event.wait().await;
                order.note(who);
            }));
        }
        others().await;
        event.set();
        others().await;
        assert_eq!(order.seen(), (0..50).collect::<Vec<_>>());
    })
    .unwrap();
}

/// Every interleaving of two waiters, one that gives up, and a set followed by a clear.
#[test]
fn a_small_program_is_right_in_every_interleaving() {
    let report = testing::explore_all(2_000_000, async || {
        let event = Event::new();
        let wait = || {
            let event = event.clone();
            spawn(async move { event.wait().await })
        };
        let waiters = [wait(), wait()];
        let gives_up = {
            let event = event.clone();
            spawn(async move { futures_lite::future::or(event.wait(), yield_now()).await })
        };
        let setter = {
            let event = event.clone();
            spawn(async move {
                event.set();
                yield_now().await;
                event.clear();
                yield_now().await;
                event.set();
            })
        };
        for task in waiters.into_iter().chain([gives_up, setter]) {
            task.await.unwrap();
        }
        assert_eq!(event.waiting(), 0);
    });
    report.unwrap();
    assert!(report.complete && report.runs > 1_000, "{report}");
}
