//! Drops every operation of a queue at every await, 100,000 times each, and counts what is left: every item once, and no waiter.

use regatta::queue::{
    Broadcast, Consumer, Item, Lagged, OnDrop, Producer, PutError, Queue, SenderGone, Subscriber,
    oneshot,
};
use regatta::testing::{Outcome, cancel_safety_drops, settle, yield_now};
use regatta::{Runtime, time};
use regatta_soak::{DROPS, MS, passed};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    drop(Runtime::current().try_spawn(future).unwrap());
}

/// The item of the operation under test; 1 and 2 are in the queue, 4 is a rival's.
const OURS: u32 = 3;

/// A full queue of 2 and a rival that waits to put; a consumer takes `takes` items in its own time.
async fn full(takes: u32) -> Queue<u32> {
    let queue = Queue::bounded(2);
    queue.put(1).await.unwrap();
    queue.put(2).await.unwrap();
    let (rival, consumer) = (queue.clone(), queue.clone());
    spawn(async move { rival.put(4).await.unwrap() });
    spawn(async move {
        for _ in 0..takes {
            yield_now().await;
            consumer.take().await.unwrap();
        }
    });
    queue
}

/// Whether the item got in exactly when the put says so; and the rival always.
async fn put_or_not(queue: &Queue<u32>, is_in: bool) -> Result<(), String> {
    settle().await;
    let mut left = Vec::new();
    while let Some(n) = queue.try_take() {
        left.push(n);
        settle().await;
    }
    let stats = queue.stats();
    let puts = 3 + u64::from(is_in);
    let clean = (stats.waiting_puts, stats.waiting_gets, stats.open) == (0, 0, 0);
    if stats.puts == puts && stats.gets == puts && clean && (is_in || !left.contains(&OURS)) {
        // All room is there again.
        for n in 0..2 {
            queue
                .try_put(n)
                .map_err(|e| format!("room was lost: {e}"))?;
        }
        return Ok(());
    }
    Err(format!("expected {puts} puts: {stats:?}, left {left:?}"))
}

#[test]
fn a_dropped_put_did_not_happen() {
    for takes in [2, 3] {
        let op = |queue: Queue<u32>| async move { queue.put(OURS).await };
        let verify = |queue: Queue<u32>, outcome: Outcome<Result<(), PutError<u32>>>| async move {
            put_or_not(&queue, matches!(outcome, Outcome::Completed(Ok(())))).await
        };
        passed(&cancel_safety_drops(DROPS, move || full(takes), op, verify));
    }
}

#[test]
fn a_put_with_a_timeout_happens_or_hands_back() {
    let op = |queue: Queue<u32>| async move { queue.put_timeout(MS, OURS).await };
    let verify = |queue: Queue<u32>, outcome: Outcome<Result<(), PutError<u32>>>| async move {
        put_or_not(&queue, matches!(outcome, Outcome::Completed(Ok(())))).await
    };
    passed(&cancel_safety_drops(DROPS, || full(2), op, verify));
}

#[test]
fn a_dropped_reservation_gives_its_room_on() {
    let op = |queue: Queue<u32>| async move {
        let slot = queue.reserve().await.unwrap();
        yield_now().await;
        slot.put(OURS)
    };
    let verify = |queue: Queue<u32>, outcome: Outcome<Result<(), PutError<u32>>>| async move {
        put_or_not(&queue, matches!(outcome, Outcome::Completed(Ok(())))).await
    };
    passed(&cancel_safety_drops(DROPS, || full(2), op, verify));
}

/// What an operation got, or kept, before it was dropped.
type World = (Queue<u32>, Rc<RefCell<Vec<u32>>>);

/// An empty queue; a producer puts 0, 1 and 2 in its own time, a rival takes one.
async fn empty(on_drop: OnDrop) -> World {
    let queue = Queue::builder(2).on_drop(on_drop).build();
    let (producer, rival) = (queue.clone(), queue.clone());
    spawn(async move {
        for n in 0..3 {
            yield_now().await;
            producer.put(n).await.unwrap();
        }
    });
    let aside = queue.clone();
    spawn(async move {
        // What it takes counts as seen; it says so through the figures.
        let item = rival.get().await.unwrap();
        item.dead_letter();
        drop(aside);
    });
    (queue, Rc::default())
}

