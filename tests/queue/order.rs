//! The order of grants is the order of arrival, under every seed; what a queue does is explained by a `VecDeque`.

use futures_lite::future::poll_once;
use regatta::queue::Queue;
use regatta::testing::{self, History, Spec, linearizable};
use regatta::{Runtime, queue::TryPutError};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Poll;

type Log<T> = Arc<Mutex<Vec<T>>>;

fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    drop(Runtime::current().try_spawn(future).unwrap());
}

/// Gets line up, items come in any rhythm: each gets the item of its rank.
#[test]
fn gets_are_served_in_the_order_of_arrival() {
    testing::check(3000, || async {
        let queue = Queue::bounded(3);
        let got: Log<(usize, usize)> = Log::default();
        for rank in 0..6 {
            let (queue, got) = (queue.clone(), got.clone());
            let waiting = queue.clone();
            spawn(async move {
                let item = queue.take().await.unwrap();
                got.lock().unwrap().push((rank, item));
            });
            while waiting.stats().waiting_gets == rank {
                testing::yield_now().await;
            }
        }
        for item in 0..6 {
            queue.put(item).await.unwrap();
        }
        testing::settle().await;
        let mut got = got.lock().unwrap().clone();
        got.sort_unstable();
        assert_eq!(got, [0, 1, 2, 3, 4, 5].map(|n| (n, n)));
    });
}

/// Puts line up; as room appears, in any rhythm, they are let in by rank.
#[test]
fn puts_are_served_in_the_order_of_arrival() {
    testing::check(3000, || async {
        let queue = Queue::bounded(1);
        queue.put(0).await.unwrap();
        for rank in 0..6 {
            let queue = queue.clone();
            let waiting = queue.clone();
            spawn(async move { queue.put(rank + 1).await.unwrap() });
            while waiting.stats().waiting_puts == rank {
                testing::yield_now().await;
            }
        }
        let mut got = Vec::new();
        while got.len() < 7 {
            got.push(queue.take().await.unwrap());
            if fastrand::bool() {
                testing::settle().await;
            }
        }
        assert_eq!(got, [0, 1, 2, 3, 4, 5, 6]);
    });
}

/// Room for several appears at once: in the queue they stand in the order in which they began to wait.
#[test]
fn puts_that_get_room_together_stand_in_the_order_of_arrival() {
    testing::check(2000, || async {
        let queue = Queue::bounded(3);
        for n in 0..3 {
            queue.put(n).await.unwrap();
        }
        for rank in 0..3 {
            let queue = queue.clone();
            let waiting = queue.clone();
            spawn(async move { queue.put(rank + 3).await.unwrap() });
            while waiting.stats().waiting_puts == rank {
                testing::yield_now().await;
            }
        }
        let mut got = Vec::new();
        queue.take_many(3, &mut got).await;
        testing::settle().await;
        queue.take_many(3, &mut got).await;
        assert_eq!(got, [0, 1, 2, 3, 4, 5]);
    });
}

