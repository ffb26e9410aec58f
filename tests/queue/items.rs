//! Acknowledgement, what happens to unprocessed items, overflow.

use super::until;
use futures_lite::StreamExt;
use futures_lite::future::poll_once;
use regatta::queue::{OnDrop, Overflow, PutError, Queue, TryPutError};
use regatta::{Runtime, task};
use std::convert::Infallible;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Ends the task as a panic does, without the hook's text.
fn fail() -> ! {
    resume_unwind(Box::new("on purpose"))
}

/// A consumer that panics holds one item; `get` runs in it.
async fn panic_with_an_item<T: Send + 'static>(queue: &Queue<T>) {
    let queue = queue.clone();
    let task = Runtime::current().try_spawn(async move {
        let _item = queue.get().await;
        fail()
    });
    assert!(task.unwrap().await.is_err());
}

async fn an_item_of_a_panicking_consumer_is_settled_as_chosen() {
    for on_drop in [OnDrop::Done, OnDrop::Requeue, OnDrop::DeadLetter] {
        let queue = Queue::builder(4).on_drop(on_drop).build();
        queue.put(1).await.unwrap();
        queue.put(2).await.unwrap();
        panic_with_an_item(&queue).await;
        let next = queue.get().await.unwrap();
        let dead = queue.dead_letters();
        match on_drop {
            OnDrop::Requeue => assert_eq!((*next, next.deliveries()), (1, 2)),
            OnDrop::DeadLetter => assert_eq!((*next, dead), (2, vec![1])),
            _ => assert_eq!((*next, dead.len()), (2, 0)),
        }
        next.done();
        drop(queue.close_now());
        queue.join().await;
    }
}

/// An item that fails comes again until it is given up.
async fn a_consumer_can_tell_an_item_that_fails_for_ever() {
    let queue = Queue::builder(4).on_drop(OnDrop::Requeue).build();
    for word in ["good", "bad", "good"] {
        queue.put(word).await.unwrap();
    }
    queue.close();
    let mut done = 0;
    while let Some(item) = queue.get().await {
        if item.deliveries() == 3 {
            item.dead_letter();
        } else if *item == "good" {
            item.done();
            done += 1;
        }
    }
    queue.join().await;
    assert_eq!((done, queue.dead_letters()), (2, vec!["bad"]));
}

/// With `Requeue`, an idle consumer waits for what may come back, and gets it.
async fn no_consumer_leaves_while_an_item_may_come_back() {
    let queue = Queue::builder(4).on_drop(OnDrop::Requeue).build();
    queue.put(1).await.unwrap();
    queue.close();
    let item = queue.get().await.unwrap();
    let mut get = queue.get();
    assert!(poll_once(&mut get).await.is_none());
    drop(item);
    get.await.unwrap().done();
    assert!(queue.get().await.is_none());
}

/// The value is gone before it counts as acknowledged; a drop that panics counts all the same.
async fn a_value_is_dropped_before_it_counts() {
    struct Watched(Queue<Watched>, bool);
    impl Drop for Watched {
        fn drop(&mut self) {
            assert_eq!(self.0.stats().open, 1, "not under the lock, and still open");
            if self.1 {
                fail();
            }
        }
    }
    let queue = Queue::bounded(1);
    for fails in [false, true] {
        queue.put(Watched(queue.clone(), fails)).await.unwrap();
        let item = queue.get().await.unwrap();
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| item.done()));
        assert_eq!(dropped.is_err(), fails);
        queue.join().await;
    }
}

async fn an_item_kept_for_ever_keeps_join_and_nothing_else() {
    let queue = Queue::bounded(1);
    queue.put(0).await.unwrap();
    let kept = queue.get().await.unwrap();
    for n in 1..100 {
        queue.put(n).await.unwrap();
        assert_eq!(queue.take().await, Some(n));
    }
    queue.close();
    assert!(queue.get().await.is_none());
    assert!(poll_once(queue.join()).await.is_none());
    drop(queue);
    assert_eq!(kept.into_inner(), 0);
}

async fn an_item_comes_back_above_the_capacity() {
    let queue = Queue::bounded(1);
    queue.put(1).await.unwrap();
    let item = queue.get().await.unwrap();
    queue.put(2).await.unwrap();
    item.requeue();
    assert_eq!(queue.len(), 2);
    assert_eq!(queue.try_put(3), Err(TryPutError::Full(3)));
    assert_eq!((queue.take().await, queue.take().await), (Some(1), Some(2)));
}

