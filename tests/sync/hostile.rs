//! Wakers that come back for the very object and panic: nobody hangs, nobody is forgotten.

#[path = "../support/torment.rs"]
mod torment;

use super::support::poll;
use regatta::sync::{Barrier, Condition, Event, Limiter, Mutex, OnceCell, RwLock, Semaphore};
use std::cell::Cell;
use torment::torment;

#[test]
fn a_mutex_and_its_condition_stand_hostile_wakers() {
    let mutex = Mutex::new(0);
    let mine = mutex.clone();
    let held = Cell::new(mutex.try_lock().ok());
    let touch = move || {
        drop((mine.try_lock(), mine.waiting()));
        drop(poll(&mut mine.lock()));
    };
    let wait = || Box::pin(async { drop(mutex.lock().await) }) as _;
    torment("a mutex", touch, wait, || drop(held.take()));
    assert!(mutex.try_lock().is_ok());

    let condition = Condition::new();
    let (mine, other) = (condition.clone(), mutex.clone());
    let touch = move || {
        let _ = mine.waiting();
        drop((other.try_lock(), poll(&mut other.lock())));
    };
    let wait = || {
        let wait = condition.wait(mutex.try_lock().unwrap());
        Box::pin(async { drop(wait.await) }) as _
    };
    torment("a condition", touch, wait, || condition.notify(2));
    assert!(mutex.try_lock().is_ok() && condition.waiting() == 0);
}

#[test]
fn a_lock_for_many_stands_hostile_wakers() {
    for reads in [false, true] {
        let lock = RwLock::new(0);
        let mine = lock.clone();
        let held = Cell::new(lock.try_write().ok());
        let touch = move || {
            drop((mine.try_read(), mine.try_write(), mine.waiting()));
            drop((poll(&mut mine.read()), poll(&mut mine.write())));
        };
        let wait = || match reads {
            true => Box::pin(async { drop(lock.read().await) }) as _,
            false => Box::pin(async { drop(lock.write().await) }) as _,
        };
        torment("a lock", touch, wait, || drop(held.take()));
        assert!(lock.try_write().is_ok() && lock.waiting() == 0);
    }
}

#[test]
fn permits_and_tokens_stand_hostile_wakers() {
    let semaphore = Semaphore::new(1);
    let mine = semaphore.clone();
    let held = Cell::new(semaphore.try_acquire().ok());
    let touch = move || {
        drop((mine.try_acquire(), mine.waiting(), mine.total()));
        drop(poll(&mut mine.acquire()));
    };
    let wait = || Box::pin(async { drop(semaphore.acquire().await) }) as _;
    torment("a permit", touch, wait, || drop(held.take()));
    assert_eq!((semaphore.available(), semaphore.waiting()), (1, 0));

    let (mine, closed) = (semaphore.clone(), semaphore.clone());
    let held = semaphore.try_acquire().unwrap();
    let touch = move || drop((mine.is_closed(), poll(&mut mine.acquire())));
    let wait = || Box::pin(async { drop(semaphore.acquire().await) }) as _;
    torment("a closed semaphore", touch, wait, || closed.close());
    drop(held);

    let limiter = Limiter::new(1);
    let mine = limiter.clone();
    let held = Cell::new(limiter.try_borrow().ok());
    let touch = move || {
        drop((mine.try_borrow(), mine.statistics(), mine.borrowers()));
        drop(poll(&mut mine.borrow()));
    };
    let wait = || Box::pin(async { drop(limiter.borrow().await) }) as _;
    torment("a token", touch, wait, || drop(held.take()));
    let now = limiter.statistics();
    assert_eq!((now.borrowed, now.waiting), (0, 0));
}

#[test]
fn signals_stand_hostile_wakers() {
    let event = Event::new();
    let mine = event.clone();
    let touch = move || {
        let _ = (mine.waiting(), mine.is_set(), poll(&mut mine.wait()));
    };
    let wait = || Box::pin(event.wait()) as _;
    torment("an event", touch, wait, || event.set());
    assert_eq!(event.waiting(), 0);

    let barrier = Barrier::new(9);
    let mine = barrier.clone();
    let touch = move || {
        let _ = (mine.waiting(), poll(&mut mine.wait()));
    };
    let wait = || Box::pin(async { assert!(barrier.wait().await.is_err()) }) as _;
    torment("a barrier", touch, wait, || barrier.abort());
    assert_eq!(barrier.waiting(), 0);

    let cell = std::sync::Arc::new(OnceCell::new());
    let mine = cell.clone();
    let touch = move || {
        let _ = (mine.get(), poll(&mut Box::pin(mine.wait())));
    };
    let wait = || Box::pin(async { assert_eq!(*cell.wait().await, 1) }) as _;
    let set = || assert!(poll(&mut Box::pin(cell.set(1))).is_ready());
    torment("a cell", touch, wait, set);
}
