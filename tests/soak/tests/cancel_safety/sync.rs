//! Drops every waiting call of `sync` at every await, 100,000 times each, and looks at what is left: no permit, no waiter, no lost turn.

use regatta::Runtime;
use regatta::sync::{
    Barrier, Condition, Event, Limiter, Mutex, OnceCell, RwLock, Semaphore, WriteGuard,
};
use regatta::testing::{Outcome, cancel_safety_drops, settle, yield_now};
use regatta_soak::{DROPS, passed};
use std::sync::Arc;

fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    drop(Runtime::current().try_spawn(future).unwrap());
}

fn same<T: PartialEq + std::fmt::Debug>(got: T, want: T) -> Result<(), String> {
    if got == want {
        return Ok(());
    }
    Err(format!("{got:?} instead of {want:?}"))
}

/// Rivals that take one or two of three permits, hold them for a moment, and come back.
async fn three_permits() -> Semaphore {
    let semaphore = Semaphore::new(3);
    for n in 0..3 {
        let semaphore = semaphore.clone();
        spawn(async move {
            for _ in 0..2 {
                let _permit = semaphore.acquire_many(1 + n % 2).await.unwrap();
                yield_now().await;
            }
        });
    }
    semaphore
}

async fn all_permits_are_back<T>(semaphore: Semaphore, _outcome: Outcome<T>) -> Result<(), String> {
    settle().await;
    same((semaphore.available(), semaphore.waiting()), (3, 0))?;
    // And they can be had.
    let all = semaphore.try_acquire_many(3).map_err(|e| e.to_string())?;
    same(all.count(), 3)
}

#[test]
fn acquire_leaves_no_permit_and_no_waiter() {
    let op = |semaphore: Semaphore| async move {
        let _permit = semaphore.acquire().await.unwrap();
        yield_now().await;
    };
    passed(&cancel_safety_drops(
        DROPS,
        three_permits,
        op,
        all_permits_are_back,
    ));
}

#[test]
fn acquire_many_leaves_no_permit_and_no_waiter() {
    let op = |semaphore: Semaphore| async move {
        let mut permits = semaphore.acquire_many(3).await.unwrap();
        let one = permits.split(1).unwrap();
        drop(permits);
        yield_now().await;
        drop(one);
    };
    passed(&cancel_safety_drops(
        DROPS,
        three_permits,
        op,
        all_permits_are_back,
    ));
}

