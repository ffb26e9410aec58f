//! Giving way to other tasks: nothing is refused, lost or passed for it, and every operation that is ready at once does
//! it.

use futures::FutureExt;
use futures_lite::StreamExt;
use futures_lite::future::poll_once;
use regatta::Runtime;
use regatta::queue::{Broadcast, Overflow, PutError, Queue, oneshot};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// More than any budget.
const ROUNDS: usize = 3_000;

async fn a_put_with_no_time_is_never_refused_where_there_is_room() {
    let (queue, one) = (Queue::unbounded(), Queue::bounded(1));
    for n in 0..ROUNDS {
        assert_eq!(queue.put_timeout(Duration::ZERO, n).await, Ok(()));
        assert_eq!(one.put_timeout(Duration::ZERO, n).await, Ok(()));
        assert_eq!(
            one.put_timeout(Duration::ZERO, n).await,
            Err(PutError::Elapsed(n))
        );
        assert_eq!(one.try_take(), Some(n));
    }
    assert_eq!(queue.len(), ROUNDS);
}

async fn one_poll_without_a_task_is_enough() {
    let queue = Queue::bounded(1);
    for n in 0..ROUNDS {
        assert_eq!(queue.put(n).now_or_never(), Some(Ok(())));
        assert!(queue.reserve().now_or_never().is_none());
        assert_eq!(queue.take().now_or_never(), Some(Some(n)));
        assert_eq!(queue.join().now_or_never(), Some(()));
    }
}

/// Polled once and dropped: either it happened and said so, or it did not.
async fn what_gives_way_and_is_dropped_did_not_happen() {
    let queue = Queue::bounded(ROUNDS);
    let (mut put, mut pending) = (Vec::new(), 0);
    for n in 0..ROUNDS {
        match poll_once(queue.put(n)).await {
            Some(ended) => {
                ended.unwrap();
                put.push(n);
            }
            None => pending += 1,
        }
        drop(poll_once(queue.reserve()).await);
    }
    assert_eq!((queue.len(), put.len()), (put.len(), ROUNDS - pending));
    assert!(pending > 0, "it never gave way");
    let mut got = Vec::new();
    while got.len() < put.len() {
        match poll_once(queue.take()).await {
            Some(item) => got.extend(item),
            None => pending = 0,
        }
    }
    assert_eq!(
        (pending, got),
        (0, put),
        "a take never gave way, or lost an item"
    );
    for n in 0..ROUNDS {
        queue.try_put(n).unwrap();
    }
    let stats = queue.stats();
    assert_eq!((stats.waiting_puts, stats.waiting_gets), (0, 0));
}

async fn items_stand_in_the_order_of_their_puts() {
    for queue in [Queue::unbounded(), Queue::bounded(2)] {
        for n in 0..ROUNDS {
            let both = futures::join!(queue.put(2 * n), queue.put(2 * n + 1));
            assert_eq!(both, (Ok(()), Ok(())));
            let both = futures::join!(queue.take(), queue.take());
            assert_eq!(both, (Some(2 * n), Some(2 * n + 1)), "round {n}");
        }
    }
}

/// A loop over `operation` leaves its thread to others.
async fn starves_nobody<F: Future>(what: &str, mut operation: impl FnMut() -> F) {
    let flag = Arc::new(AtomicUsize::new(0));
    let other = {
        let flag = flag.clone();
        let sets = async move { flag.store(1, SeqCst) };
        Runtime::current().try_spawn(sets).unwrap()
    };
    let mut times = 0;
    while flag.load(SeqCst) == 0 {
        operation().await;
        times += 1;
        assert!(times < 5_000_000, "{what} keeps its thread");
    }
    other.await.unwrap();
}

async fn whatever_is_ready_or_refused_gives_way() {
    let queue = Queue::unbounded();
    starves_nobody("put", || async { queue.put(1).await.unwrap() }).await;
    queue.close_now();
    starves_nobody("put, closed", || queue.put(1)).await;
    starves_nobody("take, closed", || queue.take()).await;
    starves_nobody("get, closed", || queue.get()).await;
    starves_nobody("reserve, closed", || queue.reserve()).await;
    starves_nobody("join", || queue.join()).await;
    let queue = Queue::bounded(2);
    starves_nobody("reserve", || queue.reserve()).await;
    starves_nobody("put and get", || async {
        queue.try_put(1).unwrap();
        drop(queue.get().await);
    })
    .await;
    starves_nobody("take_many", || async {
        queue.try_put(1).unwrap();
        queue.take_many(9, &mut Vec::new()).await;
    })
    .await;
    let full = Queue::builder(1).overflow(Overflow::Reject).build();
    full.try_put(0).unwrap();
    starves_nobody("put, full", || full.put(1)).await;
    let rolling = Queue::builder(1).overflow(Overflow::DropOldest).build();
    starves_nobody("put, rolling", || async { rolling.put(1).await.unwrap() }).await;
    let news = Broadcast::new(1);
    let reader = news.subscribe();
    news.send(1).unwrap();
    starves_nobody("recv", || {
        let mut reader = reader.clone();
        async move { assert_eq!(reader.recv().await, Some(Ok(1))) }
    })
    .await;
    let ended = news.subscribe();
    news.close();
    starves_nobody("recv, closed", || {
        let mut ended = ended.clone();
        async move { assert_eq!(ended.next().await, None) }
    })
    .await;
    starves_nobody("a oneshot", || async {
        let (sender, receiver) = oneshot();
        sender.send(1).unwrap();
        assert_eq!(receiver.await, Ok(1));
    })
    .await;
}

regatta::matrix! {
    a_put_with_no_time_is_never_refused_where_there_is_room;
    one_poll_without_a_task_is_enough;
    what_gives_way_and_is_dropped_did_not_happen;
    items_stand_in_the_order_of_their_puts;
    whatever_is_ready_or_refused_gives_way;
}

/// What a subscriber has seen when it gives way is its own, whatever is sent meanwhile.
#[test]
fn a_subscriber_that_gives_way_keeps_its_item() {
    regatta::testing::run(async || {
        let news = Broadcast::new(1);
        let mut reader = news.subscribe();
        let mut gave_way = 0;
        for n in 0..ROUNDS {
            news.send(n).unwrap();
            let mut recv = reader.recv();
            let got = match poll_once(&mut recv).await {
                Some(got) => got,
                None => {
                    gave_way += 1;
                    drop(recv);
                    // It would have lost it.
                    news.send(0).unwrap();
                    let got = reader.recv().await;
                    assert_eq!(reader.recv().await, Some(Ok(0)));
                    got
                }
            };
            assert_eq!(got, Some(Ok(n)));
        }
        assert!(gave_way > 0);
    });
}
