//! Wakers, values, clones and comparisons that come back for the very object, and panic: nobody hangs, nothing else
//! ends.

#[path = "../support/torment.rs"]
mod torment;

use futures::FutureExt;
use regatta::queue::{Broadcast, OnDrop, Overflow, Queue, oneshot};
use regatta::sync::Event;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use torment::{Bomb, torment};

#[test]
fn a_queue_stands_hostile_wakers() {
    let queue = Queue::bounded(2);
    let touch = |queue: &Queue<u32>| {
        let queue = queue.clone();
        move || {
            let _ = (queue.stats(), queue.dead_letters());
            drop((queue.get().now_or_never(), queue.join().now_or_never()));
        }
    };
    let wait = || Box::pin(async { assert!(queue.take().await.is_some()) }) as _;
    let put = || {
        queue.try_put(1).unwrap();
        queue.try_put(2).unwrap();
    };
    torment("a get", touch(&queue), wait, put);
    let wait = || Box::pin(async { assert!(queue.take().await.is_none()) }) as _;
    torment("the end of a queue", touch(&queue), wait, || queue.close());

    let queue = Queue::bounded(2);
    let touch = |queue: &Queue<u32>| {
        let queue = queue.clone();
        move || {
            let _ = (queue.stats(), queue.try_put(9).is_ok());
            drop((queue.put(9).now_or_never(), queue.reserve().now_or_never()));
        }
    };
    put_two(&queue);
    let wait = || Box::pin(async { queue.put(3).await.unwrap() }) as _;
    torment("a put", touch(&queue), wait, || {
        let _ = (queue.try_take(), queue.try_take());
    });
    let wait = || Box::pin(async { drop(queue.reserve().await.unwrap()) }) as _;
    while queue.try_put(0).is_ok() {}
    torment("a reservation", touch(&queue), wait, || {
        let _ = (queue.try_take(), queue.try_take());
    });
    let wait = || Box::pin(queue.join()) as _;
    while queue.try_put(0).is_ok() {}
    let shut = || drop(queue.close_now());
    torment("a join", touch(&queue), wait, shut);
}

fn put_two(queue: &Queue<u32>) {
    queue.try_put(1).unwrap();
    queue.try_put(2).unwrap();
}

#[test]
fn a_rendezvous_stands_hostile_wakers() {
    let queue = Queue::rendezvous();
    let mine = queue.clone();
    let touch = move || {
        let _ = (mine.stats(), mine.put(9).now_or_never());
    };
    let wait = || Box::pin(async { queue.put(3).await.unwrap() }) as _;
    torment("a put to a hand", touch, wait, || {
        let _ = (queue.try_take(), queue.try_take());
    });
    let mine = queue.clone();
    let touch = move || drop((mine.stats(), mine.get().now_or_never()));
    let wait = || Box::pin(async { assert!(queue.take().await.is_some()) }) as _;
    let puts = RefCell::new(Vec::new());
    torment("a get from a hand", touch, wait, || {
        for n in 0..2 {
            let mut put = Box::pin(queue.put(n));
            assert!((&mut put).now_or_never().is_none());
            puts.borrow_mut().push(put);
        }
    });
    for put in puts.into_inner() {
        assert_eq!(put.now_or_never(), Some(Ok(())));
    }
}

#[test]
fn broadcasts_and_oneshots_stand_hostile_wakers() {
    let news = Broadcast::new(4);
    let mine = news.clone();
    let touch = move || {
        let mut reader = mine.subscribe();
        let _ = (mine.is_closed(), reader.recv().now_or_never());
    };
    let wait = || {
        let mut reader = news.subscribe();
        Box::pin(async move { assert_eq!(reader.recv().await, Some(Ok(1))) }) as _
    };
    let send = || assert_eq!(news.send(1), Ok(2));
    torment("a broadcast", touch, wait, send);

    let senders = RefCell::new(Vec::new());
    let wait = || {
        let (sender, receiver) = oneshot();
        senders.borrow_mut().push(sender);
        Box::pin(async { assert_eq!(receiver.await, Ok(1)) }) as _
    };
    let send = || {
        for sender in senders.take() {
            let _ = sender.send(1);
        }
    };
    torment("a oneshot", || {}, wait, send);
    let receivers = RefCell::new(Vec::new());
    let wait = || {
        let (mut sender, receiver) = oneshot::<u8>();
        receivers.borrow_mut().push(receiver);
        Box::pin(async move { sender.closed().await }) as _
    };
    torment(
        "the end of a receiver",
        || {},
        wait,
        || drop(receivers.take()),
    );
}

