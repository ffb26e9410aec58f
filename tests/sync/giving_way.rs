//! Giving way to other tasks: it loses no place in line and no permit, it is no refusal, and every operation that finds
//! all free does it.

use super::support::{Order, poll, spawn};
use futures_lite::future::poll_once;
use regatta::sync::{Barrier, Condition, Event, Limiter, Mutex, OnceCell, RwLock, Semaphore};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// More than any budget.
const ROUNDS: usize = 3_000;

/// Two in one task, a thousand times: who is polled first is first.
async fn first_come_first_served<F: Future>(what: &str, take: impl Fn() -> F) {
    for round in 0..ROUNDS {
        let order = Order::default();
        let one = |who: usize| {
            let (order, taken) = (order.clone(), take());
            async move {
                let held = taken.await;
                order.note(who);
                drop(held);
            }
        };
        futures::join!(one(0), one(1));
        assert_eq!(order.seen(), [0, 1], "{what}, round {round}");
    }
}

async fn two_of_one_task_are_served_in_order() {
    let (mutex, lock) = (Mutex::new(()), RwLock::new(()));
    let (semaphore, limiter) = (Semaphore::new(1), Limiter::new(1));
    first_come_first_served("a mutex", || mutex.lock()).await;
    first_come_first_served("a lock to write", || lock.write()).await;
    first_come_first_served("a permit", || semaphore.acquire()).await;
    first_come_first_served("a token", || limiter.borrow()).await;
}

/// Dropped where it gave way, it has taken nothing with it.
async fn what_gives_way_and_is_dropped_gives_back_what_it_has() {
    let (mutex, lock) = (Mutex::new(()), RwLock::new(()));
    let (semaphore, limiter) = (Semaphore::new(2), Limiter::new(1));
    let mut pending = 0;
    for _ in 0..ROUNDS {
        pending += usize::from(poll_once(mutex.lock()).await.is_none());
        pending += usize::from(poll_once(lock.write()).await.is_none());
        pending += usize::from(poll_once(lock.read()).await.is_none());
        pending += usize::from(poll_once(semaphore.acquire_many(2)).await.is_none());
        pending += usize::from(poll_once(limiter.borrow_for(1)).await.is_none());
    }
    assert!(pending > 0, "it never gave way");
    assert!(mutex.try_lock().is_ok() && lock.try_write().is_ok());
    assert_eq!((semaphore.available(), semaphore.waiting()), (2, 0));
    assert_eq!(
        (limiter.statistics().borrowed, limiter.borrowers().len()),
        (0, 0)
    );
}

/// While one gives way what it has is its own: nobody gets past.
async fn nobody_gets_past_who_gives_way() {
    let mutex = Mutex::new(());
    for _ in 0..ROUNDS {
        let mut first = mutex.lock();
        let mut polled = poll_once(&mut first).await;
        if polled.is_none() {
            assert!(mutex.try_lock().is_err());
            let mut second = mutex.lock();
            assert!(poll(&mut second).is_pending());
            // One more poll is all it needs.
            polled = poll_once(&mut first).await;
        }
        assert!(polled.is_some());
    }
}

/// A loop over `operation` leaves its thread to others.
async fn starves_nobody<F: Future>(what: &str, mut operation: impl FnMut() -> F) {
    let flag = Arc::new(AtomicUsize::new(0));
    let other = {
        let flag = flag.clone();
        spawn(async move { flag.store(1, SeqCst) })
    };
    let mut times = 0;
    while flag.load(SeqCst) == 0 {
        operation().await;
        times += 1;
        assert!(times < 5_000_000, "{what} keeps its thread");
    }
    other.await.unwrap();
}

async fn whatever_is_free_or_refused_gives_way() {
    let mutex = Mutex::new(0);
    starves_nobody("a mutex", || async { drop(mutex.lock().await) }).await;
    let lock = RwLock::new(0);
    starves_nobody("a lock to read", || async { drop(lock.read().await) }).await;
    starves_nobody("a lock to write", || async { drop(lock.write().await) }).await;
    let semaphore = Semaphore::new(1);
    starves_nobody("a permit", || async { drop(semaphore.acquire().await) }).await;
    starves_nobody("too many permits", || async {
        drop(semaphore.acquire_many(2).await)
    })
    .await;
    starves_nobody("no permit", || async {
        drop(semaphore.acquire_many(0).await)
    })
    .await;
    semaphore.close();
    starves_nobody("a closed semaphore", || async {
        drop(semaphore.acquire().await)
    })
    .await;
    let limiter = Limiter::new(2);
    starves_nobody("a token", || async { drop(limiter.borrow().await) }).await;
    let held = limiter.try_borrow_for(1).unwrap();
    starves_nobody("a second token", || async {
        drop(limiter.borrow_for(1).await)
    })
    .await;
    drop(held);
    let event = Event::new();
    event.set();
    starves_nobody("an event", || event.wait()).await;
    let barrier = Barrier::new(1);
    starves_nobody("a barrier for one", || barrier.wait()).await;
    barrier.abort();
    starves_nobody("an aborted barrier", || barrier.wait()).await;
    let condition = Condition::new();
    starves_nobody("a condition", || async {
        drop(
            condition
                .wait_while(mutex.try_lock().unwrap(), |_| false)
                .await,
        );
    })
    .await;
    let cell = OnceCell::from(1);
    starves_nobody("a cell", || async {
        assert_eq!(*cell.get_or_init(async || 2).await, 1)
    })
    .await;
    starves_nobody("a cell to wait for", || async {
        assert_eq!(*cell.wait().await, 1)
    })
    .await;
    starves_nobody("a cell that is set", || async {
        assert!(cell.set(3).await.is_err())
    })
    .await;
}

regatta::matrix! {
    two_of_one_task_are_served_in_order;
    what_gives_way_and_is_dropped_gives_back_what_it_has;
    nobody_gets_past_who_gives_way;
    whatever_is_free_or_refused_gives_way;
}

/// Who polls with a waker that nobody listens to is answered at once.
#[test]
fn one_poll_without_a_task_is_enough() {
    let (mutex, lock, event) = (Mutex::new(()), RwLock::new(()), Event::new());
    let (semaphore, limiter, barrier) = (Semaphore::new(1), Limiter::new(1), Barrier::new(1));
    event.set();
    for _ in 0..ROUNDS {
        assert!(poll(&mut mutex.lock()).is_ready());
        assert!(poll(&mut lock.write()).is_ready());
        assert!(poll(&mut semaphore.acquire()).is_ready());
        assert!(poll(&mut limiter.borrow()).is_ready());
        assert!(poll(&mut event.wait()).is_ready());
        assert!(poll(&mut barrier.wait()).is_ready());
    }
}
