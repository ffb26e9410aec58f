//! Small programs under every interleaving of their tasks: proofs, where the report says it is complete.

use crate::support::{Count, Log, errors, pending, yield_now};
use regatta::cancel::Reason;
use regatta::task::{ErrorGroup, TaskGroup, task_group};
use regatta::testing;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

type Free = TaskGroup<'static, Infallible>;

#[track_caller]
fn prove<F: Fn() -> Fut, Fut: Future<Output = ()>>(root: F) {
    let report = testing::explore_all(300_000, root);
    report.unwrap();
    assert!(report.complete, "{report}");
    println!("{report}");
}

// 11
#[test]
fn two_children_fail_while_the_body_ends() {
    let seen = Mutex::new(std::collections::BTreeSet::new());
    prove(|| async {
        let result: Result<u32, ErrorGroup<&str>> = task_group(async |g| {
            for error in ["a", "b"] {
                drop(g.spawn(async move {
                    yield_now().await;
                    Err::<(), _>(error)
                }));
            }
            yield_now().await;
            Ok(1)
        })
        .await;
        seen.lock().unwrap().insert(errors(result));
    });
    // The first error cuts the other child short, or finds it ready to fail: then both are kept.
    let seen: Vec<_> = seen.into_inner().unwrap().into_iter().collect();
    assert_eq!(seen, [vec!["a"], vec!["a", "b"], vec!["b"]]);
}

// 42, 89
#[test]
fn a_cancellation_meets_a_completion() {
    let seen = Mutex::new([0; 2]);
    prove(|| async {
        let outcome = task_group(async |g: Free| {
            let mut child = g.spawn(async {
                yield_now().await;
                Ok(5)
            });
            yield_now().await;
            let ended = child.is_finished();
            child.cancel();
            let outcome = child.outcome().await;
            assert!(!ended || outcome.is_ok(), "a value was lost");
            Ok(outcome)
        })
        .await
        .unwrap();
        let ok = match outcome {
            Ok(value) => value == 5,
            Err(why) => why.reason() != &Reason::Requested,
        };
        seen.lock().unwrap()[usize::from(ok)] += 1;
    });
    assert!(seen.into_inner().unwrap().iter().all(|n| *n > 0));
}

#[test]
fn a_group_is_cancelled_while_it_completes() {
    prove(|| async {
        let alive = Count::default();
        let counted = alive.clone();
        let result = task_group(async |g: Free| {
            let canceller = g.clone();
            drop(g.service(async move {
                yield_now().await;
                canceller.cancel_with("now");
            }));
            drop(g.spawn(async move {
                let _alive = counted.one();
                yield_now().await;
            }));
            Ok(3)
        })
        .await;
        assert_eq!(alive.get(), 0);
        match result {
            Ok(value) => assert_eq!(value, 3),
            Err(errors) => assert_eq!(errors.cancelled(), Some(&Reason::from("now"))),
        }
    });
}

// 3: the last child ends while a sibling is being spawned: it is in, and waited for, or the group has ended for good.
#[test]
fn the_last_child_ends_against_a_new_spawn() {
    prove(|| async {
        let (log, ended) = (Log::default(), Count::default());
        let counted = ended.clone();
        let said = log.clone();
        task_group(async |g: Free| {
            drop(g.spawn_with(|g| async move {
                yield_now().await;
                drop(g.spawn(async move {
                    yield_now().await;
                    counted.add();
                }));
                said.say("spawned");
            }));
            drop(g.spawn(yield_now()));
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!((log.get(), ended.get()), (vec!["spawned"], 1));
    });
}

#[test]
fn a_service_spawns_while_the_last_child_ends() {
    prove(|| async {
        task_group(async |g: Free| {
            let services = g.clone();
            drop(g.service(async move {
                // Welcome, or cancelled: never a panic.
                for _ in 0..2 {
                    yield_now().await;
                    drop(services.spawn(async {}));
                }
            }));
            Ok(())
        })
        .await
        .unwrap();
    });
}

#[test]
fn a_turn_is_handed_over_while_its_waiter_is_dropped() {
    prove(|| async {
        let ran = Count::default();
        let counted = ran.clone();
        task_group(async |g: Free| {
            g.limit(1);
            drop(g.spawn(yield_now()));
            let of_waiter = g.clone();
            let waiter = g.service(async move {
                let mut waits = Box::pin(of_waiter.spawn_when_free(async {}));
                let granted = futures::poll!(waits.as_mut()).is_ready();
                yield_now().await;
                // Dropped whether or not its turn has come.
                drop((waits, granted));
                Ok(())
            });
            drop(g.spawn_when_free(async move { counted.add() }).await);
            waiter.await;
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(ran.get(), 1);
    });
}

#[test]
fn a_child_in_line_is_cancelled_while_its_turn_comes() {
    prove(|| async {
        let ran = Count::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        let (counted, last) = (ran.clone(), order.clone());
        task_group(async |g: Free| {
            g.limit(1);
            drop(g.spawn(yield_now()));
            let mut second = g.spawn(async move {
                counted.add();
                yield_now().await;
                Ok(2)
            });
            let third = g.spawn(async move {
                last.lock().unwrap().push(3);
                Ok(3)
            });
            yield_now().await;
            second.cancel();
            let outcome = second.outcome().await;
            assert!(outcome.is_err() || ran.get() == 1);
            Ok(third.await)
        })
        .await
        .unwrap();
        assert_eq!(*order.lock().unwrap(), [3]);
    });
}

#[test]
fn a_host_is_dropped_while_its_children_start_and_end() {
    prove(|| async {
        let alive = Count::default();
        let (one, other) = (alive.one(), alive.clone());
        let mut host = Box::pin(task_group::<(), Infallible, _, _>(async |g| {
            drop(g.spawn_with(|g| async move {
                let _one = one;
                let counted = other.one();
                drop(g.spawn(async move {
                    let _alive = counted;
                    pending::<()>().await;
                }));
                yield_now().await;
            }));
            pending().await
        }));
        assert!(futures::poll!(host.as_mut()).is_pending());
        yield_now().await;
        drop(host);
        testing::settle().await;
        assert_eq!(alive.get(), 0);
    });
}
