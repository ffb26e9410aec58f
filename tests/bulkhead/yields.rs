//! A bulkhead that always has a place, or never, gives way to other tasks; nobody loses anything by that.

use futures_lite::future::{or, poll_once, yield_now};
use regatta::bulkhead::Bulkhead;
use regatta::time;
use std::pin::pin;
use std::time::Duration;

/// Ends only if what goes on for ever lets others have their turn.
async fn gives_way(forever: impl Future<Output = ()>) {
    or(forever, async {
        for _ in 0..3 {
            yield_now().await;
        }
    })
    .await;
}

async fn a_loop_around_it_gives_way() {
    let bulkhead = Bulkhead::new(1, 0);
    gives_way(async {
        loop {
            drop(bulkhead.enter().await.unwrap());
        }
    })
    .await;
    gives_way(async {
        loop {
            bulkhead.call(async { Ok::<_, &str>(()) }).await.unwrap();
        }
    })
    .await;
    let pass = bulkhead.enter().await.unwrap();
    gives_way(async {
        loop {
            assert!(bulkhead.enter().await.is_err());
        }
    })
    .await;
    drop(pass);
    assert_eq!(bulkhead.stats().running, 0);
}

async fn who_gives_way_keeps_its_place_and_hands_it_on_when_dropped() {
    let bulkhead = Bulkhead::new(1, 1);
    let (mut kept, mut dropped) = (0, 0);
    for _ in 0..3000 {
        let mut enter = Box::pin(bulkhead.enter());
        if let Some(pass) = poll_once(&mut enter).await {
            drop(pass.unwrap());
            continue;
        }
        let stats = bulkhead.stats();
        assert_eq!((stats.running, stats.waiting), (1, 0), "it has the place");
        let mut next = pin!(bulkhead.enter());
        assert!(poll_once(&mut next).await.is_none());
        if dropped > kept {
            kept += 1;
            drop(enter.await.unwrap());
        } else {
            dropped += 1;
            drop(enter);
        }
        drop(next.await.unwrap());
    }
    assert!(kept > 2 && dropped > 2, "{kept} {dropped}");
    let stats = bulkhead.stats();
    assert_eq!((stats.running, stats.entered), (0, 3000 + kept));
}

/// A yield is no refusal: what can be had at once can be had in no time.
async fn what_is_free_can_be_had_in_no_time() {
    let bulkhead = Bulkhead::new(1, 0);
    for n in 0..3000 {
        let entered = time::timeout(Duration::ZERO, bulkhead.enter()).await;
        assert!(entered.is_ok(), "{n}");
    }
}

regatta::matrix! {
    a_loop_around_it_gives_way;
    who_gives_way_keeps_its_place_and_hands_it_on_when_dropped;
    what_is_free_can_be_had_in_no_time;
}