/// While it is closed, and resized down and up, by others.
#[test]
fn acquire_survives_resizing_and_closing() {
    let op = |semaphore: Semaphore| async move {
        for _ in 0..2 {
            drop(semaphore.acquire().await.unwrap());
        }
    };
    let verify = |semaphore: Semaphore, _: Outcome<()>| async move {
        settle().await;
        same((semaphore.available(), semaphore.waiting()), (3, 0))?;
        semaphore.close();
        same(semaphore.acquire().await.is_err(), true)
    };
    // Nobody asks for two: a size of one would refuse it.
    let setup = async || {
        let semaphore = Semaphore::new(3);
        for _ in 0..2 {
            let semaphore = semaphore.clone();
            spawn(async move {
                let _permit = semaphore.acquire().await.unwrap();
                yield_now().await;
            });
        }
        let resized = semaphore.clone();
        spawn(async move {
            for n in [1, 0, 3] {
                resized.resize(n).unwrap();
                yield_now().await;
            }
        });
        semaphore
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

#[test]
fn borrow_leaves_no_token_and_no_waiter() {
    let setup = async || {
        let limiter = Limiter::new(1);
        for n in 0..3u64 {
            let limiter = limiter.clone();
            spawn(async move {
                let _token = limiter.borrow_for(n).await.unwrap();
                yield_now().await;
            });
        }
        limiter
    };
    let op = |limiter: Limiter| async move {
        let token = limiter.borrow_for("me").await.unwrap();
        yield_now().await;
        drop(token);
        drop(limiter.borrow().await);
    };
    let verify = |limiter: Limiter, _: Outcome<()>| async move {
        settle().await;
        let now = limiter.statistics();
        same((now.borrowed, now.waiting), (0, 0))?;
        same(limiter.borrowers().len(), 0)?;
        limiter
            .try_borrow_for("me")
            .map(drop)
            .map_err(|e| e.to_string())
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

#[test]
fn wait_leaves_no_waiter_at_an_event() {
    let setup = async || {
        let event = Event::new();
        for _ in 0..2 {
            let event = event.clone();
            spawn(async move {
                event.wait().await;
            });
        }
        let sets = event.clone();
        spawn(async move {
            for _ in 0..2 {
                yield_now().await;
                sets.set();
                sets.clear();
            }
            yield_now().await;
            sets.set();
        });
        event
    };
    let op = |event: Event| async move {
        event.wait().await;
        yield_now().await;
        event.wait().await;
    };
    let verify = |event: Event, _: Outcome<()>| async move {
        settle().await;
        same((event.waiting(), event.is_set()), (0, true))
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

#[test]
fn lock_leaves_the_mutex_free() {
    let setup = async || {
        let mutex = Mutex::new(0);
        for _ in 0..3 {
            let mutex = mutex.clone();
            spawn(async move {
                let mut value = mutex.lock().await;
                yield_now().await;
                *value += 1;
            });
        }
        mutex
    };
    let op = |mutex: Mutex<i32>| async move {
        let mut value = mutex.lock().await;
        yield_now().await;
        *value += 10;
    };
    let verify = |mutex: Mutex<i32>, outcome: Outcome<()>| async move {
        settle().await;
        let value = *mutex.try_lock().map_err(|e| e.to_string())?;
        same(mutex.waiting(), 0)?;
        match outcome {
            Outcome::Completed(()) => same(value, 13),
            _ => same(value, 3),
        }
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

async fn two_readers_and_two_writers() -> RwLock<i32> {
    let lock = RwLock::new(0);
    for n in 0..4 {
        let lock = lock.clone();
        spawn(async move {
            if n % 2 == 0 {
                let mut value = lock.write().await;
                yield_now().await;
                *value += 1;
            } else {
                let value = lock.read().await;
                let old = *value;
                yield_now().await;
                assert_eq!(*value, old);
            }
        });
    }
    lock
}

async fn the_lock_is_free(lock: RwLock<i32>, _: Outcome<()>) -> Result<(), String> {
    settle().await;
    let value = *lock.try_write().map_err(|e| e.to_string())?;
    same((value, lock.waiting()), (2, 0))
}

#[test]
fn read_leaves_the_lock_free() {
    let op = |lock: RwLock<i32>| async move {
        let _value = lock.read().await;
        yield_now().await;
    };
    passed(&cancel_safety_drops(
        DROPS,
        two_readers_and_two_writers,
        op,
        the_lock_is_free,
    ));
}

#[test]
fn write_leaves_the_lock_free() {
    let op = |lock: RwLock<i32>| async move {
        let value = lock.write().await;
        yield_now().await;
        drop(WriteGuard::downgrade(value));
    };
    passed(&cancel_safety_drops(
        DROPS,
        two_readers_and_two_writers,
        op,
        the_lock_is_free,
    ));
}

#[test]
fn a_dropped_waiter_at_a_barrier_has_not_arrived() {
    let setup = async || {
        let barrier = Barrier::new(3);
        for _ in 0..2 {
            let barrier = barrier.clone();
            spawn(async move {
                barrier.wait().await.unwrap();
            });
        }
        barrier
    };
    let op = |barrier: Barrier| async move {
        barrier.wait().await.unwrap();
    };
    let verify = |barrier: Barrier, outcome: Outcome<()>| async move {
        settle().await;
        // Either all three went on, seen or not, or the other two wait for a third.
        match (barrier.waiting(), outcome) {
            (0, _) => Ok(()),
            (2, Outcome::Cancelled { .. }) => {
                barrier.wait().await.unwrap();
                settle().await;
                same(barrier.waiting(), 0)
            }
            (n, _) => Err(format!("{n} wait")),
        }
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

/// While others reset and abort it.
#[test]
fn a_dropped_waiter_leaves_a_barrier_that_is_reset_and_aborted() {
    let setup = async || {
        let barrier = Barrier::new(3);
        for _ in 0..2 {
            let barrier = barrier.clone();
            spawn(async move {
                let _ = barrier.wait().await;
                let _ = barrier.wait().await;
            });
        }
        let changes = barrier.clone();
        spawn(async move {
            yield_now().await;
            changes.reset();
            yield_now().await;
            changes.abort();
        });
        barrier
    };
    let op = |barrier: Barrier| async move {
        for _ in 0..2 {
            let _ = barrier.wait().await;
        }
    };
    let verify = |barrier: Barrier, _: Outcome<()>| async move {
        settle().await;
        same((barrier.waiting(), barrier.is_aborted()), (0, true))?;
        barrier.reset();
        same(barrier.waiting(), 0)
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

#[test]
fn a_value_is_made_by_another_when_its_maker_is_dropped() {
    let setup = async || {
        let cell = Arc::new(OnceCell::new());
        let other = cell.clone();
        spawn(async move {
            yield_now().await;
            other.get_or_init(async || 1).await;
        });
        cell
    };
    let op = |cell: Arc<OnceCell<u32>>| async move {
        let make = async || {
            yield_now().await;
            2
        };
        *cell.get_or_init(make).await
    };
    let verify = |cell: Arc<OnceCell<u32>>, outcome: Outcome<u32>| async move {
        settle().await;
        match (cell.get(), outcome) {
            (Some(made), Outcome::Completed(seen)) => same(*made, seen),
            (Some(_), _) => Ok(()),
            (None, _) => Err("nobody made it".into()),
        }
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

type Stock = (Mutex<u32>, Condition);

/// Two who take one each, and a giver of three: a lost notification leaves one of them waiting.
async fn takers_and_a_giver() -> Stock {
    let (mutex, condition) = (Mutex::new(0), Condition::new());
    for _ in 0..2 {
        let (mutex, condition) = (mutex.clone(), condition.clone());
        spawn(async move {
            let mut stock = condition.wait_for(mutex.lock().await, |n| *n > 0).await;
            *stock -= 1;
        });
    }
    let (mine, signal) = (mutex.clone(), condition.clone());
    spawn(async move {
        for _ in 0..3 {
            *mine.lock().await += 1;
            signal.notify(1);
            yield_now().await;
        }
    });
    (mutex, condition)
}

/// Of three, two are taken by the rivals, and one by the operation unless it was dropped.
async fn nothing_is_left_waiting(world: Stock, outcome: Outcome<()>) -> Result<(), String> {
    settle().await;
    let (mutex, condition) = world;
    let stock = *mutex.try_lock().map_err(|e| e.to_string())?;
    let left = u32::from(!matches!(outcome, Outcome::Completed(())));
    same((stock, condition.waiting(), mutex.waiting()), (left, 0, 0))
}

#[test]
fn waiting_for_a_value_loses_no_notification() {
    let op = |(mutex, condition): Stock| async move {
        let mut stock = condition.wait_for(mutex.lock().await, |n| *n > 0).await;
        *stock -= 1;
    };
    passed(&cancel_safety_drops(
        DROPS,
        takers_and_a_giver,
        op,
        nothing_is_left_waiting,
    ));
}

#[test]
fn waiting_loses_no_notification() {
    let op = |(mutex, condition): Stock| async move {
        let mut stock = mutex.lock().await;
        while *stock == 0 {
            stock = condition.wait(stock).await;
        }
        *stock -= 1;
    };
    passed(&cancel_safety_drops(
        DROPS,
        takers_and_a_giver,
        op,
        nothing_is_left_waiting,
    ));
}