async fn dead_letters_are_bounded() {
    let queue = Queue::builder(9)
        .on_drop(OnDrop::DeadLetter)
        .dead_letters(2)
        .build();
    for n in 0..5 {
        queue.put(n).await.unwrap();
        drop(queue.get().await);
    }
    let stats = queue.stats();
    assert_eq!((stats.dead_letters, stats.dead_letters_dropped), (2, 3));
    assert_eq!(queue.dead_letters(), [3, 4]);
    assert_eq!(queue.stats().open, 0);
}

async fn a_full_queue_does_what_its_policy_says() {
    let queue = |overflow| Queue::<u32>::builder(2).overflow(overflow).build();
    let reject = queue(Overflow::Reject);
    let oldest = queue(Overflow::DropOldest);
    let newest = queue(Overflow::DropNewest);
    for n in 0..5 {
        let refused = (n > 1).then_some(PutError::Full(n));
        assert_eq!(reject.put(n).await.err(), refused);
        oldest.put(n).await.unwrap();
        newest.try_put(n).unwrap();
    }
    let dropped = [&reject, &oldest, &newest].map(|q| q.stats().dropped);
    assert_eq!(dropped, [0, 3, 3]);
    assert_eq!(oldest.displace(9), Ok(Some(3)));
    assert_eq!(reject.close_now(), [0, 1]);
    assert_eq!(oldest.close_now(), [4, 9]);
    assert_eq!(newest.close_now(), [0, 1]);
    for queue in [reject, oldest, newest] {
        queue.join().await;
    }
}

async fn all_room_reserved_leaves_nothing_to_displace() {
    let queue = Queue::bounded(1);
    let slot = queue.reserve().await.unwrap();
    assert_eq!(queue.displace(1), Err(TryPutError::Full(1)));
    drop(slot);
    assert_eq!(queue.displace(1), Ok(None));
}

/// Streams and gets share a queue.
async fn streams_and_gets_share_the_items() {
    let queue = Queue::<u32>::bounded(3);
    let seen = task::task_group(async |g| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let mut items = queue.items();
                g.spawn(async move {
                    let mut seen = Vec::new();
                    while let Some(item) = items.next().await {
                        seen.push(item.into_inner());
                    }
                    Ok::<_, Infallible>(seen)
                })
            })
            .collect();
        for n in 0..50 {
            queue.put(n).await.unwrap();
        }
        queue.close();
        let mut seen = Vec::new();
        for reader in readers {
            seen.extend(reader.await);
        }
        seen.sort_unstable();
        Ok(seen)
    })
    .await;
    assert_eq!(seen.unwrap(), (0..50).collect::<Vec<_>>());
}

/// A consumer closes the queue that it consumes.
async fn a_consumer_may_close_the_queue() {
    let queue = Queue::bounded(2);
    let handed_back = AtomicUsize::new(0);
    task::scope(async |g| {
        for n in 0..10 {
            let (queue, handed_back) = (&queue, &handed_back);
            g.spawn(async move {
                if queue.put(n).await.is_err() {
                    handed_back.fetch_add(1, SeqCst);
                }
                Ok::<_, Infallible>(())
            });
        }
        let mut taken = 0;
        while let Some(item) = queue.get().await {
            taken += 1;
            if taken == 3 {
                queue.close();
            }
            item.done();
        }
        until(|| taken + handed_back.load(SeqCst) == 10).await;
        Ok(())
    })
    .await
    .unwrap();
    queue.join().await;
}

regatta::matrix! {
    an_item_of_a_panicking_consumer_is_settled_as_chosen;
    a_consumer_can_tell_an_item_that_fails_for_ever;
    no_consumer_leaves_while_an_item_may_come_back;
    a_value_is_dropped_before_it_counts;
    an_item_kept_for_ever_keeps_join_and_nothing_else;
    an_item_comes_back_above_the_capacity;
    dead_letters_are_bounded;
    a_full_queue_does_what_its_policy_says;
    all_room_reserved_leaves_nothing_to_displace;
    streams_and_gets_share_the_items;
    a_consumer_may_close_the_queue;
}
