//! Planted bugs that exploration must find.

use crate::support::{MS, sleep, spawn};
use regatta::testing::{self, Config, Failure, Policy};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

async fn abba() {
    let a = Arc::new(async_lock::Mutex::new(()));
    let b = Arc::new(async_lock::Mutex::new(()));
    let (a2, b2) = (a.clone(), b.clone());
    let one = spawn(async move {
        let _a = a.lock().await;
        testing::yield_now().await;
        testing::label("mutex b");
        let _b = b.lock().await;
    });
    let other = spawn(async move {
        let _b = b2.lock().await;
        testing::yield_now().await;
        testing::label("mutex a");
        let _a = a2.lock().await;
    });
    one.await.unwrap();
    other.await.unwrap();
}

#[test]
fn locks_taken_in_two_orders_are_found_shrunk_and_replayed() {
    let report = testing::explore(0..10_000, abba);
    let found = report.failure.expect("some schedule deadlocks");
    let text = found.to_string();
    assert!(text.contains("waiting on mutex b"), "{text}");
    assert!(
        text.contains(&format!("replay: REGATTA_SEED={}", found.seed)),
        "{text}"
    );
    // The seed does it again, to the letter.
    let again = testing::run_with(Config::swarm(found.seed), abba);
    let strip = |f: &Failure| {
        f.to_string()
            .lines()
            .filter(|l| !l.contains("`root`"))
            .collect::<String>()
    };
    assert_eq!(strip(&again.value.unwrap_err()), strip(&found.failure));
    // And so does what is left of the schedule.
    let smallest = testing::run_with(found.replay.clone(), abba);
    assert!(matches!(smallest.value, Err(Failure::Deadlock { .. })));
    assert!(found.schedule().len() <= 6, "{:?}", found.schedule());
}

#[test]
fn locks_taken_in_two_orders_are_found_by_trying_everything() {
    let report = testing::explore_all(1_000_000, abba);
    let found = report.failure.expect("some schedule deadlocks");
    let again = testing::run_with(found.replay, abba);
    assert!(matches!(again.value, Err(Failure::Deadlock { .. })));
}

#[test]
fn three_tasks_and_a_mutex_are_proved_right() {
    let report = testing::explore_all(1_000_000, async || {
        let sum = Arc::new(async_lock::Mutex::new(0));
        let add = |sum: Arc<async_lock::Mutex<i32>>| async move {
            let mut sum = sum.lock().await;
            testing::yield_now().await;
            *sum += 1;
        };
        let tasks: Vec<_> = (0..3).map(|_| spawn(add(sum.clone()))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*sum.lock().await, 3);
    });
    report.unwrap();
    assert!(report.complete && report.runs > 100, "{report}");
}

