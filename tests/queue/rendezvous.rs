//! A queue of capacity 0: from hand to hand.

use super::{MS, until};
use futures_lite::future::poll_once;
use regatta::queue::{OnDrop, Overflow, PutError, Queue, TryPutError};
use regatta::{Runtime, task, time};
use std::convert::Infallible;

async fn a_put_is_over_when_its_item_is_taken() {
    for queue in [Queue::rendezvous(), Queue::bounded(0)] {
        assert_eq!(queue.capacity(), 0);
        let mut put = queue.put(1);
        assert!(poll_once(&mut put).await.is_none());
        assert_eq!((queue.len(), queue.stats().waiting_puts), (0, 1));
        // A get that has not come for it has not taken it.
        let mut get = queue.take();
        assert_eq!(poll_once(&mut get).await, Some(Some(1)));
        assert_eq!(poll_once(&mut put).await, Some(Ok(())));
        let mut get = queue.take();
        assert!(poll_once(&mut get).await.is_none());
        let mut put = queue.put(2);
        assert!(poll_once(&mut put).await.is_none());
        assert_eq!(poll_once(&mut get).await, Some(Some(2)));
        assert_eq!(poll_once(&mut put).await, Some(Ok(())));
        assert_eq!(queue.stats().high_water, 0);
    }
}

async fn a_dropped_get_has_taken_nothing() {
    let queue = Queue::rendezvous();
    let (mut one, mut two) = (Box::pin(queue.take()), queue.take());
    assert!(poll_once(&mut one).await.is_none());
    assert!(poll_once(&mut two).await.is_none());
    let mut put = queue.put(1);
    assert!(poll_once(&mut put).await.is_none());
    drop(one);
    assert!(poll_once(&mut put).await.is_none());
    assert_eq!(poll_once(&mut two).await, Some(Some(1)));
    assert_eq!(poll_once(&mut put).await, Some(Ok(())));
    // Nobody is left: it is not put, and can be had back.
    let mut get = Box::pin(queue.take());
    assert!(poll_once(&mut get).await.is_none());
    let mut put = queue.put(2);
    assert!(poll_once(&mut put).await.is_none());
    drop(get);
    assert_eq!((queue.len(), put.into_item()), (0, Some(2)));
    assert_eq!(queue.try_take(), None);
    let stats = queue.stats();
    assert_eq!(
        (stats.puts, stats.waiting_puts, stats.waiting_gets),
        (1, 0, 0)
    );
}

async fn a_dropped_put_did_not_happen_and_its_get_is_first_again() {
    let queue = Queue::rendezvous();
    let (mut one, mut two) = (queue.take(), queue.take());
    assert!(poll_once(&mut one).await.is_none());
    assert!(poll_once(&mut two).await.is_none());
    let mut put = Box::pin(queue.put(1));
    assert!(poll_once(&mut put).await.is_none());
    drop(put);
    assert!(poll_once(&mut one).await.is_none());
    let mut put = queue.put(2);
    assert!(poll_once(&mut put).await.is_none());
    assert!(poll_once(&mut two).await.is_none(), "it waited less long");
    assert_eq!(poll_once(&mut one).await, Some(Some(2)));
    assert_eq!(put.into_item(), None, "it was taken");
}

async fn puts_are_taken_in_order_and_nobody_gets_past_who_waits() {
    let queue = Queue::rendezvous();
    let mut puts: Vec<_> = (0..3).map(|n| queue.put(n)).collect();
    for put in &mut puts {
        assert!(poll_once(put).await.is_none());
    }
    let mut got = Vec::new();
    assert_eq!(queue.take_many(2, &mut got).await, 2);
    assert_eq!((got, queue.try_take()), (vec![0, 1], Some(2)));
    let mut get = queue.take();
    assert!(poll_once(&mut get).await.is_none());
    let mut put = queue.put(7);
    assert!(poll_once(&mut put).await.is_none());
    assert_eq!(queue.try_take(), None, "it is the other's");
    assert_eq!(get.await, Some(7));
}

async fn what_does_not_wait_needs_a_get_that_does() {
    let queue = Queue::rendezvous();
    assert_eq!(queue.try_put(1), Err(TryPutError::Full(1)));
    assert_eq!(queue.put_timeout(MS, 2).await, Err(PutError::Elapsed(2)));
    let mut get = queue.take();
    assert!(poll_once(&mut get).await.is_none());
    assert_eq!(queue.try_put(3), Ok(()));
    assert_eq!(queue.try_put(4), Err(TryPutError::Full(4)));
    assert_eq!(get.await, Some(3));
    let refuses = Queue::builder(0).overflow(Overflow::Reject).build();
    assert_eq!(refuses.put(5).await, Err(PutError::Full(5)));
    let slot = {
        let mut reserve = queue.reserve();
        assert!(poll_once(&mut reserve).await.is_none());
        let queue = queue.clone();
        let get = Runtime::current().try_spawn(async move { queue.take().await });
        let slot = reserve.await.unwrap();
        (slot, get.unwrap())
    };
    slot.0.put(6).unwrap();
    assert_eq!(slot.1.await.unwrap(), Some(6));
}