/// Whatever the queue itself drops: its destructors end no put, no queue, and not the process.
#[test]
fn items_that_panic_when_they_are_dropped_end_nothing_else() {
    let drops = Arc::new(AtomicUsize::new(0));
    let bomb = || Bomb(drops.clone());
    let rolling = Queue::builder(1).overflow(Overflow::DropOldest).build();
    for _ in 0..3 {
        assert!(rolling.put(bomb()).now_or_never().unwrap().is_ok());
    }
    assert_eq!((drops.load(SeqCst), rolling.stats().dropped), (2, 2));
    let newest = Queue::builder(1).overflow(Overflow::DropNewest).build();
    for _ in 0..3 {
        assert!(newest.put(bomb()).now_or_never().unwrap().is_ok());
    }
    assert_eq!((drops.load(SeqCst), newest.len()), (4, 1));
    let graves = Queue::builder(9)
        .on_drop(OnDrop::DeadLetter)
        .dead_letters(1)
        .build();
    for _ in 0..3 {
        graves.try_put(bomb()).unwrap();
        drop(graves.try_get());
    }
    assert_eq!((drops.load(SeqCst), graves.stats().open), (6, 0));
    // One that was given to a get that is gone, after the end.
    let ended = Queue::builder(9).dead_letters(0).build();
    ended.try_put(bomb()).unwrap();
    let item = ended.try_get().unwrap();
    ended.close_now();
    item.requeue();
    assert_eq!((drops.load(SeqCst), ended.stats().open), (7, 0));
    // Two and more in one queue, which would end the process.
    for _ in 0..8 {
        ended.try_put(bomb()).unwrap_err().into_inner().defuse();
        graves.try_put(bomb()).unwrap();
    }
    drop((rolling, newest, graves));
    assert_eq!(drops.load(SeqCst), 7 + 1 + 1 + 9);
    // The value's own user sees its panic, and it is acknowledged.
    let queue = Queue::bounded(1);
    queue.try_put(bomb()).unwrap();
    let item = queue.try_get().unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| item.done())).is_err());
    assert_eq!(queue.join().now_or_never(), Some(()));
}

#[test]
fn what_a_broadcast_drops_ends_nobody() {
    let drops = Arc::new(AtomicUsize::new(0));
    let news = Broadcast::new(2);
    let reader = news.subscribe();
    for _ in 0..5 {
        assert!(news.send(Bomb(drops.clone())).is_ok());
    }
    assert_eq!(drops.load(SeqCst), 3);
    drop(reader);
    assert_eq!(drops.load(SeqCst), 5);
    let (sender, receiver) = oneshot();
    sender.send(Bomb(drops.clone())).unwrap();
    drop(receiver);
    assert_eq!(drops.load(SeqCst), 6);
}

/// Panics the first times it is cloned.
#[derive(Debug)]
struct Shy(u32, Arc<AtomicUsize>);
impl Clone for Shy {
    fn clone(&self) -> Self {
        if self.1.fetch_add(1, SeqCst) < 2 {
            resume_unwind(Box::new("a clone that panics"));
        }
        Shy(self.0, self.1.clone())
    }
}

#[test]
fn an_item_whose_clone_panics_is_there_for_the_next_call() {
    let news = Broadcast::new(1);
    let (mut one, mut two) = (news.subscribe(), news.subscribe());
    let clones = Arc::new(AtomicUsize::new(0));
    news.send(Shy(7, clones.clone())).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| one.try_recv())).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| one.recv().now_or_never())).is_err());
    // Not even one that is overwritten is lost.
    news.send(Shy(8, clones.clone())).unwrap();
    let got: Vec<_> = (0..2).map(|_| one.try_recv().unwrap().unwrap().0).collect();
    assert_eq!(got, [7, 8]);
    assert!(one.try_recv().is_none());
    assert!(two.try_recv().unwrap().is_err(), "it was too slow");
    assert_eq!(two.try_recv().unwrap().unwrap().0, 8);
}

/// It runs under the lock of its queue, and may use what is not that queue.
#[test]
fn a_comparison_may_wake_others() {
    let event = Event::new();
    let mine = event.clone();
    let queue = Queue::builder(9)
        .by_key(move |n: &u32| {
            mine.set();
            *n
        })
        .build();
    let mut waits = event.wait();
    assert!((&mut waits).now_or_never().is_none());
    for n in [3, 1, 2] {
        queue.try_put(n).unwrap();
    }
    assert!((&mut waits).now_or_never().is_some());
    assert_eq!(queue.try_take(), Some(1));
}
