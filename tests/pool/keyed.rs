//! Pools by key with a total: limits, room that is made, keys that are forgotten.

use crate::ground::{MS, spawn};
use crate::server::{Mood, Server, Sorry, until};
use futures_lite::future::{poll_once, yield_now};
use regatta::pool::{BuildError, GetError, Keyed, ResizeError};
use regatta::{task, time};
use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

fn pools(server: &Server, total: usize, per_key: usize) -> Keyed<u32, Server> {
    let server = server.clone();
    let builder = Keyed::builder(move |_: &u32| server.clone());
    builder
        .max_size(total)
        .max_per_key(per_key)
        .build()
        .unwrap()
}

async fn each_key_has_its_limit_and_all_have_a_total() {
    let server = Server::new();
    let pools = pools(&server, 5, 3);
    let mut held = Vec::new();
    for key in [1, 1, 1, 2, 2] {
        held.push(pools.get(&key).await.unwrap());
    }
    let mut one = pin!(pools.get(&1));
    let mut three = pin!(pools.get(&3));
    assert!(poll_once(&mut one).await.is_none());
    assert!(poll_once(&mut three).await.is_none());
    assert_eq!((pools.size(), pools.keys()), (5, 3));
    // Of key 2: it cannot help 1, which has its three, and so goes to 3.
    held.pop();
    let three = three.await.unwrap();
    assert!(poll_once(&mut one).await.is_none());
    drop(held.remove(0));
    assert!(one.await.is_ok());
    drop(three);
    assert_eq!(server.get(|f| f.peak), 5);
    assert_eq!(pools.stats(&2).unwrap().closed.evicted, 1);
}

/// The one that has been idle for longest goes.
async fn what_lies_idle_makes_room() {
    let server = Server::new();
    let pools = pools(&server, 3, 3);
    for key in [1, 2, 3] {
        drop(pools.get(&key).await.unwrap());
    }
    drop(pools.get(&1).await.unwrap());
    drop(pools.get(&4).await.unwrap());
    let idle = |key| pools.stats(&key).map(|stats| stats.idle);
    assert_eq!(
        [idle(1), idle(2), idle(3), idle(4)],
        [Some(1), Some(0), Some(1), Some(1)]
    );
    assert_eq!(server.get(|f| (f.peak, f.closed)), (3, 1));
}

async fn keys_that_need_room_are_served_in_the_order_they_came() {
    let server = Server::new();
    let pools = pools(&server, 1, 1);
    let mut held = Some(pools.get(&0).await.unwrap());
    let mut waiting = Vec::new();
    for key in [5, 3, 9, 1] {
        let mut get = Box::pin(pools.get(&key));
        assert!(poll_once(&mut get).await.is_none());
        waiting.push((key, get));
    }
    for (key, get) in waiting {
        drop(held.take());
        held = Some(get.await.unwrap());
        assert_eq!(pools.stats(&key).unwrap().in_use, 1);
    }
    assert_eq!(server.get(|f| f.peak), 1);
}

/// Who asked for room and went leaves nothing in the way.
async fn a_request_whose_waiter_is_gone_is_passed_over() {
    let server = Server::new();
    let pools = pools(&server, 1, 1);
    let held = pools.get(&0).await.unwrap();
    let mut gone = Box::pin(pools.get(&1));
    let mut stays = pin!(pools.get(&2));
    assert!(poll_once(&mut gone).await.is_none());
    assert!(poll_once(&mut stays).await.is_none());
    drop(gone);
    drop(held);
    assert!(stays.await.is_ok());
    assert_eq!(pools.stats(&1).unwrap().connected, 0);
}

/// Twenty hosts, four connections in all, everybody moves on to another host: nobody waits for what lies idle.
async fn nobody_waits_for_ever() {
    let server = Server::new();
    server.set(|f| f.connect = Mood::Slow);
    let pools = pools(&server, 4, 2);
    task::scope(async |g| {
        for n in 0..40u32 {
            let pools = &pools;
            g.spawn(async move {
                for turn in 0..10 {
                    let mut guard = pools.get(&((n * 7 + turn * 3) % 20)).await.unwrap();
                    yield_now().await;
                    guard.run(async |c| c.ask(1).await).await.unwrap();
                }
            });
        }
        Ok::<_, Infallible>(())
    })
    .await
    .unwrap();
    assert!(server.get(|f| f.peak <= 4));
    until(|| pools.size() <= 4).await;
}

async fn keys_without_objects_are_forgotten() {
    let server = Server::new();
    let pools = pools(&server, 2, 2);
    for key in 0..1000 {
        drop(pools.get(&key).await.unwrap());
    }
    assert!(pools.keys() <= 130, "{} keys for 2 objects", pools.keys());
    assert_eq!(server.get(|f| f.peak), 2);
    // One that somebody keeps is not.
    let kept = pools.pool(&7777);
    for key in 0..1000 {
        drop(pools.get(&key).await.unwrap());
    }
    let guard = kept.get().await.unwrap();
    assert_eq!(pools.stats(&7777).unwrap().in_use, 1);
    drop(guard);
}

async fn errors_and_limits_are_those_of_each_key() {
    let server = Server::new();
    let bad = server.clone();
    let builder = Keyed::builder(move |key: &u32| {
        let server = if *key == 13 {
            Server::new()
        } else {
            bad.clone()
        };
        server.set(|f| f.connect = if *key == 13 { Mood::Fails } else { Mood::Good });
        server
    });
    let pools = builder.max_size(1).wait_timeout(5 * MS).build().unwrap();
    assert!(matches!(pools.get(&13).await, Err(GetError::Connect(_))));
    let guard = pools.get(&1).await.unwrap();
    assert!(matches!(pools.get(&13).await, Err(GetError::TimedOut(_))));
    assert!(pools.try_get(&1).is_err());
    drop(guard);
    assert!(pools.try_get(&1).is_ok());
}