async fn closing_hands_items_back_and_ends_gets() {
    let queue = Queue::rendezvous();
    let mut put = queue.put(1);
    assert!(poll_once(&mut put).await.is_none());
    queue.close();
    assert_eq!(put.await, Err(PutError::Closed(1)));
    assert_eq!(queue.put(2).await, Err(PutError::Closed(2)));
    assert_eq!(queue.take().await, None);
    queue.join().await;
    let queue = Queue::<u8>::rendezvous();
    let mut get = queue.take();
    assert!(poll_once(&mut get).await.is_none());
    assert!(queue.close_now().is_empty());
    assert_eq!(get.await, None);
}

/// What comes back stands in the queue until a get takes it again.
async fn an_item_that_comes_back_is_first() {
    let queue = Queue::builder(0).on_drop(OnDrop::Requeue).build();
    let mut puts = [queue.put(1), queue.put(2)];
    for put in &mut puts {
        assert!(poll_once(put).await.is_none());
    }
    drop(queue.get().await);
    assert_eq!(queue.len(), 1);
    let item = queue.get().await.unwrap();
    assert_eq!((*item, item.deliveries()), (1, 2));
    item.done();
    assert_eq!(queue.take().await, Some(2));
    queue.join().await;
}

async fn many_meet_and_every_item_changes_hands_once() {
    const ITEMS: u32 = 2_000;
    let queue = Queue::rendezvous();
    let sum = task::task_group(async |g| {
        let takers: Vec<_> = (0..3)
            .map(|k| {
                let queue = queue.clone();
                g.spawn(async move {
                    let mut sum = 0;
                    loop {
                        // Some give up now and then.
                        let taken = match k {
                            0 => poll_once(queue.take()).await,
                            _ => Some(queue.take().await),
                        };
                        match taken {
                            Some(Some(n)) => sum += n,
                            Some(None) => return Ok::<_, Infallible>(sum),
                            None => futures_lite::future::yield_now().await,
                        }
                    }
                })
            })
            .collect();
        let givers: Vec<_> = (0..3)
            .map(|k| {
                let queue = queue.clone();
                g.spawn(async move {
                    for n in (1..=ITEMS).filter(|n| n % 3 == k) {
                        let mut put = queue.put(n);
                        if n % 2 == 0 {
                            let ended = poll_once(&mut put).await;
                            if ended.is_none()
                                && let Some(n) = put.into_item()
                            {
                                queue.put(n).await.unwrap();
                            }
                        } else {
                            put.await.unwrap();
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        for giver in givers {
            giver.await;
        }
        queue.close();
        let mut sum = 0;
        for taker in takers {
            sum += taker.await;
        }
        Ok(sum)
    });
    assert_eq!(sum.await.unwrap(), ITEMS * (ITEMS + 1) / 2);
    let stats = queue.stats();
    assert_eq!(
        (stats.puts, stats.gets),
        (u64::from(ITEMS), u64::from(ITEMS))
    );
    assert_eq!(
        (stats.open, stats.waiting_puts, stats.waiting_gets),
        (0, 0, 0)
    );
}

async fn the_one_who_is_late_decides_when_both_go_on() {
    let queue = Queue::rendezvous();
    let other = queue.clone();
    let gives = Runtime::current().try_spawn(async move { other.put(1).await });
    until(|| queue.stats().waiting_puts == 1).await;
    time::sleep(MS).await;
    assert_eq!(queue.stats().waiting_puts, 1);
    assert_eq!(queue.take().await, Some(1));
    gives.unwrap().await.unwrap().unwrap();
}

regatta::matrix! {
    a_put_is_over_when_its_item_is_taken;
    a_dropped_get_has_taken_nothing;
    a_dropped_put_did_not_happen_and_its_get_is_first_again;
    puts_are_taken_in_order_and_nobody_gets_past_who_waits;
    what_does_not_wait_needs_a_get_that_does;
    closing_hands_items_back_and_ends_gets;
    an_item_that_comes_back_is_first;
    many_meet_and_every_item_changes_hands_once;
    the_one_who_is_late_decides_when_both_go_on;
}
