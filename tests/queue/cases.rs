//! Cases 100 to 108, and 133.

use super::{MS, until};
use futures_lite::future::poll_once;
use regatta::queue::{Closed, PutError, Queue, TryPutError};
use regatta::{task, time};
use std::convert::Infallible;
use std::pin::pin;

// 100
async fn a_full_queue_blocks_puts_and_a_get_frees_exactly_one() {
    let queue = Queue::bounded(2);
    queue.put(1).await.unwrap();
    queue.put(2).await.unwrap();
    let (mut third, mut fourth) = (queue.put(3), queue.put(4));
    assert!(poll_once(&mut third).await.is_none());
    assert!(poll_once(&mut fourth).await.is_none());
    assert_eq!(queue.stats().waiting_puts, 2);
    assert_eq!(queue.take().await, Some(1));
    assert_eq!(queue.stats().waiting_puts, 1);
    assert!(poll_once(&mut fourth).await.is_none());
    assert_eq!(poll_once(&mut third).await, Some(Ok(())));
    assert_eq!(queue.take().await, Some(2));
    assert_eq!(poll_once(&mut fourth).await, Some(Ok(())));
    assert_eq!((queue.len(), queue.capacity()), (2, 2));
}

// 100
async fn items_come_first_in_first_out_or_last_or_smallest() {
    let orders = [
        (Queue::bounded(9), [3, 1, 2]),
        (Queue::builder(9).lifo().build(), [2, 1, 3]),
        (Queue::priority(9), [1, 2, 3]),
    ];
    for (queue, order) in orders {
        for n in [3, 1, 2] {
            queue.put(n).await.unwrap();
        }
        queue.close();
        let mut got = Vec::new();
        while queue.take_many(2, &mut got).await > 0 {}
        assert_eq!(got, order);
    }
}

// 101
async fn an_item_given_to_a_get_that_is_dropped_goes_to_the_next() {
    let queue = Queue::bounded(4);
    let (mut first, mut second) = (Box::pin(queue.get()), queue.get());
    assert!(poll_once(&mut first).await.is_none());
    assert!(poll_once(&mut second).await.is_none());
    queue.put('a').await.unwrap();
    queue.put('b').await.unwrap();
    queue.put('c').await.unwrap();
    // Both were given one, and the first never sees it.
    drop(first);
    assert_eq!(*poll_once(&mut second).await.flatten().unwrap(), 'b');
    assert_eq!(
        queue.try_take(),
        Some('a'),
        "back at the front, before what came later"
    );
    assert_eq!(queue.try_take(), Some('c'));
}

// 101: many given items come back, and their order is kept.
async fn items_of_several_dropped_gets_come_back_in_order() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let queue = Queue::bounded(4);
        let mut gets: Vec<_> = (0..3).map(|_| Some(queue.take())).collect();
        for get in &mut gets {
            assert!(poll_once(get.as_mut().unwrap()).await.is_none());
        }
        for n in 0..4 {
            queue.put(n).await.unwrap();
        }
        for n in order {
            gets[n] = None;
        }
        queue.close();
        let mut got = Vec::new();
        queue.take_many(9, &mut got).await;
        assert_eq!(got, [0, 1, 2, 3]);
    }
}

// 102
async fn a_dropped_put_enqueues_nothing_and_its_room_goes_to_the_next() {
    let queue = Queue::bounded(1);
    queue.put(1).await.unwrap();
    let (mut second, mut third) = (Box::pin(queue.put(2)), queue.put(3));
    assert!(poll_once(&mut second).await.is_none());
    assert!(poll_once(&mut third).await.is_none());
    // Its turn has come, and it never sees it.
    assert_eq!(queue.take().await, Some(1));
    drop(second);
    assert_eq!(poll_once(&mut third).await, Some(Ok(())));
    assert_eq!(queue.take().await, Some(3));
    assert_eq!(queue.stats().waiting_puts, 0);
    assert!(queue.try_put(4).is_ok(), "no room was lost");
}

