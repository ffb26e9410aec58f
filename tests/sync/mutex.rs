//! `Mutex`: 112, 113, 115 to 117, P05, and models.

use super::support::{Order, others, poll, spawn, until, yield_now};
use regatta::sync::{Mutex, OnceCell};
use regatta::testing;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

// P05
async fn a_hundred_increments_are_a_hundred() {
    let counter = Mutex::new(0);
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let counter = counter.clone();
            spawn(async move {
                let mut count = counter.lock().await;
                let old = *count;
                yield_now().await;
                *count = old + 1;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*counter.lock().await, 100);
}

// 112
async fn who_waits_is_served_in_order() {
    let mutex = Mutex::new(Vec::new());
    let held = mutex.lock().await;
    let mut tasks = Vec::new();
    for who in 0..10 {
        let mine = mutex.clone();
        tasks.push(spawn(async move { mine.lock().await.push(who) }));
        until(|| mutex.waiting() == who + 1).await;
    }
    drop(held);
    // Who unlocks and locks again goes behind those who wait.
    assert_eq!(*mutex.lock().await, (0..10).collect::<Vec<_>>());
    for task in tasks {
        task.await.unwrap();
    }
}

// 113, 115
async fn a_dropped_owner_to_be_passes_the_mutex_on() {
    let mutex = Mutex::new(7);
    let held = mutex.try_lock().unwrap();
    let (mut first, mut second) = (mutex.lock(), mutex.lock());
    assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
    drop(held);
    // Reserved, 114.
    let error = mutex.try_lock().unwrap_err();
    assert_eq!(
        error.to_string(),
        "try_lock: somebody holds the lock or waits for it; `lock` waits for its turn"
    );
    drop(first);
    match poll(&mut second) {
        Poll::Ready(guard) => assert_eq!(*guard, 7),
        Poll::Pending => panic!("the mutex is lost"),
    }
    assert!(!mutex.is_locked());
}

// 117, RUST: a task cannot end without unlocking; its guard goes with it.
async fn an_owner_that_ends_or_panics_unlocks() {
    let mutex = Mutex::new(0);
    for panics in [false, true] {
        let mine = mutex.clone();
        let task = spawn(async move {
            let mut guard = mine.lock().await;
            *guard += 1;
            yield_now().await;
            assert!(!panics, "on purpose");
        });
        assert_eq!(task.await.is_err(), panics);
        others().await;
    }
    assert_eq!(*mutex.lock().await, 2);
}

async fn a_loop_over_a_free_mutex_lets_the_others_run() {
    let (mutex, flag) = (Mutex::new(0), Arc::new(AtomicUsize::new(0)));
    let setter = {
        let flag = flag.clone();
        spawn(async move { flag.store(1, SeqCst) })
    };
    while flag.load(SeqCst) == 0 {
        *mutex.lock().await += 1;
    }
    setter.await.unwrap();
}

async fn no_increment_is_lost_between_threads() {
    let mutex = Mutex::new(0u64);
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let mutex = mutex.clone();
            spawn(async move {
                for round in 0..10_000u64 {
                    let mut value = mutex.lock().await;
                    *value += 1;
                    if (n + round) % 16 == 0 {
                        yield_now().await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(mutex.try_into_inner().unwrap(), 80_000);
}

async fn a_once_cell_is_made_once() {
    let (cell, made) = (Arc::new(OnceCell::new()), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let (cell, made) = (cell.clone(), made.clone());
            spawn(async move {
                let value = cell.get_or_init(async || {
                    yield_now().await;
                    made.fetch_add(1, SeqCst) + 41
                });
                *value.await
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 41);
    }
    assert_eq!(made.load(SeqCst), 1);
}

async fn a_hundred_thousand_wait() {
    let mutex = Mutex::new(0);
    let held = mutex.lock().await;
    let mut waiters: Vec<_> = (0..100_000).map(|_| mutex.lock()).collect();
    assert!(waiters.iter_mut().all(|w| poll(w).is_pending()));
    drop(held);
    for waiter in &mut waiters {
        match poll(waiter) {
            Poll::Ready(mut guard) => *guard += 1,
            Poll::Pending => panic!("out of turn"),
        }
    }
    assert_eq!(*mutex.lock().await, 100_000);
}

regatta::matrix! {
    a_hundred_increments_are_a_hundred;
    who_waits_is_served_in_order;
    a_dropped_owner_to_be_passes_the_mutex_on;
    an_owner_that_ends_or_panics_unlocks;
    a_loop_over_a_free_mutex_lets_the_others_run;
    no_increment_is_lost_between_threads [tokio_current, tokio_multi, smol];
    a_once_cell_is_made_once;
    a_hundred_thousand_wait [tokio_current, tokio_multi, smol];
}

#[test]
fn grants_follow_arrivals_under_every_seed() {
    testing::check(5_000, async || {
        let mutex = Mutex::new(());
        let (arrived, granted) = (Order::default(), Order::default());
        let tasks: Vec<_> = (0..5)
            .map(|who| {
                let (mutex, arrived, granted) = (mutex.clone(), arrived.clone(), granted.clone());
                spawn(async move {
                    for turn in 0..4 {
                        arrived.note(who * 10 + turn);
                        let _guard = mutex.lock().await;
                        granted.note(who * 10 + turn);
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(arrived.seen(), granted.seen());
    });
}

/// Every interleaving of two who lock, one who gives up, and one who only tries.
#[test]
fn a_small_program_is_right_in_every_interleaving() {
    let report = testing::explore_all(2_000_000, async || {
        let mutex = Mutex::new(0);
        let locks = || {
            let mutex = mutex.clone();
            spawn(async move {
                let mut n = mutex.lock().await;
                let old = *n;
                yield_now().await;
                *n = old + 1;
            })
        };
        let tasks = [locks(), locks()];
        let gives_up = {
            let mutex = mutex.clone();
            spawn(async move {
                futures_lite::future::or(async { drop(mutex.lock().await) }, yield_now()).await;
            })
        };
        let tries = mutex.try_lock().map(|mut n| *n += 1).is_ok();
        for task in tasks.into_iter().chain([gives_up]) {
            task.await.unwrap();
        }
        assert_eq!(*mutex.try_lock().unwrap(), 2 + i32::from(tries));
    });
    report.unwrap();
    assert!(report.complete && report.runs > 100, "{report}");
}

// 116, DIV: without an owner a second lock waits; virtual time says so.
#[test]
fn locking_twice_in_one_task_is_reported_as_a_deadlock() {
    let report = testing::run_with(testing::Config::new(0), async || {
        let mutex = Mutex::new(());
        let _once = mutex.lock().await;
        let _twice = mutex.lock().await;
    });
    let text = report.value.unwrap_err().to_string();
    assert!(text.contains("a mutex"), "{text}");
}

/// Large or not `Sync`, dropped exactly once.
#[test]
fn the_value_is_dropped_once_and_outside() {
    struct Counts(Arc<AtomicUsize>, Option<Mutex<u8>>);
    impl Drop for Counts {
        fn drop(&mut self) {
            // Uses another lock of ours while it is dropped.
            assert!(self.1.take().is_some_and(|m| m.try_lock().is_ok()));
            self.0.fetch_add(1, SeqCst);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let mutex = Mutex::new(Counts(drops.clone(), Some(Mutex::new(1))));
    let guard = mutex.try_lock().unwrap();
    let mut waiter = mutex.lock();
    assert!(poll(&mut waiter).is_pending());
    drop(mutex);
    drop(guard);
    // The waiter has it, and never sees it.
    drop(waiter);
    assert_eq!(drops.load(SeqCst), 1);
}

#[test]
fn the_value_comes_out_of_the_last_handle() {
    let mutex = Mutex::new(String::from("a"));
    let mutex = {
        let other = mutex.clone();
        let back = mutex.try_into_inner().unwrap_err();
        drop(other);
        back
    };
    *mutex.try_lock().unwrap() += "b";
    assert_eq!(mutex.try_into_inner().unwrap(), "ab");
}
