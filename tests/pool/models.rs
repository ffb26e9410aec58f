//! The line under every seed, small programs in every interleaving.

use crate::ground::{MS, spawn};
use crate::server::{Mood, Server, pool_of};
use futures_lite::future::{poll_once, yield_now};
use regatta::pool::{Manager, Pool};
use regatta::testing;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex};

/// Also when checks fail and objects are closed on the way, so that some come again.
#[test]
fn grants_follow_arrivals_under_every_seed() {
    testing::check(300, async || {
        let server = Server::new();
        server.set(|f| (f.check, f.close) = (Mood::Stormy, Mood::Slow));
        let builder = Pool::builder(server.clone()).max_size(1);
        let pool = builder.check_timeout(MS).build().unwrap();
        let log = Arc::new(Mutex::new((Vec::new(), Vec::new())));
        let tasks = (0..30).map(|n| {
            let (pool, log) = (pool.clone(), log.clone());
            spawn(async move {
                for _ in 0..n % 4 {
                    yield_now().await;
                }
                let mut get = pin!(pool.get());
                // It arrives with its first poll.
                log.lock().unwrap().0.push(n);
                let mut guard = get.as_mut().await.unwrap();
                log.lock().unwrap().1.push(n);
                if n % 5 == 0 {
                    let _ = poll_once(guard.run(async |c| c.ask(2).await)).await;
                } else {
                    guard.run(async |c| c.ask(n % 3).await).await.unwrap();
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        let log = log.lock().unwrap();
        assert_eq!(log.0, log.1);
        assert_eq!(server.get(|f| f.peak), 1);
    });
}

/// Makes objects without waiting, so that there are few interleavings.
struct Quick;

impl Manager for Quick {
    type Object = u32;
    type Error = Infallible;

    async fn connect(&self) -> Result<u32, Infallible> {
        Ok(0)
    }
}

type Quickly = Result<(), Infallible>;

/// Takes the place, and gives it back, or drops an operation half way.
fn user(pool: &Pool<Quick>, half_way: bool) -> regatta::runtime::JoinHandle<()> {
    let pool = pool.clone();
    spawn(async move {
        let mut guard = pool.get().await.unwrap();
        let mut operation = pin!(guard.run(async |_| -> Quickly {
            yield_now().await;
            Ok(())
        }));
        let ended = poll_once(&mut operation).await;
        if ended.is_none() && !half_way {
            operation.await.unwrap();
        }
    })
}

/// One place, two who use it, and one who is dropped in line, or with the object that it was given and never saw.
#[test]
fn a_waiter_that_is_dropped_never_keeps_the_place() {
    let report = testing::explore_all(100_000, async || {
        let pool = Pool::builder(Quick).max_size(1).build().unwrap();
        let users = [user(&pool, true), user(&pool, false)];
        let mut get = Box::pin(pool.get());
        let got = poll_once(&mut get).await;
        yield_now().await;
        drop(get);
        drop(got);
        for user in users {
            user.await.unwrap();
        }
        drop(pool.get().await.unwrap());
        let stats = pool.stats();
        assert_eq!((stats.idle, stats.in_use, stats.waiting), (1, 0, 0));
    });
    report.unwrap();
    assert!(report.distinct > 100 && report.complete, "{report}");
}

/// Shrinking and growing while objects come and go.
#[test]
fn a_resize_meets_returns_and_waiters() {
    let report = testing::explore_all(100_000, async || {
        let pool = Pool::builder(Quick).max_size(2).build().unwrap();
        let users = [user(&pool, false), user(&pool, true)];
        yield_now().await;
        pool.resize(1).unwrap();
        yield_now().await;
        pool.resize(2).unwrap();
        for user in users {
            user.await.unwrap();
        }
        drop([pool.get().await.unwrap(), pool.get().await.unwrap()]);
        assert_eq!(pool.stats().idle, 2);
    });
    report.unwrap();
    assert!(report.distinct > 100 && report.complete, "{report}");
}

/// An object that was said to be done and is not.
#[test]
fn a_lie_is_found_by_the_next_check() {
    testing::run(async || {
        let pool = pool_of(1, &Server::new());
        let mut object = pool.get().await.unwrap().begin();
        object.dirty = true;
        drop(object.done());
        let next = pool.get().await.unwrap().begin().number;
        assert_eq!((next, pool.stats().closed.check), (2, 1));
    });
}