// 102: what timed out hands its item back.
async fn a_put_that_timed_out_hands_its_item_back() {
    let queue = Queue::bounded(1);
    queue.put(1).await.unwrap();
    assert_eq!(queue.put_timeout(MS, 2).await, Err(PutError::Elapsed(2)));
    let mut put = queue.put(3);
    assert!(time::timeout(MS, &mut put).await.is_err());
    assert_eq!(put.into_item(), Some(3));
    assert_eq!(queue.take().await, Some(1));
    assert!(queue.is_empty());
    assert_eq!(queue.put_timeout(MS, 4).await, Ok(()));
    assert_eq!(queue.put(5).into_item(), Some(5), "nothing is put unpolled");
}

// 103
async fn nobody_steals_from_who_waits() {
    let queue = Queue::bounded(1);
    let mut get = queue.take();
    assert!(poll_once(&mut get).await.is_none());
    queue.put(1).await.unwrap();
    assert!(queue.try_get().is_none(), "it belongs to who waits");
    assert_eq!(poll_once(&mut get).await, Some(Some(1)));

    queue.put(2).await.unwrap();
    let mut put = queue.put(3);
    assert!(poll_once(&mut put).await.is_none());
    assert_eq!(queue.take().await, Some(2));
    assert_eq!(queue.try_put(9), Err(TryPutError::Full(9)));
    assert!(poll_once(&mut pin!(queue.put(9))).await.is_none());
    assert_eq!(poll_once(&mut put).await, Some(Ok(())));
    assert_eq!(queue.take().await, Some(3));
}

// 104. Too many acknowledgements cannot be written: what acknowledges consumes the item.
async fn join_returns_when_every_item_is_acknowledged() {
    let queue = Queue::bounded(9);
    queue.join().await;
    for n in 0..4 {
        queue.put(n).await.unwrap();
    }
    task::task_group(async |g| {
        let waits = queue.clone();
        let joined = g.spawn(async move {
            waits.join().await;
            Ok::<_, Infallible>(waits.stats())
        });
        let mut out = Vec::new();
        queue.get_many(9, &mut out).await;
        let [a, b, c, d] = <[_; 4]>::try_from(out).unwrap();
        a.done();
        assert_eq!(b.into_inner(), 1);
        drop(c);
        until(|| queue.stats().open == 1).await;
        assert!(poll_once(queue.join()).await.is_none());
        d.dead_letter();
        assert_eq!(joined.await.open, 0);
        Ok(())
    })
    .await
    .unwrap();
}

// 105
async fn close_fails_puts_and_lets_gets_drain() {
    let queue = Queue::bounded(2);
    queue.put(1).await.unwrap();
    queue.put(2).await.unwrap();
    let (mut put, mut slot) = (queue.put(3), queue.reserve());
    assert!(poll_once(&mut put).await.is_none());
    assert!(poll_once(&mut slot).await.is_none());
    let item = queue.get().await.unwrap();
    queue.close();
    queue.close();
    assert_eq!(poll_once(&mut put).await, Some(Err(PutError::Closed(3))));
    assert!(matches!(poll_once(&mut slot).await, Some(Err(Closed))));
    assert_eq!(queue.put(4).await, Err(PutError::Closed(4)));
    assert_eq!(queue.try_put(5), Err(TryPutError::Closed(5)));
    assert_eq!(queue.take().await, Some(2));
    assert!(queue.get().await.is_none() && queue.get().await.is_none());
    assert!(poll_once(queue.join()).await.is_none(), "one is out");
    item.done();
    queue.join().await;
}

// 105
async fn close_now_hands_back_what_nobody_has() {
    let queue = Queue::bounded(4);
    for n in 0..4 {
        queue.put(n).await.unwrap();
    }
    let mut put = queue.put(4);
    assert!(poll_once(&mut put).await.is_none());
    assert_eq!(queue.take().await, Some(0));
    assert_eq!(queue.close_now(), [1, 2, 3]);
    assert_eq!(poll_once(&mut put).await, Some(Err(PutError::Closed(4))));
    assert!(queue.take().await.is_none());
    queue.join().await;
    assert!(queue.close_now().is_empty());
}

