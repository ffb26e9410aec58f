//! Crowds, and the smallest queue.

use futures_lite::future::poll_once;
use regatta::queue::{PutError, Queue};
use regatta::task;
use std::convert::Infallible;

const CROWD: usize = 100_000;

/// Waiters leave from the middle, are served in order, and leave no trace.
async fn a_hundred_thousand_wait_to_put() {
    let queue = Queue::bounded(1);
    queue.put(CROWD).await.unwrap();
    let mut puts: Vec<_> = (0..CROWD).map(|n| Some(queue.put(n))).collect();
    for put in &mut puts {
        assert!(poll_once(put.as_mut().unwrap()).await.is_none());
    }
    for put in puts.iter_mut().skip(1).step_by(2) {
        assert!(put.take().and_then(|p| p.into_item()).is_some());
    }
    assert_eq!(queue.stats().waiting_puts, CROWD / 2);
    assert_eq!(queue.take().await, Some(CROWD));
    for (n, put) in puts.into_iter().enumerate() {
        if let Some(put) = put {
            put.await.unwrap();
            assert_eq!(queue.try_take(), Some(n));
        }
    }
    assert_eq!(queue.stats().waiting_puts, 0);
}

async fn a_hundred_thousand_wait_to_get() {
    let queue = Queue::unbounded();
    let mut gets: Vec<_> = (0..CROWD).map(|_| Some(queue.take())).collect();
    for get in &mut gets {
        assert!(poll_once(get.as_mut().unwrap()).await.is_none());
    }
    for n in 0..CROWD / 2 {
        queue.try_put(n).unwrap();
    }
    // Every other one of those that were served goes away: its item goes to the first that was not.
    for get in gets.iter_mut().take(CROWD / 2).step_by(2) {
        drop(get.take());
    }
    queue.close();
    let (mut items, mut ends) = (0, 0);
    for get in gets.into_iter().flatten() {
        match get.await {
            Some(_) => items += 1,
            None => ends += 1,
        }
    }
    assert_eq!((items, ends), (CROWD / 2, CROWD / 4));
}

async fn closing_tells_a_crowd() {
    let queue = Queue::bounded(1);
    queue.put(0).await.unwrap();
    let mut puts: Vec<_> = (1..CROWD).map(|n| queue.put(n)).collect();
    for put in &mut puts {
        assert!(poll_once(put).await.is_none());
    }
    queue.close();
    for (n, put) in puts.into_iter().enumerate() {
        assert_eq!(put.await, Err(PutError::Closed(n + 1)));
    }
}

/// Strict alternation through the narrowest queue.
async fn a_queue_of_one_passes_everything() {
    let queue = Queue::bounded(1);
    let sum = task::task_group(async |g| {
        let puts = queue.clone();
        g.spawn(async move {
            for n in 0..2000_u64 {
                puts.put(n).await.unwrap();
            }
            puts.close();
            Ok::<_, Infallible>(())
        });
        let mut next = 0;
        while let Some(n) = queue.take().await {
            assert_eq!(n, next);
            next += 1;
        }
        Ok(next)
    });
    assert_eq!(sum.await.unwrap(), 2000);
    assert_eq!(queue.stats().high_water, 1);
}

/// A producer that never has to wait lets others run all the same.
async fn an_unbounded_producer_starves_nobody() {
    let queue = Queue::unbounded();
    let producer = async {
        for n in 0.. {
            if queue.put(n).await.is_err() {
                break;
            }
        }
    };
    let consumer = async {
        assert_eq!(queue.take().await, Some(0));
        queue.close();
    };
    futures_lite::future::zip(producer, consumer).await;
}

regatta::matrix! {
    a_hundred_thousand_wait_to_put [tokio_current, smol];
    a_hundred_thousand_wait_to_get [tokio_current, smol];
    closing_tells_a_crowd [tokio_current, smol];
    a_queue_of_one_passes_everything;
    an_unbounded_producer_starves_nobody;
}

/// The crowds in virtual time, once: sixteen seeds of it would show nothing more.
#[test]
fn crowds_in_virtual_time() {
    regatta::testing::run(async || {
        a_hundred_thousand_wait_to_put().await;
        a_hundred_thousand_wait_to_get().await;
        closing_tells_a_crowd().await;
    });
}
