//! `RwLock`: 112 to 115 for readers and writers, the livelock of a neighbour, and models.

use super::support::{Crowd, MS, Order, poll, spawn, until, yield_now};
use regatta::sync::{RwLock, WriteGuard};
use regatta::{testing, time};
use std::task::Poll;

async fn readers_share_and_writers_do_not() {
    let lock = RwLock::new(0);
    let (readers, writers) = (Crowd::default(), Crowd::default());
    let mut tasks = Vec::new();
    for n in 0..20 {
        let (lock, readers, writers) = (lock.clone(), readers.clone(), writers.clone());
        tasks.push(spawn(async move {
            if n % 4 == 0 {
                let mut value = lock.write().await;
                let _inside = writers.enter(1);
                let old = *value;
                yield_now().await;
                assert_eq!(readers.now(), 0);
                *value = old + 1;
            } else {
                let value = lock.read().await;
                let _inside = readers.enter(1);
                let old = *value;
                yield_now().await;
                assert_eq!((*value, writers.now()), (old, 0));
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((*lock.read().await, writers.most()), (5, 1));
}

// 112
async fn the_line_is_one_for_readers_and_writers() {
    let lock = RwLock::new(());
    let first = lock.read().await;
    let (mut writer, mut reader) = (lock.write(), lock.read());
    assert!(poll(&mut writer).is_pending());
    // A reader who comes after a waiting writer waits too: writers are not starved.
    assert!(poll(&mut reader).is_pending());
    assert!(lock.try_read().is_err() && lock.try_write().is_err());
    drop(first);
    assert!(poll(&mut reader).is_pending());
    let writing = match poll(&mut writer) {
        Poll::Ready(guard) => guard,
        Poll::Pending => panic!("it is the writer's turn"),
    };
    drop(writing);
    assert!(poll(&mut reader).is_ready());
    assert!(lock.try_write().is_ok());
}

// 113, 115
async fn whoever_leaves_lets_those_behind_go_on() {
    let lock = RwLock::new(3);
    let reading = lock.read().await;
    let (mut writer, mut reader) = (lock.write(), lock.read());
    assert!(poll(&mut writer).is_pending() && poll(&mut reader).is_pending());
    // The writer gives up: the reader behind it joins the reader before it.
    drop(writer);
    assert!(poll(&mut reader).is_ready());
    drop(reading);
    // Given, and dropped before it was seen, in both modes.
    let writing = lock.write().await;
    let (mut one, mut two, mut three) = (lock.write(), lock.read(), lock.write());
    assert!(poll(&mut one).is_pending() && poll(&mut two).is_pending());
    assert!(poll(&mut three).is_pending());
    drop(writing);
    drop(one);
    drop(two);
    assert!(poll(&mut three).is_ready());
    assert_eq!(lock.waiting(), 0);
}

async fn a_downgrade_lets_no_writer_in_between() {
    let lock = RwLock::new(1);
    let mut writing = lock.write().await;
    let (mut reader, mut writer) = (lock.read(), lock.write());
    assert!(poll(&mut reader).is_pending() && poll(&mut writer).is_pending());
    *writing = 2;
    let reading = WriteGuard::downgrade(writing);
    match poll(&mut reader) {
        Poll::Ready(other) => assert_eq!((*reading, *other), (2, 2)),
        Poll::Pending => panic!("the first in line reads along"),
    }
    assert!(poll(&mut writer).is_pending());
    drop(reading);
    assert!(poll(&mut writer).is_ready());
}

async fn writers_get_in_between_busy_readers() {
    let lock = RwLock::new(0);
    let readers: Vec<_> = (0..6)
        .map(|_| {
            let lock = lock.clone();
            spawn(async move {
                while *lock.read().await < 20 {
                    let _held = lock.read().await;
                    yield_now().await;
                }
            })
        })
        .collect();
    for _ in 0..20 {
        *lock.write().await += 1;
        yield_now().await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

async fn nothing_is_lost_between_threads() {
    let lock = RwLock::new((0u64, 0u64));
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let lock = lock.clone();
            spawn(async move {
                for round in 0..5_000 {
                    if (round + n) % 3 == 0 {
                        let mut pair = lock.write().await;
                        pair.0 += 1;
                        if round % 32 == 0 {
                            yield_now().await;
                        }
                        pair.1 += 1;
                    } else {
                        let pair = lock.read().await;
                        assert_eq!(pair.0, pair.1);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let (a, b) = *lock.read().await;
    assert_eq!(a, b);
    assert!(a > 13_000);
}

async fn a_hundred_thousand_read() {
    let lock = RwLock::new(());
    let writing = lock.write().await;
    let mut readers: Vec<_> = (0..100_000).map(|_| lock.read()).collect();
    assert!(readers.iter_mut().all(|r| poll(r).is_pending()));
    let mut last = lock.write();
    assert!(poll(&mut last).is_pending());
    drop(writing);
    assert!(poll(&mut last).is_pending());
    let guards: Vec<_> = readers.iter_mut().map(poll).collect();
    assert!(guards.iter().all(Poll::is_ready));
    drop(guards);
    assert!(poll(&mut last).is_ready());
}

regatta::matrix! {
    readers_share_and_writers_do_not;
    the_line_is_one_for_readers_and_writers;
    whoever_leaves_lets_those_behind_go_on;
    a_downgrade_lets_no_writer_in_between;
    writers_get_in_between_busy_readers;
    nothing_is_lost_between_threads [tokio_current, tokio_multi, smol];
    a_hundred_thousand_read [tokio_current, tokio_multi, smol];
}

/// async-lock 3.5.0 livelocks here: see `the_readers_of_a_neighbours_lock_spin` in `tests/testing/bugs.rs`.
#[test]
fn waiting_readers_do_not_wake_one_another() {
    let report = testing::explore(0..10_000, async || {
        let lock = RwLock::new(());
        let write = |lock: RwLock<()>| async move {
            let _held = lock.write().await;
            time::sleep(MS).await;
        };
        let read = |lock: RwLock<()>| async move { drop(lock.read().await) };
        let writers = [0, 1].map(|_| spawn(write(lock.clone())));
        let readers = [0, 1].map(|_| spawn(read(lock.clone())));
        for task in writers.into_iter().chain(readers) {
            task.await.unwrap();
        }
        assert_eq!(testing::now(), MS * 2);
    });
    report.unwrap();
}

/// Writers and readers are let in by arrival: a reader may only pass other readers.
#[test]
fn grants_follow_arrivals_under_every_seed() {
    testing::check(5_000, async || {
        let lock = RwLock::new(());
        let (arrived, granted) = (Order::default(), Order::default());
        let tasks: Vec<_> = (0..6)
            .map(|who| {
                let (lock, arrived, granted) = (lock.clone(), arrived.clone(), granted.clone());
                spawn(async move {
                    for turn in 0..3 {
                        let id = who * 10 + turn;
                        arrived.note(id);
                        if who % 2 == 0 {
                            let _guard = lock.write().await;
                            granted.note(id);
                            yield_now().await;
                        } else {
                            let _guard = lock.read().await;
                            granted.note(id);
                            yield_now().await;
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        // Between two writers come the same readers, in any order.
        let sorted = |seen: Vec<usize>| {
            let mut runs = vec![vec![]];
            for id in seen {
                if id / 10 % 2 == 0 {
                    runs.push(vec![id]);
                    runs.push(vec![]);
                } else if let Some(run) = runs.last_mut() {
                    run.push(id);
                }
            }
            runs.iter_mut().for_each(|run| run.sort_unstable());
            runs
        };
        assert_eq!(sorted(arrived.seen()), sorted(granted.seen()));
    });
}

#[test]
fn a_small_program_is_right_in_every_interleaving() {
    let report = testing::explore_all(2_000_000, async || {
        let lock = RwLock::new(0);
        let write = || {
            let lock = lock.clone();
            spawn(async move {
                let mut value = lock.write().await;
                let old = *value;
                yield_now().await;
                *value = old + 1;
            })
        };
        let read = || {
            let lock = lock.clone();
            spawn(async move {
                let value = lock.read().await;
                let old = *value;
                yield_now().await;
                assert_eq!(*value, old);
            })
        };
        let gives_up = {
            let lock = lock.clone();
            spawn(async move {
                futures_lite::future::or(async { drop(lock.write().await) }, yield_now()).await;
            })
        };
        for task in [write(), read(), write(), gives_up] {
            task.await.unwrap();
        }
        assert_eq!((*lock.try_read().unwrap(), lock.waiting()), (2, 0));
    });
    report.unwrap();
    assert!(report.complete && report.runs > 1_000, "{report}");
}

async fn debug_says_who_is_there() {
    let lock = RwLock::new(());
    let _reading = lock.read().await;
    until(|| lock.waiting() == 0).await;
    assert_eq!(
        format!("{lock:?}"),
        "RwLock { readers: 1, writer: false, waiting: 0, .. }"
    );
}

regatta::matrix! { debug_says_who_is_there [sim]; }
