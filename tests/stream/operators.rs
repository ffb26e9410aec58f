//! What the operators promise beyond order: times, fairness, panics, on every runtime.

use super::{Living, MS};
use futures::{FutureExt, Stream, StreamExt, stream};
use regatta::runtime::JoinHandle;
use regatta::stream::{StreamOps, generate};
use regatta::{Runtime, testing, time};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;

async fn never_more_than_the_width_run_at_once() {
    for unordered in [false, true] {
        let running = Arc::new(AtomicUsize::new(0));
        let mapped = stream::iter(0..50u32).map_concurrent(7, |n| {
            let running = running.clone();
            async move {
                let _running = Living::new(&running);
                assert!(running.load(SeqCst) <= 7);
                time::sleep(MS / 4).await;
                n
            }
        });
        let sum: u32 = if unordered {
            mapped.unordered().fold(0, async |a, b| a + b).await
        } else {
            mapped.fold(0, async |a, b| a + b).await
        };
        assert_eq!(sum, 49 * 50 / 2);
    }
}

/// P04 and P10: 100 fetches of 10 ms, 10 at once.
async fn ten_at_once_take_a_tenth_of_the_time() {
    let fetched = stream::iter(0..100u32).map_concurrent(10, async |n| {
        time::sleep(MS * 10).await;
        n
    });
    assert_eq!(fetched.count().await, 100);
    assert_eq!(testing::now(), MS * 100);
}

async fn futures_may_borrow() {
    let words = ["a", "bb", "ccc"].map(String::from);
    let lengths = stream::iter(&words).map_concurrent(2, async |word| word.len());
    assert_eq!(lengths.collect::<Vec<_>>().await, [1, 2, 3]);
}

async fn a_panic_of_an_item_goes_on_in_the_consumer() {
    let mut mapped = pin!(stream::iter(0..3u32).map_concurrent(1, async |n| {
        assert!(n != 1, "one");
        n
    }));
    assert_eq!(mapped.next().await, Some(0));
    assert!(
        AssertUnwindSafe(mapped.next())
            .catch_unwind()
            .await
            .is_err()
    );
}

/// P11: the rest is flushed, a batch that waits is given in time, and none is empty.
async fn a_batch_waits_from_its_first_item_on() {
    let source = generate(async |y| {
        for (pause, n) in [(50, 1), (4, 2), (4, 3), (4, 4), (100, 5)] {
            time::sleep(MS * pause).await;
            y.put(n).await;
        }
    });
    let mut batches = pin!(source.batch_within(10, MS * 10));
    assert_eq!(batches.next().await, Some(vec![1, 2, 3]));
    assert_eq!(testing::now(), MS * 60);
    assert_eq!(batches.next().await, Some(vec![4]));
    assert_eq!(testing::now(), MS * 72);
    assert_eq!(batches.next().await, Some(vec![5]));
    assert_eq!(testing::now(), MS * 162);
    assert_eq!(batches.next().await, None);
}

async fn a_full_batch_does_not_wait() {
    let source = stream::iter(0..4).chain(stream::pending());
    let mut batches = pin!(source.batch_within(2, MS * 5));
    assert_eq!(batches.next().await, Some(vec![0, 1]));
    assert_eq!(batches.next().await, Some(vec![2, 3]));
    assert_eq!(testing::now(), Duration::ZERO);
}

async fn a_batch_in_the_making_can_be_seen() {
    let source = stream::iter(0..3).chain(stream::pending());
    let mut batches = pin!(source.batch(5));
    assert!(batches.next().now_or_never().is_none());
    assert_eq!(batches.collected(), [0, 1, 2]);
}

async fn merging_takes_turns() {
    let merged = stream::repeat(1).merge(stream::repeat(2)).take(10);
    let sum = merged.fold(0, async |a, b| a + b).await;
    assert_eq!(sum, 15);
}

async fn a_slow_item_is_told_and_comes_later() {
    let source = generate(async |y| {
        y.put(1).await;
        time::sleep(MS * 25).await;
        y.put(2).await;
    });
    let mut timed = pin!(source.timeout_each(MS * 10));
    assert_eq!(timed.next().await.unwrap().unwrap(), 1);
    // The consumer's own time does not count.
    time::sleep(MS * 100).await;
    for _ in 0..2 {
        let late = timed.next().await.unwrap().unwrap_err();
        assert_eq!(late.limit(), Some(MS * 10));
    }
    assert_eq!(timed.next().await.unwrap().unwrap(), 2);
    assert_eq!(testing::now(), MS * 125);
    assert!(timed.next().await.is_none());
}

/// What each of so many subscribers got, in all.
fn sums_on_tasks<S>(readers: usize, subscribe: impl Fn() -> S) -> Vec<JoinHandle<u64>>
where
    S: Stream<Item = u64> + Send + 'static,
{
    let sum = |_| subscribe().fold(0, async |a, b| a + b);
    let spawned = |sum| Runtime::current().try_spawn(sum).unwrap();
    (0..readers).map(sum).map(spawned).collect()
}

async fn subscribers_on_tasks_of_their_own_get_everything() {
    let shared = stream::iter(0..2000u64).broadcast(4);
    let readers = sums_on_tasks(4, || shared.subscribe());
    for reader in readers {
        assert_eq!(reader.await.unwrap(), 1999 * 2000 / 2);
    }
}

