//! `Barrier`, with the dropped waiter that a neighbour counts.

use super::support::{Order, poll, spawn, until, yield_now};
use regatta::sync::Barrier;
use regatta::testing;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

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
