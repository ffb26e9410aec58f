//! `Condition`: 121 to 123, and models.

use super::support::{Order, others, poll, spawn, until, yield_now};
use regatta::sync::{Condition, Mutex};
use regatta::testing;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

// 123
async fn as_many_as_are_notified_go_on_in_order() {
    let (mutex, condition) = (Mutex::new(()), Condition::new());
    let order = Order::default();
    let mut tasks = Vec::new();
    for who in 0..6 {
        let (mutex, mine, order) = (mutex.clone(), condition.clone(), order.clone());
        tasks.push(spawn(async move {
            let guard = mine.wait(mutex.lock().await).await;
            order.note(who);
            drop(guard);
        }));
        until(|| condition.waiting() == who + 1).await;
    }
    condition.notify(0);
    condition.notify(2);
    until(|| order.seen().len() == 2).await;
    others().await;
    let mut first = order.seen();
    first.sort_unstable();
    assert_eq!((first, condition.waiting()), (vec![0, 1], 4));
    // More than there are, and nobody: neither is remembered.
    condition.notify(100);
    condition.notify(100);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(order.seen().len(), 6);
    assert!(poll(&mut condition.wait(mutex.lock().await)).is_pending());
}

// 123
async fn waiting_for_a_value_looks_again_each_time() {
    let (mutex, condition) = (Mutex::new(0), Condition::new());
    let looks = Arc::new(AtomicUsize::new(0));
    let waiter = {
        let (mutex, condition, looks) = (mutex.clone(), condition.clone(), looks.clone());
        spawn(async move {
            let guard = mutex.lock().await;
            let guard = condition
                .wait_for(guard, move |n| {
                    looks.fetch_add(1, SeqCst);
                    *n == 3
                })
                .await;
            *guard
        })
    };
    for n in 1..=3 {
        until(|| condition.waiting() == 1).await;
        *mutex.lock().await = n;
        condition.notify_all();
    }
    assert_eq!(waiter.await.unwrap(), 3);
    assert_eq!(looks.load(SeqCst), 4);
    let guard = condition.wait_while(mutex.lock().await, |n| *n != 3).await;
    assert_eq!(*guard, 3);
}

// 121
async fn a_notified_waiter_that_is_dropped_notifies_the_next() {
    let (mutex, condition) = (Mutex::new(()), Condition::new());
    let mut first = condition.wait(mutex.try_lock().unwrap());
    assert!(poll(&mut first).is_pending());
    let mut second = condition.wait(mutex.try_lock().unwrap());
    assert!(poll(&mut second).is_pending());
    condition.notify(1);
    drop(first);
    match poll(&mut second) {
        Poll::Ready(_guard) => assert!(mutex.is_locked()),
        Poll::Pending => panic!("the notification is lost"),
    }
    assert!(!mutex.is_locked());
}

// 121, 122 RUST: who is cancelled while it locks again has no guard, and the mutex is free.
async fn a_waiter_dropped_while_it_locks_again_notifies_the_next() {
    let (mutex, condition) = (Mutex::new(()), Condition::new());
    let mut first = condition.wait(mutex.try_lock().unwrap());
    assert!(poll(&mut first).is_pending());
    let mut second = condition.wait(mutex.try_lock().unwrap());
    assert!(poll(&mut second).is_pending());
    let held = mutex.try_lock().unwrap();
    condition.notify(1);
    assert!(poll(&mut first).is_pending());
    assert_eq!((mutex.waiting(), condition.waiting()), (1, 1));
    drop(first);
    assert_eq!((mutex.waiting(), condition.waiting()), (0, 0));
    drop(held);
    assert!(poll(&mut second).is_ready());
    assert!(!mutex.is_locked());
}

/// Who is notified with all others passes nothing on.
async fn a_notification_of_all_is_not_passed_on() {
    let (mutex, condition) = (Mutex::new(()), Condition::new());
    let mut early = condition.wait(mutex.try_lock().unwrap());
    assert!(poll(&mut early).is_pending());
    condition.notify_all();
    let mut late = condition.wait(mutex.try_lock().unwrap());
    assert!(poll(&mut late).is_pending());
    drop(early);
    assert!(poll(&mut late).is_pending());
}