/// Whoever finds the source free polls it; what it wakes, and who comes while it is out, cross each other on several threads.
async fn subscribers_of_a_source_that_waits_get_everything() {
    let (sender, receiver) = async_channel::bounded(1);
    let shared = receiver.broadcast(2);
    let readers = sums_on_tasks(4, || shared.subscribe());
    let feeder = Runtime::current().try_spawn(async move {
        for n in 0..2000u64 {
            sender.send(n).await.unwrap();
        }
    });
    for reader in readers {
        assert_eq!(reader.await.unwrap(), 1999 * 2000 / 2);
    }
    feeder.unwrap().await.unwrap();
}

/// While one subscriber polls the source, the source wakes it, and after that another one comes and waits. The first gives up: the wake was for
/// the other, too.
async fn a_wake_while_the_source_is_polled_reaches_who_comes_meanwhile() {
    #[derive(Default)]
    struct Woken(AtomicUsize);
    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    type Other = Arc<std::sync::Mutex<Option<std::pin::Pin<Box<dyn Stream<Item = u32> + Send>>>>>;
    let other = Other::default();
    let woken = Arc::new(Woken::default());
    let (comes, waker) = (other.clone(), std::task::Waker::from(woken.clone()));
    let shared = stream::poll_fn(move |cx| {
        cx.waker().wake_by_ref();
        if let Some(other) = &mut *comes.lock().unwrap() {
            let polled = other.poll_next_unpin(&mut std::task::Context::from_waker(&waker));
            assert!(polled.is_pending(), "the source is out");
        }
        Poll::<Option<u32>>::Pending
    })
    .broadcast(2);
    let mut first = shared.subscribe();
    *other.lock().unwrap() = Some(Box::pin(shared.subscribe()));
    assert!(first.next().now_or_never().is_none());
    assert_eq!(woken.0.load(SeqCst), 1);
}

async fn sides_on_tasks_of_their_own_get_their_items() {
    let (even, odd) = stream::iter(0..2000u64).partition(3, |n| n % 2 == 0);
    let odd = Runtime::current().try_spawn(odd.fold(0, async |a, b| a + b));
    assert_eq!(even.fold(0, async |a, b| a + b).await, 999 * 1000);
    assert_eq!(odd.unwrap().await.unwrap(), 1000 * 1000);
}

async fn a_panic_of_a_shared_source_reaches_every_subscriber() {
    let shared = stream::iter(0..3u32)
        .map(|n| {
            assert!(n != 1, "one");
            n
        })
        .broadcast(4);
    let mut readers = [shared.subscribe(), shared.subscribe()];
    for reader in &mut readers {
        assert_eq!(reader.next().await, Some(0));
        assert!(
            AssertUnwindSafe(reader.next())
                .catch_unwind()
                .await
                .is_err()
        );
    }
}

async fn who_subscribes_late_gets_what_comes_from_then_on() {
    let shared = stream::iter(0..4u32).broadcast(2);
    let mut early = shared.subscribe();
    assert_eq!(early.next().await, Some(0));
    let late = shared.subscribe();
    let both = futures::future::join(early.collect::<Vec<_>>(), late.collect::<Vec<_>>());
    assert_eq!(both.await, (vec![1, 2, 3], vec![1, 2, 3]));
}

async fn one_stream_without_items_ends_the_pairs() {
    let pairs = stream::iter(0..5).zip_latest(stream::empty::<u32>());
    assert_eq!(pairs.count().await, 0);
}

/// An operator over a stream that is always ready lets other tasks run.
async fn endless_streams_let_others_run() {
    let endless = || stream::repeat(1u32);
    let limit = MS * 3;
    let batch = async { endless().batch(usize::MAX).next().await };
    assert!(time::timeout(limit, batch).await.is_err());
    let errors = async {
        let results = endless().map(Err::<u32, u32>);
        results.skip_errors(drop).next().await
    };
    assert!(time::timeout(limit, errors).await.is_err());
    let (even, odd) = endless().partition(3, |n| n % 2 == 0);
    drop(odd);
    let mut even = even;
    assert!(time::timeout(limit, even.next()).await.is_err());
    let quiet = async { pin!(endless().debounce(MS)).next().await };
    assert!(time::timeout(limit, quiet).await.is_err());
}

regatta::matrix! {
    subscribers_of_a_source_that_waits_get_everything;
    a_wake_while_the_source_is_polled_reaches_who_comes_meanwhile;
    never_more_than_the_width_run_at_once;
    ten_at_once_take_a_tenth_of_the_time [sim];
    futures_may_borrow;
    a_panic_of_an_item_goes_on_in_the_consumer;
    a_batch_waits_from_its_first_item_on [sim];
    a_full_batch_does_not_wait [sim];
    a_batch_in_the_making_can_be_seen;
    merging_takes_turns;
    a_slow_item_is_told_and_comes_later [sim];
    subscribers_on_tasks_of_their_own_get_everything;
    sides_on_tasks_of_their_own_get_their_items;
    a_panic_of_a_shared_source_reaches_every_subscriber;
    who_subscribes_late_gets_what_comes_from_then_on;
    one_stream_without_items_ends_the_pairs;
    endless_streams_let_others_run [tokio_current, tokio_multi, smol];
}