/// The items of one producer stay in order, whatever is dropped on the way, and whoever consumes.
#[test]
fn one_producer_keeps_its_order() {
    testing::check(2000, || async {
        let queue = Queue::bounded(2);
        let got: Log<u32> = Log::default();
        for _ in 0..3 {
            let (queue, got) = (queue.clone(), got.clone());
            spawn(async move {
                loop {
                    let mut get = queue.take();
                    let taken = match poll_once(&mut get).await {
                        None if fastrand::bool() => continue,
                        None => get.await,
                        Some(taken) => taken,
                    };
                    // No await between the take and the log.
                    match taken {
                        Some(n) => got.lock().unwrap().push(n),
                        None => break,
                    }
                    testing::yield_now().await;
                }
            });
        }
        for n in 0..12 {
            queue.put(n).await.unwrap();
        }
        queue.close();
        testing::settle().await;
        let mut got = got.lock().unwrap().clone();
        // Handed over and seen are two moments: neighbours may be seen the other way round, and none is lost.
        got.sort_unstable();
        assert_eq!(got, (0..12).collect::<Vec<_>>());
    });
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Sequential {
    items: VecDeque<u8>,
    capacity: usize,
}

#[derive(Clone, Debug)]
enum Op {
    Put(u8),
    TryPut(u8),
    Get,
    TryGet,
}

#[derive(Clone, Debug, PartialEq)]
enum Ret {
    Done,
    Full,
    Got(Option<u8>),
}

impl Spec for Sequential {
    type Op = Op;
    type Ret = Ret;

    fn step(&mut self, op: &Op) -> Option<Ret> {
        let full = self.items.len() >= self.capacity;
        match op {
            Op::Put(_) if full => return None,
            // Room may belong to a put that waits.
            Op::TryPut(_) if full => return Some(Ret::Full),
            Op::Put(n) | Op::TryPut(n) => self.items.push_back(*n),
            Op::Get => return self.items.pop_front().map(|n| Ret::Got(Some(n))),
            Op::TryGet => return Some(Ret::Got(self.items.pop_front())),
        }
        Some(Ret::Done)
    }
}

async fn call(queue: &Queue<u8>, op: Op) -> Ret {
    match op {
        Op::Put(n) => queue.put(n).await.map(|()| Ret::Done).unwrap(),
        Op::TryPut(n) => match queue.try_put(n) {
            Ok(()) => Ret::Done,
            Err(TryPutError::Full(_)) => Ret::Full,
            Err(other) => panic!("{other}"),
        },
        Op::Get => Ret::Got(queue.take().await),
        Op::TryGet => Ret::Got(queue.try_take()),
    }
}

/// Three tasks put and get, waiting; some calls are dropped.
#[test]
fn a_vec_deque_explains_every_history() {
    testing::check(3000, || async {
        let capacity = fastrand::usize(1..3);
        let queue = Queue::bounded(capacity);
        let history = History::new();
        for task in 0..3 {
            let (queue, history) = (queue.clone(), history.clone());
            spawn(async move {
                for n in 0..4 {
                    let op = if fastrand::bool() {
                        Op::Put(task * 10 + n)
                    } else {
                        Op::Get
                    };
                    let mut call =
                        std::pin::pin!(history.record(op.clone(), call(&queue, op.clone())));
                    // Some are dropped half way.
                    let mut patience = fastrand::u32(1..6);
                    poll_fn(|cx| match call.as_mut().poll(cx) {
                        Poll::Pending if patience == 0 => Poll::Ready(()),
                        Poll::Pending => {
                            patience -= 1;
                            cx.waker().wake_by_ref();
                            Poll::Pending
                        }
                        Poll::Ready(_) => Poll::Ready(()),
                    })
                    .await;
                }
            });
        }
        testing::settle().await;
        let spec = Sequential {
            items: VecDeque::new(),
            capacity,
        };
        assert!(linearizable(spec, &history), "{history:?}");
    });
}

/// Without waiting calls in between, `try_` calls are exact too.
#[test]
fn a_vec_deque_explains_calls_that_do_not_wait() {
    testing::check(500, || async {
        let queue = Queue::bounded(2);
        let history = History::new();
        for task in 0..3 {
            let (queue, history) = (queue.clone(), history.clone());
            spawn(async move {
                for n in 0..5 {
                    let op = if fastrand::bool() {
                        Op::TryPut(task * 10 + n)
                    } else {
                        Op::TryGet
                    };
                    history.record(op.clone(), call(&queue, op)).await;
                    testing::yield_now().await;
                }
            });
        }
        testing::settle().await;
        let spec = Sequential {
            items: VecDeque::new(),
            capacity: 2,
        };
        assert!(linearizable(spec, &history), "{history:?}");
    });
}

/// Every interleaving: two producers, one of which gives up; two consumers; capacity 1.
#[test]
fn every_interleaving_of_a_small_program_keeps_every_item() {
    let report = testing::explore_all(200_000, || async {
        let queue = Queue::bounded(1);
        let got: Rc<RefCell<Vec<u8>>> = Rc::default();
        let seen: Log<u8> = Log::default();
        for n in 1..=2 {
            let queue = queue.clone();
            spawn(async move { queue.put(n).await.unwrap() });
        }
        let (taker, seen_by) = (queue.clone(), seen.clone());
        spawn(async move {
            if let Some(n) = taker.take().await {
                seen_by.lock().unwrap().push(n);
            }
        });
        // Polled once, then dropped: whatever it was given goes on.
        let given = poll_once(queue.take()).await.flatten();
        got.borrow_mut().extend(given);
        testing::settle().await;
        queue.close();
        while let Some(n) = queue.take().await {
            got.borrow_mut().push(n);
        }
        queue.join().await;
        let mut all = got.borrow().clone();
        all.extend(seen.lock().unwrap().iter());
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
    });
    report.unwrap();
    assert!(report.complete, "{report}");
}

/// Every interleaving: closing races with a put and a get.
#[test]
fn every_interleaving_of_a_close_ends_everybody() {
    let report = testing::explore_all(200_000, || async {
        let queue = Queue::bounded(1);
        let put: Log<bool> = Log::default();
        let got: Log<u8> = Log::default();
        for n in 1..=2 {
            let (queue, put) = (queue.clone(), put.clone());
            spawn(async move {
                let ok = queue.put(n).await.is_ok();
                put.lock().unwrap().push(ok);
            });
        }
        let (taker, seen) = (queue.clone(), got.clone());
        spawn(async move {
            while let Some(item) = taker.get().await {
                seen.lock().unwrap().push(*item);
            }
        });
        queue.close();
        queue.join().await;
        testing::settle().await;
        let put = put.lock().unwrap().clone();
        assert_eq!(put.len(), 2);
        let taken = got.lock().unwrap().len();
        assert_eq!(taken, put.iter().filter(|ok| **ok).count());
    });
    report.unwrap();
    assert!(report.complete, "{report}");
}

/// A join sees every acknowledgement, whoever makes it and in whatever order.
#[test]
fn every_interleaving_of_acknowledgements_ends_the_join() {
    let report = testing::explore_all(200_000, || async {
        let queue = Queue::bounded(2);
        queue.put(1).await.unwrap();
        queue.put(2).await.unwrap();
        for _ in 0..2 {
            let queue = queue.clone();
            spawn(async move {
                let item = queue.get().await;
                testing::yield_now().await;
                drop(item);
            });
        }
        let join = queue.clone();
        join.join().await;
        assert_eq!(queue.stats().open, 0);
    });
    report.unwrap();
    assert!(report.complete, "{report}");
}