#[test]
fn a_lost_update_is_found() {
    let report = testing::explore(0..1000, async || {
        let sum = Arc::new(Mutex::new(0));
        let tasks: Vec<_> = (0..2)
            .map(|_| {
                let sum = sum.clone();
                spawn(async move {
                    let old = *sum.lock().unwrap();
                    testing::yield_now().await;
                    *sum.lock().unwrap() = old + 1;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*sum.lock().unwrap(), 2, "an update was lost");
    });
    let found = report.failure.expect("some schedule loses one");
    assert!(found.to_string().contains("an update was lost"));
}

#[derive(Clone, Default)]
struct Flag(Arc<Mutex<(bool, Option<Waker>)>>);

impl Flag {
    fn set(&self) {
        let mut flag = self.0.lock().unwrap();
        flag.0 = true;
        let waker = flag.1.take();
        drop(flag);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Keeps the first waker it ever sees.
struct FirstWakerOnly(Flag);

impl Future for FirstWakerOnly {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut flag = self.0.0.lock().unwrap();
        if flag.0 {
            return Poll::Ready(());
        }
        flag.1.get_or_insert_with(|| cx.waker().clone());
        Poll::Pending
    }
}

#[test]
fn a_future_that_keeps_its_first_waker_is_found() {
    let report = testing::explore(0..1000, async || {
        let flag = Flag::default();
        let setter = flag.clone();
        drop(spawn(async move {
            sleep(MS).await;
            setter.set();
        }));
        let half_way = async {
            sleep(MS / 2).await;
            std::future::pending().await
        };
        futures_lite::future::or(FirstWakerOnly(flag), half_way).await
    });
    let found = report
        .failure
        .expect("a fresh waker is needed after half the time");
    let text = found.to_string();
    assert!(
        text.contains("through a waker from an earlier poll"),
        "{text}"
    );
}

/// Looks, and registers only afterwards.
async fn looks_before_it_registers(flag: Flag) {
    loop {
        if flag.0.lock().unwrap().0 {
            return;
        }
        testing::yield_now().await;
        let mut registered = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut registered, true) {
                return Poll::Ready(());
            }
            flag.0.lock().unwrap().1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[test]
fn a_lost_wake_up_is_found() {
    let report = testing::explore(0..1000, async || {
        let flag = Flag::default();
        let waiter = spawn(looks_before_it_registers(flag.clone()));
        drop(spawn(async move { flag.set() }));
        testing::label("the waiter");
        waiter.await.unwrap();
    });
    let found = report
        .failure
        .expect("the flag is set between the look and the registration");
    assert!(matches!(found.failure, Failure::Deadlock { .. }));
}

#[test]
fn the_readers_of_a_neighbours_lock_spin() {
    // async-lock 3.5.0: waiting readers wake one another for as long as a second writer holds the lock. Our own must not.
    let report = testing::explore(0..10_000, async || {
        let lock = Arc::new(async_lock::RwLock::new(()));
        let write = |lock: Arc<async_lock::RwLock<()>>| async move {
            let _held = lock.write().await;
            sleep(MS).await;
        };
        let read = |lock: Arc<async_lock::RwLock<()>>| async move { drop(lock.read().await) };
        let writers = [0, 1].map(|_| spawn(write(lock.clone())));
        let readers = [0, 1].map(|_| spawn(read(lock.clone())));
        for task in writers.into_iter().chain(readers) {
            task.await.unwrap();
        }
    });
    if let Some(found) = report.failure {
        assert!(matches!(found.failure, Failure::Livelock { .. }), "{found}");
    }
}

#[test]
fn the_choices_of_a_run_replay_it() {
    for seed in 0..50 {
        let config = Config::swarm(seed);
        let once = testing::run_with(config.clone(), abba);
        let replay = config.policy(Policy::Replay(once.choices.clone()));
        let again = testing::run_with(replay, abba);
        assert_eq!((once.trace, once.steps), (again.trace, again.steps));
    }
}

#[test]
fn every_policy_runs_everything_to_its_end() {
    let demotions = Policy::Pct {
        changes: 3,
        horizon: 20,
    };
    for policy in [
        Policy::Fifo,
        Policy::Lifo,
        Policy::Random,
        demotions,
        Policy::Replay(vec![9; 9]),
    ] {
        let config = Config::new(1)
            .policy(policy)
            .spurious(64)
            .fresh_wakers(true);
        let report = testing::run_with(config, async || {
            // Two that take turns, and one that must not be starved by them.
            let turn = Arc::new(Mutex::new(0));
            let takes = |me: u32, turn: Arc<Mutex<u32>>| async move {
                for _ in 0..20 {
                    while *turn.lock().unwrap() % 2 != me {
                        testing::yield_now().await;
                    }
                    *turn.lock().unwrap() += 1;
                }
            };
            let tasks = [0, 1].map(|me| spawn(takes(me, turn.clone())));
            let patient = spawn(async { sleep(MS).await });
            for task in tasks {
                task.await.unwrap();
            }
            patient.await.unwrap();
        });
        report.unwrap();
    }
}
