//! Every subscriber sees every item, or is told how many it missed.

use futures_lite::StreamExt;
use futures_lite::future::poll_once;
use regatta::queue::{Broadcast, Lagged};
use regatta::task;
use std::convert::Infallible;

async fn every_subscriber_sees_all_from_its_subscription_on() {
    let news = Broadcast::new(8);
    assert_eq!(news.send(0), Ok(0), "nobody is there");
    let early = news.subscribe();
    assert_eq!(news.send(1), Ok(1));
    let late = news.subscribe();
    assert_eq!(news.send(2), Ok(2));
    news.close();
    assert!(news.send(3).is_err());
    let early: Vec<_> = early.collect().await;
    let late: Vec<_> = late.collect().await;
    assert_eq!((early, late), (vec![Ok(1), Ok(2)], vec![Ok(2)]));
}

async fn who_is_too_slow_is_told_and_goes_on() {
    let news = Broadcast::new(2);
    let mut slow = news.subscribe();
    for n in 0..10 {
        news.send(n).unwrap();
    }
    assert_eq!(slow.recv().await, Some(Err(Lagged(8))));
    assert_eq!(slow.recv().await, Some(Ok(8)));
    assert_eq!(slow.try_recv(), Some(Ok(9)));
    assert_eq!(slow.try_recv(), None);
}

async fn a_dropped_receive_loses_nothing() {
    let news = Broadcast::new(4);
    let mut reader = news.subscribe();
    assert!(poll_once(reader.recv()).await.is_none());
    {
        let mut receive = reader.recv();
        assert!(poll_once(&mut receive).await.is_none());
        news.send('a').unwrap();
    }
    assert_eq!(reader.recv().await, Some(Ok('a')));
}

async fn subscribers_that_leave_free_what_only_they_would_have_seen() {
    let news = Broadcast::new(4);
    let item = std::sync::Arc::new(());
    let (one, two) = (news.subscribe(), news.subscribe());
    news.send(item.clone()).unwrap();
    drop(one);
    assert_eq!(std::sync::Arc::strong_count(&item), 2);
    drop(two);
    assert_eq!(std::sync::Arc::strong_count(&item), 1);
    assert_eq!(news.subscribers(), 0);
}

async fn all_subscribers_of_a_busy_broadcast_account_for_every_item() {
    const ITEMS: u64 = 2000;
    let news = Broadcast::new(16);
    let sums = task::task_group(async |g| {
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let mut reader = news.subscribe();
                g.spawn(async move {
                    let (mut seen, mut last) = (0, None);
                    while let Some(item) = reader.recv().await {
                        match item {
                            Ok(n) => {
                                assert!(last < Some(n), "in order");
                                last = Some(n);
                                seen += 1;
                            }
                            Err(Lagged(missed)) => seen += missed,
                        }
                    }
                    Ok::<_, Infallible>(seen)
                })
            })
            .collect();
        for n in 0..ITEMS {
            news.send(n).unwrap();
            if n % 10 == 0 {
                futures_lite::future::yield_now().await;
            }
        }
        news.close();
        let mut sums = Vec::new();
        for reader in readers {
            sums.push(reader.await);
        }
        Ok(sums)
    });
    assert_eq!(sums.await.unwrap(), [ITEMS; 4]);
}

#[test]
#[should_panic(expected = "a broadcast of capacity 0 could never hold an item")]
fn a_broadcast_of_zero_is_refused() {
    drop(Broadcast::<u8>::new(0));
}

regatta::matrix! {
    every_subscriber_sees_all_from_its_subscription_on;
    who_is_too_slow_is_told_and_goes_on;
    a_dropped_receive_loses_nothing;
    subscribers_that_leave_free_what_only_they_would_have_seen;
    all_subscribers_of_a_busy_broadcast_account_for_every_item;
}