async fn a_wait_that_was_never_polled_unlocks_when_dropped() {
    let (mutex, condition) = (Mutex::new(()), Condition::new());
    let wait = condition.wait(mutex.try_lock().unwrap());
    assert!(mutex.is_locked());
    drop(wait);
    assert!(!mutex.is_locked());
    assert_eq!(condition.waiting(), 0);
}

/// A bounded buffer with two conditions, the classic.
async fn a_buffer_loses_nothing_between_threads() {
    let buffer = Mutex::new(Vec::new());
    let (not_full, not_empty) = (Condition::new(), Condition::new());
    let mut tasks = Vec::new();
    for n in 0..4u64 {
        let (buffer, not_full, not_empty) = (buffer.clone(), not_full.clone(), not_empty.clone());
        tasks.push(spawn(async move {
            let mut sum = 0;
            for i in 0..2_000 {
                let mut guard = buffer.lock().await;
                if n < 2 {
                    guard = not_full.wait_while(guard, |b| b.len() >= 3).await;
                    guard.push(i);
                    not_empty.notify(1);
                } else {
                    guard = not_empty.wait_while(guard, |b| b.is_empty()).await;
                    sum += guard.pop().unwrap();
                    not_full.notify(1);
                }
            }
            sum
        }));
    }
    let mut sum = 0;
    for task in tasks {
        sum += task.await.unwrap();
    }
    assert_eq!(sum, 2_000 * 1_999);
}

regatta::matrix! {
    as_many_as_are_notified_go_on_in_order;
    waiting_for_a_value_looks_again_each_time;
    a_notified_waiter_that_is_dropped_notifies_the_next;
    a_waiter_dropped_while_it_locks_again_notifies_the_next;
    a_notification_of_all_is_not_passed_on;
    a_wait_that_was_never_polled_unlocks_when_dropped;
    a_buffer_loses_nothing_between_threads [tokio_current, tokio_multi, smol];
}

/// Notifications go out in the order of arrival, and the mutex line keeps that order.
#[test]
fn notifications_follow_arrivals_under_every_seed() {
    testing::check(3_000, async || {
        let (mutex, condition) = (Mutex::new(()), Condition::new());
        let (arrived, notified) = (Order::default(), Order::default());
        for who in 0..5 {
            let (mutex, condition) = (mutex.clone(), condition.clone());
            let (arrived, notified) = (arrived.clone(), notified.clone());
            drop(spawn(async move {
                let guard = mutex.lock().await;
                arrived.note(who);
                let guard = condition.wait(guard).await;
                notified.note(who);
                drop(guard);
            }));
        }
        others().await;
        for n in 0..5 {
            condition.notify(1);
            others().await;
            assert_eq!(notified.seen(), arrived.seen()[..=n]);
        }
    });
}

#[test]
fn a_small_program_is_right_in_every_interleaving() {
    let report = testing::explore_all(2_000_000, async || {
        let (mutex, condition) = (Mutex::new(0), Condition::new());
        let taker = || {
            let (mutex, condition) = (mutex.clone(), condition.clone());
            spawn(async move {
                let mut stock = condition.wait_for(mutex.lock().await, |n| *n > 0).await;
                *stock -= 1;
            })
        };
        let gives_up = {
            let (mutex, condition) = (mutex.clone(), condition.clone());
            spawn(async move {
                let look = async {
                    drop(condition.wait_for(mutex.lock().await, |n| *n > 0).await);
                    // It took nothing, so its notification is another's.
                    condition.notify(1);
                };
                futures_lite::future::or(look, yield_now()).await;
            })
        };
        let giver = {
            let (mutex, condition) = (mutex.clone(), condition.clone());
            spawn(async move {
                for _ in 0..2 {
                    *mutex.lock().await += 1;
                    condition.notify(1);
                }
            })
        };
        let (one, two) = (taker(), taker());
        for task in [gives_up, giver, one, two] {
            task.await.unwrap();
        }
        assert_eq!((*mutex.try_lock().unwrap(), condition.waiting()), (0, 0));
    });
    report.unwrap();
    assert!(report.complete && report.runs > 500, "{report}");
}
