//! How a pool ends.

use crate::ground::{MS, Watch, spawn};
use crate::server::{Mood, Server, pool_of, until};
use futures_lite::future::poll_once;
use regatta::pool::{GetError, Keyed, Pool};
use regatta::{testing, time};
use std::pin::pin;
use std::time::Duration;

async fn a_close_waits_for_what_is_in_use() {
    let server = Server::new();
    let pool = pool_of(3, &server);
    drop(pool.get().await.unwrap());
    let mut guard = pool.get().await.unwrap();
    let task = spawn(async move {
        guard.run(async |c| c.ask(20).await).await.unwrap();
        time::sleep(5 * MS).await;
    });
    let watch = Watch::start();
    let report = pool.close(Duration::MAX).await;
    watch.shows(5 * MS);
    assert!(report.is_complete() && task.is_finished());
    assert_eq!(server.get(|f| (f.open, f.closed)), (0, 1));
    assert_eq!(pool.get().await.unwrap_err(), GetError::Closed);
    assert!(pool.is_closed());
}

async fn a_close_tells_who_waits_and_gives_up_connects() {
    let server = Server::new();
    let pool = pool_of(2, &server);
    let guard = pool.get().await.unwrap();
    server.set(|f| f.connect = Mood::Hangs);
    let mut waits = pin!(pool.get());
    assert!(poll_once(&mut waits).await.is_none());
    let mut close = pin!(pool.close(Duration::MAX));
    assert!(poll_once(&mut close).await.is_none());
    assert_eq!(waits.await.unwrap_err(), GetError::Closed);
    drop(guard);
    assert!(close.await.is_complete());
    assert_eq!(pool.stats().size, 0);
}

async fn a_close_with_a_limit_names_what_did_not_come_back() {
    let server = Server::new();
    let builder = Pool::builder(server.clone()).close_timeout(50 * MS);
    let pool = builder.build().unwrap();
    let (leaked, line) = (pool.get().await.unwrap(), line!());
    server.set(|f| f.close = Mood::Hangs);
    drop(pool.get().await.unwrap());
    let watch = Watch::start();
    let report = pool.close(10 * MS).await;
    watch.shows(10 * MS);
    assert_eq!((report.held.len(), report.busy), (1, 1));
    assert_eq!(
        (report.held[0].at.file(), report.held[0].at.line()),
        (file!(), line)
    );
    assert!(report.held[0].to_string().starts_with("taken at "));
    // It can be called again, and what comes back late is closed.
    server.set(|f| f.close = Mood::Good);
    drop(leaked);
    assert!(pool.close(Duration::MAX).await.is_complete());
    assert_eq!(server.open(), 0);
}

async fn a_close_that_was_dropped_goes_on() {
    let server = Server::new();
    let pool = pool_of(1, &server);
    let guard = pool.get().await.unwrap();
    assert!(poll_once(pool.close(Duration::MAX)).await.is_none());
    assert!(pool.is_closed() && pool.try_get().is_err());
    drop(guard);
    assert!(pool.close(Duration::MAX).await.is_complete());
}

async fn dropping_the_last_handle_closes_what_is_idle() {
    let server = Server::new();
    let pool = pool_of(3, &server);
    drop([pool.get().await.unwrap(), pool.get().await.unwrap()]);
    let other = pool.clone();
    drop(pool);
    assert_eq!(other.stats().idle, 2);
    drop(other);
    until(|| server.open() == 0).await;
    assert_eq!(server.get(|f| f.closed), 2);
}

async fn guards_outlive_the_pool() {
    let server = Server::new();
    let pool = pool_of(1, &server);
    let mut guard = pool.get().await.unwrap();
    drop(pool);
    assert_eq!(guard.run(async |c| c.ask(3).await).await, Ok(1));
    drop(guard);
    until(|| server.open() == 0).await;
    assert_eq!(server.get(|f| f.closed), 1);
}

/// With several connects under way, and several who wait for more.
async fn a_close_starts_no_connect() {
    for _ in 0..20 {
        let server = Server::new();
        server.set(|f| f.connect = Mood::Hangs);
        let pool = pool_of(5, &server);
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let pool = pool.clone();
                spawn(async move { pool.get().await.err() })
            })
            .collect();
        until(|| pool.stats().waiting == 20 && server.get(|f| f.begun) == 5).await;
        assert!(pool.close(Duration::MAX).await.is_complete());
        for waiter in waiting {
            assert_eq!(waiter.await.unwrap(), Some(GetError::Closed));
        }
        assert_eq!(server.get(|f| f.begun), 5);
    }
}

/// Nor in one of the other keys, which wait for the room.
async fn a_close_of_all_keys_starts_no_connect() {
    for _ in 0..20 {
        let server = Server::new();
        server.set(|f| f.connect = Mood::Hangs);
        let made = server.clone();
        let keyed = Keyed::builder(move |_: &u32| made.clone()).max_size(5);
        let keyed = keyed.build().unwrap();
        let waiting: Vec<_> = (0..20)
            .map(|key| {
                let keyed = keyed.clone();
                spawn(async move { keyed.get(&key).await.err() })
            })
            .collect();
        let waits = |key| keyed.stats(&key).is_some_and(|s| s.waiting == 1);
        until(|| (0..20).all(waits) && server.get(|f| f.begun) == 5).await;
        assert!(keyed.close(Duration::MAX).await.is_complete());
        for waiter in waiting {
            assert_eq!(waiter.await.unwrap(), Some(GetError::Closed));
        }
        assert_eq!(server.get(|f| f.begun), 5);
    }
}

/// With a connect under way, one that hangs in its close, and a reaper.
#[test]
fn a_pool_that_is_dropped_leaves_no_task_behind() {
    let config = testing::Config::new(0).forbid_leaks(true);
    testing::run_with(config, async || {
        let server = Server::new();
        let builder = Pool::builder(server.clone()).max_size(3);
        let builder = builder.idle_timeout(MS * 1000).max_lifetime(MS * 1000);
        let pool = builder.leak_after(MS * 1000).build().unwrap();
        drop(pool.get().await.unwrap());
        let guard = pool.get().await.unwrap();
        server.set(|f| (f.connect, f.close) = (Mood::Hangs, Mood::Hangs));
        assert!(poll_once(pool.get()).await.is_none());
        drop(pool);
        time::sleep(MS).await;
        drop(guard);
        time::sleep(Duration::from_secs(5)).await;
        testing::settle().await;
        assert_eq!(server.open(), 0);
    })
    .unwrap();
}

regatta::matrix! {
    a_close_waits_for_what_is_in_use;
    a_close_tells_who_waits_and_gives_up_connects;
    a_close_with_a_limit_names_what_did_not_come_back;
    a_close_that_was_dropped_goes_on;
    dropping_the_last_handle_closes_what_is_idle;
    guards_outlive_the_pool;
    a_close_starts_no_connect;
    a_close_of_all_keys_starts_no_connect;
}