async fn the_total_can_be_changed() {
    let server = Server::new();
    let pools = pools(&server, 1, 9);
    let first = pools.get(&1).await.unwrap();
    let mut second = pin!(pools.get(&2));
    assert!(poll_once(&mut second).await.is_none());
    pools.resize(2).unwrap();
    drop(second.await.unwrap());
    pools.resize(1).unwrap();
    until(|| pools.size() == 1).await;
    assert_eq!(pools.stats(&2).unwrap().closed.surplus, 1);
    drop(first);
    assert_eq!(
        pools.resize(0),
        Err(ResizeError::TooSmall { asked: 0, least: 1 })
    );
}

async fn a_close_closes_all_keys() {
    let server = Server::new();
    let pools = pools(&server, 4, 2);
    drop([pools.get(&1).await.unwrap(), pools.get(&2).await.unwrap()]);
    let guard = pools.get(&3).await.unwrap();
    let report = pools.close(5 * MS).await;
    assert_eq!((report.held.len(), report.busy), (1, 0));
    assert_eq!(pools.get(&3).await.unwrap_err(), GetError::Closed);
    assert_eq!(pools.get(&9).await.unwrap_err(), GetError::Closed);
    assert_eq!(pools.resize(3), Err(ResizeError::Closed));
    drop(guard);
    assert!(pools.close(Duration::MAX).await.is_complete());
    assert_eq!(server.open(), 0);
}

async fn one_key_can_be_closed_and_begin_anew() {
    let server = Server::new();
    let pools = pools(&server, 4, 2);
    let old = pools.pool(&1);
    drop(old.get().await.unwrap());
    assert!(old.close(Duration::MAX).await.is_complete());
    assert_eq!(old.get().await.unwrap_err(), GetError::Closed);
    assert!(pools.get(&1).await.is_ok());
    assert!(pools.get(&2).await.is_ok());
}

async fn a_close_waits_for_pools_that_were_closed_by_themselves() {
    let server = Server::new();
    let pools = pools(&server, 4, 2);
    let old = pools.get(&1).await.unwrap();
    pools.pool(&1).close(Duration::ZERO).await;
    drop(pools.get(&1).await.unwrap());
    assert_eq!(pools.close(MS).await.held.len(), 1);
    drop(old);
    assert!(pools.close(Duration::MAX).await.is_complete());
    until(|| server.open() == 0).await;
}

async fn dropping_the_handles_closes_all() {
    let server = Server::new();
    let pools = pools(&server, 4, 2);
    drop([pools.get(&1).await.unwrap(), pools.get(&2).await.unwrap()]);
    let one = pools.pool(&1);
    drop(pools.clone());
    drop(pools);
    assert_eq!(server.open(), 2);
    drop(one);
    until(|| server.open() == 0).await;
}

/// Any number of tasks, each with the same keys, at random; what they hold while they wait has a limit in time.
async fn it_holds_at_random() {
    let server = Server::new();
    let builder = Keyed::builder({
        let server = server.clone();
        move |_: &u32| server.clone()
    });
    let builder = builder.max_size(3).max_per_key(2).wait_timeout(2 * MS);
    let pools = builder.build().unwrap();
    let tasks = (0..8u64).map(|seed| {
        let (pools, server) = (pools.clone(), server.clone());
        spawn(async move {
            let mut rng = fastrand::Rng::with_seed(seed);
            for _ in 0..80 {
                let key = rng.u32(0..6);
                let Ok(mut guard) = pools.get(&key).await else {
                    continue;
                };
                match rng.u32(0..8) {
                    0 => drop(poll_once(guard.run(async |c| c.ask(3).await)).await),
                    1 => drop(poll_once(pools.get(&rng.u32(0..6))).await),
                    2 => drop(time::timeout(MS / 4, pools.get(&rng.u32(0..6))).await),
                    3 => drop(guard.run(async |_| Err::<(), _>(Sorry("reset"))).await),
                    4 => drop(pools.get(&rng.u32(0..6)).await),
                    _ => drop(guard.run(async |c| c.ask(1).await).await),
                }
                assert!(server.get(|f| f.peak <= 3));
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    until(|| {
        (0..6).all(|key| {
            pools
                .stats(&key)
                .is_none_or(|s| s.in_use == 0 && s.waiting == 0)
        })
    })
    .await;
    let guards = [
        pools.get(&0).await,
        pools.get(&1).await,
        pools.get(&1).await,
    ];
    assert!(guards.iter().all(Result::is_ok), "room was lost");
}

#[test]
fn no_room_for_a_key_is_refused() {
    let refused = regatta::testing::run(async || {
        let builder = Keyed::builder(|_: &u32| Server::new());
        builder.max_per_key(0).build().unwrap_err()
    });
    assert_eq!(refused, BuildError::Empty);
}

regatta::matrix! {
    each_key_has_its_limit_and_all_have_a_total;
    what_lies_idle_makes_room;
    keys_that_need_room_are_served_in_the_order_they_came;
    a_request_whose_waiter_is_gone_is_passed_over;
    nobody_waits_for_ever;
    keys_without_objects_are_forgotten;
    errors_and_limits_are_those_of_each_key;
    the_total_can_be_changed;
    a_close_closes_all_keys;
    one_key_can_be_closed_and_begin_anew;
    a_close_waits_for_pools_that_were_closed_by_themselves;
    dropping_the_handles_closes_all;
    it_holds_at_random;
}