// 105: reserved room is no way past a close.
async fn a_slot_in_a_closed_queue_hands_the_item_back() {
    let queue = Queue::bounded(1);
    let slot = queue.reserve().await.unwrap();
    queue.close();
    assert_eq!(slot.put(1), Err(PutError::Closed(1)));
    assert!(queue.take().await.is_none());
}

// 107
async fn the_last_producer_ends_the_consumers() {
    let (producer, consumer) = Queue::bounded(4).split();
    let other = producer.clone();
    producer.put(1).await.unwrap();
    drop(producer);
    other.put(2).await.unwrap();
    drop(other);
    assert_eq!(consumer.take().await, Some(1));
    assert_eq!(consumer.clone().take().await, Some(2));
    assert_eq!(consumer.take().await, None);
}

// 107: the queue keeps what is in it, for whoever still holds it.
async fn the_last_consumer_fails_the_producers() {
    let (producer, consumer) = Queue::bounded(1).split();
    producer.put(1).await.unwrap();
    let mut put = producer.put(2);
    assert!(poll_once(&mut put).await.is_none());
    drop(consumer);
    assert_eq!(poll_once(&mut put).await, Some(Err(PutError::Closed(2))));
    assert_eq!(producer.put(3).await, Err(PutError::Closed(3)));
    assert_eq!(producer.queue().close_now(), [1]);
}

// 108: one's own end cannot be closed under an operation, which borrows it; that of a clone changes nothing.
async fn dropping_a_clone_leaves_the_others_open() {
    let (producer, consumer) = Queue::bounded(1).split();
    drop(producer.clone());
    drop(consumer.clone());
    let mut get = consumer.take();
    assert!(poll_once(&mut get).await.is_none());
    drop(consumer.clone());
    producer.put(1).await.unwrap();
    assert_eq!(get.await, Some(1));
}

// 133: what waits to be put is bounded by who waits; a cancelled put leaves nothing; a put after the close fails.
async fn pending_work_is_bounded() {
    let queue = Queue::bounded(3);
    task::task_group(async |g| {
        for n in 0..20 {
            let queue = queue.clone();
            g.spawn(async move {
                if n % 5 == 0 {
                    let late = queue.put_timeout(MS, n).await;
                    if let Err(error) = late {
                        assert_eq!(error, PutError::Elapsed(n));
                    }
                } else {
                    queue.put(n).await.unwrap();
                }
                Ok::<_, Infallible>(())
            });
        }
        until(|| queue.len() == 3).await;
        time::sleep(MS * 3).await;
        let mut got = Vec::new();
        until(|| {
            got.extend(queue.try_take());
            assert!(queue.len() <= 3);
            got.iter().filter(|n| **n % 5 != 0).count() == 16
        })
        .await;
        Ok(())
    })
    .await
    .unwrap();
    let stats = queue.stats();
    assert!(stats.high_water <= 3);
    assert_eq!((stats.waiting_puts, stats.waiting_gets), (0, 0));
    queue.close();
    assert_eq!(queue.put(0).await, Err(PutError::Closed(0)));
}

regatta::matrix! {
    a_full_queue_blocks_puts_and_a_get_frees_exactly_one;
    items_come_first_in_first_out_or_last_or_smallest;
    an_item_given_to_a_get_that_is_dropped_goes_to_the_next;
    items_of_several_dropped_gets_come_back_in_order;
    a_dropped_put_enqueues_nothing_and_its_room_goes_to_the_next;
    a_put_that_timed_out_hands_its_item_back;
    nobody_steals_from_who_waits;
    join_returns_when_every_item_is_acknowledged;
    close_fails_puts_and_lets_gets_drain;
    close_now_hands_back_what_nobody_has;
    a_slot_in_a_closed_queue_hands_the_item_back;
    the_last_producer_ends_the_consumers;
    the_last_consumer_fails_the_producers;
    dropping_a_clone_leaves_the_others_open;
    pending_work_is_bounded;
}