/// Every item is with the operation, with the rival, or still there, in order.
async fn nothing_lost((queue, seen): World) -> Result<(), String> {
    settle().await;
    let mut left = Vec::new();
    while let Some(n) = queue.try_take() {
        left.push(n);
        settle().await;
    }
    let in_order = left.is_sorted();
    let mut all = seen.borrow().clone();
    all.extend(&left);
    all.extend(queue.dead_letters());
    all.sort_unstable();
    let stats = queue.stats();
    let clean = (stats.waiting_puts, stats.waiting_gets, stats.open) == (0, 0, 0);
    if all == [0, 1, 2] && in_order && clean {
        Ok(())
    } else {
        Err(format!("{all:?}, left {left:?}, {stats:?}"))
    }
}

#[test]
fn a_dropped_get_did_not_happen() {
    let op = |(queue, seen): World| async move {
        let item = queue.get().await.unwrap();
        seen.borrow_mut().push(item.into_inner());
    };
    let setup = || empty(OnDrop::Done);
    passed(&cancel_safety_drops(DROPS, setup, op, |w, _| {
        nothing_lost(w)
    }));
}

#[test]
fn a_dropped_take_did_not_happen() {
    let op = |(queue, seen): World| async move {
        let item = queue.take().await.unwrap();
        seen.borrow_mut().push(item);
    };
    let setup = || empty(OnDrop::Done);
    passed(&cancel_safety_drops(DROPS, setup, op, |w, _| {
        nothing_lost(w)
    }));
}

#[test]
fn a_dropped_batch_did_not_happen() {
    let op = |(queue, seen): World| async move {
        let mut batch = Vec::new();
        queue.take_many(2, &mut batch).await;
        seen.borrow_mut().extend(batch);
        let mut items = Vec::new();
        if seen.borrow().len() == 1 {
            queue.get_many(1, &mut items).await;
        }
        let items = items.into_iter().map(Item::into_inner);
        seen.borrow_mut().extend(items);
    };
    let setup = || empty(OnDrop::Done);
    passed(&cancel_safety_drops(DROPS, setup, op, |w, _| {
        nothing_lost(w)
    }));
}

#[test]
fn a_dropped_stream_leaves_the_items() {
    use futures_lite::StreamExt;
    let op = |(queue, seen): World| async move {
        let item = queue.items().next().await.unwrap();
        seen.borrow_mut().push(item.into_inner());
    };
    let setup = || empty(OnDrop::Done);
    passed(&cancel_safety_drops(DROPS, setup, op, |w, _| {
        nothing_lost(w)
    }));
}

/// Dropped while it works on an item: the item comes back, or is kept aside.
#[test]
fn work_that_is_dropped_gives_its_item_back() {
    for on_drop in [OnDrop::Requeue, OnDrop::DeadLetter] {
        let op = |(queue, seen): World| async move {
            let item = queue.get().await.unwrap();
            yield_now().await;
            time::sleep(MS).await;
            seen.borrow_mut().push(item.into_inner());
        };
        let setup = move || empty(on_drop);
        passed(&cancel_safety_drops(DROPS, setup, op, |w, _| {
            nothing_lost(w)
        }));
    }
}

