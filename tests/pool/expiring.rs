//! Objects that are to be replaced.

use crate::server::{Mood, Server, pool_of};
use futures_lite::future::poll_once;
use regatta::pool::Keyed;
use std::pin::pin;

/// As after a failover.
async fn expired_objects_are_replaced_on_their_next_use() {
    let server = Server::new();
    let pool = pool_of(3, &server);
    let mut in_use = pool.get().await.unwrap();
    drop([pool.get().await.unwrap(), pool.get().await.unwrap()]);
    assert_eq!(server.get(|f| f.made), 3);
    pool.expire();
    // Whoever has one keeps it until it comes back.
    assert_eq!(in_use.run(async |c| c.ask(1).await).await, Ok(1));
    drop(in_use);
    let mut all = Vec::new();
    for number in 4..7 {
        all.push(pool.get().await.unwrap().begin());
        assert_eq!(all.last().unwrap().number, number, "it was there before");
    }
    assert_eq!(pool.stats().closed.expired, 3);
    assert_eq!(server.get(|f| (f.closed, f.peak)), (3, 3));
    // Those of now are kept.
    for object in all {
        drop(object.done());
    }
    assert_eq!(pool.stats().idle, 3);
}

/// One that is being made is connected to the old one, perhaps.
async fn what_is_being_made_is_replaced_too() {
    let server = Server::new();
    server.set(|f| f.connect = Mood::Slow);
    let pool = pool_of(1, &server);
    let mut waits = pin!(pool.get());
    assert!(poll_once(&mut waits).await.is_none());
    pool.expire();
    assert_eq!(waits.await.unwrap().begin().number, 2);
}

async fn expired_objects_of_all_keys_are_replaced() {
    let server = Server::new();
    let made = server.clone();
    let keyed = Keyed::builder(move |_: &u32| made.clone()).build().unwrap();
    for key in 0..3 {
        drop(keyed.get(&key).await.unwrap());
    }
    keyed.expire();
    for key in 0..3 {
        assert!(keyed.get(&key).await.unwrap().begin().number > 3);
    }
}

regatta::matrix! {
    expired_objects_are_replaced_on_their_next_use;
    what_is_being_made_is_replaced_too;
    expired_objects_of_all_keys_are_replaced;
}
