//! `Barrier`, with the dropped waiter that a neighbour counts.

use super::support::{Order, poll, spawn, until, yield_now};
use regatta::sync::{Barrier, BarrierError};
use regatta::testing;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

async fn all_go_on_together_with_one_leader_each_time() {
    let barrier = Barrier::new(5);
    let (leaders, inside) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..5)
        .map(|_| {
            let (barrier, leaders, inside) = (barrier.clone(), leaders.clone(), inside.clone());
            spawn(async move {
                for round in 1..=10 {
                    inside.fetch_add(1, SeqCst);
                    if barrier.wait().await.unwrap().is_leader() {
                        leaders.fetch_add(1, SeqCst);
                    }
                    assert!(inside.load(SeqCst) >= 5 * round);
                    barrier.wait().await.unwrap();
                    assert!(leaders.load(SeqCst) >= round);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((leaders.load(SeqCst), barrier.waiting()), (10, 0));
}

/// async-lock 3.5.0 counts it, and lets two through a barrier for three.
async fn a_dropped_waiter_has_not_arrived() {
    let barrier = Barrier::new(3);
    let mut gone = barrier.wait();
    assert!(poll(&mut gone).is_pending());
    drop(gone);
    let (mut one, mut two, mut three) = (barrier.wait(), barrier.wait(), barrier.wait());
    assert!(poll(&mut one).is_pending());
    assert!(poll(&mut two).is_pending());
    assert_eq!(barrier.waiting(), 2);
    assert!(poll(&mut three).is_ready());
    // Released, and dropped without a look: nobody minds.
    drop(one);
    assert!(poll(&mut two).is_ready());
}

async fn a_barrier_for_one_lets_others_run() {
    let (barrier, done) = (Barrier::new(1), Arc::new(AtomicUsize::new(0)));
    let other = {
        let done = done.clone();
        spawn(async move { done.store(1, SeqCst) })
    };
    while done.load(SeqCst) == 0 {
        assert!(barrier.wait().await.unwrap().is_leader());
    }
    other.await.unwrap();
}

async fn ten_thousand_arrive() {
    let barrier = Barrier::new(10_001);
    let order = Order::default();
    let tasks: Vec<_> = (0..10_000)
        .map(|_| {
            let (barrier, order) = (barrier.clone(), order.clone());
            spawn(async move {
                let leader = barrier.wait().await.unwrap().is_leader();
                order.note(leader.into());
            })
        })
        .collect();
    until(|| barrier.waiting() == 10_000).await;
    assert!(barrier.wait().await.unwrap().is_leader());
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(order.seen(), vec![0; 10_000]);
}

regatta::matrix! {
    all_go_on_together_with_one_leader_each_time;
    a_dropped_waiter_has_not_arrived;
    a_barrier_for_one_lets_others_run;
    ten_thousand_arrive [tokio_current, tokio_multi, smol];
}

#[test]
fn a_small_program_is_right_in_every_interleaving() {
    let report = testing::explore_all(2_000_000, async || {
        let barrier = Barrier::new(2);
        let leaders = Arc::new(AtomicUsize::new(0));
        let wait = || {
            let (barrier, leaders) = (barrier.clone(), leaders.clone());
            spawn(async move {
                if barrier.wait().await.unwrap().is_leader() {
                    leaders.fetch_add(1, SeqCst);
                }
            })
        };
        let gone = {
            let barrier = barrier.clone();
            // Never polled again after its first: it does not count unless it was released.
            spawn(async move {
                let mut waiting = barrier.wait();
                let released = poll(&mut waiting).is_ready();
                yield_now().await;
                released || poll(&mut waiting).is_ready()
            })
        };
        let (one, two) = (wait(), wait());
        if gone.await.unwrap() {
            // It went on with one of the two: the other needs a partner.
            barrier.wait().await.unwrap();
        }
        one.await.unwrap();
        two.await.unwrap();
        assert_eq!(barrier.waiting(), 0);
    });
    report.unwrap();
    assert!(report.complete && report.runs > 20, "{report}");
}

#[test]
#[should_panic(expected = "Barrier::new(0): nobody would ever wait; use at least 1")]
fn a_barrier_for_nobody_is_refused() {
    drop(Barrier::new(0));
}

async fn each_is_told_how_many_came_before_it() {
    let barrier = Barrier::new(4);
    for _ in 0..3 {
        let mut waits: Vec<_> = (0..4).map(|_| barrier.wait()).collect();
        assert!(poll(&mut waits[0]).is_pending());
        assert!(poll(&mut waits[1]).is_pending());
        // It has not arrived after all, and those behind it move up.
        drop(waits.remove(0));
        assert!(poll(&mut waits[1]).is_pending());
        waits.push(barrier.wait());
        assert!(poll(&mut waits[2]).is_pending());
        let mut seen = Vec::new();
        for n in [3, 0, 2, 1] {
            let Poll::Ready(Ok(arrival)) = poll(&mut waits[n]) else {
                panic!("{n} was not released");
            };
            seen.push((arrival.index(), arrival.is_leader()));
        }
        assert_eq!(seen, [(3, true), (0, false), (2, false), (1, false)]);
    }
}

async fn a_reset_tells_who_waits_and_starts_anew() {
    let barrier = Barrier::new(2);
    let waits = {
        let barrier = barrier.clone();
        spawn(async move { barrier.wait().await })
    };
    until(|| barrier.waiting() == 1).await;
    barrier.reset();
    assert_eq!(waits.await.unwrap(), Err(BarrierError::Reset));
    assert_eq!((barrier.waiting(), barrier.is_aborted()), (0, false));
    let (one, two) = futures::join!(barrier.wait(), barrier.wait());
    assert_eq!((one.unwrap().index(), two.unwrap().index()), (0, 1));
}

async fn an_abort_tells_who_waits_and_who_comes_until_the_reset() {
    let barrier = Barrier::new(3);
    let tasks: Vec<_> = (0..2)
        .map(|_| {
            let barrier = barrier.clone();
            spawn(async move { barrier.wait().await })
        })
        .collect();
    until(|| barrier.waiting() == 2).await;
    barrier.abort();
    assert!(barrier.is_aborted());
    for task in tasks {
        assert_eq!(task.await.unwrap(), Err(BarrierError::Aborted));
    }
    let error = barrier.wait().await.unwrap_err();
    assert!(error.to_string().contains("`reset`"), "{error}");
    barrier.reset();
    let all = futures::join!(barrier.wait(), barrier.wait(), barrier.wait());
    assert!(all.0.is_ok() && all.1.is_ok() && all.2.unwrap().is_leader());
}

/// Who had been released before goes on, whatever comes after.
async fn who_is_released_stays_released() {
    let barrier = Barrier::new(2);
    let (mut one, mut two) = (barrier.wait(), barrier.wait());
    assert!(poll(&mut one).is_pending() && poll(&mut two).is_ready());
    barrier.abort();
    assert!(matches!(poll(&mut one), Poll::Ready(Ok(_))));
}

regatta::matrix! {
    each_is_told_how_many_came_before_it;
    a_reset_tells_who_waits_and_starts_anew;
    an_abort_tells_who_waits_and_who_comes_until_the_reset;
    who_is_released_stays_released;
}