#[test]
fn a_dropped_join_leaves_nothing() {
    let setup = async || {
        let queue = Queue::bounded(4);
        for n in 0..2 {
            queue.put(n).await.unwrap();
            let queue = queue.clone();
            spawn(async move {
                let item = queue.get().await;
                yield_now().await;
                drop(item);
            });
        }
        queue
    };
    let op = |queue: Queue<u32>| async move { queue.join().await };
    let verify = |queue: Queue<u32>, _| async move {
        queue.join().await;
        match queue.stats().open {
            0 => Ok(()),
            open => Err(format!("{open} open")),
        }
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

/// The sides of a split queue, for which a second handle would count as one more producer or consumer.
type Sides = (Rc<RefCell<Option<Producer<u32>>>>, Rc<Consumer<u32>>);

/// A full queue, whose only producer is with the operation under test.
async fn split_and_full() -> Sides {
    let (producer, consumer) = Queue::bounded(2).split();
    producer.put(1).await.unwrap();
    producer.put(2).await.unwrap();
    let taker = consumer.clone();
    spawn(async move {
        yield_now().await;
        taker.take().await.unwrap();
    });
    (Rc::new(RefCell::new(Some(producer))), Rc::new(consumer))
}

/// A put that is dropped with its producer: the queue is closed, and the item is in it exactly when the put says so.
#[test]
fn a_put_that_is_dropped_with_its_producer_closes_the_queue_and_did_not_happen() {
    let op = |(producer, _): Sides| async move {
        let producer = producer.borrow_mut().take().unwrap();
        producer.put(OURS).await
    };
    passed(&cancel_safety_drops(DROPS, split_and_full, op, in_or_not));
}

#[test]
fn a_put_with_a_timeout_that_is_dropped_with_its_producer_did_not_happen() {
    let op = |(producer, _): Sides| async move {
        let producer = producer.borrow_mut().take().unwrap();
        producer.put_timeout(MS, OURS).await
    };
    passed(&cancel_safety_drops(DROPS, split_and_full, op, in_or_not));
}

#[test]
fn a_reservation_that_is_dropped_with_its_producer_did_not_happen() {
    let op = |(producer, _): Sides| async move {
        let producer = producer.borrow_mut().take().unwrap();
        let slot = producer.reserve().await.unwrap();
        yield_now().await;
        slot.put(OURS)
    };
    passed(&cancel_safety_drops(DROPS, split_and_full, op, in_or_not));
}

async fn in_or_not(
    (producer, consumer): Sides,
    outcome: Outcome<Result<(), PutError<u32>>>,
) -> Result<(), String> {
    // Where the operation was never polled, its producer is still here.
    drop(producer.borrow_mut().take());
    settle().await;
    let is_in = matches!(outcome, Outcome::Completed(Ok(())));
    let mut left = Vec::new();
    while let Some(n) = consumer.take().await {
        left.push(n);
    }
    let stats = consumer.queue().stats();
    let clean = (stats.waiting_puts, stats.waiting_gets, stats.open) == (0, 0, 0);
    let puts = 2 + u64::from(is_in);
    if left.contains(&OURS) == is_in && clean && (stats.puts, stats.gets) == (puts, puts) {
        return Ok(());
    }
    Err(format!("put: {is_in}, left {left:?}, {stats:?}"))
}

/// A consumer that is dropped in the middle of a get: the items are there for the other, and when that one goes too, producers are told.
#[test]
fn a_get_that_is_dropped_with_its_consumer_leaves_the_items_to_the_others() {
    type Halves = (
        Rc<RefCell<Option<Consumer<u32>>>>,
        Consumer<u32>,
        Rc<Cell<u32>>,
    );
    let setup = async || -> Halves {
        let (producer, consumer) = Queue::bounded(1).split();
        spawn(async move {
            for n in 0..3 {
                yield_now().await;
                producer.put(n).await.unwrap();
            }
        });
        let ours = Rc::new(RefCell::new(Some(consumer.clone())));
        (ours, consumer, Rc::default())
    };
    let take = |(ours, _, seen): Halves| async move {
        let consumer = ours.borrow_mut().take().unwrap();
        consumer.take().await.unwrap();
        seen.set(1);
    };
    let get_many = |(ours, _, seen): Halves| async move {
        let consumer = ours.borrow_mut().take().unwrap();
        let mut items = Vec::new();
        consumer.get_many(2, &mut items).await;
        seen.set(items.into_iter().map(Item::into_inner).count() as u32);
    };
    let verify = |(ours, consumer, seen): Halves, _: Outcome<()>| async move {
        drop(ours.borrow_mut().take());
        let mut left = 0;
        while consumer.take().await.is_some() {
            left += 1;
        }
        let stats = consumer.queue().stats();
        if left + seen.get() == 3 && (stats.waiting_gets, stats.open) == (0, 0) {
            return Ok(());
        }
        Err(format!("{} seen, {left} left: {stats:?}", seen.get()))
    };
    passed(&cancel_safety_drops(DROPS, setup, take, verify));
    passed(&cancel_safety_drops(DROPS, setup, get_many, verify));
}

#[test]
fn a_dropped_receive_leaves_the_item() {
    type Reader = (Broadcast<u64>, Rc<RefCell<(Subscriber<u64>, u64)>>);
    let setup = async || -> Reader {
        let news = Broadcast::new(2);
        let reader = news.subscribe();
        let sender = news.clone();
        spawn(async move {
            for n in 0..4 {
                yield_now().await;
                sender.send(n).unwrap();
            }
            sender.close();
        });
        (news, Rc::new(RefCell::new((reader, 0))))
    };
    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "nobody else is there while it is held"
    )]
    async fn read(reader: &RefCell<(Subscriber<u64>, u64)>, times: u32) {
        let mut reader = reader.borrow_mut();
        for _ in 0..times {
            match reader.0.recv().await {
                Some(Ok(_)) => reader.1 += 1,
                Some(Err(Lagged(missed))) => reader.1 += missed,
                None => break,
            }
        }
    }
    let op = |(_, reader): Reader| async move { read(&reader, 2).await };
    let verify = |(news, reader): Reader, _| async move {
        drop(news);
        read(&reader, 9).await;
        match reader.borrow().1 {
            4 => Ok(()),
            n => Err(format!("{n} accounted for")),
        }
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

/// A rival's item and ours, from hand to hand.
#[test]
fn a_dropped_put_to_a_hand_did_not_happen_unless_it_was_taken() {
    let setup = async || {
        let queue = Queue::rendezvous();
        let (rival, consumer) = (queue.clone(), queue.clone());
        spawn(async move { rival.put(4).await.unwrap() });
        spawn(async move {
            for _ in 0..2 {
                yield_now().await;
                consumer.take().await;
            }
        });
        queue
    };
    let op = |queue: Queue<u32>| async move { queue.put(OURS).await };
    let verify = |queue: Queue<u32>, outcome: Outcome<Result<(), PutError<u32>>>| async move {
        settle().await;
        let is_in = matches!(outcome, Outcome::Completed(Ok(())));
        let stats = queue.stats();
        queue.close();
        settle().await;
        let clean = (stats.waiting_puts, stats.len, stats.open) == (0, 0, 0);
        // Dropped between being taken and seeing that, it has happened.
        match stats.puts {
            2 if clean && stats.gets == 2 => Ok(()),
            1 if clean && stats.gets == 1 && !is_in => Ok(()),
            _ => Err(format!("put: {is_in}, {stats:?}")),
        }
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

#[test]
fn a_dropped_get_from_a_hand_has_taken_nothing() {
    let setup = async || {
        let queue = Queue::rendezvous();
        let (producer, rival) = (queue.clone(), queue.clone());
        spawn(async move {
            for n in 0..3 {
                yield_now().await;
                producer.put(n).await.unwrap();
            }
        });
        spawn(async move {
            rival.take().await;
        });
        queue
    };
    let op = |queue: Queue<u32>| async move { queue.take().await };
    let verify = |queue: Queue<u32>, _: Outcome<Option<u32>>| async move {
        settle().await;
        while queue.try_take().is_some() {
            settle().await;
        }
        let stats = queue.stats();
        let seen = (
            stats.puts,
            stats.gets,
            stats.waiting_puts,
            stats.waiting_gets,
        );
        match (seen, stats.len) {
            ((3, 3, 0, 0), 0) => Ok(()),
            _ => Err(format!("{stats:?}")),
        }
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

#[test]
fn a_dropped_receiver_of_a_oneshot_takes_its_value_along() {
    let op = |value: Arc<()>| async move {
        let (sender, receiver) = oneshot();
        spawn(async move {
            yield_now().await;
            drop(sender.send(value));
        });
        receiver.await
    };
    let verify = |value: Arc<()>, outcome: Outcome<Result<Arc<()>, SenderGone>>| async move {
        settle().await;
        let there = usize::from(matches!(outcome, Outcome::Completed(Ok(_))));
        match Arc::strong_count(&value) - there {
            1 => Ok(()),
            n => Err(format!("{n} instead of 1")),
        }
    };
    passed(&cancel_safety_drops(
        DROPS,
        async || Arc::new(()),
        op,
        verify,
    ));
}

#[test]
fn a_dropped_look_at_the_end_of_a_receiver_leaves_nothing() {
    let op = |closed: Arc<()>| async move {
        let (mut sender, receiver) = oneshot::<Arc<()>>();
        spawn(async move {
            yield_now().await;
            drop(receiver);
        });
        sender.closed().await;
        sender.send(closed).is_err()
    };
    let verify = |closed: Arc<()>, outcome: Outcome<bool>| async move {
        settle().await;
        match (outcome, Arc::strong_count(&closed)) {
            (Outcome::Completed(false), _) => Err("it was sent to nobody".into()),
            (_, 1) => Ok(()),
            (_, n) => Err(format!("{n} instead of 1")),
        }
    };
    passed(&cancel_safety_drops(
        DROPS,
        async || Arc::new(()),
        op,
        verify,
    ));
}
